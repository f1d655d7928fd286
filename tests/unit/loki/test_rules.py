"""Rule files, alert states, texts, remote write."""

from pathlib import Path

import cramjam
import pytest
import yaml

from pytake.embedded.common.config import ConfigError
from pytake.embedded.loki.ruler.alerts import KEEP_RESOLVED, RESEND, AlertingState, humanize, message, render
from pytake.embedded.loki.ruler.remote_write import encode
from pytake.embedded.loki.ruler.ruler import check_directory
from pytake.embedded.loki.ruler.rules import Group, Rule, group_data, parse_file

ROOT = Path(__file__).parents[3]
EXPR = 'sum by (job) (rate({job="a"}[1m])) > 1'
A = (("job", "a"),)


def test_the_projects_rules_are_valid() -> None:
    assert check_directory(ROOT / "monitoring/loki/rules") == []
    groups = parse_file((ROOT / "monitoring/loki/rules/fake/logs.yml").read_text(), "fake", "logs", 60)
    assert {rule.name for group in groups for rule in group.rules} >= {"LogErrorBurst", "LogOutOfMemory"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a", "expected a mapping"),
        ("a: [", "while parsing"),
        ("other: 1", "expected a mapping with groups"),
        ("groups: [{rules: []}]", "needs a name"),
        ("groups: [{name: g, rules: [x]}]", "must be a mapping"),
        ("groups: [{name: g, rules: [{alert: A, expr: 'x', nope: 1}]}]", "field nope not found"),
        (f"groups: [{{name: g, rules: [{{alert: A, record: b, expr: '{EXPR}'}}]}}]", "only one"),
        ("groups: [{name: g, rules: [{alert: A}]}]", "'expr' must be set"),
        ("groups: [{name: g, rules: [{alert: A, expr: '{'}]}]", "could not parse expression"),
        ("groups: [{name: g, rules: [{alert: A, expr: '{a=\"b\"}'}]}]", "log query"),
        (f"groups: [{{name: g, rules: [{{record: a-b, expr: '{EXPR}'}}]}}]", "invalid recording rule name"),
        (f"groups: [{{name: g, rules: [{{record: ab, for: 1m, expr: '{EXPR}'}}]}}]", "invalid field 'for'"),
        (f"groups: [{{name: g, rules: [{{alert: A, labels: {{a-b: c}}, expr: '{EXPR}'}}]}}]", "invalid label name"),
        ("groups: [{name: g}, {name: g}]", "unique"),
    ],
)
def test_mistakes_in_rule_files_are_named(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_file(text, "fake", "ns", 60)


def test_groups_to_yaml_and_back() -> None:
    rule = Rule(EXPR, alert="A", hold=60, keep_firing=30, labels={"a": "b"}, annotations={"c": "d"})
    group = Group("fake", "ns", "g", 30, (rule, Rule(EXPR, record="r")))
    assert parse_file(yaml.safe_dump({"groups": [group_data(group)]}), "fake", "ns", 60) == [group]


def test_an_alert_waits_fires_and_resolves() -> None:
    state = AlertingState(Rule(EXPR, alert="A", hold=60, labels={"sev": "x {{ $labels.job }}"}))
    state.update([(A, 2.0)], 0)
    assert state.state == "pending"
    assert state.to_send(0) == []
    state.update([(A, 3.0)], 60)
    (alert,) = state.to_send(60)
    assert (state.state, alert.labels) == ("firing", {"job": "a", "sev": "x a", "alertname": "A"})
    assert state.to_send(61) == []
    assert len(state.to_send(60 + RESEND)) == 1
    state.update([], 150)
    assert state.state == "inactive"
    (alert,) = state.to_send(150)
    told = message(alert, 150, 30, {"cluster": "c"}, "/x")
    assert told["endsAt"] == "1970-01-01T00:02:30Z"
    assert told["labels"]["cluster"] == "c"
    state.update([], 151 + KEEP_RESOLVED)
    assert state.alerts == {}


def test_a_pending_alert_that_goes_leaves_nothing() -> None:
    state = AlertingState(Rule(EXPR, alert="A", hold=60))
    state.update([(A, 2.0)], 0)
    state.update([], 30)
    assert state.alerts == {}


def test_an_alert_that_comes_back_starts_again() -> None:
    state = AlertingState(Rule(EXPR, alert="A"))
    state.update([(A, 2.0)], 0)
    state.update([], 10)
    state.update([(A, 2.0)], 20)
    (alert,) = state.alerts.values()
    assert (alert.active_at, alert.state) == (20, "firing")


def test_keep_firing_for() -> None:
    state = AlertingState(Rule(EXPR, alert="A", keep_firing=60))
    state.update([(A, 2.0)], 0)
    state.update([], 30)
    assert state.state == "firing"
    state.update([], 95)
    assert state.state == "inactive"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("{{ $labels.job }} is {{ $value }}", "a is 1234.5"),
        ("{{ .Labels.job }}", "a"),
        ("{{ $value | humanize }}", "1.234k"),
        ("{{ humanizeDuration $value }}", "20m 34s"),
        ("{{ $value | humanizePercentage }}", "1.234e+05%"),
    ],
)
def test_texts(text: str, expected: str) -> None:
    assert render(text, {"job": "a"}, 1234.5) == expected


def test_a_mistake_in_a_text_shows_in_the_text() -> None:
    assert "error expanding template" in render("{{ nope }}", {}, 1)


def test_humanize() -> None:
    assert humanize("humanize1024", 2048) == "2ki"
    assert humanize("humanizeDuration", 90061) == "1d 1h 1m 1s"
    assert humanize("humanizeDuration", 1.5) == "1.5s"
    assert humanize("humanize", 1e18) == "1000P"


def test_remote_write_bytes() -> None:
    raw = bytes(cramjam.snappy.decompress_raw(encode([((("__name__", "m"),), 1.0, 5)])))
    assert raw == bytes.fromhex("0a1c0a0d0a085f5f6e616d655f5f12016d120b09000000000000f03f1005")
