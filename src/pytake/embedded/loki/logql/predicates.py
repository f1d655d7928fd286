"""Label filters in Python.

Filters that convert keep a line that carries an error already, drop a line without the label, and keep a line whose
value does not convert, with the error `LabelFilterErr`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from pytake.embedded.loki.logql import ast, regex
from pytake.embedded.loki.logql.ip import IPMatcher
from pytake.embedded.loki.logql.row import Row
from pytake.embedded.loki.logql.units import parse_bytes, parse_float, parse_go_duration

Test = Callable[[Row], bool]

COMPARE: dict[ast.CompareOp, Callable[[Any, Any], bool]] = {
    ast.CompareOp.EQ: operator.eq,
    ast.CompareOp.NE: operator.ne,
    ast.CompareOp.GT: operator.gt,
    ast.CompareOp.GE: operator.ge,
    ast.CompareOp.LT: operator.lt,
    ast.CompareOp.LE: operator.le,
}


def compile_predicate(predicate: ast.Predicate) -> Test:  # noqa: PLR0911 - one return a case
    """The test of a predicate; it may note an error on the row."""
    match predicate:
        case ast.Matcher(name):
            test = regex.matcher_test(predicate)
            return lambda row: test(row.get(name))
        case ast.NumberFilter(name, op, value):
            return _converting(name, op, value, parse_float, "strconv.ParseFloat: parsing {!r}: invalid syntax")
        case ast.DurationFilter(name, op, value):
            return _converting(name, op, value, parse_go_duration, "time: invalid duration {!r}")
        case ast.BytesFilter(name, op, value):
            return _converting(name, op, value, parse_bytes, "strconv.ParseFloat: parsing {!r}: invalid syntax")
        case ast.IPFilter():
            return _ip(predicate)
        case ast.And(left, right):
            return _both(compile_predicate(left), compile_predicate(right))
        case ast.Or(left, right):
            return _either(compile_predicate(left), compile_predicate(right))


def _converting(
    name: str, op: ast.CompareOp, value: float, convert: Callable[[str], float | None], problem: str
) -> Test:
    compare = COMPARE[op]

    def test(row: Row) -> bool:
        if row.error:
            return True
        text = row.get(name)
        if not text:
            return False
        found = convert(text)
        if found is None:
            row.fail("LabelFilterErr", problem.format(text).replace("'", '"'))
            return True
        return compare(found, value)

    return test


def _ip(predicate: ast.IPFilter) -> Test:
    name, matcher, keep = predicate.name, IPMatcher(predicate.pattern), predicate.op is ast.MatchOp.EQ

    def test(row: Row) -> bool:
        if row.error:
            return True
        text = row.get(name)
        return bool(text) and matcher.found_in(text) is keep

    return test


def _both(left: Test, right: Test) -> Test:
    def test(row: Row) -> bool:
        first = left(row)
        return right(row) and first

    return test


def _either(left: Test, right: Test) -> Test:
    return lambda row: left(row) or right(row)
