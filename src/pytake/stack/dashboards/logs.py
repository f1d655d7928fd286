"""Logs, and one conversation looked at closely."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as dm

from pytake.stack.dashboards.parts import LOKI, Board, lines, log_series, number, series


def _label(name: str, label: str) -> object:
    return (
        dashboard.QueryVariable(name).label(label).datasource(LOKI).query(f"label_values({name})")
        .refresh(dm.VariableRefresh.ON_TIME_RANGE_CHANGED).multi(True).include_all(True).all_value(".+")
        .current(dm.VariableOption(selected=True, text="All", value="$__all"))
    )  # fmt: skip


def _text(name: str, label: str) -> object:
    return dashboard.TextBoxVariable(name).label(label).default_value("")


STREAMS = 'service=~"$service", level=~"$level"'
BOARD = Board(
    "logs", "Logs", "Every log line of the stack: choose service and level, type what to look for.", ("logs",), logs=True,
    variables=[_label("service", "Service"), _label("level", "Level"), _text("search", "Contains")],
)  # fmt: skip
BOARD.row(
    "Volume",
    log_series("Lines by level", "Lines a second.", "ops", [(f"sum by (level) (rate({{{STREAMS}}} |= `$search` [$__auto]))", "{{level}}")]),
    log_series("Lines by service", "Lines a second.", "ops", [(f"sum by (service) (rate({{{STREAMS}}} |= `$search` [$__auto]))", "{{service}}")]),
    log_series("Errors by event", "Error lines of our services by event, a second.", "ops",
               [('topk(10, sum by (event) (rate({service=~"pytake-.+", level=~"error|critical"} | json [$__auto])))', "{{event}}")], width=24, height=6),
)  # fmt: skip
BOARD.row(
    "Lines",
    lines("Log lines", "Newest first; a trace id leads to its trace.", f"{{{STREAMS}}} |= `$search`", height=18),
)

CONVERSATION = Board(
    "conversation", "Conversation", "One conversation from the first message to the read receipt: states, traces, logs, cost.",
    ("logs",), logs=True, variables=[_text("conversation", "Conversation id"), _text("trace", "Trace id")], since="now-6h",
)  # fmt: skip
CONVERSATION.row(
    "What happened",
    lines("Timeline", "Every line that names the conversation or its trace; from the newest.",
          '{service=~"pytake-.+"} |= `$conversation` |= `$trace` | json | line_format `{{.event}} {{.message}}`', height=14),
    log_series("Events", "What was done, by event.", "ops",
               [('sum by (event) (count_over_time({service=~"pytake-.+"} |= `$conversation` |= `$trace` | json [$__auto]))', "{{event}}")], width=24, height=7),
)  # fmt: skip
CONVERSATION.row(
    "Around it",
    number("Conversations opened", "In the last hour.", "short", "sum(increase(conversations_opened_total[1h]))", width=6),
    number("Cost of a conversation", "AI and WhatsApp, US dollars, mean of the last hour.", "currencyUSD",
           "(sum(increase(ai_cost_usd_total[1h])) + sum(increase(whatsapp_cost_usd_total[1h]))) / clamp_min(sum(increase(conversations_opened_total[1h])), 1)",
           width=6, decimals=4),
    series("First response", "From the customer's first message to the first accepted answer.", "s",
           [("max by (responder) (responder:conversation_first_response_seconds:p95_15m)", "p95 {{responder}}")], width=12, height=4),
)  # fmt: skip
