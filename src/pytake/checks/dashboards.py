"""What CI asks of dashboards: every panel says what it shows, and asks for what exists.

A linter in the spirit of Grafana's dashboard-linter, and beyond it: every metric and label of every query is checked
against the catalogue, the exporters' output and the recording rules.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytake.checks.promql import Labels, PromQLError, Schema, parse

FOLDER = Path("monitoring/grafana/dashboards")
_VARIABLES = {"$__rate_interval": "5m", "$__interval": "1m", "$__range": "1h"}
_OWN = re.compile(r"\$\{?(\w+)\}?")
_FIXED_RATE = re.compile(r"\b(?:rate|irate)\([^()]*\[\d")
NO_UNIT = frozenset({"text", "logs", "row", "state-timeline"})


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


def lint(name: str, dashboard: Mapping[str, Any], schema: Schema) -> list[Problem]:
    """All problems of one dashboard."""
    problems = [Problem(name, "-", what) for what in _whole(dashboard)]
    seen: set[int] = set()
    for panel in panels(dashboard):
        title = panel.get("title") or f"panel {panel.get('id')}"
        if panel["id"] in seen:
            problems.append(Problem(name, title, f"the id {panel['id']} stands twice"))
        seen.add(panel["id"])
        problems += [Problem(name, title, what) for what in _panel(panel, dashboard, schema)]
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
    if panel["type"] != "text" and not str(source.get("uid", "")).startswith("${"):
        yield "its data source is no variable"
    for target in panel.get("targets", []):
        if source.get("type") == "prometheus":
            yield from _query(target["expr"], dashboard, schema)


def _query(expr: str, dashboard: Mapping[str, Any], schema: Schema) -> Iterator[str]:
    if _FIXED_RATE.search(expr):
        yield f"a rate over a fixed range; use $__rate_interval: {expr}"
    text = expr
    for name, value in _VARIABLES.items():
        text = text.replace(name, value)
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
