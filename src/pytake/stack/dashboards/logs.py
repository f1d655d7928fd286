"""Logs: how many lines, of whom, and the lines themselves."""

from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as dm

from pytake.stack.dashboards.parts import LOKI, Board, lines, log_series

LEVELS = {"error|critical": "red", "warning": "yellow", "info": "green", "debug": "blue", "none": "text"}


def _label(name: str, label: str) -> Any:
    return (
        dashboard.QueryVariable(name).label(label).datasource(LOKI).query(f"label_values({name})")
        .refresh(dm.VariableRefresh.ON_TIME_RANGE_CHANGED).multi(True).include_all(True).all_value(".+")
        .current(dm.VariableOption(selected=True, text="All", value="$__all"))
    )  # fmt: skip


def text_box(name: str, label: str) -> Any:
    """A variable that is typed, empty at first."""
    return dashboard.TextBoxVariable(name).label(label).default_value("")


STREAMS = 'service=~"$service", level=~"$level"'
BOARD = Board(
    "logs", "Logs", "Every log line of the stack: choose service and level, type what to look for.", ("logs",), logs=True,
    variables=[_label("service", "Service"), _label("level", "Level"), text_box("search", "Contains")],
)  # fmt: skip
BOARD.row(
    "Volume",
    log_series("Lines by level", "Lines a second.", "ops", [(f"sum by (level) (rate({{{STREAMS}}} |= `$search` [$__auto]))", "{{level}}")],
               colours=LEVELS, height=7),
    log_series("Lines by service", "Lines a second.", "ops", [(f"sum by (service) (rate({{{STREAMS}}} |= `$search` [$__auto]))", "{{service}}")],
               height=7),
    log_series("Warnings and errors by event", "Lines a second of our services, the ten commonest events.", "ops",
               [('topk(10, sum by (event) (rate({service=~"pytake-.+", level=~"warning|error|critical"} | json event="event" [$__auto]))) '
                 'or label_replace(vector(0), "event", "none", "", "")', "{{event}}")], width=24, height=6),
)  # fmt: skip
BOARD.row(
    "Lines",
    lines("Log lines", "Newest first; a trace id leads to its trace.", f"{{{STREAMS}}} |= `$search`", height=18),
)
