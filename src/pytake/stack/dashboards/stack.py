"""The monitoring stack itself: targets, rules, notifications, stores, what was dropped."""

from pytake.stack.dashboards.parts import Board, Column, bars, number, rows, series

BOARD = Board(
    "monitoring-stack",
    "Monitoring stack",
    "Who watches the watchers: targets, rules, notifications, stores.",
    ("monitoring",),
)
LEVELS = {"error|critical": "red", "warning": "yellow", "info": "green", "debug": "blue"}
UP = {"0": ("down", "red"), "1": ("up", "green")}
BOARD.row(
    "Targets",
    number("Targets", "Every scrape job: all its targets up, or not.", "short", [("min by (job) (up)", "{{job}}")], width=24, height=5,
           texts=UP, background=True, size=18, runbook="TargetDown"),
    series("Scrape duration", "Slowest scrape of each job.", "s", [("max by (job) (job:scrape_duration_seconds:max)", "{{job}}")],
           runbook="ScrapeSlow"),
    series("Samples a scrape", "Largest scrape of each job.", "short", [("max by (job) (job:scrape_samples_scraped:max)", "{{job}}")],
           runbook="ScrapeTooLarge"),
    rows("Versions", "What of ours runs.", "max by (job, version, revision, python) (pytake_build_info)",
         {"job": Column("service"), "version": Column("version"), "revision": Column("revision"), "python": Column("Python")}, width=24, height=7,
         hide=("Value",)),
)  # fmt: skip
BOARD.row(
    "Prometheus",
    number("Series", "Series in memory.", "short", "max(prometheus_tsdb_head_series)", width=6),
    number("Samples", "Samples taken in a second.", "short", "sum(rate(prometheus_tsdb_head_samples_appended_total[$__rate_interval]))", width=6),
    number("Rules", "Share of a core that rules take.", "percentunit", "max(global:prometheus_rule_evaluation:ratio)", width=6, decimals=2,
           steps=((None, "green"), (0.5, "yellow"), (0.9, "red")), runbook="PrometheusMissedEvaluations"),
    number("Configuration", "Whether the last reload was taken.", "short", "min(prometheus_config_last_reload_successful)", width=6,
           texts={"0": ("refused", "red"), "1": ("current", "green")}, background=True, size=32, runbook="ConfigReloadFailed"),
    series("Rule groups", "Time that the slowest groups take.", "s",
           [("topk(8, max by (rule_group) (label_replace(prometheus_rule_group_last_duration_seconds, \"rule_group\", \"$1\", \"rule_group\", \".*;(.*)\")))", "{{rule_group}}")],
           runbook="PrometheusMissedEvaluations"),
    series("Failures", "Failed rule evaluations and dropped notifications, a second.", "ops",
           [("sum(rate(prometheus_rule_evaluation_failures_total[$__rate_interval]))", "rule failures"),
            ("sum(rate(prometheus_notifications_dropped_total[$__rate_interval]))", "notifications dropped")],
           runbook="PrometheusRuleFailures"),
)  # fmt: skip
BOARD.row(
    "Alerts and notifications",
    rows("Firing alerts", "What fires now; a click opens the runbook.", 'sum by (alertname, severity, component) (ALERTS{alertstate="firing"})',
         {"alertname": Column("alert", link="${runbooks}/${__value.raw}.md"), "severity": Column("severity"), "component": Column("component")},
         hide=("Value",)),
    series("Notifications", "Notifications a minute by channel.", "short",
           [("sum by (integration) (integration:alertmanager_notifications:rate5m) * 60", "{{integration}}"),
            ("sum by (integration) (integration:alertmanager_notifications_failed:rate5m) * 60", "{{integration}} failed")],
           runbook="AlertmanagerNotificationsFailing", colours={".+ failed": "red"}),
)  # fmt: skip
BOARD.row(
    "Logs and traces",
    series("Log lines", "Lines a second that our processes write, by level.", "ops",
           [("sum by (level) (job_level:telemetry_log_lines:rate5m)", "{{level}}")], stacked=True, width=8, colours=LEVELS),
    series("Lines shipped", "Lines a second that Loki took from Promtail.", "ops",
           [("sum by (host) (rate(promtail_sent_entries_total[$__rate_interval]))", "{{host}}")], width=8),
    series("Spans exported", "Spans a second that the collector took.", "ops",
           [("sum by (job) (job:telemetry_spans_exported:rate5m)", "{{job}}")], width=8),
    series("Dropped", "Lines and spans a second that were lost anywhere on the way.", "ops",
           [("sum(job:telemetry_log_lines_dropped:rate5m) or vector(0)", "log lines, at the source"),
            ("sum(job:promtail_dropped_entries:rate5m) or vector(0)", "log lines, Promtail"),
            ("sum(job:loki_discarded_samples:rate5m) or vector(0)", "log lines, Loki"),
            ("sum(job:telemetry_spans_dropped:rate5m) or vector(0)", "spans, at the source"),
            ("sum(job:otelcol_lost_spans:rate5m) or vector(0)", "spans, Jaeger")], runbook="LogLinesDropped"),
    bars("Cardinality budgets", "Label sets in use of those a metric may have; small closed sets, which may be full, are left out.", "percentunit",
         [("topk(10, max by (metric) (metric:telemetry_series_budget_used:ratio) and on (metric) max by (metric) (telemetry_series_budget) >= 100)", "{{metric}}")],
         width=12, steps=((None, "green"), (0.7, "yellow"), (0.9, "red")), high=1, decimals=0, runbook="CardinalityBudgetExceeded"),
    series("Memory of the stack", "Resident memory by job.", "bytes",
           [('sum by (job) (process_resident_memory_bytes{job!~"pytake-.*"})', "{{job}}")], width=24, height=9),
)  # fmt: skip
