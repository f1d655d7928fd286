"""Quantiles over many lines are asked for in several statements, so that none holds too many samples."""

import pytest

from pytake.embedded.loki.logql import metrics, parse, query_range
from pytake.embedded.loki.logql.reference import Line, evaluate_metric
from tests.unit.loki.logql.memory import MemorySource

SECOND = 1_000_000_000
LINES = [Line(at * SECOND, f'{{"n":{at * 7 % 31}}}', {"job": "x"}, {}) for at in range(100)]


@pytest.mark.parametrize("width", ["5s", "10s", "30s"])
def test_parts_give_what_the_whole_gives(width: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MAX_LISTED", 25)
    expr = parse(f'quantile_over_time(0.9, {{job="x"}} | json | unwrap n [{width}]) by (job)')
    source = MemorySource(LINES)
    bounds = {"start": 40 * SECOND, "end": 95 * SECOND, "step": 10 * SECOND}
    got = query_range(expr, source, source.execute, **bounds)  # type: ignore[arg-type]
    want = evaluate_metric(expr, LINES, **bounds)  # type: ignore[arg-type]
    source.close()
    assert len(source.statements) > 2
    assert [series.labels for series in got] == [series.labels for series in want]
    for (ours_at, ours), (at, value) in zip(got[0].points, want[0].points, strict=True):
        assert (ours_at, ours) == (at, pytest.approx(value))
