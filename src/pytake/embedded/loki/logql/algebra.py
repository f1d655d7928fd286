"""Vectors at one instant: aggregations, binary operators, label_replace. Everything above the range aggregations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from pytake.embedded.loki.logql import ast, regex
from pytake.embedded.loki.logql.ast import BinaryOp, VectorOp
from pytake.embedded.loki.logql.errors import MatchingError
from pytake.embedded.loki.logql.gostrings import quote
from pytake.embedded.loki.logql.ranges import largest, smallest, total, variance
from pytake.embedded.loki.logql.rows import Labels

Vector = list[tuple[Labels, float]]
Value = Vector | float
Leaf = Callable[[ast.RangeAggregation], Vector]
"""The value of a range aggregation at the instant that is being evaluated."""


def show_labels(labels: Labels) -> str:
    """`{a="b", c="d"}`."""
    return "{" + ", ".join(f"{name}={quote(value)}" for name, value in labels) + "}"


def group_labels(labels: Labels, grouping: ast.Grouping | None) -> Labels:
    """What is left of a label set after grouping; nothing without a grouping."""
    if grouping is None:
        return ()
    wanted = frozenset(grouping.labels)
    return tuple(pair for pair in labels if (pair[0] in wanted) is not grouping.without)


def is_scalar(expr: ast.Expr) -> bool:
    """Whether the query is only about numbers, so that its answer is one."""
    if isinstance(expr, ast.BinaryOperation):
        return is_scalar(expr.left) and is_scalar(expr.right)
    return isinstance(expr, ast.Literal)


def evaluate(expr: ast.MetricExpr, leaf: Leaf) -> Value:
    """The expression at one instant: a vector, or a number for expressions of numbers."""
    match expr:
        case ast.RangeAggregation():
            return leaf(expr)
        case ast.Literal(value):
            return value
        case ast.Vector(value):
            return [((), value)]
        case ast.VectorAggregation():
            return aggregate(expr, _vector(evaluate(expr.expr, leaf)))
        case ast.LabelReplace():
            return label_replace(expr, _vector(evaluate(expr.expr, leaf)))
        case ast.BinaryOperation():
            return binary(expr, evaluate(expr.left, leaf), evaluate(expr.right, leaf))


def _vector(value: Value) -> Vector:
    return value if isinstance(value, list) else [((), value)]


# --------------------------------------------------------------------------------------------------------- aggregations
_FOLD: Mapping[VectorOp, Callable[[list[float]], float]] = {
    VectorOp.SUM: total,
    VectorOp.AVG: lambda values: total(values) / len(values),
    VectorOp.MIN: smallest,
    VectorOp.MAX: largest,
    VectorOp.COUNT: lambda values: float(len(values)),
    VectorOp.STDVAR: variance,
    VectorOp.STDDEV: lambda values: math.sqrt(variance(values)),
}


def aggregate(expr: ast.VectorAggregation, vector: Vector) -> Vector:
    """A vector aggregation."""
    if expr.op in (VectorOp.SORT, VectorOp.SORT_DESC):
        return order(vector, descending=expr.op is VectorOp.SORT_DESC)
    groups: dict[Labels, Vector] = {}
    for labels, value in vector:
        groups.setdefault(group_labels(labels, expr.grouping), []).append((labels, value))
    if expr.op in _FOLD:
        fold = _FOLD[expr.op]
        return [(labels, fold([value for _, value in members])) for labels, members in groups.items()]
    largest = expr.op is not VectorOp.BOTTOMK
    kept: Vector = []
    for members in groups.values():
        kept += order(members, descending=largest)[: expr.param]
    return kept


def order(vector: Vector, *, descending: bool) -> Vector:
    """By value, NaN last, equals by labels."""
    sign = -1 if descending else 1
    return sorted(vector, key=lambda item: (math.isnan(item[1]), sign * item[1], item[0]))


# ----------------------------------------------------------------------------------------------------- binary operators
def arithmetic(op: BinaryOp, left: float, right: float) -> float:  # noqa: PLR0911 - one return a case
    """Arithmetic of two numbers; division and modulo by zero give NaN."""
    try:
        match op:
            case BinaryOp.ADD:
                return left + right
            case BinaryOp.SUB:
                return left - right
            case BinaryOp.MUL:
                return left * right
            case BinaryOp.DIV:
                return left / right if right else math.nan
            case BinaryOp.MOD:
                return math.fmod(left, right) if right else math.nan
            case BinaryOp.POW:
                return math.pow(left, right)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan
    return 1.0 if compare(op, left, right) else 0.0


def compare(op: BinaryOp, left: float, right: float) -> bool:
    """A comparison of two numbers."""
    match op:
        case BinaryOp.EQ:
            return left == right
        case BinaryOp.NE:
            return left != right
        case BinaryOp.GT:
            return left > right
        case BinaryOp.GE:
            return left >= right
        case BinaryOp.LT:
            return left < right
    return left <= right


def binary(expr: ast.BinaryOperation, left: Value, right: Value) -> Value:
    """A binary operation of vectors and numbers."""
    if not isinstance(left, list) and not isinstance(right, list):
        return arithmetic(expr.op, left, right)
    if expr.op.is_set:
        return _set_operation(expr, _vector(left), _vector(right))
    if isinstance(left, list) and isinstance(right, list):
        return _pairs(expr, left, right)
    if isinstance(left, list):
        pairs = [(labels, _combine(expr, value, _number(right), value)) for labels, value in left]
    else:
        pairs = [(labels, _combine(expr, left, value, value)) for labels, value in _vector(right)]
    return [(labels, value) for labels, value in pairs if value is not None]


def _number(value: Value) -> float:
    if isinstance(value, list):
        raise TypeError("a vector where a number was sure")
    return value


def _combine(expr: ast.BinaryOperation, left: float, right: float, keep: float) -> float | None:
    """The value of a pair, None where a comparison filters it out."""
    if expr.op.is_comparison and not expr.return_bool:
        return keep if compare(expr.op, left, right) else None
    return arithmetic(expr.op, left, right)


def _signature(labels: Labels, matching: ast.Matching | None) -> Labels:
    if matching is None:
        return labels
    wanted = frozenset(matching.labels)
    return tuple(pair for pair in labels if (pair[0] in wanted) is matching.on)


def _set_operation(expr: ast.BinaryOperation, left: Vector, right: Vector) -> Vector:
    lefts = {_signature(labels, expr.matching) for labels, _ in left}
    rights = {_signature(labels, expr.matching) for labels, _ in right}
    if expr.op is BinaryOp.AND:
        return [item for item in left if _signature(item[0], expr.matching) in rights]
    if expr.op is BinaryOp.UNLESS:
        return [item for item in left if _signature(item[0], expr.matching) not in rights]
    return left + [item for item in right if _signature(item[0], expr.matching) not in lefts]


def _pairs(expr: ast.BinaryOperation, left: Vector, right: Vector) -> Vector:
    matching = expr.matching or ast.Matching()
    swapped = matching.cardinality is ast.Cardinality.GROUP_RIGHT
    many, one = (right, left) if swapped else (left, right)
    ones: dict[Labels, tuple[Labels, float]] = {}
    for labels, value in one:
        signature = _signature(labels, expr.matching)
        if signature in ones:
            side = "left" if swapped else "right"
            raise MatchingError(
                f"found duplicate series for the match group {show_labels(signature)} on the {side} hand-side of the "
                f"operation: [{show_labels(labels)}, {show_labels(ones[signature][0])}];many-to-many matching not "
                "allowed: matching labels must be unique on one side"
            )
        ones[signature] = (labels, value)
    out: Vector = []
    seen: set[Labels] = set()
    for labels, value in many:
        signature = _signature(labels, expr.matching)
        other = ones.get(signature)
        if other is None:
            continue
        sides = (other[1], value) if swapped else (value, other[1])
        result = _combine(expr, *sides, keep=sides[0])
        if result is None:
            continue
        shown = _result_labels(labels, other[0], matching)
        if shown in seen:
            raise MatchingError(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                if not matching.cardinality
                else "multiple matches for labels: grouping labels must ensure unique matches"
            )
        seen.add(shown)
        out.append((shown, result))
    return out


def _result_labels(many: Labels, one: Labels, matching: ast.Matching) -> Labels:
    if not matching.cardinality:
        return _signature(many, matching)
    result = dict(many)
    values = dict(one)
    for name in matching.include:
        if values.get(name):
            result[name] = values[name]
        else:
            result.pop(name, None)
    return tuple(sorted(result.items()))


# -------------------------------------------------------------------------------------------------------- label_replace
def label_replace(expr: ast.LabelReplace, vector: Vector) -> Vector:
    """label_replace; an empty replacement removes the label."""
    pattern = regex.anchored(expr.regex)
    out: Vector = []
    seen: set[Labels] = set()
    for labels, value in vector:
        current = dict(labels)
        found = pattern.search(current.get(expr.src, ""))
        if found is not None:
            text = regex.expand(found, expr.replacement)
            current.pop(expr.dst, None)
            if text:
                current[expr.dst] = text
        replaced = tuple(sorted(current.items()))
        if replaced in seen:
            raise MatchingError(f"vector cannot contain metrics with the same labelset: {show_labels(replaced)}")
        seen.add(replaced)
        out.append((replaced, value))
    return out
