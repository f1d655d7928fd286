"""SLOs: budgets, burn rates, history."""

from pytake.stack.dashboards.parts import OUTCOMES, Board, Column, bars, number, rows, series, states, zero

BOARD = Board(
    "slo",
    "SLOs",
    "What was promised, how much of the budget is left, how fast it burns.",
    ("slo",),
    since="now-6h",
    refresh="1m",
)
LEFT = ((None, "red"), (0, "orange"), (0.25, "yellow"), (0.5, "green"))
BURN = ((None, "green"), (1, "yellow"), (6, "orange"), (14.4, "red"))
WINDOWS = ("5m", "1h", "6h", "1d")
SLOS = (
    ("availability", "api-availability", "Share of seconds in which the API was not up", "ApiAvailabilityBurnFast"),
    ("success rate", "api-success-rate", "Share of requests that ended in 5xx", "ApiErrorBudgetBurnFast"),
    ("latency", "api-latency", "Share of requests that were slower than promised", "ApiLatencyBudgetBurnFast"),
    ("delivery", "whatsapp-delivery", "Share of accepted messages that were not delivered", "WhatsAppDeliveryBurnFast"),
)
BOARD.row(
    "Budgets",
    number("Error budget left, 30 days", "100 % is an untouched budget, below 0 it is overdrawn.", "percentunit",
           [("slo:error_budget_remaining:ratio", "{{slo}}")], width=24, height=5, steps=LEFT, decimals=1, background=True, size=26,
           links=(("Runbooks of the burn alerts", "${runbooks}/README.md"),)),
    rows("Objectives", "Objective, what was reached in 30 days, budget left, and how fast it burns now.",
         [("max by (slo) (slo:objective:ratio)", ""), ("max by (slo) (1 - slo:sli_error:ratio_rate30d)", ""),
          ("max by (slo) (slo:error_budget_remaining:ratio)", ""), ("max by (slo) (slo:burn_rate:ratio_rate1h)", "")],
         {"slo": Column("SLO"), "Value #A": Column("objective", "percentunit", decimals=1),
          "Value #B": Column("reached, 30 days", "percentunit", decimals=3), "Value #C": Column("budget left", "percentunit", LEFT, decimals=1),
          "Value #D": Column("burn rate, 1 h", "short", BURN, decimals=2)}, width=14, height=7),
    bars("Burn rate now", "1 uses the budget up in exactly 30 days; 14.4 over an hour pages.", "short",
         [("max by (slo) (slo:burn_rate:ratio_rate1h)", "{{slo}}")], width=10, height=7, steps=BURN, high=14.4, decimals=2,
         runbook="ApiAvailabilityBurnFast"),
)  # fmt: skip
BOARD.row(
    "Burn",
    series("Burn rate, 1 hour", "The page's condition is 14.4 (and the same over 5 minutes).", "short",
           [("max by (slo) (slo:burn_rate:ratio_rate1h)", "{{slo}}")],
           steps=((None, "transparent"), (14.4, "red")), runbook="ApiAvailabilityBurnFast"),
    series("Events", "Events a second that the SLOs count, and the bad ones among them.", "ops",
           [("max by (slo) (slo:sli_total:rate5m)", "all {{slo}}"), ("max by (slo) (slo:sli_bad:rate5m)", "bad {{slo}}")], colours=OUTCOMES),
    *(series(f"Errors by window: {name}", f"{what}, in windows of different length.", "percentunit",
             [(f'max(slo:sli_error:ratio_rate{window}{{slo="{slo}"}})', window) for window in WINDOWS], runbook=runbook)
      for name, slo, what, runbook in SLOS),
)  # fmt: skip
BOARD.row(
    "History",
    series("Budget left", "Over the time shown; choose 30 days to see the whole window.", "percentunit",
           [("max by (slo) (slo:error_budget_remaining:ratio)", "{{slo}}")], width=12, height=10, low=None, high=1,
           steps=((None, "transparent"), (0, "red")), runbook="ApiAvailabilityBurnSlow"),
    states("Alerts that fired", "Alerts that page or make a ticket, while they fired.",
           [(zero('max by (alertname) (ALERTS{alertstate="firing", severity=~"critical|warning"}) * 2', alertname="none"), "{{alertname}}")],
           {"0": ("nothing fires", "green"), "2": ("fires", "red")}, width=12, height=10),
)  # fmt: skip
