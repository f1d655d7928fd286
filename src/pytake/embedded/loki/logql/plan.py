"""What can be known of a metric query before it runs: who groups, who is reduced, who keeps only a few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytake.embedded.loki.logql import ast
from pytake.embedded.loki.logql.algebra import is_scalar


def unreduced_of(expr: ast.MetricExpr) -> Iterator[int]:
    """Leaves (by identity) whose every series is a series of the answer."""
    match expr:
        case ast.RangeAggregation():
            yield id(expr)
        case ast.VectorAggregation(op=ast.VectorOp.SORT | ast.VectorOp.SORT_DESC, expr=inner):
            yield from unreduced_of(inner)
        case ast.BinaryOperation(op=op, left=left, right=right) if not op.is_comparison and not op.is_set:
            if is_scalar(right):
                yield from unreduced_of(left)
            elif is_scalar(left):
                yield from unreduced_of(right)
        case _:
            pass


def topped_of(expr: ast.MetricExpr) -> Iterator[tuple[int, tuple[bool, int]]]:
    """Leaves (by identity) of which a `topk` or `bottomk` of the whole vector takes a few."""
    match expr:
        case ast.VectorAggregation(op=op, expr=ast.RangeAggregation() as leaf, grouping=grouping, param=int(count)):
            if grouping is None or grouping == ast.Grouping(()):
                yield id(leaf), (op is not ast.VectorOp.BOTTOMK, count)
        case ast.VectorAggregation(expr=inner) | ast.LabelReplace(expr=inner):
            yield from topped_of(inner)
        case ast.BinaryOperation(left=left, right=right):
            yield from topped_of(left)
            yield from topped_of(right)
        case _:
            pass


def without_injected(expr: ast.MetricExpr, injected: Mapping[int, ast.Grouping]) -> ast.MetricExpr:
    """The expression with the `sum`s taken off that the range aggregations do themselves."""
    match expr:
        case ast.VectorAggregation(expr=ast.RangeAggregation() as inner) if id(inner) in injected:
            return inner
        case ast.VectorAggregation(op, inner, grouping, param):
            return ast.VectorAggregation(op, without_injected(inner, injected), grouping, param)
        case ast.LabelReplace(inner, dst, replacement, src, pattern):
            return ast.LabelReplace(without_injected(inner, injected), dst, replacement, src, pattern)
        case ast.BinaryOperation(op, left, right, return_bool, matching):
            sides = without_injected(left, injected), without_injected(right, injected)
            return ast.BinaryOperation(op, *sides, return_bool, matching)
    return expr


def leaves_of(expr: ast.MetricExpr) -> Iterator[ast.RangeAggregation]:
    """The range aggregations of an expression, in the order they stand."""
    match expr:
        case ast.RangeAggregation():
            yield expr
        case ast.VectorAggregation(expr=inner) | ast.LabelReplace(expr=inner):
            yield from leaves_of(inner)
        case ast.BinaryOperation(left=left, right=right):
            yield from leaves_of(left)
            yield from leaves_of(right)
        case _:
            pass


def time_range(expr: ast.MetricExpr, start: int, end: int) -> tuple[int, int]:
    """The times `low <= ts < high` of the lines that the query at `start` to `end` looks at."""
    leaves = list(leaves_of(expr))
    low = min((start - leaf.offset - leaf.range + 1 for leaf in leaves), default=start)
    return low, max((end - leaf.offset + 1 for leaf in leaves), default=start)
