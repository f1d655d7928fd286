"""SLO files (``monitoring/slos/*.yml``) to burn-rate rules (``monitoring/prometheus/rules/slo.yml``).

The multiwindow, multi-burn-rate scheme of the SRE workbook ("Alerting on SLOs", table 5-8): a long window says that
budget is being burnt, a short one that it still is. Bad and total rates are recorded over 5 min; every longer window is
the sum of those records, so that 30 days cost 80,000 samples instead of every series of every request.

``python -m pytake.checks.slo`` writes the file; ``--check`` shows the difference and exits 1 when there is one.
"""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pytake.checks.rules import MONITORING, RULES

SLOS = MONITORING / "slos"
OUTPUT = RULES / "slo.yml"
HEADER = "# generated from monitoring/slos/*.yml by `make generate` (pytake.checks.slo); edit those.\n"
STEP = 30
"""Interval of the records that longer windows sum up, seconds."""
PERIOD = "30d"


@dataclass(frozen=True)
class Burn:
    """One row of the table: at ``factor`` times the even pace, over both windows."""

    factor: float
    long: str
    short: str


PAGE = (Burn(14.4, "1h", "5m"), Burn(6, "6h", "30m"))
TICKET = (Burn(3, "1d", "2h"), Burn(1, "3d", "6h"))
FAST_WINDOWS = ("30m", "1h", "2h", "6h")
SLOW_WINDOWS = ("1d", "3d", PERIOD)


class SloError(ValueError):
    """An SLO file is wrong; the message starts with its name."""


class Sli(BaseModel):
    """Rates of bad and of all events over 5 min, each without labels."""

    model_config = ConfigDict(extra="forbid")
    bad: str
    total: str


class Alerts(BaseModel):
    """Names of the two alerts; each has a runbook of that name."""

    model_config = ConfigDict(extra="forbid")
    page: str = Field(pattern=r"^[A-Z]\w+$")
    ticket: str = Field(pattern=r"^[A-Z]\w+$")


class Slo(BaseModel):
    """One file of monitoring/slos."""

    model_config = ConfigDict(extra="forbid")
    slo: str = Field(pattern=r"^[a-z][a-z0-9-]+$")
    description: str
    objective: float = Field(gt=0, lt=100, description="percent of good events over 30 days")
    component: str
    team: str
    dashboard: str
    unit: Literal["events", "seconds"] = Field(
        "events", description="seconds: an event is a second, and seconds that nothing is known of are good ones"
    )
    sli: Sli
    minimum_bad_events: float = Field(ge=0, description="bad events within the long window below which nobody is told")
    alerts: Alerts

    @property
    def budget(self) -> str:
        """Share of events that may be bad, without binary noise (0.001, not 0.0010000000000000009)."""
        return f"{(100 - self.objective) / 100:.10g}"

    @property
    def selector(self) -> str:
        """Matcher of this SLO's series."""
        return f'{{slo="{self.slo}"}}'


def load(path: Path) -> Slo:
    """Read one file; raises :class:`SloError`."""
    try:
        slo = Slo.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise SloError(f"{path.name}: {error}") from error
    worst = max(burn.factor for burn in (*PAGE, *TICKET))
    if worst * float(slo.budget) >= 1:
        raise SloError(
            f"{path.name}: at {slo.objective} % nothing burns {worst:g} times too fast; choose a higher objective"
        )
    return slo


def seconds(window: str) -> int:
    """Length of ``5m``, ``1h``, ``3d``."""
    match = re.fullmatch(r"(\d+)([smhd])", window)
    if not match:
        raise ValueError(f"{window!r} is not a window such as 5m or 1h")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def _record(slo: Slo, name: str, expr: str) -> dict[str, Any]:
    return {"record": name, "expr": expr, "labels": {"slo": slo.slo}}


def _base(slo: Slo) -> list[dict[str, Any]]:
    """Bad and total; no bad event at all is 0, not nothing. Then what the file promises, for dashboards."""
    total = slo.sli.total.strip()
    return [
        _record(slo, "slo:sli_bad:rate5m", f"({slo.sli.bad.strip()})\n  or\n0 * ({total})\n"),
        _record(slo, "slo:sli_total:rate5m", total),
        _record(
            slo,
            "slo:sli_error:ratio_rate5m",
            _ratio(f"slo:sli_bad:rate5m{slo.selector}", f"slo:sli_total:rate5m{slo.selector}"),
        ),
        _record(slo, "slo:objective:ratio", f"vector({slo.objective / 100:.10g})"),
        _record(slo, "slo:error_budget:ratio", f"vector({slo.budget})"),
    ]


def _ratio(bad: str, total: str) -> str:
    return f"{bad}\n  /\n({total} > 0)\n"


