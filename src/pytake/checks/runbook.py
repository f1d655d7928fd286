"""``pytake runbook <AlertName>``: run the runbook's queries now and print the values with a verdict.

Exit codes: 0 all healthy, 1 something is not, 2 no such runbook, 3 Prometheus cannot be asked.
"""

import json
import math
import os
import time
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from pytake.checks.runbooks import Query, Runbook, RunbookError, load, names

PROMETHEUS = "http://127.0.0.1:9090"
LOKI = "http://127.0.0.1:3100"
MOST_SERIES = 10
MOST_LINES = 8
LOG_RANGE_SECONDS = 3600
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


@dataclass
class Value:
    """One series (or log line) of an answer; ``healthy`` is None where nobody said what is."""

    labels: dict[str, str]
    value: float | None = None
    line: str | None = None
    healthy: bool | None = None


@dataclass
class Answer:
    """What one query gave. ``verdict``: healthy, unhealthy, info, or unknown when it could not be asked."""

    title: str
    language: str
    query: str
    condition: str | None
    verdict: str = "info"
    values: list[Value] = field(default_factory=list)
    left_out: int = 0
    error: str | None = None


class PrometheusGone(RuntimeError):  # noqa: N818 (a state of the world, not a mistake)
    """Prometheus does not answer; says where it was looked for."""


class Asker:
    """Asks Prometheus and Loki; one HTTP client for both."""

    def __init__(self, prometheus: str, loki: str, client: httpx.Client) -> None:
        self.prometheus = prometheus.rstrip("/")
        self.loki = loki.rstrip("/")
        self.client = client

    def state(self, alert: str) -> str:
        """``firing``, ``pending`` or ``inactive`` now; raises :class:`PrometheusGone`."""
        data = self._prometheus("/api/v1/query", {"query": f'ALERTS{{alertname="{alert}"}}'})
        states = {series["metric"]["alertstate"] for series in data["result"]}
        return next((state for state in ("firing", "pending") if state in states), "inactive")

    def ask(self, query: Query) -> Answer:
        """Run one fence. A query that fails says so and ends nothing."""
        answer = Answer(query.title, query.language, query.text, query.healthy.text if query.healthy else None)
        try:
            if query.language == "promql":
                self._promql(query, answer)
            elif query.language == "logql":
                self._logql(query, answer)
        except (httpx.HTTPError, ValueError) as error:
            answer.verdict, answer.error = "unknown", str(error)
        return answer

    def _prometheus(self, path: str, params: dict[str, str]) -> dict[str, Any]:
        try:
            response = self.client.get(f"{self.prometheus}{path}", params=params)
        except httpx.TransportError as error:
            raise PrometheusGone(f"no answer from Prometheus at {self.prometheus}: {error}") from error
        body = response.json()
        if body.get("status") != "success":
            raise ValueError(body.get("error", f"HTTP {response.status_code}"))
        data: dict[str, Any] = body["data"]
        return data

    def _promql(self, query: Query, answer: Answer) -> None:
        data = self._prometheus("/api/v1/query", {"query": query.text})
        pairs = data["result"] if data["resultType"] == "vector" else [{"metric": {}, "value": data["result"]}]
        for pair in pairs:
            value = float(pair["value"][1])
            labels = {k: v for k, v in pair["metric"].items() if k != "__name__"}
            answer.values.append(Value(labels, value, healthy=query.healthy.holds(value) if query.healthy else None))
        answer.values.sort(key=_worst_first)
        if query.healthy:
            answer.verdict = "healthy" if all(v.healthy for v in answer.values) else "unhealthy"
            if not answer.values and not query.healthy.wants_nothing:
                answer.verdict = "unknown"
        answer.left_out = max(0, len(answer.values) - MOST_SERIES)
        del answer.values[MOST_SERIES:]

    def _logql(self, query: Query, answer: Answer) -> None:
        now = time.time_ns()
        params = {"query": query.text, "limit": str(MOST_LINES), "direction": "backward",
                  "start": str(now - LOG_RANGE_SECONDS * 10**9), "end": str(now)}  # fmt: skip
        response = self.client.get(f"{self.loki}/loki/api/v1/query_range", params=params)
        if response.is_error:
            raise ValueError(response.text.strip()[:300])
        for stream in response.json()["data"]["result"]:
            labels = {k: v for k, v in stream["stream"].items() if k in {"job", "level"}}
            answer.values += [Value(labels, line=entry[1]) for entry in stream["values"]]
        del answer.values[MOST_LINES:]


def _worst_first(value: Value) -> tuple[bool, float]:
    number = value.value or 0.0
    return (value.healthy is not False, 0.0 if math.isnan(number) else -number)


def run(runbook: Runbook, asker: Asker) -> dict[str, Any]:
    """Everything that the command prints, as JSON-ready data; raises :class:`PrometheusGone`."""
    state = asker.state(runbook.name)
    answers = [asker.ask(query) for query in runbook.queries if query.language in {"promql", "logql"}]
    bad = [answer.title for answer in answers if answer.verdict == "unhealthy"]
    unknown = sum(answer.verdict == "unknown" for answer in answers)
    return {
        "alert": runbook.name,
        "state": state,
        "verdict": "unhealthy" if bad or state == "firing" else "healthy",
        "unhealthy": bad,
        "without_data": unknown,
        "answers": [asdict(answer) for answer in answers],
        "commands": [{"title": query.title, "command": query.text} for query in runbook.of("bash")],
    }


