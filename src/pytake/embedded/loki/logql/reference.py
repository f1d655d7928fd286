"""LogQL on a plain list of lines: slow, complete, obvious. Property tests hold the SQL against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pytake.embedded.loki.logql import ast
from pytake.embedded.loki.logql.algebra import Vector, evaluate
from pytake.embedded.loki.logql.ast import RangeOp
from pytake.embedded.loki.logql.pipeline import Pipeline
from pytake.embedded.loki.logql.ranges import slide
from pytake.embedded.loki.logql.regex import matches
from pytake.embedded.loki.logql.rows import Entry, Labels, Series
from pytake.embedded.loki.logql.samples import Extractor, injectable


@dataclass(frozen=True, slots=True)
class Line:
    """A stored line."""

    ts: int
    line: str
    stream: Mapping[str, str]
    metadata: Mapping[str, str] = field(default_factory=dict)


def evaluate_logs(
    query: ast.LogQuery, lines: Iterable[Line], *, start: int, end: int, limit: int, forward: bool = False
) -> list[Entry]:
    """The first `limit` lines of `start <= ts < end` that pass, in time order or newest first."""
    pipeline = Pipeline(query.stages)
    wanted = [item for item in lines if start <= item.ts < end and matches(query.matchers, item.stream)]
    wanted.sort(key=lambda item: item.ts, reverse=not forward)
    answer: list[Entry] = []
    for item in wanted:
        entry = pipeline.process(item.ts, item.line, item.stream, item.metadata)
        if entry is not None:
            answer.append(entry)
        if len(answer) == limit:
            break
    return answer


def step_times(start: int, end: int, step: int) -> list[int]:
    """The instants of a range query."""
    return list(range(start, end + 1, step)) if step > 0 else [start]


def evaluate_metric(expr: ast.MetricExpr, lines: Sequence[Line], *, start: int, end: int, step: int) -> list[Series]:
    """The metric query at every step; series in the order of their labels."""
    series: dict[Labels, Series] = {}
    leaves: dict[tuple[ast.RangeAggregation, ast.Grouping | None], dict[Labels, dict[int, float]]] = {}
    steps = step_times(start, end, step)

    def leaf_at(at: int, agg: ast.RangeAggregation, injected: ast.Grouping | None) -> Vector:
        key = (agg, injected)
        if key not in leaves:
            leaves[key] = _leaf(agg, injected, lines, steps)
        return [(labels, points[at]) for labels, points in leaves[key].items() if at in points]

    for at in steps:
        value = evaluate(expr, _Leaves(expr, at, leaf_at))
        for labels, number in value if isinstance(value, list) else [((), value)]:
            series.setdefault(labels, Series(labels, [])).points.append((at, number))
    return [series[labels] for labels in sorted(series)]


class _Leaves:
    """Range aggregations at an instant, each with the grouping of the `sum` around it."""

    def __init__(self, expr: ast.MetricExpr, at: int, leaf_at: object) -> None:
        self.at, self.leaf_at = at, leaf_at
        self.injected: dict[int, ast.Grouping] = {}
        find_injected(expr, self.injected)

    def __call__(self, agg: ast.RangeAggregation) -> Vector:
        return self.leaf_at(self.at, agg, self.injected.get(id(agg)))  # type: ignore[operator, no-any-return]  # a closure


def find_injected(expr: ast.MetricExpr, found: dict[int, ast.Grouping]) -> None:
    """Range aggregations (by identity) that a `sum` may group, with its grouping."""
    match expr:
        case ast.VectorAggregation(expr=ast.RangeAggregation() as inner) if injectable(expr, inner):
            found[id(inner)] = expr.grouping or ast.Grouping(())
        case ast.VectorAggregation(expr=inner) | ast.LabelReplace(expr=inner):
            find_injected(inner, found)
        case ast.BinaryOperation(left=left, right=right):
            find_injected(left, found)
            find_injected(right, found)
        case _:
            pass


def absent_labels(query: ast.LogQuery) -> Labels:
    """Labels of `absent_over_time`'s series: equality matchers whose name no other matcher has."""
    names = [matcher.name for matcher in query.matchers]
    pairs = [
        (m.name, m.value) for m in query.matchers if m.op is ast.MatchOp.EQ and m.value and names.count(m.name) == 1
    ]
    return tuple(sorted(pairs))


def _leaf(
    agg: ast.RangeAggregation, injected: ast.Grouping | None, lines: Sequence[Line], steps: Sequence[int]
) -> dict[Labels, dict[int, float]]:
    extractor = Extractor(agg, injected)
    samples: dict[Labels, list[tuple[int, float]]] = {}
    for item in lines:
        ends = [step - agg.offset for step in steps]
        if not any(end - agg.range < item.ts <= end for end in ends) or not matches(agg.query.matchers, item.stream):
            continue
        sample = extractor.sample(item.ts, item.line, item.stream, item.metadata)
        if sample is not None:
            samples.setdefault(sample[0], []).append((item.ts, sample[1]))
    if agg.op is RangeOp.ABSENT:
        present = {at for one in samples.values() for at, _ in slide(agg, one, steps)}
        return {absent_labels(agg.query): {at: 1.0 for at in steps if at not in present}}
    return {labels: dict(slide(agg, one, steps)) for labels, one in samples.items()}
