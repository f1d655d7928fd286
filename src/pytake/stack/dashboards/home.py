"""The first page: is everything well, and where to look when it is not."""

from pytake.stack.dashboards.parts import OUTCOMES, Board, Column, number, rows, series, words

BOARD = Board("home", "PyTake", "Is everything well? If not: what, and where to look.", ("home",))
UP = {"0": ("down", "red"), "1": ("up", "green")}
ALERTING = (("Alerts and silences", "/alerting"),)
PAGES = {
    "api-overview": ("API Overview", "Is it up, fast, right?"),
    "whatsapp-metrics": ("WhatsApp Metrics", "Do messages arrive, and whose fault is it when they do not?"),
    "conversation": ("Conversation", "One conversation, from the first message to the read receipt."),
    "ai-metrics": ("AI Metrics", "What the model is asked, what it costs, how it fails."),
    "infrastructure": ("Infrastructure", "The machine, PostgreSQL, Redis, pools, queues, disks."),
    "slo": ("SLOs", "What was promised, and how much of the budget is left."),
    "logs": ("Logs", "Every line of every service."),
    "monitoring-stack": ("Monitoring stack", "Who watches the watchers."),
}
BOARD.row(
    "Now",
    number("API", "Whether the API answers, from inside and from outside.", "short", "service:pytake_api_available:min", texts=UP,
           background=True, size=40, runbook="ApiDown"),
    number("Critical alerts", "Alerts that page.", "short", 'count(ALERTS{alertstate="firing", severity="critical"}) or vector(0)',
           steps=((None, "green"), (1, "red")), background=True, size=40, links=ALERTING),
    number("Warnings", "Alerts that make a ticket.", "short", 'count(ALERTS{alertstate="firing", severity="warning"}) or vector(0)',
           steps=((None, "green"), (1, "yellow")), background=True, size=40, links=ALERTING),
    number("Least budget left", "Of the four SLOs' error budgets, 30 days.", "percentunit", "min(slo:error_budget_remaining:ratio)",
           steps=((None, "red"), (0, "orange"), (0.25, "yellow"), (0.5, "green")), decimals=0, background=True, size=40,
           links=(("SLOs", "/d/slo"),)),
    number("Messages received", "Customers' messages a minute.", "short",
           'sum(direction_status:whatsapp_messages:rate5m{status="received"}) * 60', decimals=1),
    number("Spent, 24 h", "AI and WhatsApp, US dollars.", "currencyUSD", "sum(spender:cost_usd:increase1d)", decimals=2),
)  # fmt: skip
BOARD.row(
    "What fires",
    rows("Alerts", "Firing and pending, the gravest first; the watchdog always fires: that it does proves the way to people.",
         'sort_desc(sum by (alertname, alertstate, severity, component) (ALERTS{severity="critical"}) * 3 or '
         'sum by (alertname, alertstate, severity, component) (ALERTS{severity="warning"}) * 2 or '
         'sum by (alertname, alertstate, severity, component) (ALERTS{severity="none"}))',
         {"alertname": Column("alert", link="${runbooks}/${__value.raw}.md"), "alertstate": Column("state"),
          "severity": Column("severity"), "component": Column("component")}, height=9, hide=("Value",)),
    number("Services", "Every job of the stack: all its targets up, or not.", "short", [("min by (job) (up)", "{{job}}")], width=12, height=9,
           texts=UP, background=True, size=14, runbook="TargetDown"),
)  # fmt: skip
BOARD.row(
    "The last hour",
    series("Requests and errors", "Requests a second to the API, and those that ended in 5xx.", "reqps",
           [('job:http_requests:rate5m{job="pytake-api"}', "requests"), ('job:http_request_errors:rate5m{job="pytake-api"}', "errors")],
           width=8, colours=OUTCOMES),
    series("Response time", "95 of 100 requests were answered within this time.", "s",
           [('job:http_request_duration_seconds:p95_5m{job="pytake-api"}', "p95")], width=8),
    series("Messages", "Messages a minute by direction.", "short",
           [("sum by (direction) (direction_status:whatsapp_messages:rate5m) * 60", "{{direction}}")], width=8),
)  # fmt: skip
BOARD.row(
    "Where to look",
    words("Pages", "\n".join(["| page | answers |", "|---|---|", *(f"| [{title}](/d/{uid}) | {answers} |" for uid, (title, answers) in PAGES.items())]),
          height=10),
)  # fmt: skip