_STYLE = {"healthy": "green", "unhealthy": "red", "unknown": "yellow", "info": "dim"}
_WORD = {"healthy": "fine", "unhealthy": "NOT FINE", "unknown": "no data", "info": "for reading"}


def _number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "none (no traffic)"
    return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"


def _show(runbook: Runbook, result: dict[str, Any]) -> None:
    style = "red" if result["state"] == "firing" else "yellow" if result["state"] == "pending" else "green"
    out.print(f"[bold]{runbook.name}[/]  [{style}]{result['state']}[/]\n")
    out.print(escape(runbook.sections["Meaning"]), "\n", escape(runbook.sections["Impact"]), "\n", sep="\n")
    for answer in result["answers"]:
        verdict = answer["verdict"]
        wanted = f"  [dim](healthy: {answer['condition']})[/]" if answer["condition"] else ""
        out.print(f"[{_STYLE[verdict]}]{_WORD[verdict]:>11}[/]  {escape(answer['title'])}{wanted}")
        for value in answer["values"]:
            _show_value(value)
        if answer["left_out"]:
            out.print(f"{'':13}[dim]and {answer['left_out']} more[/]")
        if answer["error"]:
            out.print(f"{'':13}[yellow]{escape(answer['error'])}[/]")
    for command in result["commands"]:
        out.print(f"[dim]{'to run':>11}[/]  {escape(command['title'])}")
        out.print(Padding(escape(command["command"]), (0, 0, 0, 13)), soft_wrap=True)
    out.print("\n[bold]Mitigation[/]", escape(runbook.sections["Mitigation"]), sep="\n")
    _conclude(result)


def _show_value(value: dict[str, Any]) -> None:
    labels = " ".join(f"{k}={v}" for k, v in sorted(value["labels"].items()))
    if value["line"] is not None:
        out.print(f"{'':13}[dim]{escape(labels)}[/] {escape(value['line'])}", soft_wrap=True)
        return
    style = {True: "green", False: "red", None: "default"}[value["healthy"]]
    out.print(f"{'':13}[{style}]{_number(value['value']):>12}[/]  {escape(labels)}")


def _conclude(result: dict[str, Any]) -> None:
    count = len(result["unhealthy"])
    if count:
        out.print(f"\n[red]Verdict: {count} of {len(result['answers'])} answers are not fine.[/] Begin with the first.")
    elif result["state"] == "firing":
        out.print(
            "\n[red]Verdict: it fires, but no query of the runbook stands out.[/] Look at its expression in Prometheus."
        )
    else:
        out.print("\n[green]Verdict: nothing stands out.[/]")
    if result["without_data"]:
        out.print(f"[yellow]{result['without_data']} queries had no data: nothing runs or nothing happened there.[/]")


app = typer.Typer(help="Run a runbook's queries now and print the values with a verdict.", add_completion=False)


@app.callback(invoke_without_command=True, context_settings={"allow_interspersed_args": True})
def command(
    alert: Annotated[str | None, typer.Argument(help="Name of the alert, for instance ApiDown.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    show_list: Annotated[bool, typer.Option("--list", help="List the alerts that have a runbook.")] = False,
    prometheus: Annotated[
        str | None, typer.Option(envvar="PYTAKE_PROMETHEUS_URL", help=f"Address of Prometheus; default {PROMETHEUS}.")
    ] = None,
    loki: Annotated[
        str | None, typer.Option(envvar="PYTAKE_LOKI_URL", help=f"Address of Loki; default {LOKI}.")
    ] = None,
) -> None:
    """Run a runbook's queries now and print the values with a verdict.

    Exit code 0: all is healthy; 1: something is not; 2: there is no such runbook; 3: Prometheus does not answer.
    """
    if show_list or alert is None:
        typer.echo(json.dumps(names()) if as_json else "\n".join(names()))
        raise typer.Exit(0 if show_list else 2)
    try:
        runbook = load(alert)
        timeout = float(os.environ.get("PYTAKE_RUNBOOK_TIMEOUT", "20"))
        with httpx.Client(timeout=timeout) as client:
            result = run(runbook, Asker(prometheus or PROMETHEUS, loki or LOKI, client))
    except RunbookError as error:
        err.print(f"[red]{escape(str(error))}[/]", soft_wrap=True)
        raise typer.Exit(2) from error
    except PrometheusGone as error:
        err.print(
            f"[red]{escape(str(error))}[/]; does it run? `pytake status`; else docs/runbooks/{alert}.md", soft_wrap=True
        )
        raise typer.Exit(3) from error
    if as_json:
        typer.echo(json.dumps(result, indent=2, allow_nan=True))
    else:
        _show(runbook, result)
    raise typer.Exit(1 if result["verdict"] == "unhealthy" else 0)


if __name__ == "__main__":
    app()
