"""Every metric of ours, declared once: name, help, unit, labels with their allowed values, buckets, budget.

Names follow the Prometheus conventions (base units, ``_total`` for counters). Nothing else creates metrics; the
declaring functions are :func:`~pytake.telemetry.metrics.counter`, :func:`~pytake.telemetry.metrics.gauge` and
:func:`~pytake.telemetry.metrics.histogram`. ``docs/metrics.md`` is generated from here (``make generate``). What the
embedded servers expose under the real servers' names is in ``catalog_embedded.py``.
"""

from pytake.telemetry import labels as lb
from pytake.telemetry.metrics import Merge, counter, gauge, histogram

HTTP_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
SIZE_BYTES = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
REMOTE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
AI_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
LOCAL_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
MINUTES_SECONDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400)

# --- HTTP ---------------------------------------------------------------------------------------------------------
HTTP_REQUESTS = counter(
    "http_requests_total",
    "HTTP requests by method, route template and status; 499 is a client that left before the answer.",
    labels={"method": lb.Method, "endpoint": lb.ENDPOINTS, "status": lb.STATUS_CODES},
    budget=1500,
)
HTTP_DURATION = histogram(
    "http_request_duration_seconds",
    "From the request's first byte to the response's last.",
    labels={"method": lb.Method, "endpoint": lb.ENDPOINTS},
    buckets=HTTP_SECONDS,
    exemplars=True,
    budget=300,
)
HTTP_REQUEST_SIZE = histogram(
    "http_request_size_bytes",
    "Size of request bodies as received.",
    labels={"method": lb.Method, "endpoint": lb.ENDPOINTS},
    buckets=SIZE_BYTES,
    budget=300,
)
HTTP_RESPONSE_SIZE = histogram(
    "http_response_size_bytes",
    "Size of response bodies as sent.",
    labels={"method": lb.Method, "endpoint": lb.ENDPOINTS},
    buckets=SIZE_BYTES,
    budget=300,
)
HTTP_IN_FLIGHT = gauge("http_requests_in_flight", "HTTP requests being answered now.", merge=Merge.SUM)
HTTP_EXCEPTIONS = counter(
    "http_exceptions_total",
    "Exceptions that reached the middleware, each counted once.",
    labels={"endpoint": lb.ENDPOINTS, "exception": lb.EXCEPTIONS},
    budget=200,
)

# --- WebSocket ----------------------------------------------------------------------------------------------------
WS_ACTIVE = gauge("websocket_connections_active", "Open sockets of the agents' inbox.", merge=Merge.SUM)
WS_MESSAGES = counter(
    "websocket_messages_total",
    "Messages on the agents' inbox.",
    labels={"direction": lb.Direction, "message_type": lb.SocketMessage},
)
WS_CLOSED = counter("websocket_closes_total", "Closed sockets by reason.", labels={"reason": lb.SocketClose})

