"""Each check of the rule lint finds its mistake, and leaves the right form alone."""

from pathlib import Path

import pytest

from pytake.checks.exporters import Sample
from pytake.checks.lint import lint
from pytake.checks.rules import Rule, RuleFileError, load_file

KNOWN = {
    "requests_total": Sample("counter", frozenset({"job", "status"})),
    "seconds_bucket": Sample("counter", frozenset({"job", "le"})),
    "depth": Sample("gauge", frozenset({"job", "queue"})),
    "up": Sample("gauge", frozenset({"job", "instance"})),
}
ANNOTATIONS = {
    "summary": "The queue {{ $labels.queue }} is deep.",
    "description": "{{ $value }} jobs.",
    "runbook_url": "{{ $externalLabels.runbooks_url }}/QueueDeep.md",
    "dashboard_url": "{{ $externalLabels.grafana_url }}/d/infrastructure",
}
LABELS = {"severity": "warning", "component": "queue", "team": "platform", "notify": "ticket"}


def alert(expr: str = "max by (queue) (depth) > 5", **changes: object) -> Rule:
    fields: dict[str, object] = {
        "file": Path("x.yml"), "line": 1, "group": "g", "name": "QueueDeep", "alert": True, "expr": expr,
        "labels": LABELS, "annotations": ANNOTATIONS, "hold": "5m",
    }  # fmt: skip
    return Rule(**fields | changes)  # type: ignore[arg-type]  # a dictionary of what the class wants


def record(name: str, expr: str) -> Rule:
    return Rule(Path("x.yml"), 1, "g", name, alert=False, expr=expr)


def checks(*rules: Rule) -> set[str]:
    return {finding.check for finding in lint(list(rules), KNOWN)}


def test_a_right_alert_and_a_right_record_have_no_findings() -> None:
    ratio = 'sum by (job) (rate(requests_total{status=~"5.."}[5m])) / sum by (job) (rate(requests_total[5m]))'
    assert checks(alert(), record("job:requests:ratio_rate5m", ratio)) == set()


@pytest.mark.parametrize(
    ("expr", "check"),
    [
        ("max by (queue) (depht) > 5", "unknown_metric"),
        ("max by (stream) (depth) > 5", "unknown_label"),
        ("max by (queue) (rate(depth[5m])) > 5", "rate"),
        ("max by (job) (requests_total) > 5", "counter"),
        ("rate(requests_total[5m]) / rate(requests_total[5m]) > 5", "division"),
        ('max by (job) (rate(seconds_bucket{le="2"}[5m])) > 5', "le"),
        ('max by (queue) (depth{queue=~"webhooks"}) > 5', "regexp"),
        ('max by (queue) (depth{queue=~"^web.*$"}) > 5', "regexp"),
        ("topk(3, depth) > 5", "fragile"),
        ("max by (queue) (depth)", "comparison"),
        ("1", "comparison"),
        ("max by (queue) (depth) > ", "syntax"),
    ],
)
def test_expressions(expr: str, check: str) -> None:
    assert check in checks(alert(expr))


def test_a_counter_may_be_compared_with_itself_before() -> None:
    new_series = "sum by (job) (requests_total) > 0 unless sum by (job) (requests_total offset 1h)"
    assert "counter" not in checks(alert(new_series, annotations=ANNOTATIONS | {"summary": "New."}))


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"hold": "0s"}, "for"),
        ({"labels": LABELS | {"severity": "critical"}}, "labels"),
        ({"labels": LABELS | {"severity": "page"}}, "labels"),
        ({"labels": LABELS | {"component": "database2"}}, "labels"),
        ({"labels": LABELS | {"team": "nobody"}}, "labels"),
        ({"labels": LABELS | {"cause": "weather"}}, "labels"),
        ({"annotations": ANNOTATIONS | {"description": ""}}, "annotations"),
        ({"annotations": ANNOTATIONS | {"runbook_url": "/Other.md"}}, "annotations"),
        ({"annotations": ANNOTATIONS | {"dashboard_url": "/d/Other Thing"}}, "annotations"),
        ({"annotations": ANNOTATIONS | {"description": "{{ $labels.instance }}"}}, "template"),
        ({"annotations": ANNOTATIONS | {"summary": "{{ $value }} jobs"}}, "template"),
    ],
)
def test_alert_conventions(changes: dict[str, object], check: str) -> None:
    assert check in checks(alert(**changes))


@pytest.mark.parametrize(
    ("name", "expr"),
    [
        ("queue_depth", "max by (queue) (depth)"),
        ("job:depth:max", "max by (queue) (depth)"),
        ("queue_job:depth:max", "max by (queue) (depth)"),
        ("global:depth:max", "max by (queue) (depth)"),
    ],
)
def test_record_names_say_the_labels(name: str, expr: str) -> None:
    assert "name" in checks(record(name, expr))
    assert "name" not in checks(record("queue:depth:max", "max by (queue) (depth)"))


def test_duplicates() -> None:
    one = record("queue:depth:max", "max by (queue) (depth)")
    assert checks(one, one) == {"duplicate"}
    assert checks(alert(), alert("max by (queue) (depth) > 9")) == {"duplicate"}
    assert checks(one, record("queue:depth:most", "max  by (queue) (depth)")) == {"duplicate"}


def test_findings_name_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "area.yml"
    path.write_text("groups:\n- name: g\n  rules:\n  - record: a:b:c\n    expr: nothing\n")
    assert str(lint(load_file(path), KNOWN)[0]).startswith("area.yml:4 a:b:c: unknown_metric")


@pytest.mark.parametrize("text", ["groups: [", "groups:\n- name: g\n  rules:\n  - record: a\n"])
def test_files_that_are_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "area.yml"
    path.write_text(text)
    with pytest.raises(RuleFileError, match=r"area\.yml"):
        load_file(path)
