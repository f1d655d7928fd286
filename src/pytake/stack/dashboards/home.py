"""The first page: is everything well, and where to look when it is not."""

from pytake.stack.dashboards.parts import Board, number, rows, series, words

BOARD = Board("home", "PyTake", "Is everything well? If not: what, and where to look.", ("home",))
UP = {"0": ("down", "red"), "1": ("up", "green")}
BOARD.row(
    "Now",
    number("API", "Whether the API answers.", "short", "service:pytake_api_available:min", texts=UP, background=True, runbook="ApiDown"),
    number("Critical alerts", "Alerts that page.", "short", 'count(ALERTS{alertstate="firing", severity="critical"}) or vector(0)',
           steps=((None, "green"), (1, "red")), background=True),
    number("Warnings", "Alerts that make a ticket.", "short", 'count(ALERTS{alertstate="firing", severity="warning"}) or vector(0)',
           steps=((None, "green"), (1, "yellow")), background=True),
    number("Least budget left", "Of the four SLOs, 30 days.", "percentunit", "min(slo:error_budget_remaining:ratio)",
           steps=((None, "red"), (0, "orange"), (0.25, "yellow"), (0.5, "green")), decimals=0, background=True),
    number("Messages", "Customers' messages a minute.", "short",
           'sum(whatsapp_instance_direction_status:whatsapp_messages:rate5m{status="received"}) * 60', decimals=1),
    number("Spent, 24 h", "AI and WhatsApp, US dollars.", "currencyUSD",
           "sum(increase(ai_cost_usd_total[1d])) + sum(increase(whatsapp_cost_usd_total[1d]))", decimals=2),
)  # fmt: skip
BOARD.row(
    "What fires",
    rows("Alerts", "Firing and pending; the monitoring stack's own watchdog always fires.", "short",
         'sum by (alertname, alertstate, severity, component) (ALERTS)', width=12, height=9, hide=("Value",)),
    number("Services", "Every job of the stack.", "short", [("min by (job) (up)", "{{job}}")], width=12, height=9, texts=UP,
           background=True),
)  # fmt: skip
BOARD.row(
    "The last hour",
    series("Requests and errors", "Requests a second to the API.", "reqps",
           [('job:http_requests:rate5m{job="pytake-api"}', "requests"), ('job:http_request_errors:rate5m{job="pytake-api"}', "errors")], width=8),
    series("Response time", "95 of 100 requests.", "s", [('job:http_request_duration_seconds:p95_5m{job="pytake-api"}', "p95")], width=8),
    series("Messages", "Messages a minute by direction.", "short",
           [("sum by (direction) (direction_status:whatsapp_messages:rate5m) * 60", "{{direction}}")], width=8),
)  # fmt: skip
BOARD.row(
    "Where to look",
    words("Pages", "**API overview**: is it up, fast, right? · **WhatsApp**: do messages arrive, whose fault is it? · **AI**: what it "
          "costs and how it fails · **Infrastructure**: machine, PostgreSQL, Redis, pools, queues · **SLOs**: budgets · **Monitoring "
          "stack**: who watches the watchers · **Logs** and **Conversation**: line by line"),
)  # fmt: skip
