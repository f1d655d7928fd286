"""Compiled SQL on DuckDB answers as the line-by-line evaluator does, on generated logs and queries."""

import json
import math
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytake.embedded.loki.logql import (
    Limits,
    LogQLError,
    LogQuery,
    MetricExpr,
    Series,
    format_query,
    parse,
    query_instant,
    query_logs,
    query_range,
)
from pytake.embedded.loki.logql.reference import Line, evaluate_logs, evaluate_metric
from tests.unit.loki.logql.memory import MemorySource

SECOND = 1_000_000_000
NUMBERS = [
    "5",
    "500",
    "12.5",
    "1.50",
    "0",
    "-3",
    "1e3",
    " 5",
    "5 ",
    "1_000",
    "0x10",
    "inf",
    "NaN",
    "",
    "abc",
    ".5",
    "7.",
]
DURATIONS = ["5ms", "1.5s", "1m30s", "0.3ms", "2h", "x", "10", "0", "250us"]
SIZES = ["5KB", "1.5MiB", "20B", "1,000", "3 kb", "7", "1e3B", "big"]
WORDS = ["info", "error", "warn", "GET", "a b", "it's", "é", "x=y", "127.0.0.1", "10.1.2.3"]
PATHS = ["/a", "/b", "/api/v1"]

scalars = st.one_of(
    st.sampled_from(NUMBERS + DURATIONS + SIZES + WORDS),
    st.sampled_from([5, 500, 12.5, 0, -3, True, None, 1.0, 1e22]),
)
objects = st.fixed_dictionaries(
    {"level": st.sampled_from(["info", "error"])},
    optional={
        "status": st.one_of(st.sampled_from([200, 404, 500]), scalars),
        "took": st.one_of(st.sampled_from(DURATIONS), scalars),
        "size": st.one_of(st.sampled_from(SIZES), scalars),
        "path": st.sampled_from(PATHS),
        "job": st.sampled_from(WORDS),
        "user": st.fixed_dictionaries({}, optional={"name": scalars, "id": scalars, "tags": st.just([1, 2])}),
        "trace_id": st.sampled_from(["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"]),
        "list": st.just([1, {"x": "y"}]),
    },
)


@st.composite
def lines_of_text(draw: st.DrawFn) -> str:
    kind = draw(st.integers(0, 9))
    found = draw(objects)
    if kind < 6:
        return json.dumps(found, ensure_ascii=draw(st.booleans()))
    if kind < 8:
        return " ".join(f"{key}={json.dumps(value) if ' ' in str(value) else value}" for key, value in found.items())
    return draw(
        st.sampled_from(
            ["GET /a 200 5ms", "POST /b 500 12ms", "plain", "", "{broken", "a\nb error", "\x1b[31mred\x1b[0m"]
        )
    )


streams = st.sampled_from(
    [
        {"job": "api", "env": "prod"},
        {"job": "api", "env": "dev", "level": "stream"},
        {"job": "worker", "env": "prod"},
        {"job": "worker"},
    ]
)
metadata = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {},
        optional={
            "trace_id": st.just("00f067aa0ba902b7"),
            "detected_level": st.sampled_from(["info", "error"]),
            "path": st.just("/m"),
        },
    ),
)


@st.composite
def logs(draw: st.DrawFn) -> list[Line]:
    """Lines half a second to two seconds apart; most of them in the windows that the queries ask for."""
    gaps = draw(st.lists(st.integers(1, 4), min_size=5, max_size=40))
    at, made = draw(st.sampled_from([0, 5, 15])) * SECOND, []
    for gap in gaps:
        at += gap * SECOND // 2
        made.append(Line(at, draw(lines_of_text()), draw(streams), draw(metadata)))
    return made


