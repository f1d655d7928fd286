"""Answers: log queries by slices of time, metric queries leaf by leaf in SQL and the rest in Python."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pytake.embedded.loki.logql import ast
from pytake.embedded.loki.logql.algebra import Vector, evaluate, is_scalar
from pytake.embedded.loki.logql.ast import RangeOp
from pytake.embedded.loki.logql.errors import LogQLError, SeriesLimit
from pytake.embedded.loki.logql.meta import metadata
from pytake.embedded.loki.logql.pipeline import Pipeline, to_entry
from pytake.embedded.loki.logql.ranges import slide
from pytake.embedded.loki.logql.reference import absent_labels, find_injected
from pytake.embedded.loki.logql.row import Row
from pytake.embedded.loki.logql.rows import Entry, Execute, Labels, Limits, Series
from pytake.embedded.loki.logql.samples import Extractor
from pytake.embedded.loki.logql.sql.collect import Collector
from pytake.embedded.loki.logql.sql.leaf import Leaf, Steps
from pytake.embedded.loki.logql.sql.scope import Scope
from pytake.embedded.loki.logql.sql.text import NotPushableError
from pytake.embedded.loki.rowsource import Col, RowSource, StreamMatcher

COLUMNS = f"r.{Col.TS}, r.{Col.SID}, r.{Col.LINE}, r.{Col.META}, r.{Col.LEVEL}"
FIRST_SLICES = 256
"""A log query's first slice is this part of its time range; each further slice is four times as wide."""
GROWTH = 4
MIN_SLICE = 1_000_000_000
PAGE = 2048
"""Rows a statement fetches where SQL cannot say exactly which lines stay."""
DEFAULT_LIMITS = Limits()
"""Loki's own defaults."""
MAX_SERIES_IN_MEMORY = 200_000
FETCH = 20_000
_ID = re.compile(r"[0-9a-f]{16}")
Streams = Mapping[int, Mapping[str, str]]


def _rows(sources: Sequence[str]) -> str:
    """The rows of all sources."""
    return " UNION ALL ".join(f"SELECT {COLUMNS} {source}" for source in sources)


def _streams(source: RowSource, matchers: Sequence[ast.Matcher], start: int, end: int) -> Streams:
    return source.streams([StreamMatcher(m.name, m.op.value, m.value) for m in matchers], start, end)


# --------------------------------------------------------------------------------------------------------- log queries
class LogPlan:
    """A log query over streams: the SQL of a slice and what becomes of its rows."""

    def __init__(self, query: ast.LogQuery, streams: Streams, *, forward: bool) -> None:
        self.streams = streams
        self.forward = forward
        self.pipeline = Pipeline(query.stages)
        self.plain = not query.stages
        self.scope = Scope(streams, strict=False)
        for stage in query.stages:
            self.scope.apply(stage)
        self.selective = bool(self.scope.ids) or any(_ID.search(needle) for needle in self.scope.needles)
        """Whether the query asks for an id: few lines have it, so one statement over the whole time is cheapest."""
        self._labels = {sid: tuple(sorted(labels.items())) for sid, labels in streams.items()}

    def sql(self, source: RowSource, start: int, end: int, limit: int) -> str:
        """The first rows of `start <= ts < end`."""
        order = f"ORDER BY {Col.TS} {'ASC' if self.forward else 'DESC'} LIMIT {limit}"
        return f"{_rows(self.scope.sources(source, start, end))} {order}"

    def entry(self, found: Sequence[Any]) -> Entry | None:
        """What a fetched row becomes."""
        ts, sid, line, meta, level = found
        if self.plain:
            return Entry(ts, line, self._labels[sid], tuple(sorted(metadata(meta, level).items())))
        row = Row(ts, line, self.streams[sid], metadata(meta, level))
        return to_entry(row, self._labels[sid]) if self.pipeline.run(row) else None


