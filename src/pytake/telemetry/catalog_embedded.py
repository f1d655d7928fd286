"""Metrics of the embedded servers, under the names that the real Loki, Promtail, Jaeger and Grafana use.

Dashboards and alerts written for the real servers work on the embedded ones through these. Each server's block is kept
by its package; see :mod:`pytake.telemetry.catalog` for the product's own metrics.
"""

from pytake.telemetry import labels as lb
from pytake.telemetry.metrics import counter, gauge, histogram

# --- Promtail -----------------------------------------------------------------------------------------------------
FILES = lb.Bounded(limit=500, pattern=r".{1,400}")
HOSTS = lb.Bounded(limit=10, pattern=r"[\w.:\-\[\]]{1,120}")
REASONS = lb.Bounded(limit=40, pattern=r"[\w\- ]{1,60}")
CLIENT_STATUS = lb.Bounded(limit=30, pattern=r"-1|[1-5]\d\d")

LOGENTRY_DROPPED = counter(
    "logentry_dropped_lines_total", "Lines that a pipeline dropped, by reason.", labels={"reason": REASONS}, budget=60
)
PROMTAIL_READ_LINES = counter("promtail_read_lines_total", "Lines read.", labels={"path": FILES}, budget=510)
PROMTAIL_READ_BYTES = gauge("promtail_read_bytes_total", "Bytes read.", labels={"path": FILES}, budget=510)
PROMTAIL_FILE_BYTES = gauge("promtail_file_bytes_total", "Size of followed files.", labels={"path": FILES}, budget=510)
PROMTAIL_FILES_ACTIVE = gauge("promtail_files_active_total", "Followed files.")
PROMTAIL_TARGETS_ACTIVE = gauge("promtail_targets_active_total", "Active targets.")
PROMTAIL_TARGETS_FAILED = counter(
    "promtail_targets_failed_total", "Targets that could not be opened.", labels={"reason": REASONS}, budget=60
)
PROMTAIL_SENT_ENTRIES = counter("promtail_sent_entries_total", "Entries that Loki took.", labels={"host": HOSTS})
PROMTAIL_SENT_BYTES = counter("promtail_sent_bytes_total", "Bytes that Loki took.", labels={"host": HOSTS})
PROMTAIL_ENCODED_BYTES = counter("promtail_encoded_bytes_total", "Bytes encoded and tried.", labels={"host": HOSTS})
PROMTAIL_DROPPED_ENTRIES = counter(
    "promtail_dropped_entries_total", "Entries given up after all tries.", labels={"host": HOSTS, "reason": REASONS}
)
PROMTAIL_BATCH_RETRIES = counter("promtail_batch_retries_total", "Retries of batches.", labels={"host": HOSTS})
PROMTAIL_REQUEST_SECONDS = histogram(
    "promtail_request_duration_seconds", "Duration of pushes.", labels={"status_code": CLIENT_STATUS, "host": HOSTS},
    budget=300,
)  # fmt: skip
PROMTAIL_SYSLOG_ENTRIES = counter("promtail_syslog_target_entries_total", "Syslog messages taken.")
PROMTAIL_SYSLOG_ERRORS = counter("promtail_syslog_target_parsing_errors_total", "Messages that are not syslog.")

# --- Loki ---------------------------------------------------------------------------------------------------------
TENANTS = lb.Bounded(limit=100, pattern=r"[\w!.*'()\-|]{1,150}")
LOKI_ROUTES = lb.Bounded(limit=80, pattern=r"[\w]{1,120}")
LOKI_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0)