def _window(slo: Slo, window: str) -> dict[str, Any]:
    bad = f"sum_over_time(slo:sli_bad:rate5m{slo.selector}[{window}])"
    if slo.unit == "seconds":  # against the whole window: a stack that is ten minutes old has not spent its month
        return _record(slo, f"slo:sli_error:ratio_rate{window}", f"{bad} * {STEP} / {seconds(window)}")
    total = f"sum_over_time(slo:sli_total:rate5m{slo.selector}[{window}])"
    return _record(slo, f"slo:sli_error:ratio_rate{window}", _ratio(bad, total))


def _fast(slo: Slo) -> list[dict[str, Any]]:
    pace = f"slo:sli_error:ratio_rate1h{slo.selector} / {slo.budget}"
    return [*(_window(slo, window) for window in FAST_WINDOWS), _record(slo, "slo:burn_rate:ratio_rate1h", pace)]


def _slow(slo: Slo) -> list[dict[str, Any]]:
    left = f"1 - slo:sli_error:ratio_rate{PERIOD}{slo.selector} / {slo.budget}"
    return [*(_window(slo, window) for window in SLOW_WINDOWS), _record(slo, "slo:error_budget_remaining:ratio", left)]


def condition(slo: Slo, burn: Burn) -> str:
    """Both windows burn faster than the factor, and enough went wrong to count."""
    limit = f"{burn.factor:g} * {slo.budget}"
    return (
        f"slo:sli_error:ratio_rate{burn.long}{slo.selector} > {limit}\n"
        f"  and on (slo)\n"
        f"slo:sli_error:ratio_rate{burn.short}{slo.selector} > {limit}\n"
        f"  and on (slo)\n"
        f"sum_over_time(slo:sli_bad:rate5m{slo.selector}[{burn.long}]) * {STEP} >= {slo.minimum_bad_events:g}"
    )


def _alert(slo: Slo, name: str, burns: tuple[Burn, ...], severity: str, notify: str) -> dict[str, Any]:
    parts = ["(\n" + "\n".join(f"  {line}" for line in condition(slo, burn).splitlines()) + "\n)" for burn in burns]
    pace = " or ".join(f"{burn.factor:g} times over {burn.long} and {burn.short}" for burn in burns)
    gone = min(seconds(PERIOD) / burn.factor / 3600 for burn in burns)
    return {
        "alert": name,
        "expr": "\n  or\n".join(parts) + "\n",
        "labels": {"severity": severity, "component": slo.component, "team": slo.team, "notify": notify},
        "annotations": {
            "summary": f"The error budget of {slo.slo} burns {'fast' if notify == 'page' else 'steadily'}.",
            "description": (
                f"{{{{ $value | humanizePercentage }}}} of events are bad; {slo.objective:g} % should be good. "
                f"Pace: {pace}. The budget of 30 days lasts {gone:.0f} h at the highest."
            ),
            "runbook_url": f"{{{{ $externalLabels.runbooks_url }}}}/{name}.md",
            "dashboard_url": f"{{{{ $externalLabels.grafana_url }}}}/d/{slo.dashboard}",
        },
    }


def document(slos: list[Slo]) -> dict[str, Any]:
    """The rule file: records of 5 min, of the windows, the budget, and the alerts."""
    rules: dict[str, list[dict[str, Any]]] = {"base": [], "fast": [], "slow": [], "alert": []}
    for slo in slos:
        rules["base"] += _base(slo)
        rules["fast"] += _fast(slo)
        rules["slow"] += _slow(slo)
        rules["alert"] += [
            _alert(slo, slo.alerts.page, PAGE, "critical", "page"),
            _alert(slo, slo.alerts.ticket, TICKET, "warning", "ticket"),
        ]
    intervals = {"base": f"{STEP}s", "fast": f"{STEP}s", "slow": "2m", "alert": f"{STEP}s"}
    return {
        "groups": [
            {"name": f"slo:{name}", "interval": intervals[name], "rules": found} for name, found in rules.items()
        ]
    }


class _Dumper(yaml.SafeDumper):
    """Block style for expressions of several lines."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def render(folder: Path = SLOS) -> str:
    """Text of the generated file; raises :class:`SloError`."""
    slos = [load(path) for path in sorted(folder.glob("*.yml"))]
    if not slos:
        raise SloError(f"{folder}: no SLO file")
    return HEADER + yaml.dump(document(slos), Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)


def main(
    check: Annotated[bool, typer.Option("--check", help="write nothing; exit 1 when the file is out of date")] = False,
) -> None:
    """Generate the burn-rate rules from the SLO files."""
    try:
        text = render()
    except SloError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    old = OUTPUT.read_text(encoding="utf-8") if OUTPUT.exists() else ""
    if check:
        if old != text:
            typer.echo(
                "".join(difflib.unified_diff(old.splitlines(True), text.splitlines(True), "committed", "generated"))
            )
            typer.echo(f"{OUTPUT.name} is out of date: run `make generate`", err=True)
            raise typer.Exit(1)
        return
    OUTPUT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
