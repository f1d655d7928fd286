"""What CI asks of dashboards: every panel says what it shows, and asks for what exists.

A linter in the spirit of Grafana's dashboard-linter, and beyond it: every metric and label of every query is checked
against the catalogue, the exporters' output and the recording rules; what is expensive must be a recording rule; a
panel whose thresholds are an alert's links to its runbook.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytake.checks import runbooks
from pytake.checks.promql import Labels, PromQLError, Schema, parse, selectors
from pytake.checks.rules import Rule

FOLDER = Path("monitoring/grafana/dashboards")
_VARIABLES = {"$__rate_interval": "5m", "$__interval": "1m", "$__range": "1h"}
_OWN = re.compile(r"\$\{?(\w+)\}?")
_FIXED_RATE = re.compile(r"\b(?:rate|irate)\([^()]*\[\d")
_LONG = re.compile(r"\[(\d+)([hdwy])\]")
_HOURS = {"h": 1, "d": 24, "w": 168, "y": 8760}
LONGEST_HOURS = 2
"""A longer window over raw series, at every step of a graph, is a recording rule's work."""
NO_UNIT = frozenset({"text", "logs", "row", "state-timeline", "traces"})
NO_SOURCE = frozenset({"text"})


@dataclass(frozen=True)
class Problem:
    """One finding: where and what."""

    dashboard: str
    panel: str
    what: str

    def __str__(self) -> str:
        return f"{self.dashboard} / {self.panel}: {self.what}"


def load(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """Dashboards by file name."""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All panels but rows, those of collapsed rows too."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels", [])
        else:
            yield panel


def alerts_by_metric(rules: Iterable[Rule]) -> dict[str, set[str]]:
    """Names of alerts by the metrics and records that their conditions read."""
    found: dict[str, set[str]] = {}
    for rule in rules:
        if rule.alert:
            for metric in _metrics(rule.expr):
                found.setdefault(metric, set()).add(rule.name)
    return found


def lint(
    name: str, dashboard: Mapping[str, Any], schema: Schema, alerts: Mapping[str, set[str]] | None = None
) -> list[Problem]:
    """All problems of one dashboard; with ``alerts`` (:func:`alerts_by_metric`) missing links to runbooks too."""
    problems = [Problem(name, "-", what) for what in _whole(dashboard)]
    seen: set[int] = set()
    titles = [panel.get("title") for panel in panels(dashboard)]
    problems += [
        Problem(name, str(t), "the title stands twice") for t in sorted({t for t in titles if t}) if titles.count(t) > 1
    ]
    for panel in panels(dashboard):
        title = panel.get("title") or f"panel {panel.get('id')}"
        if panel["id"] in seen:
            problems.append(Problem(name, title, f"the id {panel['id']} stands twice"))
        seen.add(panel["id"])
        problems += [Problem(name, title, what) for what in _panel(panel, dashboard, schema)]
        problems += [Problem(name, title, what) for what in _links(panel, alerts or {})]
    for annotation in dashboard.get("annotations", {}).get("list", []):
        problems += [Problem(name, annotation["name"], what) for what in _query(annotation["expr"], dashboard, schema)]
    return problems


def _whole(dashboard: Mapping[str, Any]) -> Iterator[str]:
    for key in ("uid", "title", "description"):
        if not dashboard.get(key):
            yield f"has no {key}"
    kinds = {variable.get("query") for variable in dashboard["templating"]["list"] if variable["type"] == "datasource"}
    if "prometheus" not in kinds:
        yield "has no variable for its data source"


def _panel(panel: Mapping[str, Any], dashboard: Mapping[str, Any], schema: Schema) -> Iterator[str]:
    if not panel.get("title"):
        yield "has no title"
    if not panel.get("description"):
        yield "has no description"
    if panel["type"] not in NO_UNIT and not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
        yield "has no unit"
    source = panel.get("datasource") or {}
    if panel["type"] not in NO_SOURCE and not str(source.get("uid", "")).startswith("${"):
        yield "its data source is no variable"
    for target in panel.get("targets", []):
        if source.get("type") == "prometheus":
            yield from _query(target["expr"], dashboard, schema)
            yield from _expensive(target)


def _expensive(target: Mapping[str, Any]) -> Iterator[str]:
    """What a recording rule should have worked out already."""
    expr = target["expr"]
    if "histogram_quantile(" in expr and not target.get("exemplar"):  # example traces hang on the raw buckets
        yield f"percentiles belong in a recording rule: {expr}"
    hours = [int(amount) * _HOURS[unit] for amount, unit in _LONG.findall(expr)]
    if hours and max(hours) > LONGEST_HOURS:
        yield f"a window of {max(hours)} h belongs in a recording rule: {expr}"


def _links(panel: Mapping[str, Any], alerts: Mapping[str, set[str]]) -> Iterator[str]:
    """Links to runbooks lead to alerts; thresholds on what an alert reads link to its runbook."""
    linked = {
        link["title"].removeprefix("Runbook: ")
        for link in panel.get("links", [])
        if link["title"].startswith("Runbook: ")
    }
    for missing in sorted(linked - set(runbooks.names())):
        yield f"links to the runbook {missing}, which does not exist"
    steps = panel.get("fieldConfig", {}).get("defaults", {}).get("thresholds", {}).get("steps", [])
    if len(steps) < 2 or panel.get("links"):
        return
    read = {metric for target in panel.get("targets", []) for metric in _names(target.get("expr", ""))}
    possible = sorted({alert for metric in read for alert in alerts.get(metric, ())})
    if possible:
        yield f"has thresholds on what alerts read, and no link to a runbook ({', '.join(possible)})"


def _names(expr: str) -> set[str]:
    try:
        return _metrics(_OWN.sub(lambda m: m[0] if m[1].isdigit() else "x", _timed(expr)))
    except PromQLError:
        return set()


def _metrics(expr: str) -> set[str]:
    return {selector.name for selector in selectors(parse(expr)) if selector.name}


def _timed(text: str) -> str:
    """Grafana's time variables filled in, so that a parser takes the query."""
    for name, value in _VARIABLES.items():
        text = text.replace(name, value)
    return text


def _query(expr: str, dashboard: Mapping[str, Any], schema: Schema) -> Iterator[str]:
    if _FIXED_RATE.search(expr):
        yield f"a rate over a fixed range; use $__rate_interval: {expr}"
    text = _timed(expr)
    known = {variable["name"] for variable in dashboard["templating"]["list"]}
    if unknown := {found for found in _OWN.findall(_without_groups(text)) if found not in known}:
        yield f"unknown variables {sorted(unknown)}: {expr}"
    try:
        labels = Labels(schema)
        labels.of(parse(_OWN.sub(lambda m: m[0] if m[1].isdigit() else "x", text)))
    except PromQLError as error:
        yield str(error)
        return
    for problem in labels.problems:
        yield f"{problem.check}: {problem}"


def _without_groups(text: str) -> str:
    """``$1`` of label_replace is no variable."""
    return re.sub(r"\$\d", "", text)
