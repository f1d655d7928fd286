"""SLOs: budgets, burn rates, history."""

from pytake.stack.dashboards.parts import Board, bars, number, rows, series

BOARD = Board(
    "slo",
    "SLOs",
    "What was promised, how much of the budget is left, how fast it burns.",
    ("slo",),
    since="now-6h",
    refresh="1m",
)
LEFT = ((None, "red"), (0, "orange"), (0.25, "yellow"), (0.5, "green"))
BOARD.row(
    "Budgets",
    number("Error budget left, 30 days", "1 is an untouched budget, below 0 it is overdrawn.", "percentunit",
           [("slo:error_budget_remaining:ratio", "{{slo}}")], width=24, height=6, steps=LEFT, decimals=1, background=True),
    rows("Objectives", "Objective, what was reached in 30 days, budget left.", "short",
         [("max by (slo) (slo:objective:ratio)", ""), ("max by (slo) (1 - slo:sli_error:ratio_rate30d)", ""),
          ("max by (slo) (slo:error_budget_remaining:ratio)", ""), ("max by (slo) (slo:burn_rate:ratio_rate1h)", "")],
         width=14, height=8, names={"Value #A": "objective", "Value #B": "reached", "Value #C": "budget left", "Value #D": "burn rate, 1 h"}),
    bars("Burn rate now", "1 uses the budget up in exactly 30 days; 14.4 pages.", "short",
         [("max by (slo) (slo:burn_rate:ratio_rate1h)", "{{slo}}")], width=10,
         steps=((None, "green"), (1, "yellow"), (6, "orange"), (14.4, "red"))),
)  # fmt: skip
BOARD.row(
    "Burn",
    series("Burn rate, 1 hour", "The fast page fires above 14.4.", "short", [("max by (slo) (slo:burn_rate:ratio_rate1h)", "{{slo}}")],
           steps=((None, "transparent"), (14.4, "red")), runbook="ApiAvailabilityBurnFast"),
    series("Errors by window: availability", "Share of bad minutes in windows of different length.", "percentunit",
           [(f'max(slo:sli_error:ratio_rate{w}{{slo="api-availability"}})', w) for w in ("5m", "1h", "6h", "1d")]),
    series("Errors by window: success rate", "Share of 5xx in windows of different length.", "percentunit",
           [(f'max(slo:sli_error:ratio_rate{w}{{slo="api-success-rate"}})', w) for w in ("5m", "1h", "6h", "1d")]),
    series("Errors by window: latency", "Share of requests slower than promised.", "percentunit",
           [(f'max(slo:sli_error:ratio_rate{w}{{slo="api-latency"}})', w) for w in ("5m", "1h", "6h", "1d")]),
    series("Errors by window: delivery", "Share of accepted messages that were not delivered.", "percentunit",
           [(f'max(slo:sli_error:ratio_rate{w}{{slo="whatsapp-delivery"}})', w) for w in ("5m", "1h", "6h", "1d")]),
    series("Events", "Good and bad events a second that the SLOs count.", "ops",
           [("max by (slo) (slo:sli_total:rate5m)", "all {{slo}}"), ("max by (slo) (slo:sli_bad:rate5m)", "bad {{slo}}")]),
)  # fmt: skip
BOARD.row(
    "History",
    series("Budget left", "Over the time shown; choose 30 days to see the whole window.", "percentunit",
           [("max by (slo) (slo:error_budget_remaining:ratio)", "{{slo}}")], width=24, height=10, low=None,
           steps=((None, "transparent"), (0, "red"))),
)  # fmt: skip
