"""A drill's shortened durations: every one of the alerting path, nothing else."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytake.stack.drill.fast import (
    AGE_LIMITS,
    milliseconds,
    scale_document,
    scale_duration,
    scale_expression,
    scale_rules,
)
from tests.unit.stack.support import ROOT

RULES = ROOT / "monitoring" / "prometheus" / "rules"


@pytest.mark.parametrize(
    ("duration", "factor", "expected"),
    [
        ("5m", 10, "30s"),
        ("1h30m", 10, "540s"),
        ("15s", 10, "2s"),
        ("1s", 10, "1s"),
        ("0s", 10, "0s"),
        ("3d", 60, "4320s"),
    ],
)
def test_a_duration_is_divided_and_never_vanishes(duration, factor, expected):
    assert scale_duration(duration, factor) == expected


def test_what_is_no_duration_is_an_error():
    with pytest.raises(ValueError, match="5 minutes"):
        milliseconds("5 minutes")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rate(x[5m])", "rate(x[30s])"),
        ("max_over_time(rate(x[5m])[1h:1m]) > 3", "max_over_time(rate(x[30s])[360s:6s]) > 3"),
        ("x offset 1w", "x offset 60480s"),
        ("x offset -5m", "x offset -30s"),
        ('x{path="[5m]"} > 5', 'x{path="[5m]"} > 5'),
        ('x{a="offset 5m\\"[5m]"}[5m]', 'x{a="offset 5m\\"[5m]"}[30s]'),
        ("predict_linear(disk[6h], 4 * 3600)", "predict_linear(disk[2160s], 4 * 3600)"),
    ],
)
def test_ranges_subqueries_and_offsets_are_divided_and_strings_stay(expression, expected):
    assert scale_expression(expression, 10) == expected


def test_a_rules_file_keeps_everything_but_its_durations():
    rules = {"groups": [{"name": "5m", "interval": "1m", "rules": [
        {"alert": "A", "expr": "rate(x[5m]) > 5", "for": "10m", "labels": {"why": "5m"}, "annotations": {"s": "[5m]"}},
    ]}]}  # fmt: skip
    assert scale_document(rules, 10) == {"groups": [{"name": "5m", "interval": "6s", "rules": [
        {"alert": "A", "expr": "rate(x[30s]) > 5", "for": "60s", "labels": {"why": "5m"}, "annotations": {"s": "[5m]"}},
    ]}]}  # fmt: skip


@given(st.integers(1, 10**6), st.sampled_from(["s", "m", "h"]), st.floats(1, 1000))
def test_a_scaled_duration_is_at_least_the_quotient_and_less_than_a_second_above(number, unit, factor):
    exact = milliseconds(f"{number}{unit}") / factor
    scaled = milliseconds(scale_duration(f"{number}{unit}", factor))
    assert exact <= scaled + 1e-6
    assert scaled < max(exact, 1000) + 1000


@pytest.mark.parametrize(("interval", "expected"), [("5s", "4s"), ("2s", "2s"), ("2m", "12s")])
def test_scrapes_stay_long_enough_for_slow_exporters(interval, expected):
    assert scale_document({"scrape_interval": interval}, 10) == {"scrape_interval": expected}
    assert scale_document({"scrape_interval": interval}, 1) == {"scrape_interval": interval}


def test_windows_of_error_budgets_and_limits_of_age_are_divided_too():
    rules = {"groups": [
        {"name": "slo:slow", "rules": [{"record": "r", "expr": "sum(x[3d]) / sum(x[5m])"}]},
        {"name": "queue:alert", "rules": [
            {"alert": "QueueStuck", "expr": "age > 300"}, {"alert": "Other", "expr": "age > 300"},
        ]},
    ]}  # fmt: skip
    slow, queue = scale_rules(rules, 10)["groups"]
    assert slow["rules"][0]["expr"] == "sum(x[3240s]) / sum(x[30s])"
    assert [rule["expr"] for rule in queue["rules"]] == ["age > 30", "age > 300"]


def test_every_limit_of_age_is_in_its_rule():
    for name, limit in AGE_LIMITS.items():
        found = [rule["expr"] for path in RULES.glob("*.yml") for group in yaml.safe_load(path.read_text())["groups"]
                 for rule in group["rules"] if rule.get("alert") == name]  # fmt: skip
        assert f"> {limit}" in found[0], name
