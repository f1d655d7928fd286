"""One conversation looked at closely: its messages, their states, its traces, its lines, its cost.

Everything comes from the log lines, which carry the conversation's id and the trace's: a metric must not.
"""

from pytake.stack.dashboards.logs import text_box
from pytake.stack.dashboards.parts import (
    LOKI,
    Board,
    Column,
    lines,
    log_number,
    log_series,
    number,
    rows,
    series,
    trace,
)

WORKER = '{service="pytake-worker"} |= `$conversation` |= `$trace`'
OURS = '{service=~"pytake-.+"} |= `$conversation` |= `$trace`'
EVENTS = "message_received|message_sent|message_status|message_charged|ai_answered|ai_retry|conversation_.+|.+_failed"
SHOWN = "{{.event}}{{if .status}} {{.status}}{{end}}{{if .type}} {{.type}}{{end}}{{if .author}} by {{.author}}{{end}}{{if .cost_usd}} {{.cost_usd}} USD{{end}}{{if .reason}} {{.reason}}{{end}}{{if .error}} {{.error}}{{end}}"
HERE = "/d/conversation?var-conversation=${__value.raw}&from=${__from}&to=${__to}"
TRACE = "/d/conversation?var-conversation=${conversation}&var-trace=${__value.raw}&from=${__from}&to=${__to}"

BOARD = Board(
    "conversation", "Conversation", "One conversation from the first message to the read receipt: messages, states, traces, logs, cost.",
    ("logs",), logs=True, traces=True, variables=[text_box("conversation", "Conversation id"), text_box("trace", "Trace id")],
)  # fmt: skip


def _count(event: str, more: str = "") -> str:
    return f'sum(count_over_time({WORKER} |= `"{event}"` | json event="event", status="status" | event="{event}"{more} [$__range])) or vector(0)'


def _spent(event: str) -> str:
    return f'sum(sum_over_time({WORKER} |= `"{event}"` | json cost_usd="cost_usd" | unwrap cost_usd | __error__="" [$__range])) or vector(0)'


BOARD.row(
    "Choose",
    rows("Conversations", "The busiest of the time shown; a click chooses one, an empty id above shows all.",
         'topk(30, sum by (conversation_id, whatsapp_instance) (count_over_time({service="pytake-worker"} |= `$conversation` |= `whatsapp_instance` '
         '| json conversation_id="conversation_id", whatsapp_instance="whatsapp_instance" | conversation_id!="" [$__range])))',
         {"conversation_id": Column("conversation", link=HERE), "whatsapp_instance": Column("number"),
          "Value": Column("lines", "short", decimals=0), "Value #A": Column("lines", "short", decimals=0)}, source=LOKI),
    rows("Traces", "Of the conversation; one trace goes from a customer's message through the queue to the answer's delivery. A click opens it below.",
         f'topk(30, sum by (trace_id) (count_over_time({OURS} | json trace_id="trace_id" | trace_id!="" [$__range])))',
         {"trace_id": Column("trace", link=TRACE), "Value": Column("lines", "short", decimals=0), "Value #A": Column("lines", "short", decimals=0)},
         source=LOKI),
)  # fmt: skip
BOARD.row(
    "Messages and states",
    log_number("Received", "Messages of the customer in the time shown.", "locale", _count("message_received"), decimals=0),
    log_number("Sent", "Our messages that the Graph API took.", "locale", _count("message_sent"), decimals=0),
    log_number("Delivered", "Our messages that reached the customer's phone.", "locale", _count("message_status", ' | status="delivered"'), decimals=0),
    log_number("Read", "Our messages that the customer opened.", "locale", _count("message_status", ' | status="read"'), decimals=0),
    log_number("Failed", "Our messages that did not arrive.", "locale", _count("message_status", ' | status="failed"'), decimals=0),
    log_number("Handed over", "Times that a person was asked for.", "locale", _count("conversation_handed_over"), decimals=0),
    log_series("Messages", "Messages received and sent, of each interval.", "short",
               [(f'sum by (event) (count_over_time({WORKER} | json event="event" | event=~"message_received|message_sent" [$__auto]))', "{{event}}")],
               height=7),
    log_series("States", "What became of our messages, of each interval.", "short",
               [(f'sum by (status) (count_over_time({WORKER} |= `message_status` | json event="event", status="status" | event="message_status" [$__auto]))', "{{status}}")],
               height=7, colours={"sent": "blue", "delivered": "green", "read": "purple", "failed": "red"}),
)  # fmt: skip
BOARD.row(
    "Timeline",
    lines("What happened", "The conversation's events, newest first.",
          f"{WORKER} | json | event=~`{EVENTS}` | line_format `{SHOWN}`", width=12, height=14),
    lines("All lines", "Every line of any service that names the conversation or the trace, newest first.", OURS, width=12, height=14),
    trace("Trace", "The trace whose id stands above; choose one in the list.", "$trace"),
)  # fmt: skip
BOARD.row(
    "Cost",
    log_number("AI", "What the model's answers cost in the time shown, US dollars.", "currencyUSD", _spent("ai_answered"), width=6, decimals=5),
    log_number("WhatsApp", "What Meta charges for the delivered messages, US dollars; answers within 24 h of the customer's message are free.", "currencyUSD",
               _spent("message_charged"), width=6, decimals=5),
    number("Mean of all conversations", "AI and WhatsApp, US dollars a conversation of the last 24 h, to compare with.", "currencyUSD",
           "sum(spender:cost_usd:increase1d) / clamp_min(sum(whatsapp_instance:conversations_opened:increase1d), 1)", width=6, decimals=5),
    series("First response of all", "From the customer's first message to the first accepted answer, to compare with.", "s",
           [("max by (responder) (responder:conversation_first_response_seconds:p95_15m)", "p95 {{responder}}")], width=6, height=4),
)  # fmt: skip
