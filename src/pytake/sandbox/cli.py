"""``pytake sandbox``: faults, rate, status and messages of a running sandbox, from the command line."""

import json
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from pytake.sandbox.settings import SandboxSettings

app = typer.Typer(help="Inject faults into the sandbox and let its customers write.", no_args_is_help=True)
faults = typer.Typer(help="Faults in force.", no_args_is_help=True)
app.add_typer(faults, name="faults")

Url = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="PYTAKE_SANDBOX_URL", help="Address of the sandbox; by default from PYTAKE_SANDBOX_PORT."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def _call(url: str | None, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call the control API; exits with 1 when it refuses and 3 when nothing answers."""
    if url is None:
        settings = SandboxSettings()
        url = f"http://{settings.host}:{settings.port}"
    try:
        response = httpx.request(method, f"{url.rstrip('/')}/sandbox{path}", json=body, timeout=30)
    except httpx.HTTPError as exc:
        typer.echo(f"no sandbox answers at {url} ({exc}); is pytake-sandbox running? Try `pytake status`.", err=True)
        raise typer.Exit(3) from exc
    answer: dict[str, Any] = response.json()
    if response.is_error:
        typer.echo(f"the sandbox refuses: {answer.get('detail', answer)}", err=True)
        raise typer.Exit(1)
    return answer


def _show(answer: Any, as_json: bool, text: str) -> None:
    typer.echo(json.dumps(answer, indent=2) if as_json else text)


def _parameter(text: str) -> tuple[str, Any]:
    """``name=value``; the value is JSON when it reads as JSON, else text."""
    name, found, value = text.partition("=")
    if not found or not name:
        raise typer.BadParameter(f"{text!r} is not name=value")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


@faults.command("list")
def list_faults(
    url: Url = None,
    as_json: Json = False,
    kinds: Annotated[bool, typer.Option("--kinds", help="Show every kind there is, with its parameters.")] = False,
) -> None:
    """Show the faults in force."""
    answer = _call(url, "GET", "/faults")
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    if kinds:
        table = Table("kind", "what it does", "parameters")
        for kind, known in answer["kinds"].items():
            table.add_row(kind, known["help"], ", ".join(known["params"]))
    else:
        table = Table("kind", "parameters", "ends")
        for fault in answer["faults"]:
            parameters = " ".join(f"{name}={value}" for name, value in fault["params"].items())
            table.add_row(fault["kind"], parameters, "when cleared" if fault["until"] is None else "by itself")
    Console().print(table)


@faults.command("add")
def add_fault(
    kind: Annotated[str, typer.Argument(help="Its kind; `faults list --kinds` shows them.")],
    parameter: Annotated[list[str] | None, typer.Argument(help="Parameters, name=value.")] = None,
    seconds: Annotated[float | None, typer.Option(help="End by itself after so many seconds.")] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Inject a fault."""
    params = dict(_parameter(text) for text in parameter or [])
    answer = _call(url, "POST", "/faults", {"kind": kind, "params": params, "seconds": seconds})
    _show(answer, as_json, f"{kind} is in force{f' for {seconds:g} s' if seconds else ''}")


@faults.command("clear")
def clear_faults(
    kind: Annotated[str | None, typer.Argument(help="Only this kind; all when left out.")] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """End faults."""
    answer = _call(url, "DELETE", f"/faults/{kind}" if kind else "/faults")
    _show(answer, as_json, f"{answer['cleared']} ended")


@app.command()
def rate(
    per_minute: Annotated[float, typer.Argument(min=0, help="New conversations a minute, on a day's average.")],
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Set how many conversations customers open."""
    answer = _call(url, "PUT", "/rate", {"rate": per_minute})
    _show(answer, as_json, f"{answer['rate']:g} a minute on average, {answer['current']:.3g} at this hour")


@app.command()
def status(url: Url = None, as_json: Json = False) -> None:
    """Show counts, standing of the numbers and faults."""
    answer = _call(url, "GET", "/state")
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    hooks = answer["webhooks"]
    typer.echo(f"rate      {answer['rate']['set']:g} a minute, {answer['rate']['current']:.3g} now")
    typer.echo(f"messages  {answer['received']} from customers, {answer['accepted']} accepted from the backend")
    typer.echo(f"webhooks  {hooks.get('delivered', 0)} delivered, {hooks['waiting']} waiting")
    for slug, item in answer["instances"].items():
        typer.echo(f"number    {slug}: quality {item['quality']}, limit {item['messaging_limit']}")
    for fault in answer["faults"]:
        typer.echo(f"fault     {fault['kind']} {fault['params']}")


@app.command()
def send(
    text: Annotated[str, typer.Argument(help="What the customer writes.")] = "Hello, where is my order?",
    instance: Annotated[str | None, typer.Option(help="The number written to (slug); the first by default.")] = None,
    sender: Annotated[str | None, typer.Option(help="The customer's number, digits only.")] = None,
    count: Annotated[int, typer.Option(min=1, max=10_000, help="How many messages.")] = 1,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Let a customer write now."""
    body = {"text": text, "instance": instance, "sender": sender, "count": count}
    answer = _call(url, "POST", "/messages", body)
    _show(answer, as_json, f"{len(answer['wamids'])} on the way")


if __name__ == "__main__":
    app()
