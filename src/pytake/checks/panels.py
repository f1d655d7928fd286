"""Whether panels show something: every query of every panel is asked through Grafana, as a viewer's page asks it.

Variables have their defaults (All, the first data source, an empty text). A panel that may be empty on a healthy stack
is listed with its reason in ``data/may_be_empty.yml``; nothing else may be.
"""

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import yaml

from pytake.checks.dashboards import panels
from pytake.checks.grafana import Grafana

MAX_POINTS = 600
INTERVAL_MS = 15_000
QUIET = frozenset({"text", "row", "dashlist", "alertlist", "news"})
"""Types of panels that ask nothing through ``/api/ds/query``."""


@dataclass(frozen=True)
class Seen:
    """What one panel showed: how many values its queries gave, which gave none, what went wrong."""

    dashboard: str
    panel: str
    kind: str
    values: int
    empty: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def filled(self) -> bool:
        """Every query answered without an error, and at least one with a value."""
        return self.values > 0 and not self.errors

    @property
    def key(self) -> str:
        """The panel's name in the list of those that may be empty."""
        return f"{self.dashboard} / {self.panel}"

    def __str__(self) -> str:
        said = "; ".join(self.errors) or "no data" + (f" of {', '.join(self.empty)}" if self.empty else "")
        return f"{self.key} ({self.kind}): {said}"


@dataclass
class Walk:
    """The panels of a Grafana that were looked at."""

    seen: list[Seen] = field(default_factory=list)

    def missing(self, allowed: Mapping[str, str]) -> list[Seen]:
        """Panels that are empty or wrong; a listed one may be empty, but not wrong."""
        return [one for one in self.seen if not one.filled and (one.errors or one.key not in allowed)]


def may_be_empty() -> dict[str, str]:
    """Panels that may be empty on a healthy stack, ``dashboard uid / title``, each with its reason."""
    text = files("pytake.checks").joinpath("data/may_be_empty.yml").read_text(encoding="utf-8")
    found: dict[str, str] = yaml.safe_load(text) or {}
    return found


def defaults(dashboard: Mapping[str, Any], sources: Mapping[str, str]) -> dict[str, str]:
    """The value that each variable of a dashboard has when a page opens, as it stands in a query."""
    made = {}
    for variable in dashboard.get("templating", {}).get("list", []):
        current = (variable.get("current") or {}).get("value") or ""
        current = current[0] if isinstance(current, list) and current else current
        if variable["type"] == "datasource":
            made[variable["name"]] = str(current or sources.get(variable["query"], ""))
        elif current in ("$__all", "") and variable.get("includeAll"):
            made[variable["name"]] = variable.get("allValue") or ".*"
        else:
            made[variable["name"]] = str(current or variable.get("query") or "")
    return made


def fill(value: Any, variables: Mapping[str, str]) -> Any:
    """``value`` with ``$name`` and ``${name}`` replaced everywhere in it; Grafana's own ``$__`` variables stay."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)", lambda m: variables.get(m[1] or m[2], m[0]), value)
    if isinstance(value, list):
        return [fill(item, variables) for item in value]
    if isinstance(value, dict):
        return {key: fill(item, variables) for key, item in value.items()}
    return value


def question(panel: Mapping[str, Any], dashboard: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    """The body of ``/api/ds/query`` for one panel over the dashboard's own time range."""
    ranges = dashboard.get("time") or {"from": "now-1h", "to": "now"}
    queries = [
        {
            "datasource": panel.get("datasource"),
            "maxDataPoints": MAX_POINTS,
            "intervalMs": INTERVAL_MS,
            **target,
            "exemplar": False,
        }
        for target in panel.get("targets", [])
        if not target.get("hide")
    ]
    since = f"now-{panel['timeFrom']}" if panel.get("timeFrom") else ranges["from"]
    return {"from": since, "to": ranges["to"], "queries": fill(queries, variables)}


def look(
    grafana: Grafana, dashboard: Mapping[str, Any], panel: Mapping[str, Any], variables: Mapping[str, str]
) -> Seen:
    """Ask one panel's queries."""
    uid, title, kind = dashboard["uid"], fill(panel.get("title") or "", variables), panel["type"]
    body = question(panel, dashboard, variables)
    if not body["queries"]:
        return Seen(uid, title, kind, 0, errors=("the panel asks nothing",))
    results = grafana.query(body)
    values, empty, errors = 0, [], []
    for query in body["queries"]:
        ref = query.get("refId", "A")
        result = results.get(ref) or {"error": "Grafana gave no result"}
        found = sum(_values(frame) for frame in result.get("frames", []))
        values += found
        if result.get("error"):
            errors.append(f"{ref}: {result['error']}")
        elif not found:
            empty.append(ref)
    return Seen(uid, title, kind, values, tuple(empty), tuple(errors))


def _values(frame: Mapping[str, Any]) -> int:
    """Cells of a frame that a panel could show: anything but time stamps, nulls and not-a-numbers."""
    fields, columns = frame["schema"].get("fields", []), frame.get("data", {}).get("values", [])
    shown = [column for f, column in zip(fields, columns, strict=False) if f["type"] != "time"]
    numbers = [column for f, column in zip(fields, columns, strict=False) if f["type"] == "number"]
    return sum(_counts(cell) for column in numbers or shown for cell in column)


def _counts(cell: Any) -> bool:
    return cell is not None and not (isinstance(cell, float) and math.isnan(cell))


def walk(grafana: Grafana, only: Iterable[str] = ()) -> Walk:
    """Every panel of every dashboard (or of those with the uids ``only``), once."""
    done, sources, wanted = Walk(), grafana.sources(), set(only)
    for found in grafana.dashboards():
        if wanted and found["uid"] not in wanted:
            continue
        dashboard = grafana.dashboard(found["uid"])
        variables = defaults(dashboard, sources)
        for panel in panels(dashboard):
            if panel["type"] not in QUIET:
                done.seen.append(look(grafana, dashboard, panel, variables))
    return done


def until_filled(
    grafana: Grafana,
    seconds: float,
    allowed: Mapping[str, str],
    *,
    only: Iterable[str] = (),
    every: float = 3.0,
    say: Callable[[int], object] = lambda left: None,
) -> Walk:
    """Walk again and again until nothing is missing or ``seconds`` are over; the last walk."""
    deadline, only = time.monotonic() + seconds, tuple(only)
    while True:
        done = walk(grafana, only)
        missing = done.missing(allowed)
        if not missing or time.monotonic() >= deadline:
            return done
        say(len(missing))
        time.sleep(min(every, max(deadline - time.monotonic(), 0)))
