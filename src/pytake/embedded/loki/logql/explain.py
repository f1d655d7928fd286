"""What a query would run, for people."""

from __future__ import annotations

from pytake.embedded.loki.logql import ast
from pytake.embedded.loki.logql.logs import LogPlan
from pytake.embedded.loki.logql.plan import leaves_of, topped_of, without_injected
from pytake.embedded.loki.logql.reference import find_injected
from pytake.embedded.loki.logql.sql.leaf import Leaf, Steps
from pytake.embedded.loki.logql.sql.scope import Scope
from pytake.embedded.loki.logql.sql.text import NotPushableError
from pytake.embedded.loki.logql.streams import rows_of, streams_of
from pytake.embedded.loki.rowsource import RowSource


def explain(expr: ast.Expr, source: RowSource, *, start: int, end: int, step: int = 0, limit: int = 100) -> list[str]:
    """The SQL of a query, statement by statement, with a word on what Python does."""
    if isinstance(expr, ast.LogQuery):
        streams = streams_of(source, expr.matchers, start, end)
        plan = LogPlan(expr, streams, forward=False)
        how = "exact" if plan.scope.exact else "narrowed; Python decides line by line"
        return [f"-- {how}, slice by slice\n{plan.sql(source, start, end, limit)}"] if streams else []
    said: list[str] = []
    steps = Steps(start, step, (end - start) // step + 1) if step > 0 else Steps(end, 1, 1)
    injected: dict[int, ast.Grouping] = {}
    find_injected(expr, injected)
    top = dict(topped_of(without_injected(expr, injected)))
    for agg in leaves_of(expr):
        low = steps.start - agg.offset - agg.range + 1
        high = steps.at(steps.count - 1) - agg.offset + 1
        streams = streams_of(source, agg.query.matchers, low, high)
        try:
            leaf = Leaf(agg, injected.get(id(agg)), streams, steps, top.get(id(agg)))
            said.append(f"-- {agg.op} in SQL\n{leaf.sql(leaf.scope.sources(source, low, high))}")
        except NotPushableError as problem:
            scope = Scope(streams, strict=False)
            for stage in agg.query.stages:
                scope.apply(stage)
            rows = rows_of(scope.sources(source, low, high))
            said.append(f"-- {agg.op} line by line in Python: {problem}\n{rows}")
    return said
