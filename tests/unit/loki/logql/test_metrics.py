"""Metric queries over a small log, by evaluator and by engine: both must give the value that is written here."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytake.embedded.loki.logql import (
    Limits,
    LogQLError,
    MatchingError,
    PipelineError,
    SeriesLimit,
    explain,
    format_query,
    is_scalar,
    parse,
    query_instant,
    query_range,
    time_range,
)
from pytake.embedded.loki.logql.ranges import quantile
from pytake.embedded.loki.logql.reference import Line, evaluate_metric
from pytake.embedded.loki.logql.sql.fold import array_quantile
from tests.unit.loki.logql.memory import MemorySource

SECOND = 1_000_000_000
NOW = 100 * SECOND


def line(at: float, text: str, **labels: str) -> Line:
    return Line(int(at * SECOND), text, {"job": "api", **labels})


LINES = [
    line(85, '{"ms":50,"path":"/z"}', env="prod"),
    line(91, '{"ms":10,"path":"/a","size":"1KB","took":"1s"}', env="prod"),
    line(92, '{"ms":20,"path":"/a","size":"2KB","took":"2s"}', env="prod"),
    line(94, '{"ms":30,"path":"/b","size":"3KB","took":"1m"}', env="prod"),
    line(97, '{"ms":40,"path":"/b","size":"1KiB","took":"250ms"}', env="dev"),
    line(100, '{"ms":100,"path":"/a","size":"10B","took":"1h"}', env="dev"),
    line(101, '{"ms":1,"path":"/late"}', env="dev"),
    Line(95 * SECOND, "plain text", {"job": "text"}, {"trace_id": "t1"}),
]
Q = '{job="api"} | json'


def values(text: str) -> dict[str, float]:
    """Labels (`a=b,c=d`) to values at 100 s, checked to be the same from evaluator and engine."""
    expr = parse(text)
    source = MemorySource(LINES)
    got = query_instant(expr, source, source.execute, at=NOW)  # type: ignore[arg-type]
    want = evaluate_metric(expr, LINES, start=NOW, end=NOW, step=1)  # type: ignore[arg-type]
    source.close()
    by_engine = {",".join(f"{k}={v}" for k, v in s.labels): s.points[0][1] for s in got}
    by_evaluator = {",".join(f"{k}={v}" for k, v in s.labels): s.points[0][1] for s in want}
    assert by_engine.keys() == by_evaluator.keys()
    for labels, value in by_engine.items():
        assert math.isclose(value, by_evaluator[labels]) or (math.isnan(value) and math.isnan(by_evaluator[labels]))
    return by_engine


@pytest.mark.parametrize(
    ("text", "result"),
    [
        # windows: (90 s, 100 s]
        ('sum(count_over_time({job="api"}[10s]))', {"": 5}),
        ('sum(count_over_time({job="api"}[9s]))', {"": 4}),
        ('sum(count_over_time({job="api"}[10s] offset 10s))', {"": 1}),
        ('sum(count_over_time({job="api"}[1s] offset -1s))', {"": 1}),
        ('sum(count_over_time({job="none"}[10s]))', {}),
        # log ranges
        ('count_over_time({job="api"}[10s])', {"env=prod,job=api": 3, "env=dev,job=api": 2}),
        ('count_over_time({job="text"}[10s])', {"job=text,trace_id=t1": 1}),
        ('rate({job="api"}[10s])', {"env=prod,job=api": 0.3, "env=dev,job=api": 0.2}),
        ('bytes_over_time({job="text"}[10s])', {"job=text,trace_id=t1": 10}),
        ('bytes_rate({job="text"}[10s])', {"job=text,trace_id=t1": 1}),
        ('absent_over_time({job="none", x!="y"}[10s])', {"job=none": 1}),
        ('absent_over_time({job="api"}[10s])', {}),
        ('absent_over_time({job="api"} |= "nothing" [10s])', {"job=api": 1}),
        ('absent_over_time({job="api", job=~"a.*"} |= "nothing" [10s])', {"": 1}),
        # unwrapped ranges
        (f"sum(sum_over_time({Q} | unwrap ms [10s]))", {"": 200}),
        (f"sum(rate({Q} | unwrap ms [10s]))", {"": 20}),
        (f"avg_over_time({Q} | unwrap ms [10s]) by (path)", {"path=/a": 130 / 3, "path=/b": 35}),
        (f"min_over_time({Q} | unwrap ms [10s]) by (path)", {"path=/a": 10, "path=/b": 30}),
        (f"max_over_time({Q} | unwrap ms [10s]) by (env)", {"env=prod": 30, "env=dev": 100}),
        (f"first_over_time({Q} | unwrap ms [10s]) by (job)", {"job=api": 10}),
        (f"last_over_time({Q} | unwrap ms [10s]) by (job)", {"job=api": 100}),
        (f"stdvar_over_time({Q} | unwrap ms [10s]) by (env)", {"env=prod": 200 / 3, "env=dev": 900}),
        (f"stddev_over_time({Q} | unwrap ms [10s]) by (env)", {"env=prod": math.sqrt(200 / 3), "env=dev": 30}),
        (f"quantile_over_time(0.5, {Q} | unwrap ms [10s]) by (job)", {"job=api": 30}),
        (f"quantile_over_time(0.9, {Q} | unwrap ms [10s]) by (job)", {"job=api": 76}),
        (f"quantile_over_time(0, {Q} | unwrap ms [10s]) by (job)", {"job=api": 10}),
        (f"quantile_over_time(2, {Q} | unwrap ms [10s]) by (job)", {"job=api": math.inf}),
        (f"max_over_time({Q} | unwrap duration(took) [10s]) by (env)", {"env=prod": 60, "env=dev": 3600}),
        (f"min_over_time({Q} | unwrap duration_seconds(took) [10s]) by (env)", {"env=prod": 1, "env=dev": 0.25}),
        (f"sum by (env) (sum_over_time({Q} | unwrap bytes(size) [10s]))", {"env=prod": 6000, "env=dev": 1034}),
        (f"sum(sum_over_time({Q} | unwrap missing [10s]))", {}),
        (f'sum(sum_over_time({Q} | unwrap path | __error__="" [10s]))', {}),
        (f'sum(sum_over_time({Q} | unwrap ms | path="/a" [10s]))', {"": 130}),
        (f"max_over_time({Q} | keep ms, env | unwrap ms [10s])", {"env=prod": 30, "env=dev": 100}),
        (f"max_over_time({Q} | unwrap ms [10s]) without (path, size, took, env)", {"job=api": 100}),
        (f"absent_over_time({Q} | unwrap ms [10s])", {}),
        # vector aggregations
        (f"sum by (path) (count_over_time({Q} [10s]))", {"path=/a": 3, "path=/b": 2}),
        (f"sum by (missing) (count_over_time({Q} [10s]))", {"": 5}),
        ('sum without (env) (count_over_time({job="api"}[10s]))', {"job=api": 5}),
        ('avg(count_over_time({job="api"}[10s]))', {"": 2.5}),
        ('min(count_over_time({job="api"}[10s]))', {"": 2}),
        ('max by (job) (count_over_time({job="api"}[10s]))', {"job=api": 3}),
        ('count(count_over_time({job="api"}[10s]))', {"": 2}),
        ('stddev(count_over_time({job="api"}[10s]))', {"": 0.5}),
        ('stdvar(count_over_time({job="api"}[10s]))', {"": 0.25}),
        ('topk(1, count_over_time({job="api"}[10s]))', {"env=prod,job=api": 3}),
        ('approx_topk(1, count_over_time({job="api"}[10s]))', {"env=prod,job=api": 3}),
        ('bottomk(1, count_over_time({job="api"}[10s]))', {"env=dev,job=api": 2}),
        ('topk(1, count_over_time({job="api"}[10s])) by (env)', {"env=prod,job=api": 3, "env=dev,job=api": 2}),
        # numbers and operators
        ("vector(3)", {"": 3}),
        ("1 + 2 * 3 ^ 2", {"": 19}),
        ("7 % 3", {"": 1}),
        ("1 / 0", {"": math.nan}),
        ("1 > bool 2", {"": 0}),
        ("vector(1) / 0", {"": math.nan}),
        ("2 - vector(5)", {"": -3}),
        ('count_over_time({job="api"}[10s]) > 2', {"env=prod,job=api": 3}),
        ('2 < count_over_time({job="api"}[10s])', {"env=prod,job=api": 3}),
        ('count_over_time({job="api"}[10s]) > bool 2', {"env=prod,job=api": 1, "env=dev,job=api": 0}),
        ('count_over_time({job="api"}[10s]) * 2', {"env=prod,job=api": 6, "env=dev,job=api": 4}),
        ('sum(count_over_time({job="none"}[10s])) or vector(0)', {"": 0}),
        ('sum(count_over_time({job="api"}[10s])) or vector(0)', {"": 5}),
        ('count_over_time({job="api"}[10s]) and count_over_time({job="api", env="dev"}[10s])', {"env=dev,job=api": 2}),
        ('count_over_time({job="api"}[10s]) unless count_over_time({env="dev"}[10s])', {"env=prod,job=api": 3}),
        (
            'count_over_time({job="api"}[10s]) and on(job) count_over_time({env="dev"}[10s])',
            {"env=prod,job=api": 3, "env=dev,job=api": 2},
        ),
        (
            'count_over_time({job="api"}[10s]) / count_over_time({job="api"}[20s])',
            {"env=prod,job=api": 0.75, "env=dev,job=api": 1},
        ),
        (
            'sum by (env) (count_over_time({job="api"}[10s])) / on() group_left sum(count_over_time({job="api"}[10s]))',
            {"env=prod": 0.6, "env=dev": 0.4},
        ),
        (
            'sum(count_over_time({job="api"}[10s])) / ignoring(env) group_right sum by (env) (count_over_time({job="api"}[10s]))',  # noqa: E501 - one query, one line
            {"env=prod": 5 / 3, "env=dev": 2.5},
        ),
        (
            'count_over_time({job="api"}[10s]) * on(job) group_left(extra) label_replace(sum by (job) (count_over_time({job="api"}[10s])), '  # noqa: E501 - one query, one line
            '"extra", "$1", "job", "(.*)")',
            {"env=prod,extra=api,job=api": 15, "env=dev,extra=api,job=api": 10},
        ),
        (
            'count_over_time({job="api", env="dev"}[10s]) == ignoring(env) count_over_time({job="api", env="dev"}[10s])',  # noqa: E501 - one query, one line
            {"job=api": 2},
        ),
        # label_replace
        (
            'label_replace(sum by (env) (count_over_time({job="api"}[10s])), "e", "x-$1", "env", "(.).*")',
            {"e=x-p,env=prod": 3, "e=x-d,env=dev": 2},
        ),
        (
            'label_replace(sum by (env) (count_over_time({job="api"}[10s])), "e", "$1", "env", "(p.*)")',
            {"e=prod,env=prod": 3, "env=dev": 2},
        ),
        ('label_replace(sum by (job) (count_over_time({job="api"}[10s])), "job", "", "job", ".*")', {"": 5}),
        # pipelines under aggregations
        (f'sum(count_over_time({Q} | ms >= 30 | path="/b" [10s]))', {"": 2}),
        (f"sum by (kind) (count_over_time({Q} | label_format kind=path [10s]))", {"kind=/a": 3, "kind=/b": 2}),
        (
            f"sum by (kind) (count_over_time({Q} | label_format kind=`{{{{.env}}}}{{{{.path}}}}` [10s]))",
            {"kind=prod/a": 2, "kind=prod/b": 1, "kind=dev/b": 1, "kind=dev/a": 1},
        ),
        (f"sum(bytes_over_time({Q} | line_format `{{{{.path}}}}` [10s]))", {"": 10}),
        ('sum by (m) (count_over_time({job="api"} | regexp `path":"(?P<m>[^"]+)` [10s]))', {"m=/a": 3, "m=/b": 2}),
        ('sum by (m) (count_over_time({job="api"} | pattern `<_>path":"<m>"<_>` [10s]))', {"m=/a": 3, "m=/b": 2}),
        ('sum by (m) (count_over_time({job="api"} | json m="path" [10s]))', {"m=/a": 3, "m=/b": 2}),
        ('sum(count_over_time({job=~".+"} | json [10s]))', {"": 6}),  # no label matters, so no line can fail
        ('sum by (path) (count_over_time({job=~".+"} | json | __error__="" [10s]))', {"path=/a": 3, "path=/b": 2}),
        ('sum(count_over_time({job=~".+"} | json | __error__!="" [10s])) or vector(0)', None),
        (f"sum by (path) (count_over_time({Q} | drop path [10s]))", {"": 5}),
        (f"sum by (path, env) (count_over_time({Q} | keep path [10s]))", {"path=/a": 3, "path=/b": 2}),
    ],
)
def test_values(text: str, result: dict[str, float] | None) -> None:
    if result is None:
        with pytest.raises(PipelineError, match="JSONParserErr"):
            values(text)
        return
    got = values(text)
    assert got.keys() == result.keys()
    for labels, value in result.items():
        assert math.isclose(got[labels], value) or (math.isnan(got[labels]) and math.isnan(value)), (labels, got)


def test_counter_rate_extrapolates_and_sees_resets() -> None:
    lines = [line(at, f'{{"n":{n}}}') for at, n in ((91, 10), (94, 20), (97, 5), (99, 15))]
    expr = parse('rate_counter({job="api"} | json | unwrap n [10s])')
    source = MemorySource(lines)
    (series,) = query_instant(expr, source, source.execute, at=NOW)  # type: ignore[arg-type]
    source.close()
    increase, sampled, average = 25.0, 8.0, 8.0 / 3
    assert math.isclose(series.points[0][1], increase * ((sampled + 1 + 1) / sampled) / 10)
    assert average * 1.1 > 1


def failure(text: str, lines: list[Line] = LINES) -> LogQLError:
    expr = parse(text)
    source = MemorySource(lines)
    with pytest.raises(LogQLError) as by_engine:
        query_instant(expr, source, source.execute, at=NOW)  # type: ignore[arg-type]
    source.close()
    with pytest.raises(LogQLError) as by_evaluator:
        evaluate_metric(expr, lines, start=NOW, end=NOW, step=1)  # type: ignore[arg-type]
    assert str(by_engine.value) == str(by_evaluator.value)
    return by_engine.value


def test_a_line_that_does_not_parse_fails_the_query_with_its_series() -> None:
    problem = failure('sum by (path) (count_over_time({job="text"} | json [10s]))')
    assert isinstance(problem, PipelineError)
    assert str(problem).startswith("pipeline error: 'JSONParserErr' for series: '{__error__=\"JSONParserErr\", ")
    assert 'Use a label filter to intentionally skip this error. (e.g | __error__!="JSONParserErr").' in str(problem)
    assert (problem.kind, problem.status) == ("JSONParserErr", 400)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"sum(sum_over_time({Q} | unwrap path [10s]))", "SampleExtractionErr"),
        (f"sum(sum_over_time({Q} | unwrap duration(ms) [10s]))", "SampleExtractionErr"),
        (f"sum(count_over_time({Q} | path > 5 [10s]))", "LabelFilterErr"),
        ('sum(count_over_time({job="api"} | label_format x=`{{ div 1 0 }}` [10s]))', "TemplateFormatErr"),
        ('count_over_time({job="text"} | logfmt --strict | unpack [10s])', "JSONParserErr"),
    ],
)
def test_pipeline_errors(text: str, kind: str) -> None:
    problem = failure(text)
    assert isinstance(problem, PipelineError)
    assert problem.kind == kind


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'count_over_time({job="api"}[10s]) / on(job) count_over_time({job="api"}[10s])',
            "many-to-many matching not allowed",
        ),
        (
            'count_over_time({job="api"}[10s]) / on(job) sum by (job) (count_over_time({job="api"}[10s]))',
            "multiple matches for labels: many-to-one matching must be explicit",
        ),
        (
            'label_replace(count_over_time({job="api"}[10s]), "env", "x", "job", ".*")',
            "vector cannot contain metrics with the same labelset",
        ),
    ],
)
def test_sides_that_do_not_pair_up(text: str, words: str) -> None:
    problem = failure(text)
    assert isinstance(problem, MatchingError)
    assert words in str(problem)


def test_order_of_sort_and_topk() -> None:
    source = MemorySource(LINES)
    for text, order in (
        (f"sort(sum by (path) (count_over_time({Q} [10s])))", ["/b", "/a"]),
        (f"sort_desc(sum by (path) (count_over_time({Q} [10s])))", ["/a", "/b"]),
        (f"topk(2, sum by (path) (count_over_time({Q} [10s])))", ["/a", "/b"]),
        (f"bottomk(2, sum by (path) (count_over_time({Q} [10s])))", ["/b", "/a"]),
    ):
        answer = query_instant(parse(text), source, source.execute, at=NOW)  # type: ignore[arg-type]
        assert [dict(series.labels)["path"] for series in answer] == order
    source.close()


def test_steps_overlap_touch_and_leave_gaps() -> None:
    lines = [line(at, "x") for at in range(0, 100)]
    source = MemorySource(lines)
    for width, step, count in ((10, 5, 10), (10, 10, 10), (5, 10, 5), (10, 3, 10)):
        expr = parse(f'sum(count_over_time({{job="api"}}[{width}s]))')
        (series,) = query_range(
            expr,
            source,
            source.execute,
            start=30 * SECOND,
            end=60 * SECOND,
            step=step * SECOND,  # type: ignore[arg-type]
        )
        assert series.points == [(at * SECOND, float(count)) for at in range(30, 61, step)]
    source.close()


def test_a_step_of_nothing_is_refused() -> None:
    source = MemorySource([])
    with pytest.raises(LogQLError, match="zero or negative query resolution step"):
        query_range(parse("vector(1)"), source, source.execute, start=0, end=1, step=0)  # type: ignore[arg-type]
    source.close()


def test_more_series_than_allowed_are_refused() -> None:
    lines = [line(95, f'{{"id":"{number}"}}') for number in range(30)]
    source = MemorySource(lines)
    for text in (f"sum by (id) (count_over_time({Q} [10s]))", f"count_over_time({Q} [10s])"):
        with pytest.raises(SeriesLimit, match=r"maximum number of series \(20\) reached for a single query"):
            query_instant(parse(text), source, source.execute, at=NOW, limits=Limits(max_series=20))  # type: ignore[arg-type]
        with pytest.raises(SeriesLimit):
            query_range(parse(text), source, source.execute, start=NOW, end=NOW, step=1, limits=Limits(max_series=20))  # type: ignore[arg-type]
    reduced = parse(f"topk(3, sum by (id) (count_over_time({Q} [10s])))")
    assert len(query_instant(reduced, source, source.execute, at=NOW, limits=Limits(max_series=20))) == 3  # type: ignore[arg-type]
    source.close()


def test_lines_through_python_are_capped() -> None:
    source = MemorySource([line(95, "a=1")] * 10)
    with pytest.raises(LogQLError, match="line by line"):
        query_instant(
            parse('sum by (a) (count_over_time({job="api"} | unpack [10s]))'),  # type: ignore[arg-type]
            source,
            source.execute,
            at=NOW,
            limits=Limits(max_python_rows=5),
        )
    source.close()


@pytest.mark.parametrize(
    "text",
    [
        f"sum by (path) (count_over_time({Q} [10s]))",
        f"sum by (path) (rate({Q} | ms >= 500 [10s]))",
        f"quantile_over_time(0.95, {Q} | unwrap ms [10s]) by (path)",
        f'avg_over_time({Q} | unwrap duration(took) | __error__="" [10s]) by (path)',
        'rate({job="api"} |= "a" or "b" |~ "x|y" [10s])',
        'sum by (m) (count_over_time({job="api"} | regexp `(?P<m>a)` | m!="" [10s]))',
        'sum by (m) (count_over_time({job="api"} | pattern `<m> <_>` [10s]))',
        'sum(bytes_over_time({job="api"} | decolorize [10s]))',
        'sum by (level) (count_over_time({job="api"} | logfmt | status >= 500 [10s]))',
        'sum by (level) (count_over_time({job="api"} | logfmt level="lvl" [10s]))',
        f"topk(5, sum by (kind) (count_over_time({Q} | label_format kind=path | drop ms [10s])))",
        'count_over_time({job="api"} | trace_id="abc" [10s])',
    ],
)
def test_common_queries_stay_in_the_engine(text: str) -> None:
    source = MemorySource(LINES)
    (said,) = explain(parse(text), source, start=NOW, end=NOW, step=SECOND)
    source.close()
    assert "in SQL" in said.splitlines()[0], said


def test_explain_says_why_python_is_needed() -> None:
    source = MemorySource(LINES)
    (said,) = explain(parse('sum by (a) (count_over_time({job="api"} | unpack [10s]))'), source, start=NOW, end=NOW)
    (lines,) = explain(parse('{job="api"} | json | ms > 5'), source, start=0, end=NOW)
    source.close()
    assert said.startswith("-- count_over_time line by line in Python: unpack")
    assert lines.startswith("-- exact")


def test_scalars() -> None:
    assert is_scalar(parse("1 + 2"))
    assert not is_scalar(parse("vector(1) + 2"))
    assert format_query(parse("1 + 2")) == "(1 + 2)"


@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=40),
    q=st.one_of(st.floats(0, 1), st.sampled_from([-1.0, 2.0, math.nan])),
)
def test_the_quantile_of_an_array_is_that_of_the_list(values: list[float], q: float) -> None:
    ours, theirs = array_quantile(q, np.array(values)), quantile(q, values)
    assert math.isclose(ours, theirs, rel_tol=1e-12) or (math.isnan(ours) and math.isnan(theirs))


def test_the_times_that_a_query_looks_at() -> None:
    expr = parse('sum(rate({a="b"}[5s])) / sum(rate({a="b"}[1s] offset 10s))')
    assert time_range(expr, 100 * SECOND, 200 * SECOND) == (89 * SECOND + 1, 200 * SECOND + 1)  # type: ignore[arg-type]
    assert time_range(parse("vector(1)"), 5, 9) == (5, 5)  # type: ignore[arg-type]