LOKI_REQUEST_SECONDS = histogram(
    "loki_request_duration_seconds", "Time from a request to its answer.",
    labels={"method": lb.Method, "route": LOKI_ROUTES, "status_code": lb.STATUS_CODES, "ws": lb.Bounded(limit=2)},
    buckets=LOKI_SECONDS, budget=600,
)  # fmt: skip
LOKI_INFLIGHT = gauge("loki_inflight_requests", "Requests being answered now.")
LOKI_LINES_RECEIVED = counter(
    "loki_distributor_lines_received_total", "Lines in pushes.", labels={"tenant": TENANTS}, budget=101
)
LOKI_BYTES_RECEIVED = counter(
    "loki_distributor_bytes_received_total", "Bytes of lines in pushes.", labels={"tenant": TENANTS}, budget=101
)
LOKI_DISCARDED_SAMPLES = counter(
    "loki_discarded_samples_total", "Lines that were not taken.", labels={"reason": REASONS, "tenant": TENANTS},
    budget=500,
)  # fmt: skip
LOKI_DISCARDED_BYTES = counter(
    "loki_discarded_bytes_total", "Bytes that were not taken.", labels={"reason": REASONS, "tenant": TENANTS},
    budget=500,
)  # fmt: skip
LOKI_MEMORY_STREAMS = gauge("loki_ingester_memory_streams", "Known streams.", labels={"tenant": TENANTS}, budget=101)
LOKI_MEMORY_ROWS = gauge("pytake_loki_memory_rows", "Rows in memory, not yet in a segment.")
LOKI_CHUNKS_FLUSHED = counter("loki_ingester_chunks_flushed_total", "Segments written from memory.")
LOKI_FLUSH_FAILURES = counter("loki_ingester_chunks_flush_failures_total", "Segments that could not be written.")
LOKI_WAL_BYTES = counter("loki_ingester_wal_logged_bytes_total", "Bytes written to the write-ahead log.")
LOKI_WAL_RECORDS = counter("loki_ingester_wal_records_logged_total", "Records written to the write-ahead log.")
LOKI_WAL_DISK_FULL = counter(
    "loki_ingester_wal_disk_full_failures_total", "Pushes refused because the log could not be written."
)
LOKI_WAL_CORRUPTIONS = counter("loki_ingester_wal_corruptions_total", "Log files with records that cannot be read.")
LOKI_WAL_RECOVERED = counter("loki_ingester_wal_recovered_entries_total", "Lines read back from the log at the start.")
LOKI_WAL_REPLAY_SECONDS = gauge("loki_ingester_wal_replay_duration_seconds", "How long reading the log took.")
LOKI_SEGMENTS = gauge("pytake_loki_segments", "Segments on disk.")
LOKI_SEGMENT_BYTES = gauge("pytake_loki_segment_bytes", "Bytes of segments on disk.")
LOKI_DAMAGED_SEGMENTS = counter("pytake_loki_damaged_segments_total", "Segments set aside because they are damaged.")
LOKI_COMPACTIONS = counter(
    "loki_boltdb_shipper_compact_tables_operation_total", "Compactions.", labels={"status": lb.Outcome}
)
LOKI_RETENTION_ROWS = counter("pytake_loki_retention_rows_total", "Lines deleted by retention and delete requests.")
LOKI_QUERY_SECONDS = histogram(
    "loki_logql_querystats_latency_seconds", "Execution time of queries.",
    labels={"type": lb.Bounded(limit=8), "range": lb.Bounded(limit=3), "status_code": lb.STATUS_CODES},
    buckets=LOKI_SECONDS, budget=200,
)  # fmt: skip
LOKI_QUERY_BYTES = counter("loki_logql_querystats_bytes_processed_total", "Bytes of lines that queries covered.")
LOKI_RULE_EVALUATIONS = counter(
    "loki_prometheus_rule_evaluations_total", "Rule evaluations.", labels={"rule_group": FILES}, budget=510
)
LOKI_RULE_FAILURES = counter(
    "loki_prometheus_rule_evaluation_failures_total", "Rule evaluations that failed.", labels={"rule_group": FILES},
    budget=510,
)  # fmt: skip
LOKI_NOTIFICATIONS = counter(
    "loki_prometheus_notifications_sent_total", "Alerts sent to an Alertmanager.", labels={"alertmanager": HOSTS}
)
LOKI_NOTIFICATION_ERRORS = counter(
    "loki_prometheus_notifications_errors_total", "Alerts an Alertmanager did not take.",
    labels={"alertmanager": HOSTS},
)  # fmt: skip
LOKI_BUILD = gauge(
    "loki_build_info", "Version of the server.", labels={"version": lb.VERSIONS, "goversion": lb.VERSIONS}
)