# --- WhatsApp -----------------------------------------------------------------------------------------------------
MESSAGES = counter(
    "whatsapp_messages_total",
    "WhatsApp messages entering a state; each message enters a state once.",
    labels={"direction": lb.Direction, "status": lb.MessageStatus, "whatsapp_instance": lb.INSTANCES},
)
MESSAGE_FAILURES = counter(
    "whatsapp_message_failures_total",
    "Outbound messages that failed, by Meta's error code and by whose fault it is.",
    labels={"code": lb.META_CODES, "cause": lb.Cause, "whatsapp_instance": lb.INSTANCES},
    budget=1500,
)
DELIVERY = counter(
    "whatsapp_delivery_total",
    "Accepted messages by final outcome; one count a message (cohort).",
    labels={"outcome": lb.DeliveryOutcome, "cause": lb.Cause, "whatsapp_instance": lb.INSTANCES},
)
DELIVERY_SECONDS = histogram(
    "whatsapp_delivery_seconds",
    "From the Graph API's acceptance to delivery.",
    labels={"whatsapp_instance": lb.INSTANCES},
    buckets=MINUTES_SECONDS,
    exemplars=True,
)
WHATSAPP_API_REQUESTS = counter(
    "whatsapp_api_requests_total",
    "Calls to the Graph API.",
    labels={"operation": lb.WhatsAppOperation, "status": lb.ApiStatus, "whatsapp_instance": lb.INSTANCES},
    budget=1500,
)
WHATSAPP_API_DURATION = histogram(
    "whatsapp_api_request_duration_seconds",
    "Duration of calls to the Graph API.",
    labels={"operation": lb.WhatsAppOperation, "whatsapp_instance": lb.INSTANCES},
    buckets=REMOTE_SECONDS,
    exemplars=True,
)
WEBHOOK_EVENTS = counter(
    "whatsapp_webhook_events_total",
    "Webhook events by field and what became of them.",
    labels={"field": lb.WebhookField, "outcome": lb.WebhookOutcome},
)
WEBHOOK_AGE = histogram(
    "whatsapp_webhook_age_seconds",
    "Age of a webhook event on arrival, by Meta's timestamp.",
    labels={"field": lb.WebhookField},
    buckets=MINUTES_SECONDS,
)
WEBHOOK_LAST = gauge(
    "whatsapp_last_webhook_timestamp_seconds",
    "When the last webhook with a right signature came, Unix time.",
    labels={"whatsapp_instance": lb.INSTANCES},
    merge=Merge.MAX,
)
WEBHOOK_RECEIVED = counter(
    "whatsapp_webhooks_received_total",
    "Accepted webhook events by number: what silence is measured on.",
    labels={"whatsapp_instance": lb.INSTANCES},
)
QUALITY = gauge(
    "whatsapp_quality_rating",
    "Quality rating of a number: 1 at the rating it has, 0 at the others.",
    labels={"whatsapp_instance": lb.INSTANCES, "rating": lb.QualityRating},
    merge=Merge.MAX,
)
MESSAGING_LIMIT = gauge(
    "whatsapp_messaging_limit",
    "Unique users the business may write to in 24 h (portfolio limit; +Inf when unlimited).",
    labels={"whatsapp_instance": lb.INSTANCES},
    merge=Merge.MAX,
)
MESSAGING_LIMIT_USED = gauge(
    "whatsapp_messaging_limit_used",
    "Unique users that business-initiated messages went to in the last 24 h.",
    labels={"whatsapp_instance": lb.INSTANCES},
    merge=Merge.MAX,
)
TEMPLATE_STATE = gauge(
    "whatsapp_template_state",
    "State of a message template: 1 at the state it has.",
    labels={"template": lb.TEMPLATES, "state": lb.TemplateState},
    merge=Merge.MAX,
    budget=1400,
)
ACCOUNT_STATE = gauge(
    "whatsapp_account_state",
    "Whether a number may send: 1 at the state it has.",
    labels={"whatsapp_instance": lb.INSTANCES, "state": lb.AccountState},
    merge=Merge.MAX,
)
TOKEN_EXPIRY = gauge(
    "whatsapp_token_expiry_timestamp_seconds",
    "When the access token expires, Unix time; +Inf for a token that does not.",
    labels={"whatsapp_instance": lb.INSTANCES},
    merge=Merge.MAX,
)
WHATSAPP_COST = counter(
    "whatsapp_cost_usd_total",
    "Price of delivered messages by the dated rate table, US dollars; once a message, at delivery.",
    labels={"category": lb.PriceCategory, "type": lb.PriceType, "whatsapp_instance": lb.INSTANCES},
    budget=1500,
)
WHATSAPP_UNPRICED = counter(
    "whatsapp_unpriced_messages_total",
    "Delivered billable messages that the rate table has no price for.",
    labels={"category": lb.PriceCategory, "whatsapp_instance": lb.INSTANCES},
)
PACING_WAIT = histogram(
    "whatsapp_send_wait_seconds",
    "Time a send waited for our own limits.",
    labels={"limit": lb.PacingLimit, "whatsapp_instance": lb.INSTANCES},
    buckets=(0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60),
)
SENDS_IN_DOUBT = gauge(
    "whatsapp_sends_in_doubt",
    "Sends whose outcome is unknown and that wait for a status webhook.",
    labels={"whatsapp_instance": lb.INSTANCES},
    merge=Merge.MAX,
)