selectors = st.sampled_from(
    ['{job="api"}', '{job=~".+"}', '{job=~".+"}', '{job=~"api|worker", env!="dev"}', '{env="prod"}', '{job="none"}']
)
line_filters = st.sampled_from(
    [
        '|= "error"',
        '!= "error"',
        '|= "info" or "GET"',
        '!= "info" or "GET"',
        "|~ `err.r`",
        "!~ `(?i)GET`",
        "|~ `a.b`",
        '|> "<_> /a <_>"',
        '!> "<_>500<_>"',
        '|= ip("10.0.0.0/8")',
        '|= ""',
        "|~ `error|warn`",
    ]
)
parsers = st.sampled_from(
    [
        "| json",
        '| json status, who="user.name"',
        '| json took="took", one="list[0]", all="user"',
        "| logfmt",
        "| logfmt --strict",
        "| logfmt status, took",
        "| regexp `^(?P<method>\\w+) (?P<path>\\S+) (?P<status>\\d+)`",
        '| pattern "<method> <path> <status> <took>"',
        "| unpack",
    ]
)
predicates = st.recursive(
    st.sampled_from(
        [
            'level="error"',
            'level!="error"',
            'level=~"err.*"',
            'path!~"/a|/b"',
            "status>=500",
            "status==5",
            "status!=5",
            "status<100",
            "took>1s",
            "took<=5ms",
            "size>1KB",
            "size<=20B",
            'user_name="a b"',
            'user_id=""',
            'env="prod"',
            'trace_id="4bf92f3577b34da6a3ce929d0e0e4736"',
            'trace_id!=""',
            'detected_level="error"',
            '__error__=""',
            '__error__!=""',
            '__error__=~".*Parser.*"',
            'job_extracted="GET"',
            'path=ip("10.0.0.0/8")',
        ]
    ),
    lambda inner: st.tuples(inner, st.sampled_from([" and ", " or ", ", "]), inner).map(
        lambda p: f"({p[0]}{p[1]}{p[2]})"
    ),
    max_leaves=4,
)
label_filters = predicates.map(lambda text: f"| {text}")
# drop and keep end in a matcher here: after a bare name, `!= "x"` belongs to them and not to the line
formats = st.sampled_from(
    [
        "| line_format `{{.level}} {{.path}}`",
        "| line_format `{{.level | upper}}`",
        "| label_format kind=level",
        "| label_format where=`{{.path}}!`",
        "| label_format level=`{{ ToUpper .level }}`",
        '| drop level, none="x"',
        '| drop path, level="error"',
        '| keep level, path, none="x"',
        '| keep path, level=~"e.*"',
        "| decolorize",
        '| drop __error__, __error_details__, none="x"',
        "| label_format a=path, path=level",
    ]
)


@st.composite
def log_queries(draw: st.DrawFn) -> str:
    stages = draw(st.lists(st.one_of(line_filters, parsers, label_filters, formats), max_size=3))
    if draw(st.integers(0, 3)):
        stages.insert(0, draw(st.sampled_from(["| json", "| json", '| json | __error__=""', "| logfmt"])))
    return " ".join([draw(selectors), *stages])


groupings = st.sampled_from(
    ["by (level)", "by (path, env)", "by (job)", "without (level, trace_id)", "by (status)", "by ()", ""]
)
plain_ops = st.sampled_from(["count_over_time", "rate", "bytes_over_time", "bytes_rate", "absent_over_time"])
value_ops = st.sampled_from(
    [
        "sum_over_time",
        "rate",
        "rate_counter",
        "avg_over_time",
        "min_over_time",
        "max_over_time",
        "stdvar_over_time",
        "stddev_over_time",
        "first_over_time",
        "last_over_time",
        "quantile_over_time",
    ]
)
ranges = st.sampled_from(["[5s]", "[20s]", "[20s] offset 10s", "[1m]", "[1m]", "[7s]"])
vector_ops = st.sampled_from(["sum", "sum", "sum", "max", "min", "avg", "count", "stddev", "topk 2", "bottomk 1"])


