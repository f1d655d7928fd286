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
