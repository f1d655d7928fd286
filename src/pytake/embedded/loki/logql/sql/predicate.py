"""Label filters as SQL, errors included.

A predicate turns the row's error expression into a new one, exactly as the Python functions do with the row: filters
that convert keep rows with an error, and note one where the value does not convert.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from pytake.embedded.loki.logql import ast
from pytake.embedded.loki.logql.sql.text import NotPushableError, Text, either, matcher, quote
from pytake.embedded.loki.logql.units import BYTE_UNITS, NS


@dataclass(slots=True)
class Condition:
    """Whether the row stays (`sql`), its error after that, and where that is not certain."""

    sql: str
    error: str | None
    unsure: list[str] = field(default_factory=list)
    clean: list[str] = field(default_factory=list)
    """Cheap conditions that together rule out an error of this predicate and every doubt."""


class Converted(NamedTuple):
    """A text as number: the DOUBLE expression, where it is in doubt, and a cheap sign that it is neither in doubt nor
    NULL."""

    value: str
    unsure: str
    clean: str


def as_number(text: Text) -> Converted:
    """A DOUBLE expression (NULL: does not convert) and where DuckDB and Go may read the text differently.

    DuckDB takes blanks around a number and `_` inside it, Go takes hexadecimal; too large is infinite or an error.
    """
    sql = text.sql
    value = f"try_cast({sql} AS DOUBLE)"
    odd = [f"{sql} < '!'", f"{sql}[-1] < '!'", f"contains({sql}, '_')", f"NOT isfinite({value})"]
    unsure = either([*odd, f"({value} IS NULL AND contains(lower({sql}), 'x'))"])
    clean = f"isfinite({value}) AND {sql} >= '!' AND {sql}[-1] >= '!' AND NOT contains({sql}, '_')"
    return Converted(value, unsure, f"({clean})")


def as_duration(text: Text) -> Converted:
    """Nanoseconds as a DOUBLE expression; durations of several units are left to Python."""
    sql = text.sql
    digits = f"rtrim({sql}, 'nsuµμmh')"
    units = " ".join(f"WHEN {quote(unit)} THEN {ns}" for unit, ns in NS.items())
    unit = f"substr({sql}, length({digits}) + 1)"
    plain = f"regexp_full_match({sql}, '[0-9]+(\\.[0-9]+)?(ns|us|µs|μs|ms|s|m|h)')"
    value = f"(CASE WHEN {plain} THEN trunc(round(try_cast({digits} AS DOUBLE) * CASE {unit} {units} END, 3)) END)"
    return Converted(value, f"({sql} <> '' AND {value} IS NULL)", f"({value} IS NOT NULL)")


def as_bytes(text: Text) -> Converted:
    """Bytes as a DOUBLE expression; forms with commas or blanks are left to Python."""
    sql = text.sql
    digits = f"regexp_extract({sql}, '^[0-9.]+')"
    units = " ".join(f"WHEN {quote(unit)} THEN {size}" for unit, size in BYTE_UNITS.items())
    unit = f"lower(substr({sql}, length({digits}) + 1))"
    plain = f"regexp_full_match({sql}, '[0-9]+(\\.[0-9]+)?[A-Za-z]*')"
    value = f"(CASE WHEN {plain} THEN trunc(try_cast({digits} AS DOUBLE) * CASE {unit} {units} END) END)"
    return Converted(value, f"({sql} <> '' AND {value} IS NULL)", f"({value} IS NOT NULL)")


def doubts(text: Text) -> tuple[list[str], list[str]]:
    """Where a text is in doubt, and the sign that it is not."""
    return ([text.unsure], [f"(NOT coalesce({text.unsure}, FALSE))"]) if text.unsure else ([], [])


def compile_predicate(  # noqa: PLR0911 - one return a case
    predicate: ast.Predicate,
    error: str | None,
    label: Callable[[str], Text],
    current_error: Callable[[str | None], Text],
) -> Condition:
    """The predicate as SQL, given the row's error so far."""
    match predicate:
        case ast.Matcher(name="__error__"):
            return Condition(matcher(current_error(error), predicate), error)
        case ast.Matcher(name):
            text = label(name)
            return Condition(matcher(text, predicate), error, *doubts(text))
        case ast.NumberFilter(name, op, value):
            return _converting(label(name), op, repr(float(value)), error, as_number)
        case ast.DurationFilter(name, op, value):
            return _converting(label(name), op, f"{value}::DOUBLE", error, as_duration)
        case ast.BytesFilter(name, op, value):
            return _converting(label(name), op, f"{value}::DOUBLE", error, as_bytes)
        case ast.IPFilter():
            raise NotPushableError("ip()")
        case ast.And(left, right):
            first = compile_predicate(left, error, label, current_error)
            second = compile_predicate(right, first.error, label, current_error)
            return Condition(f"({first.sql} AND {second.sql})", second.error, *_joined(first, second))
        case ast.Or(left, right):
            first = compile_predicate(left, error, label, current_error)
            second = compile_predicate(right, first.error, label, current_error)
            after = first.error
            if first.error != second.error:
                after = f"(CASE WHEN {first.sql} THEN {first.error or 'NULL'} ELSE {second.error} END)"
            return Condition(f"({first.sql} OR {second.sql})", after, *_joined(first, second))


def _joined(first: Condition, second: Condition) -> tuple[list[str], list[str]]:
    return first.unsure + second.unsure, first.clean + second.clean


def _converting(
    text: Text, op: ast.CompareOp, value: str, error: str | None, convert: Callable[[Text], Converted]
) -> Condition:
    has_error = f"{error} IS NOT NULL OR " if error else ""
    if text.absent:
        return Condition(f"({has_error}FALSE)", error)
    number, odd, clean = convert(text)
    sign = "=" if op is ast.CompareOp.EQ else "<>" if op is ast.CompareOp.NE else op.value
    present = f"{text.sql} <> ''"
    keep = f"({has_error}({present} AND ({number} IS NULL OR {number} {sign} {value})))"
    failed = f"CASE WHEN {present} AND {number} IS NULL THEN 'LabelFilterErr' END"
    after = f"coalesce({error}, {failed})" if error else f"({failed})"
    return Condition(keep, after, [f"coalesce({odd}, FALSE)"], [f"coalesce({clean}, coalesce({text.sql}, '') = '')"])
