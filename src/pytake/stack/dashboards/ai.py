"""AI: requests by model, tokens and cost, performance, errors."""

from pytake.stack.dashboards.parts import OUTCOMES, Board, Column, bars, heat, number, pie, rows, series, variable, zero

M = 'model=~"$model"'
RATIO = ((None, "green"), (0.05, "yellow"), (0.1, "red"))
BOARD = Board(
    "ai-metrics", "AI Metrics", "What the model is asked, what it costs, how fast and how well it answers.", ("ai",),
    variables=[variable("model", "Model", "label_values(ai_requests_total, model)")],
)  # fmt: skip
BOARD.row(
    "Request volume by model",
    number("Requests", "Calls a minute.", "short", f"sum(model:ai_requests:rate5m{{{M}}}) * 60", decimals=1),
    number("Errors", "Share of calls that failed.", "percentunit",
           f"sum(model:ai_request_errors:rate5m{{{M}}}) / sum(model:ai_requests:rate5m{{{M}}})", steps=RATIO, decimals=1,
           runbook="AiHighErrorRate"),
    number("p95", "95 of 100 calls took at most this long.", "s",
           f"max(model:ai_request_duration_seconds:p95_5m{{{M}}})", steps=((None, "green"), (10, "yellow"), (20, "red")),
           runbook="AiHighLatency"),
    number("Tokens", "Tokens a minute, input and output.", "short",
           f'sum(model_type:ai_tokens:rate5m{{{M}, type=~"input|output"}}) * 60', decimals=0),
    number("Cost, 24 h", "US dollars of the last 24 h.", "currencyUSD", f"sum(model:ai_cost_usd:increase1d{{{M}}})", decimals=2),
    number("Budget used", "Share of the daily budget, last 24 h.", "percentunit",
           'max(spender:cost_budget_used:ratio_1d{spender="ai"}) or vector(0)', steps=((None, "green"), (0.8, "yellow"), (1, "red")),
           decimals=0, runbook="CostAheadOfBudget"),
    series("Calls by model", "Calls a second by model.", "reqps", [(f"model:ai_requests:rate5m{{{M}}}", "{{model}}")], stacked=True),
    series("Calls by how they ended", "Calls a second by status.", "reqps",
           [(f"sum by (status) (model_operation_status:ai_requests:rate5m{{{M}}}) > 0", "{{status}}")], stacked=True, colours=OUTCOMES),
)  # fmt: skip
BOARD.row(
    "Token usage and costs",
    series("Tokens by kind", "Tokens a second; cached is part of input, reasoning of output.", "ops",
           [(f"sum by (type) (model_type:ai_tokens:rate5m{{{M}}})", "{{type}}")]),
    series("Cost by model", "US dollars an hour at the present rate.", "currencyUSD",
           [(f"model:ai_cost_usd:rate15m{{{M}}} * 3600", "{{model}}")], stacked=True, runbook="CostAheadOfBudget"),
    pie("Cost by model, 24 h", "US dollars.", "currencyUSD",
        [(f"sum by (model) (model:ai_cost_usd:increase1d{{{M}}})", "{{model}}")]),
    series("Spending against its budget", "Share of a day's budget spent in the last 24 h.", "percentunit",
           [("max by (spender) (spender:cost_budget_used:ratio_1d)", "{{spender}}")], width=8,
           steps=((None, "transparent"), (1, "red")), runbook="CostAheadOfBudget"),
    number("Calls without a price", "Calls of the last hour whose model the price table lacks: their cost is missing.", "short",
           f"sum(increase(ai_unpriced_requests_total{{{M}}}[1h])) or vector(0)", width=8, height=8, size=56,
           steps=((None, "green"), (1, "red")), runbook="AiUnpricedModel"),
)  # fmt: skip
BOARD.row(
    "Performance analysis",
    series("Duration", "Percentiles by model; dots are example traces.", "s",
           [(f"model:ai_request_duration_seconds:p50_5m{{{M}}}", "p50 {{model}}"),
            (f"model:ai_request_duration_seconds:p95_5m{{{M}}}", "p95 {{model}}"),
            (f"histogram_quantile(0.99, sum by (model, le) (rate(ai_request_duration_seconds_bucket{{{M}}}[$__rate_interval])))", "p99 {{model}}")],
           exemplars=True, runbook="AiHighLatency"),
    heat("Duration, all calls", "How many calls took how long.", "s",
         f"sum by (le) (rate(ai_request_duration_seconds_bucket{{{M}}}[$__rate_interval]))"),
    bars("Rate limit left", "Share of the provider's limit that is left.", "percentunit",
         [(f"min by (model, resource) (model_resource:ai_rate_limit_remaining:min{{{M}}})", "{{model}} {{resource}}")],
         steps=((None, "red"), (0.1, "yellow"), (0.3, "green")), high=1, runbook="AiRateLimited"),
    series("Retries", "Retried calls a second.", "ops", [(f"sum by (model) (model:ai_retries:rate5m{{{M}}})", "{{model}}")], width=8),
    number("Provider reachable", "Probe from outside; 401 counts as alive.", "short",
           'max(probe_success{job="probe-openai"})', width=4, height=8, size=40, texts={"0": ("no", "red"), "1": ("yes", "green")},
           background=True, runbook="OpenAiApiUnreachable"),
    number("Circuit breaker", "Open: calls are held back.", "short", 'max(circuit_breaker_open{dependency="openai_api"}) or vector(0)',
           width=4, height=8, size=32, texts={"0": ("closed", "green"), "1": ("open", "red")}, background=True,
           runbook="CircuitBreakerOpen"),
)  # fmt: skip
BOARD.row(
    "Error tracking",
    series("Errors by kind", "Failed calls a minute.", "short",
           [(zero(f'sum by (status) (model_operation_status:ai_requests:rate5m{{{M}, status!="success"}} > 0) * 60', status="none"), "{{status}}")],
           stacked=True, runbook="AiHighErrorRate"),
    series("Share of errors", "Failed among all calls.", "percentunit",
           [(f"model:ai_request_errors:ratio_rate5m{{{M}}}", "{{model}}")], steps=((None, "transparent"), (0.1, "red")), runbook="AiHighErrorRate"),
    rows("Errors of the last hour", "By model and kind.",
         zero(f'sort_desc(sum by (model, status) (increase(ai_requests_total{{{M}, status!="success"}}[1h])) > 0)', status="none"),
         {"model": Column("model"), "status": Column("kind"), "Value": Column("calls, 1 h", "short", decimals=0)}, runbook="AiHighErrorRate"),
    series("Hand-overs to humans", "Conversations a minute that the model gave up or that asked for a person.", "short",
           [("sum by (reason) (reason:conversation_handovers:rate15m) * 60", "{{reason}}")], stacked=True),
)  # fmt: skip
