"""Label inference: what an expression's result can carry, and what can never match."""

import pytest

from pytake.checks.promql import Labels, PromQLError, Selector, parse, selectors

SCHEMA = {
    "requests_total": frozenset({"job", "instance", "status"}),
    "seconds_bucket": frozenset({"job", "le"}),
    "lost_spans": frozenset({"job"}),
    "lost_spans_total": frozenset({"job", "reason"}),
}


def infer(text: str) -> tuple[set[str], list[str]]:
    labels = Labels(SCHEMA)
    return set(labels.of(parse(text))), [problem.check for problem in labels.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("requests_total", {"job", "instance", "status"}),
        ("sum by (job) (rate(requests_total[5m]))", {"job"}),
        ("sum without (instance) (requests_total)", {"job", "status"}),
        ("sum(requests_total)", set()),
        ("histogram_quantile(0.9, sum by (job, le) (rate(seconds_bucket[5m])))", {"job"}),
        ('absent(requests_total{job="api"})', {"job"}),
        ("topk(3, requests_total)", {"job", "instance", "status"}),
        ("requests_total > 5", {"job", "instance", "status"}),
        ("5 * sum by (job) (requests_total)", {"job"}),
        ("requests_total / on (job) group_left (le) seconds_bucket", {"job", "instance", "status", "le"}),
        ("sum by (job) (requests_total) / on (job) sum by (job, le) (seconds_bucket)", {"job"}),
        ('{__name__=~"lost_spans(_total)?"}', {"job", "reason"}),
        ('label_replace(requests_total, "host", "$1", "instance", "(.*):.*")', {"job", "instance", "status", "host"}),
        ("vector(1)", set()),
    ],
)
def test_labels_of(text: str, expected: set[str]) -> None:
    assert infer(text) == (expected, [])


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("nothing_of_this_name", "unknown_metric"),
        ('requests_total{cluster="a"}', "unknown_label"),
        ("sum by (cluster) (requests_total)", "unknown_label"),
        ("sum by (job) (requests_total) / sum by (status) (requests_total)", "vector_matching"),
        ("requests_total and on (le) seconds_bucket", "vector_matching"),
        ("histogram_quantile(0.9, sum by (job) (rate(seconds_bucket[5m])))", "histogram"),
    ],
)
def test_what_cannot_work_is_reported(text: str, check: str) -> None:
    assert check in infer(text)[1]


def test_syntax_errors_name_the_expression() -> None:
    with pytest.raises(PromQLError, match=r"sum\("):
        parse("sum(")


def test_selectors_keep_name_and_matchers() -> None:
    assert selectors(parse('rate(requests_total{status=~"5.."}[5m])')) == [
        Selector("requests_total", None, (("status", "=~", "5.."),))
    ]
    assert Selector(None, "lost_.*").names(SCHEMA) == ["lost_spans", "lost_spans_total"]
    assert Selector("gone", None).names(SCHEMA) == []