@st.composite
def range_queries(draw: st.DrawFn) -> str:
    query = draw(log_queries())
    clean = draw(st.sampled_from(["", '| __error__=""', "| drop __error__"]))
    if draw(st.booleans()):
        return f"{draw(plain_ops)}({query} {clean} {draw(ranges)})"
    op = draw(value_ops)
    unwrap = draw(st.sampled_from(["unwrap status", "unwrap duration(took)", "unwrap bytes(size)", "unwrap user_id"]))
    after = draw(st.sampled_from(["", '| __error__=""']))
    param = "0.9, " if op == "quantile_over_time" else ""
    grouped = op not in ("sum_over_time", "rate", "rate_counter")
    tail = draw(st.sampled_from(["by (level)", "by (path)", "without (path)", ""])) if grouped else ""
    return f"{op}({param}{query} {clean} | {unwrap} {after} {draw(ranges)}) {tail}"


@st.composite
def metric_queries(draw: st.DrawFn) -> str:
    query = draw(range_queries())
    kind = draw(st.integers(0, 5))
    if kind < 4:
        op, _, param = draw(vector_ops).partition(" ")
        query = f"{op} {draw(groupings)} ({f'{param}, ' if param else ''}{query})"
    if kind == 5:
        query = f"{query} {draw(st.sampled_from(['> 1', '* 2', '/ 2 > bool 1', 'or vector(3)', '^ 2', '% 2']))}"
    return query


def close(left: float, right: float) -> bool:
    return (math.isnan(left) and math.isnan(right)) or math.isclose(left, right, rel_tol=1e-7, abs_tol=1e-7)


def same(left: Sequence[Series], right: Sequence[Series]) -> bool:
    return len(left) == len(right) and all(
        a.labels == b.labels
        and [at for at, _ in a.points] == [at for at, _ in b.points]
        and all(close(x, y) for (_, x), (_, y) in zip(a.points, b.points, strict=True))
        for a, b in zip(left, right, strict=True)
    )


relaxed = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@relaxed
@given(lines=logs(), text=log_queries(), limit=st.integers(1, 12), forward=st.booleans())
def test_log_query_answers_as_the_reference(lines: list[Line], text: str, limit: int, forward: bool) -> None:
    expr = parse(text)
    assert isinstance(expr, LogQuery)
    source = MemorySource(lines)
    bounds = {"start": 2 * SECOND, "end": 60 * SECOND, "limit": limit, "forward": forward}
    assert query_logs(expr, source, source.execute, **bounds) == evaluate_logs(expr, lines, **bounds)
    source.close()


def answer(run: object) -> tuple[str, list[Series]]:
    try:
        return "", run()  # type: ignore[operator]
    except LogQLError as problem:
        return f"{type(problem).__name__}", []


@relaxed
@given(lines=logs(), text=metric_queries(), step=st.sampled_from([1, 5, 7, 30]), count=st.integers(0, 6))
def test_metric_query_answers_as_the_reference(lines: list[Line], text: str, step: int, count: int) -> None:
    expr: MetricExpr = parse(text)  # type: ignore[assignment]
    source = MemorySource(lines)
    start, width = 20 * SECOND, step * SECOND
    bounds = {"start": start, "end": start + count * width, "step": width}
    want = answer(lambda: evaluate_metric(expr, lines, **bounds))
    got = answer(lambda: query_range(expr, source, source.execute, **bounds, limits=Limits(max_series=0)))
    assert got[0] == want[0], (text, got, want)
    assert same(got[1], want[1]), (text, got[1], want[1])
    if not want[0] and count == 0:
        at_once = answer(lambda: query_instant(expr, source, source.execute, at=start, limits=Limits(max_series=0)))
        assert same(sorted(at_once[1], key=lambda s: s.labels), want[1])
    source.close()


@settings(max_examples=120, deadline=None)
@given(text=st.one_of(log_queries(), metric_queries()))
def test_printing_and_parsing_a_query_gives_it_back(text: str) -> None:
    expr = parse(text)
    assert parse(format_query(expr)) == expr


@pytest.mark.slow
@settings(relaxed, max_examples=5000)
@given(lines=logs(), text=metric_queries(), step=st.sampled_from([1, 5, 7, 30]), count=st.integers(0, 6))
def test_metric_queries_in_bulk(lines: list[Line], text: str, step: int, count: int) -> None:
    test_metric_query_answers_as_the_reference.hypothesis.inner_test(lines, text, step, count)  # type: ignore[attr-defined]
