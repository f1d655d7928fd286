"""Log queries: slices of time, newest first, each four times as wide as the one before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pytake.embedded.loki.logql import ast
from pytake.embedded.loki.logql.meta import metadata
from pytake.embedded.loki.logql.pipeline import Pipeline, to_entry
from pytake.embedded.loki.logql.row import Row
from pytake.embedded.loki.logql.rows import Entry, Execute
from pytake.embedded.loki.logql.sql.scope import Scope
from pytake.embedded.loki.logql.streams import PAGE, Streams, rows_of, streams_of
from pytake.embedded.loki.rowsource import Col, RowSource

FIRST_SLICES = 256
"""A log query's first slice is this part of its time range; each further slice is four times as wide."""
GROWTH = 4
MIN_SLICE = 1_000_000_000
_ID = re.compile(r"[0-9a-f]{16}")


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
        return f"{rows_of(self.scope.sources(source, start, end))} {order}"

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
    streams = streams_of(source, expr.matchers, start, end)
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
