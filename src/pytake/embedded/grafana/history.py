"""Alerts' changes of state, read from Prometheus' ``ALERTS`` series.

Grafana keeps its state history elsewhere; Prometheus writes ``ALERTS{alertname, alertstate, …} 1`` at every evaluation
while an alert is pending or firing. Where a series begins the alert entered that state, where it ends it left it. The
answer has the shape of Grafana's ``/api/v1/rules/history``: a frame of time, line and labels.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pytake.embedded.grafana.frames import Frame, field
from pytake.embedded.grafana.frames import frame as make_frame

POINTS = 1000
FINEST = 15
STATES = {"pending": "Pending", "firing": "Alerting"}
NORMAL = "Normal"


def step(start: float, end: float) -> int:
    """Seconds between looks: changes are known to this precision."""
    return max(FINEST, round((end - start) / POINTS))


def selector(labels: Mapping[str, str]) -> str:
    """PromQL for the alerts that carry ``labels``."""
    matchers = ",".join(f"{name}={json.dumps(value)}" for name, value in sorted(labels.items()) if name.isidentifier())
    return f"ALERTS{{{matchers}}}"


def changes(
    result: Sequence[Mapping[str, Any]], start: float, end: float, every: float
) -> list[tuple[float, str, str, dict[str, str]]]:
    """(second, state before, state after, labels) of every change inside the range, oldest first."""
    alerts: dict[tuple[tuple[str, str], ...], dict[float, str]] = {}
    for series in result:
        metric = dict(series["metric"])
        state = STATES.get(metric.pop("alertstate", ""), "")
        metric.pop("__name__", None)
        seen = alerts.setdefault(tuple(sorted(metric.items())), {})
        for at, _ in series["values"] if state else ():
            if seen.get(float(at)) != STATES["firing"]:  # firing wins where both are seen
                seen[float(at)] = state
    found = []
    for labels, seen in alerts.items():
        state, last = NORMAL, start
        for at in sorted(seen):
            if state != NORMAL and at - last > 1.5 * every:  # a hole: it was over in between
                found.append((last + every, state, NORMAL, dict(labels)))
                state = NORMAL
            if seen[at] != state:
                if at - start >= every:  # what began before the range is not a change in it
                    found.append((at, state, seen[at], dict(labels)))
                state = seen[at]
            last = at
        if state != NORMAL and end - last > 1.5 * every:
            found.append((last + every, state, NORMAL, dict(labels)))
    return sorted(found, key=lambda change: change[0])


def frame(result: Sequence[Mapping[str, Any]], start: float, end: float, every: float, limit: int) -> Frame:
    """The newest ``limit`` changes as Grafana's history frame."""
    found = changes(result, start, end, every)[::-1][:limit]
    lines = [
        {
            "schemaVersion": 1,
            "previous": before,
            "current": after,
            "ruleTitle": labels.get("alertname", ""),
            "labels": labels,
            "values": {},
        }
        for _, before, after, labels in found
    ]
    columns: list[list[Any]] = [
        [round(at * 1000) for at, _, _, _ in found],
        lines,
        [{key: value for key, value in labels.items() if key in ("alertname", "severity")} for *_, labels in found],
    ]
    return make_frame("", [field("time", "time"), field("line", "other"), field("labels", "other")], columns)
