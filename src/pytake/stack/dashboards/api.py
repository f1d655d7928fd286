"""API overview: status and uptime, request rate, response times, errors, percentiles."""

from pytake.stack.dashboards.parts import OUTCOMES, Board, Column, bars, heat, number, rows, series, variable, zero

JOB = 'job="pytake-api"'
ENDPOINT = f'{JOB}, endpoint=~"$endpoint"'
UP = {"0": ("down", "red"), "1": ("up", "green")}
HEALTH = {"0": ("down", "red"), "1": ("up", "green")}
RATIO = ((None, "green"), (0.01, "yellow"), (0.05, "red"))
P95 = ((None, "green"), (1, "yellow"), (2, "red"))

BOARD = Board(
    "api-overview", "API Overview", "Is the API up, how much is asked of it, how fast and how rightly does it answer?",
    ("api",), variables=[variable("endpoint", "Endpoint", f"label_values(http_requests_total{{{JOB}}}, endpoint)")],
)  # fmt: skip

BOARD.row(
    "Service status and uptime",
    number("API", "Whether the API answers: scraped from inside and probed from outside.", "short",
           "service:pytake_api_available:min", texts=UP, background=True, size=40, runbook="ApiDown"),
    number("Up for", "Since the API's newest process started; young means deployed or crashed.", "s",
           f"time() - max(process_start_time_seconds{{{JOB}}})", steps=((None, "yellow"), (300, "green")), runbook="ServiceRestarting"),
    number("Availability, 30 days", "Share of time that the API was up and answered its probe; 99.9 % is promised.", "percentunit",
           '1 - slo:sli_error:ratio_rate30d{slo="api-availability"}', decimals=3,
           steps=((None, "red"), (0.999, "green")), runbook="ApiAvailabilityBurnSlow"),
    number("Requests", "Requests a second.", "reqps", f"sum(job:http_requests:rate5m{{{JOB}}})"),
    number("Errors", "Share of requests that ended in 5xx.", "percentunit",
           f"max(job:http_request_errors:ratio_rate5m{{{JOB}}})", steps=RATIO, decimals=2, runbook="ApiHighErrorRate"),
    number("p95", "95 of 100 requests were answered within this time.", "s",
           f"max(job:http_request_duration_seconds:p95_5m{{{JOB}}})", steps=P95, runbook="ApiHighLatency"),
    number("Dependencies of the API", "What the API needs, as its own health check sees it.", "short",
           [('min by (dependency) (dependency_up{job="pytake-api"})', "{{dependency}}")], width=16, height=4,
           texts=HEALTH, background=True, size=18, runbook="DependencyUnhealthy"),
    number("Dependencies of the worker", "What the worker needs, as it sees it.", "short",
           [('min by (dependency) (dependency_up{job="pytake-worker"})', "{{dependency}}")], width=8, height=4,
           texts=HEALTH, background=True, size=18, runbook="DependencyUnhealthy"),
)  # fmt: skip
BOARD.row(
    "Request rate and response times",
    series("Requests by endpoint", "Requests a second by route template.", "reqps",
           [(f"sum by (endpoint) (job_endpoint:http_requests:rate5m{{{ENDPOINT}}})", "{{endpoint}}")], stacked=True),
    series("Requests by method", "Requests a second by method.", "reqps",
           [(f"sum by (method) (job_method:http_requests:rate5m{{{JOB}}})", "{{method}}")]),
    series("Response time", "Percentiles over all endpoints but probes and metrics; the line is the promised 2 s; dots are example traces.", "s",
           [(f"job:http_request_duration_seconds:p50_5m{{{JOB}}}", "p50"),
            (f"job:http_request_duration_seconds:p95_5m{{{JOB}}}", "p95"),
            (f'histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{{{ENDPOINT}, endpoint!~"/metrics|/observability/.*"}}[$__rate_interval])))', "p99")],
           exemplars=True,
           steps=((None, "transparent"), (2, "red")), runbook="ApiHighLatency"),
    heat("Response time, all requests", "How many requests took how long.", "s",
         f"sum by (le) (rate(http_request_duration_seconds_bucket{{{ENDPOINT}}}[$__rate_interval]))"),
    series("In flight", "Requests being answered at the same moment.", "short", f"sum(job:http_requests_in_flight:sum{{{JOB}}})", width=8),
    series("Event loop lag", "How late the event loop runs (p99): everything waits as long.", "s",
           [(f"job:event_loop_lag_seconds:p99_5m{{{JOB}}}", "p99")], width=8, runbook="EventLoopBlocked"),
    series("Sizes", "95 of 100 bodies are at most this large; without the metrics page.", "bytes",
           [(f'max(job_endpoint:http_request_size_bytes:p95_5m{{{ENDPOINT}, endpoint!="/metrics"}})', "requests"),
            (f'max(job_endpoint:http_response_size_bytes:p95_5m{{{ENDPOINT}, endpoint!="/metrics"}})', "responses")], width=8),
)  # fmt: skip
BOARD.row(
    "Error rate trends",
    series("Share of errors", "5xx answers among all; the line is the alert's threshold.", "percentunit",
           [(f"job:http_request_errors:ratio_rate5m{{{JOB}}}", "errors")], steps=((None, "transparent"), (0.05, "red")),
           runbook="ApiHighErrorRate", colours=OUTCOMES),
    series("Answers by status", "Requests a second by HTTP status.", "reqps",
           [(f"sum by (status) (job_status:http_requests:rate5m{{{JOB}}})", "{{status}}")], stacked=True, colours=OUTCOMES),
    series("Errors by endpoint", "5xx answers a second by route template.", "reqps",
           [(f"sum by (endpoint) (job_endpoint:http_request_errors:rate5m{{{ENDPOINT}}})", "{{endpoint}}")],
           runbook="ApiEndpointErrors"),
    series("Exceptions", "Exceptions that reached the middleware, a second, by class.", "ops",
           [(zero(f"sum by (exception) (job_exception:http_exceptions:rate5m{{{JOB}}})", exception="none"), "{{exception}}")],
           runbook="ApiUnhandledExceptions"),
)  # fmt: skip
BOARD.row(
    "Performance percentiles",
    rows("Endpoints", "Requests, errors and percentiles by route template, last 5 minutes.",
         [(f"sum by (endpoint) (job_endpoint:http_requests:rate5m{{{ENDPOINT}}})", ""),
          (f"sum by (endpoint) (job_endpoint:http_request_errors:rate5m{{{ENDPOINT}}})", ""),
          (f"max by (endpoint) (job_endpoint:http_request_duration_seconds:p50_5m{{{ENDPOINT}}})", ""),
          (f"max by (endpoint) (job_endpoint:http_request_duration_seconds:p95_5m{{{ENDPOINT}}})", ""),
          (f"max by (endpoint) (job_endpoint:http_request_duration_seconds:p99_5m{{{ENDPOINT}}})", "")],
         {"endpoint": Column("endpoint"), "Value #A": Column("requests", "reqps"),
          "Value #B": Column("errors", "reqps", ((None, "text"), (0.001, "red"))), "Value #C": Column("p50", "s"),
          "Value #D": Column("p95", "s", P95), "Value #E": Column("p99", "s")}, width=12, height=9),
    series("p95 by endpoint", "95 of 100 requests to an endpoint were answered within this time.", "s",
           [(f"max by (endpoint) (job_endpoint:http_request_duration_seconds:p95_5m{{{ENDPOINT}}})", "{{endpoint}}")], height=9),
)  # fmt: skip
BOARD.row(
    "Agents' inbox (WebSocket)",
    series("Open sockets", "Sockets of the agents' inbox.", "short", f"sum(job:websocket_connections_active:sum{{{JOB}}})", width=8,
           runbook="WebSocketConnectionsCollapsed"),
    series("Messages", "Messages a second by direction and type; types that never came are left out.", "ops",
           [(zero(f"sum by (direction, message_type) (job_direction_type:websocket_messages:rate5m{{{JOB}}} > 0)", direction="no", message_type="message"),
             "{{direction}} {{message_type}}")], width=8),
    bars("Closed sockets", "Why sockets were closed, an hour's worth at the present rate.", "short",
         [(f"sum by (reason) (job_reason:websocket_closes:rate5m{{{JOB}}}) * 3600", "{{reason}}")], decimals=0,
         runbook="WebSocketAbnormalCloses"),
)  # fmt: skip
