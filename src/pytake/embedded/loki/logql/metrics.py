"""Metric queries: range aggregations in SQL where that is exact, the rest of the expression in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pytake.embedded.loki.logql import ast
from pytake.embedded.loki.logql.algebra import Vector, evaluate
from pytake.embedded.loki.logql.ast import RangeOp
from pytake.embedded.loki.logql.errors import LogQLError, SeriesLimit
from pytake.embedded.loki.logql.meta import metadata
from pytake.embedded.loki.logql.plan import topped_of, unreduced_of, without_injected
from pytake.embedded.loki.logql.ranges import Samples
from pytake.embedded.loki.logql.reference import absent_labels, find_injected
from pytake.embedded.loki.logql.rows import Execute, Labels, Limits, Series
from pytake.embedded.loki.logql.samples import Extractor
from pytake.embedded.loki.logql.sql.collect import Collector
from pytake.embedded.loki.logql.sql.leaf import Leaf, Steps
from pytake.embedded.loki.logql.sql.scope import Scope
from pytake.embedded.loki.logql.sql.text import NotPushableError
from pytake.embedded.loki.logql.streams import PAGE, Streams, rows_of, streams_of
from pytake.embedded.loki.rowsource import Needs, RowSource

DEFAULT_LIMITS = Limits()
"""Loki's own defaults."""
MAX_SERIES_IN_MEMORY = 200_000
MAX_LISTED = 4_000_000
"""Samples that one statement may hold, for quantiles and deviations."""
MAX_DOUBTFUL = 100_000
"""Rows that Python adds one by one to what SQL found; beyond that it takes the whole aggregation."""
FETCH = 20_000


class _UnsureError(Exception):
    """A row that SQL may read differently from Python."""


class _Query:
    """One metric query on its way."""

    def __init__(self, expr: ast.MetricExpr, source: RowSource, execute: Execute, steps: Steps, limits: Limits) -> None:
        self.expr, self.source, self.execute, self.steps, self.limits = expr, source, execute, steps, limits
        self.injected: dict[int, ast.Grouping] = {}
        find_injected(expr, self.injected)
        self.python_rows = 0
        self.reduced = without_injected(expr, self.injected)
        self.unreduced = set(unreduced_of(self.reduced))
        self.top = dict(topped_of(self.reduced))

    def leaf(self, agg: ast.RangeAggregation) -> dict[Labels, dict[int, float]]:
        """Values of a range aggregation by series and step index."""
        start = self.steps.start - agg.offset - agg.range + 1
        end = self.steps.at(self.steps.count - 1) - agg.offset + 1
        streams = streams_of(self.source, agg.query.matchers, start, end)
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
        for attempt in (leaf, Leaf(agg, injected, streams, self.steps, sure=True)):
            try:
                return self._in_sql(attempt, streams)
            except _UnsureError:
                continue
        return self._in_python(agg, injected, streams, start, end)

    def _in_sql(self, leaf: Leaf, streams: Streams) -> dict[Labels, dict[int, float]]:
        """The aggregation as SQL; `_UnsureError` where it met a row that is in doubt or in error.

        A `sure` leaf leaves the rows in doubt out of the SQL and adds them one by one, if they are few.
        """
        values: dict[Labels, dict[int, float]] = {}
        for first, part in self._parts(leaf, streams):
            sources = part.scope.sources(self.source, *part.bounds)
            found = Collector(part, *self._cap(part.agg))
            cursor = self.execute(part.sql(sources))
            if part.fold.lists:
                found.feed_lists(cursor.to_arrow_table())
            else:
                while not found.wrong and (rows := cursor.fetchmany(FETCH)):
                    found.feed(rows)
            if found.wrong:
                if part.sure:
                    self._explain_failure(part, sources, streams)
                raise _UnsureError
            if part.sure:
                self._add_doubtful(part, sources, streams, found)
            for labels, points in found.series().items():
                values.setdefault(labels, {}).update((first + at, value) for at, value in points.items())
        return values

    def _add_doubtful(self, leaf: Leaf, sources: Sequence[str], streams: Streams, found: Collector) -> None:
        extractor = Extractor(leaf.agg, leaf.injected)
        if leaf.agg.op is RangeOp.ABSENT:
            extractor.grouping = ast.Grouping(())
        seen = 0
        cursor = self.execute(leaf.doubtful(sources))
        while rows := cursor.fetchmany(PAGE):
            seen += len(rows)
            if seen > MAX_DOUBTFUL:
                raise _UnsureError
            for ts, sid, line, meta, level in rows:
                if leaf.places(ts):
                    sample = extractor.sample(ts, line, streams[sid], metadata(meta, level))
                    if sample is not None:
                        found.add(ts, *sample)

    def _parts(self, leaf: Leaf, streams: Streams) -> Iterator[tuple[int, Leaf]]:
        """The leaf, or where its windows hold many samples at once the leaf for some steps after the other."""
        size = leaf.steps.count
        if size > 1 and (leaf.fold.lists or leaf.agg.op is RangeOp.QUANTILE):
            relation = self.source.relation(list(streams), *leaf.bounds, Needs())
            ((rows,),) = self.execute(f"SELECT count(*) FROM {relation}").fetchall()  # noqa: S608 - the store's own text
            size = max(1, size * MAX_LISTED // max(rows, MAX_LISTED))
        if size == leaf.steps.count:
            yield 0, leaf
            return
        for first in range(0, leaf.steps.count, size):
            steps = Steps(leaf.steps.at(first), leaf.steps.step, min(size, leaf.steps.count - first))
            yield first, Leaf(leaf.agg, leaf.injected, leaf.streams, steps, leaf.top, leaf.sure)

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
        cursor = self.execute(rows_of(scope.sources(self.source, start, end)))
        extractor = Extractor(agg, injected)
        if agg.op is RangeOp.ABSENT:
            extractor.grouping = ast.Grouping(())
        samples: dict[Labels, Samples] = {}
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
                    samples.setdefault(sample[0], Samples()).add(ts, sample[1])
        self._check_size(agg, len(samples))
        times = [self.steps.at(index) for index in range(self.steps.count)]
        index = {at: number for number, at in enumerate(times)}
        return {
            labels: {index[at]: value for at, value in found.slide(agg, times)} for labels, found in samples.items()
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
