"""Rows that SQL may read differently from Go are added in Python, one by one, to what SQL found."""

import math

import pytest

from pytake.embedded.loki.logql import MetricExpr, explain, metrics, parse, query_range
from pytake.embedded.loki.logql.reference import Line, evaluate_metric
from tests.unit.loki.logql.memory import MemorySource

SECOND = 1_000_000_000
VALUES = ["5", "12.5", "7", "0x1p4", "100", "3", "1e400", "8", "NaN"]
DURATIONS = ["5ms", "1m30s", "2s", "300us", "1h5m", "0", "7ms", "1s", "9ms"]
SIZES = ["5KB", "1,000", "20B", "3 kb", "1MB", "7B", "1KiB", "8B", "9B"]
LINES = [
    Line(
        at * SECOND,
        f'{{"n":"{VALUES[at % 9]}","took":"{DURATIONS[at % 9]}","size":"{SIZES[at % 9]}","path":"/{at % 2}"}}',
        {"job": "x"},
        {"id": str(at % 3)},
    )
    for at in range(100)
]
OPS = ["sum", "avg", "min", "max", "stddev", "stdvar", "first", "last", "quantile"]
UNWRAPS = ['n | __error__=""', "duration(took)", "bytes(size)"]


def expression(op: str, unwrap: str, grouping: str) -> MetricExpr:
    param = "0.7, " if op == "quantile" else ""
    text = f'{op}_over_time({param}{{job="x"}} | json | keep n, took, size, path | unwrap {unwrap} [RANGE]) {grouping}'
    if op == "sum":
        text = f'sum by (path) (sum_over_time({{job="x"}} | json | unwrap {unwrap} [RANGE]))'
    return text  # type: ignore[return-value]  # completed by the test


@pytest.fixture(autouse=True)
def only_sql(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the whole aggregation went through Python")

    monkeypatch.setattr(metrics._Query, "_in_python", refuse)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("unwrap", UNWRAPS)
@pytest.mark.parametrize(("width", "step"), [("20s", 5), ("5s", 20), ("60s", 2)])
def test_doubtful_rows_count_as_the_others_do(op: str, unwrap: str, width: str, step: int) -> None:
    expr = parse(str(expression(op, unwrap, "by (path)")).replace("RANGE", width))
    source = MemorySource(LINES)
    bounds = {"start": 40 * SECOND, "end": 90 * SECOND, "step": step * SECOND}
    got = query_range(expr, source, source.execute, **bounds)  # type: ignore[arg-type]
    want = evaluate_metric(expr, LINES, **bounds)  # type: ignore[arg-type]
    source.close()
    assert [series.labels for series in got] == [series.labels for series in want]
    for ours, theirs in zip(got, want, strict=True):
        assert [at for at, _ in ours.points] == [at for at, _ in theirs.points]
        for (_, a), (_, b) in zip(ours.points, theirs.points, strict=True):
            assert math.isclose(a, b, rel_tol=1e-9) or (math.isnan(a) and math.isnan(b))


@pytest.mark.parametrize("predicate", ["n > 6", "took >= 1s", "size < 2KB", 'n > 6 or path="/1"'])
def test_doubtful_rows_are_filtered_in_python(predicate: str) -> None:
    text = f'sum by (path) (count_over_time({{job="x"}} | json | {predicate} | __error__="" [20s]))'
    source = MemorySource(LINES)
    bounds = {"start": 40 * SECOND, "end": 90 * SECOND, "step": 7 * SECOND}
    got = query_range(parse(text), source, source.execute, **bounds)  # type: ignore[arg-type]
    assert got == evaluate_metric(parse(text), LINES, **bounds)  # type: ignore[arg-type]
    (said,) = explain(parse(text), source, start=0, end=1)
    assert "in SQL" in said
    source.close()