# --- AI -----------------------------------------------------------------------------------------------------------
AI_REQUESTS = counter(
    "ai_requests_total",
    "Calls to the AI provider, retries counted apart.",
    labels={"model": lb.MODELS, "operation": lb.AiOperation, "status": lb.ApiStatus},
)
AI_DURATION = histogram(
    "ai_request_duration_seconds",
    "Duration of calls to the AI provider.",
    labels={"model": lb.MODELS, "operation": lb.AiOperation},
    buckets=AI_SECONDS,
    exemplars=True,
)
AI_TOKENS = counter(
    "ai_tokens_total",
    "Tokens by kind; cached is part of input, reasoning of output.",
    labels={"model": lb.MODELS, "type": lb.TokenType},
)
AI_COST = counter("ai_cost_usd_total", "Cost by the dated price table, US dollars.", labels={"model": lb.MODELS})
AI_UNPRICED = counter(
    "ai_unpriced_requests_total",
    "Answered calls whose response model has no price: their cost is missing from ai_cost_usd_total.",
    labels={"model": lb.MODELS},
)
AI_HEADROOM = gauge(
    "ai_rate_limit_remaining_ratio",
    "Share of the provider's rate limit that is left, 0 to 1.",
    labels={"model": lb.MODELS, "resource": lb.RateLimitResource},
    merge=Merge.MIN,
)
AI_RETRIES = counter("ai_retries_total", "Retries of calls to the AI provider.", labels={"model": lb.MODELS})
BUDGET = gauge(
    "budget_usd_per_day",
    "Configured spending budget, US dollars a day.",
    labels={"spender": lb.Spender},
    merge=Merge.MAX,
)
CIRCUIT_OPEN = gauge(
    "circuit_breaker_open",
    "1 while calls to a dependency are refused by the circuit breaker.",
    labels={"dependency": lb.Dependency},
    merge=Merge.MAX,
)

# --- Data ---------------------------------------------------------------------------------------------------------
DB_QUERIES = counter(
    "database_queries_total",
    "SQL statements by kind and table.",
    labels={"operation": lb.DatabaseOperation, "table": lb.TABLES, "status": lb.Outcome},
)
DB_DURATION = histogram(
    "database_query_duration_seconds",
    "Duration of SQL statements.",
    labels={"operation": lb.DatabaseOperation, "table": lb.TABLES},
    buckets=LOCAL_SECONDS,
    exemplars=True,
)
DB_POOL = gauge(
    "database_pool_connections", "Connections of the pool by state.", labels={"state": lb.PoolState}, merge=Merge.SUM
)
DB_POOL_WAIT = histogram(
    "database_pool_wait_seconds", "Time a checkout of a database connection took.", buckets=LOCAL_SECONDS
)
REDIS_OPERATIONS = counter(
    "redis_operations_total",
    "Redis commands.",
    labels={"operation": lb.COMMANDS, "status": lb.Outcome},
)
REDIS_DURATION = histogram(
    "redis_operation_duration_seconds",
    "Duration of Redis commands; blocking reads are left out.",
    labels={"operation": lb.COMMANDS},
    buckets=LOCAL_SECONDS,
)
CACHE_OPERATIONS = counter(
    "cache_operations_total",
    "Cache calls and what they found.",
    labels={"operation": lb.CacheOperation, "result": lb.CacheResult},
)

# --- Business -----------------------------------------------------------------------------------------------------
CONVERSATIONS = gauge(
    "conversations_active",
    "Conversations by state (closed ones are not counted).",
    labels={"state": lb.ConversationState, "whatsapp_instance": lb.INSTANCES},
    merge=Merge.MAX,
)
CONVERSATIONS_OPENED = counter(
    "conversations_opened_total", "Conversations opened.", labels={"whatsapp_instance": lb.INSTANCES}
)
FIRST_RESPONSE = histogram(
    "conversation_first_response_seconds",
    "From a customer's first message to the first answer that the Graph API accepted.",
    labels={"responder": lb.Responder},
    buckets=MINUTES_SECONDS,
    exemplars=True,
)
HANDOVERS = counter(
    "conversation_handovers_total", "Conversations handed to a human.", labels={"reason": lb.HandoverReason}
)
USERS_ACTIVE = gauge(
    "users_active", "Customers who wrote within the window.", labels={"window": lb.Window}, merge=Merge.MAX
)
QUEUE_DEPTH = gauge("queue_depth", "Jobs waiting or being worked on.", labels={"queue": lb.Queue}, merge=Merge.MAX)
QUEUE_OLDEST = gauge(
    "queue_oldest_job_age_seconds",
    "Age of the oldest job that is not done.",
    labels={"queue": lb.Queue},
    merge=Merge.MAX,
)
QUEUE_DEAD = gauge(
    "queue_dead_letters", "Entries of the dead-letter stream.", labels={"queue": lb.Queue}, merge=Merge.MAX
)
QUEUE_JOBS = counter(
    "queue_jobs_total", "Jobs by what became of them.", labels={"queue": lb.Queue, "outcome": lb.JobOutcome}
)
QUEUE_JOB_DURATION = histogram(
    "queue_job_duration_seconds",
    "Duration of one job.",
    labels={"queue": lb.Queue},
    buckets=REMOTE_SECONDS,
    exemplars=True,
)
ALERTS_RECEIVED = counter(
    "alerts_received_total",
    "Alerts that Alertmanager's webhook brought.",
    labels={"status": lb.AlertState, "severity": lb.Severity},
)