# --- Jaeger -------------------------------------------------------------------------------------------------------
NAMES = lb.Bounded(limit=40, pattern=r"[\w./:{}\-]{1,80}")
JAEGER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

JAEGER_ACCEPTED_SPANS = counter(
    "otelcol_receiver_accepted_spans_total", "Spans acknowledged, on disk by then.",
    labels={"receiver": NAMES, "transport": NAMES}, budget=20,
)  # fmt: skip
JAEGER_REFUSED_SPANS = counter(
    "otelcol_receiver_refused_spans_total", "Spans refused: unusable ids, no room, no disk.",
    labels={"receiver": NAMES, "transport": NAMES}, budget=20,
)  # fmt: skip
JAEGER_SENT_SPANS = counter(
    "otelcol_exporter_sent_spans_total", "Spans that reached the searchable store.", labels={"exporter": NAMES}
)
JAEGER_SAMPLED_SPANS = counter(
    "otelcol_processor_tail_sampling_count_spans_sampled_total", "Spans by what the tail decision said of their trace.",
    labels={"sampled": NAMES},
)  # fmt: skip
JAEGER_STORAGE_REQUESTS = counter(
    "jaeger_storage_requests_total", "Reads of the trace store.",
    labels={"kind": NAMES, "operation": NAMES, "result": NAMES}, budget=60,
)  # fmt: skip
JAEGER_STORAGE_SECONDS = histogram(
    "jaeger_storage_latency_seconds", "Duration of reads of the trace store.",
    labels={"kind": NAMES, "operation": NAMES, "result": NAMES}, buckets=JAEGER_SECONDS, budget=60,
)  # fmt: skip
JAEGER_HTTP_SECONDS = histogram(
    "http_server_request_duration_seconds", "Duration of requests to the query API.",
    labels={"http_request_method": NAMES, "http_response_status_code": lb.STATUS_CODES, "http_route": NAMES},
    buckets=JAEGER_SECONDS, budget=300,
)  # fmt: skip
JAEGER_MEMORY = gauge("otelcol_process_memory_rss_bytes", "Resident memory of the process.")
JAEGER_UPTIME = gauge("otelcol_process_uptime_seconds_total", "Time since the start.")
JAEGER_SEGMENTS = gauge("pytake_jaeger_segments", "Segments on disk.")
JAEGER_SEGMENT_BYTES = gauge("pytake_jaeger_segment_bytes", "Bytes of segments on disk.")
JAEGER_SEGMENT_SPANS = gauge("pytake_jaeger_segment_spans", "Spans in segments.")
JAEGER_HOT_SPANS = gauge("pytake_jaeger_hot_spans", "Spans in memory and in the log only.")
JAEGER_LOG_BYTES = gauge("pytake_jaeger_log_bytes", "Bytes of the write-ahead log.")
JAEGER_PENDING_BYTES = gauge("pytake_jaeger_pending_bytes", "Bytes of requests that are not indexed yet.")
# Counted a batch at a time in pytake.embedded.jaeger.spanmetrics, with the configuration file's buckets and labels.
JAEGER_SPAN_CALLS = counter(
    "traces_span_metrics_calls_total", "Spans by service, operation, kind and status.",
    labels={"service_name": NAMES, "span_name": NAMES, "span_kind": NAMES, "status_code": NAMES}, budget=2000,
)  # fmt: skip
JAEGER_SPAN_DURATION = histogram(
    "traces_span_metrics_duration_milliseconds", "Durations of spans.",
    labels={"service_name": NAMES, "span_name": NAMES, "span_kind": NAMES, "status_code": NAMES},
    buckets=(2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 5000, 10_000, 30_000), exemplars=True, budget=2000,
)  # fmt: skip

# --- Grafana ------------------------------------------------------------------------------------------------------
GRAFANA_HANDLERS = lb.Bounded(limit=160, pattern=r"/[\w/{}:.\-]{0,100}")
GRAFANA_REQUEST_SECONDS = histogram(
    "grafana_http_request_duration_seconds", "Duration of requests to Grafana's API.",
    labels={"handler": GRAFANA_HANDLERS, "method": lb.Method, "status_code": lb.STATUS_CODES}, budget=400,
)  # fmt: skip