def slices(start: int, end: int, *, forward: bool) -> Iterator[tuple[int, int]]:
    """Time slices of `start <= ts < end` from the side that is wanted first, each four times the one before."""
    width = max((end - start) // FIRST_SLICES, MIN_SLICE)
    at = start if forward else end
    while (at < end) if forward else (at > start):
        low, high = (at, min(at + width, end)) if forward else (max(at - width, start), at)
        yield low, high
        at = high if forward else low
        width *= GROWTH


def query_logs(
    expr: ast.LogQuery,
    source: RowSource,
    execute: Execute,
    *,
    start: int,
    end: int,
    limit: int,
    forward: bool = False,
) -> list[Entry]:
    """The first `limit` lines of `start <= ts < end` (ns), newest first unless `forward`."""
    streams = _streams(source, expr.matchers, start, end)
    if not streams or limit <= 0:
        return []
    plan = LogPlan(expr, streams, forward=forward)
    answer: list[Entry] = []
    spans = [(start, end)] if plan.selective else slices(start, end, forward=forward)
    for low, high in spans:
        _slice(plan, source, execute, low, high, limit, answer)
        if len(answer) >= limit:
            break
    return answer[:limit]


def _slice(
    plan: LogPlan, source: RowSource, execute: Execute, low: int, high: int, limit: int, answer: list[Entry]
) -> None:
    """Add a slice's lines to the answer, page by page where a page does not suffice."""
    page = limit - len(answer) if plan.scope.exact else max(PAGE, 2 * limit)
    while low < high:
        rows = execute(plan.sql(source, low, high, page)).fetchall()
        if len(rows) < page:
            _add(plan, rows, limit, answer)
            return
        edge = rows[-1][0]
        inside = next(index for index, row in enumerate(rows) if row[0] == edge)
        _add(plan, rows[:inside], limit, answer)
        sure = len(answer)
        _add(plan, rows[inside:], limit, answer)
        if len(answer) >= limit:
            return
        del answer[sure:]  # more lines may have the last line's time: the next page begins with them
        if inside == 0:
            page *= GROWTH
        low, high = (edge, high) if plan.forward else (low, edge + 1)


def _add(plan: LogPlan, rows: Sequence[Sequence[Any]], limit: int, answer: list[Entry]) -> None:
    for row in rows:
        if len(answer) >= limit:
            return
        entry = plan.entry(row)
        if entry is not None:
            answer.append(entry)


# ------------------------------------------------------------------------------------------------------ metric queries
class _Query:
    """One metric query on its way."""

    def __init__(self, expr: ast.MetricExpr, source: RowSource, execute: Execute, steps: Steps, limits: Limits) -> None:
        self.expr, self.source, self.execute, self.steps, self.limits = expr, source, execute, steps, limits
        self.injected: dict[int, ast.Grouping] = {}
        find_injected(expr, self.injected)
        self.python_rows = 0
        self.reduced = _without_injected(expr, self.injected)
        self.unreduced = set(_unreduced(self.reduced))
        self.top = dict(_topped(self.reduced))

    def leaf(self, agg: ast.RangeAggregation) -> dict[Labels, dict[int, float]]:
        """Values of a range aggregation by series and step index."""
        start = self.steps.start - agg.offset - agg.range + 1
        end = self.steps.at(self.steps.count - 1) - agg.offset + 1
        streams = _streams(self.source, agg.query.matchers, start, end)
        values = self._values(agg, streams, start, end) if streams else {}
        if agg.op is RangeOp.ABSENT:
            present = {at for points in values.values() for at in points}
            return {absent_labels(agg.query): {at: 1.0 for at in range(self.steps.count) if at not in present}}
        return values

    def _values(
        self, agg: ast.RangeAggregation, streams: Streams, start: int, end: int
    ) -> dict[Labels, dict[int, float]]:
        injected = self.injected.get(id(agg))
        try:
            leaf = Leaf(agg, injected, streams, self.steps, self.top.get(id(agg)))
        except NotPushableError:
            return self._in_python(agg, injected, streams, start, end)
        sources = leaf.scope.sources(self.source, start, end)
        found = Collector(leaf, *self._cap(agg))
        cursor = self.execute(leaf.sql(sources))
        while rows := cursor.fetchmany(FETCH):
            found.feed(rows)
            if found.unsure:
                return self._in_python(agg, injected, streams, start, end)
        if found.failed:
            self._explain_failure(leaf, sources, streams)
            return self._in_python(agg, injected, streams, start, end)
        return found.series()

    def _cap(self, agg: ast.RangeAggregation) -> tuple[int, LogQLError]:
        """How many series the aggregation may have, and what to say beyond that."""
        if id(agg) in self.unreduced and self.limits.max_series:
            return self.limits.max_series, SeriesLimit(self.limits.max_series)
        return MAX_SERIES_IN_MEMORY, LogQLError(
            f"{agg.op} would hold more than {MAX_SERIES_IN_MEMORY} series in memory; "
            "group by labels with fewer values, filter more or shorten the time range"
        )

    def _explain_failure(self, leaf: Leaf, sources: Sequence[str], streams: Streams) -> None:
        extractor = Extractor(leaf.agg, leaf.injected)
        for ts, sid, line, meta, level, *_ in self.execute(leaf.probe(sources)).fetchall():
            extractor.sample(ts, line, streams[sid], metadata(meta, level))

    def _in_python(
        self, agg: ast.RangeAggregation, injected: ast.Grouping | None, streams: Streams, start: int, end: int
    ) -> dict[Labels, dict[int, float]]:
        """The aggregation over rows that SQL could only narrow down."""
        scope = Scope(streams, strict=False)
        for stage in agg.query.stages:
            scope.apply(stage)
        cursor = self.execute(_rows(scope.sources(self.source, start, end)))
        extractor = Extractor(agg, injected)
        if agg.op is RangeOp.ABSENT:
            extractor.grouping = ast.Grouping(())
        samples: dict[Labels, list[tuple[int, float]]] = {}
        last, step = end - 1, self.steps.step
        gaps = self.steps.count > 1 and agg.range < step
        while rows := cursor.fetchmany(PAGE):
            self.python_rows += len(rows)
            self._check_size(agg, len(samples))
            for ts, sid, line, meta, level in rows:
                if gaps and (last - ts) % step >= agg.range:
                    continue
                sample = extractor.sample(ts, line, streams[sid], metadata(meta, level))
                if sample is not None:
                    samples.setdefault(sample[0], []).append((ts, sample[1]))
        self._check_size(agg, len(samples))
        times = [self.steps.at(index) for index in range(self.steps.count)]
        index = {at: number for number, at in enumerate(times)}
        return {
            labels: {index[at]: value for at, value in slide(agg, found, times)} for labels, found in samples.items()
        }

    def _check_size(self, agg: ast.RangeAggregation, series: int) -> None:
        if self.python_rows > self.limits.max_python_rows:
            raise LogQLError(
                f"the query would take more than {self.limits.max_python_rows} lines through stages that only run "
                "line by line; filter more or shorten the time range"
            )
        cap, problem = self._cap(agg)
        if series > cap:
            raise problem

    # --------------------------------------------------------------------------------------------------- all together
    def vectors(self) -> Iterator[tuple[int, Vector]]:
        """The value at every step."""
        by_step = self._by_step()
        for index in range(self.steps.count):
            value = evaluate(self.reduced, lambda agg, index=index: by_step(agg)[index])  # type: ignore[misc]  # bound per step
            yield self.steps.at(index), value if isinstance(value, list) else [((), value)]

    def _by_step(self) -> Callable[[ast.RangeAggregation], list[Vector]]:
        """The vectors of the leaves at every step, made when they are asked for."""
        cache: dict[int, list[Vector]] = {}

        def by_step(agg: ast.RangeAggregation) -> list[Vector]:
            if id(agg) not in cache:
                vectors: list[Vector] = [[] for _ in range(self.steps.count)]
                for labels, points in self.leaf(agg).items():
                    for at, value in points.items():
                        vectors[at].append((labels, value))
                cache[id(agg)] = vectors
            return cache[id(agg)]

        return by_step


def _unreduced(expr: ast.MetricExpr) -> Iterator[int]:
    """Leaves (by identity) whose every series is a series of the answer."""
    match expr:
        case ast.RangeAggregation():
            yield id(expr)
        case ast.VectorAggregation(op=ast.VectorOp.SORT | ast.VectorOp.SORT_DESC, expr=inner):
            yield from _unreduced(inner)
        case ast.BinaryOperation(op=op, left=left, right=right) if not op.is_comparison and not op.is_set:
            if is_scalar(right):
                yield from _unreduced(left)
            elif is_scalar(left):
                yield from _unreduced(right)
        case _:
            pass


def _topped(expr: ast.MetricExpr) -> Iterator[tuple[int, tuple[bool, int]]]:
    """Leaves (by identity) of which a `topk` or `bottomk` of the whole vector takes a few."""
    match expr:
        case ast.VectorAggregation(op=op, expr=ast.RangeAggregation() as leaf, grouping=grouping, param=int(count)):
            if grouping is None or grouping == ast.Grouping(()):
                yield id(leaf), (op is not ast.VectorOp.BOTTOMK, count)
        case ast.VectorAggregation(expr=inner) | ast.LabelReplace(expr=inner):
            yield from _topped(inner)
        case ast.BinaryOperation(left=left, right=right):
            yield from _topped(left)
            yield from _topped(right)
        case _:
            pass


def _without_injected(expr: ast.MetricExpr, injected: Mapping[int, ast.Grouping]) -> ast.MetricExpr:
    match expr:
        case ast.VectorAggregation(expr=ast.RangeAggregation() as inner) if id(inner) in injected:
            return inner
        case ast.VectorAggregation(op, inner, grouping, param):
            return ast.VectorAggregation(op, _without_injected(inner, injected), grouping, param)
        case ast.LabelReplace(inner, dst, replacement, src, pattern):
            return ast.LabelReplace(_without_injected(inner, injected), dst, replacement, src, pattern)
        case ast.BinaryOperation(op, left, right, return_bool, matching):
            sides = _without_injected(left, injected), _without_injected(right, injected)
            return ast.BinaryOperation(op, *sides, return_bool, matching)
    return expr


def query_range(
    expr: ast.MetricExpr,
    source: RowSource,
    execute: Execute,
    *,
    start: int,
    end: int,
    step: int,
    limits: Limits = DEFAULT_LIMITS,
) -> list[Series]:
    """The metric query at `start`, `start + step`, ... up to `end` (ns); series in the order of their labels."""
    if step <= 0:
        raise LogQLError("zero or negative query resolution step widths are not accepted. Try a positive integer")
    steps = Steps(start, step, max((end - start) // step + 1, 0))
    if steps.count == 0:
        return []
    query = _Query(expr, source, execute, steps, limits)
    found: dict[Labels, Series] = {}
    for at, vector in query.vectors():
        for labels, value in vector:
            series = found.get(labels)
            if series is None:
                series = found[labels] = Series(labels, [])
                if limits.max_series and len(found) > limits.max_series:
                    raise SeriesLimit(limits.max_series)
            series.points.append((at, value))
    return [found[labels] for labels in sorted(found)]


def query_instant(
    expr: ast.MetricExpr, source: RowSource, execute: Execute, *, at: int, limits: Limits = DEFAULT_LIMITS
) -> list[Series]:
    """The metric query at one instant (ns): one point a series, in the order that `sort` and `topk` leave."""
    query = _Query(expr, source, execute, Steps(at, 1, 1), limits)
    (_, vector), *_ = query.vectors()
    if limits.max_series and len(vector) > limits.max_series:
        raise SeriesLimit(limits.max_series)
    if not _ordered(expr):
        vector.sort(key=lambda item: item[0])
    return [Series(labels, [(at, value)]) for labels, value in vector]


def _ordered(expr: ast.MetricExpr) -> bool:
    orders = (
        ast.VectorOp.SORT,
        ast.VectorOp.SORT_DESC,
        ast.VectorOp.TOPK,
        ast.VectorOp.BOTTOMK,
        ast.VectorOp.APPROX_TOPK,
    )
    return isinstance(expr, ast.VectorAggregation) and expr.op in orders


def explain(expr: ast.Expr, source: RowSource, *, start: int, end: int, step: int = 0, limit: int = 100) -> list[str]:
    """The SQL of a query, statement by statement, with a word on what Python does."""
    if isinstance(expr, ast.LogQuery):
        streams = _streams(source, expr.matchers, start, end)
        plan = LogPlan(expr, streams, forward=False)
        how = "exact" if plan.scope.exact else "narrowed; Python decides line by line"
        return [f"-- {how}, slice by slice\n{plan.sql(source, start, end, limit)}"] if streams else []
    said: list[str] = []
    steps = Steps(start, step, (end - start) // step + 1) if step > 0 else Steps(end, 1, 1)
    injected: dict[int, ast.Grouping] = {}
    find_injected(expr, injected)
    top = dict(_topped(_without_injected(expr, injected)))
    for agg in _leaves(expr):
        low = steps.start - agg.offset - agg.range + 1
        high = steps.at(steps.count - 1) - agg.offset + 1
        streams = _streams(source, agg.query.matchers, low, high)
        try:
            leaf = Leaf(agg, injected.get(id(agg)), streams, steps, top.get(id(agg)))
            said.append(f"-- {agg.op} in SQL\n{leaf.sql(leaf.scope.sources(source, low, high))}")
        except NotPushableError as problem:
            scope = Scope(streams, strict=False)
            for stage in agg.query.stages:
                scope.apply(stage)
            rows = _rows(scope.sources(source, low, high))
            said.append(f"-- {agg.op} line by line in Python: {problem}\n{rows}")
    return said


def _leaves(expr: ast.MetricExpr) -> Iterator[ast.RangeAggregation]:
    match expr:
        case ast.RangeAggregation():
            yield expr
        case ast.VectorAggregation(expr=inner) | ast.LabelReplace(expr=inner):
            yield from _leaves(inner)
        case ast.BinaryOperation(left=left, right=right):
            yield from _leaves(left)
            yield from _leaves(right)
        case _:
            pass


def compile_pipeline(query: ast.LogQuery) -> Pipeline:
    """The pipeline of a log query, for lines as they arrive."""
    return Pipeline(query.stages)


__all__ = ["compile_pipeline", "explain", "is_scalar", "query_instant", "query_logs", "query_range"]