# --- Health and process -------------------------------------------------------------------------------------------
DEPENDENCY_UP = gauge(
    "dependency_up",
    "1 when the last check of a dependency passed or was degraded, 0 when it failed.",
    labels={"dependency": lb.Dependency},
    merge=Merge.MIN,
)
DEPENDENCY_CHECK = histogram(
    "dependency_check_duration_seconds",
    "Duration of dependency checks.",
    labels={"dependency": lb.Dependency},
    buckets=REMOTE_SECONDS,
)
EVENT_LOOP_LAG = histogram(
    "event_loop_lag_seconds",
    "How late the event loop ran a timer.",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0),
)
BUILD_INFO = gauge(
    "pytake_build_info",
    "Always 1; what runs.",
    labels={"version": lb.VERSIONS, "revision": lb.VERSIONS, "python": lb.VERSIONS},
    merge=Merge.MAX,
)

# --- Sandbox ------------------------------------------------------------------------------------------------------
SANDBOX_FAULT_ACTIVE = gauge(
    "sandbox_fault_active",
    "1 while the sandbox injects this fault on purpose.",
    labels={"fault": lb.SANDBOX_FAULTS},
    merge=Merge.MAX,
)
SANDBOX_MESSAGES = counter(
    "sandbox_messages_total",
    "Messages that the sandbox's customers wrote (inbound) and that it accepted from the backend (outbound).",
    labels={"direction": lb.Direction, "whatsapp_instance": lb.INSTANCES},
)
SANDBOX_WEBHOOKS = counter(
    "sandbox_webhooks_total",
    "Attempts of the sandbox to post a webhook to the backend.",
    labels={"outcome": lb.SandboxWebhook},
)

PROCESS_CPU = counter("process_cpu_seconds_total", "User and system CPU time spent, seconds.")
PROCESS_RESIDENT = gauge("process_resident_memory_bytes", "Resident memory.", merge=Merge.SUM)
PROCESS_VIRTUAL = gauge("process_virtual_memory_bytes", "Virtual memory.", merge=Merge.SUM)
PROCESS_START = gauge(
    "process_start_time_seconds", "When the process (of several: the youngest) started, Unix time.", merge=Merge.MAX
)
PROCESS_THREADS = gauge("process_threads", "Threads of the process.", merge=Merge.SUM)
PROCESS_FDS = gauge("process_open_fds", "Open file descriptors (of several processes: the most).", merge=Merge.MAX)
PROCESS_MAX_FDS = gauge("process_max_fds", "File descriptors a process may open.", merge=Merge.MIN)
PROCESS_GC = counter("python_gc_collections_total", "Runs of the garbage collector, all generations.")

# --- Telemetry about telemetry ------------------------------------------------------------------------------------
SPANS_EXPORTED = counter("telemetry_spans_exported_total", "Spans that the collector took.")
SPANS_DROPPED = counter("telemetry_spans_dropped_total", "Spans that were lost.", labels={"reason": lb.DropReason})
LOG_LINES = counter("telemetry_log_lines_total", "Log lines written, by level.", labels={"level": lb.LogLevel})
LOGS_DROPPED = counter(
    "telemetry_log_lines_dropped_total", "Log lines that were lost.", labels={"reason": lb.DropReason}
)
LABEL_OVERFLOW = counter(
    "telemetry_label_overflow_total",
    "Undeclared label values that were counted as 'other'.",
    labels={"metric": lb.METRICS},
    budget=200,
)
SERIES = gauge("telemetry_series", "Label sets of a metric in use.", labels={"metric": lb.METRICS}, merge=Merge.MAX)
SERIES_BUDGET = gauge(
    "telemetry_series_budget", "Label sets a metric may have.", labels={"metric": lb.METRICS}, merge=Merge.MAX
)
