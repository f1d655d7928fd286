"""SQL expressions of label values and lines."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytake.embedded.loki.logql import ast, regex
from pytake.embedded.loki.logql.pattern import LinePattern


class NotPushableError(Exception):
    """The construct has no exact SQL; Python answers instead."""


@dataclass(frozen=True, slots=True)
class Text:
    """A VARCHAR expression; NULL and the empty text both mean that the label is absent.

    `unsure` is a condition under which the text may differ from what Python sees (a float's digits); numbers do not
    care. `constant` is the value where it is the same for every row.
    """

    sql: str
    unsure: str | None = None
    constant: str | None = None
    absent: bool = False


ABSENT = Text("NULL::VARCHAR", absent=True)


def quote(value: str) -> str:
    """A string literal."""
    if "\0" in value:
        parts = [f"'{part}'" for part in value.replace("'", "''").split("\0")]
        return "(" + " || chr(0) || ".join(parts) + ")"
    return "'" + value.replace("'", "''") + "'"


def name(identifier: str) -> str:
    """A quoted identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def constant(value: str) -> Text:
    """The same text in every row."""
    return Text(quote(value), constant=value) if value else ABSENT


def either(conditions: list[str]) -> str:
    """The conditions joined by OR."""
    return conditions[0] if len(conditions) == 1 else "(" + " OR ".join(conditions) + ")"


def unsure_of(*texts: Text) -> str | None:
    """The condition under which one of the texts is unsure."""
    conditions = [text.unsure for text in texts if text.unsure]
    return either(conditions) if conditions else None


def first_of(*texts: Text) -> Text:
    """The first text that is not absent."""
    kept: list[Text] = []
    for text in texts:
        if text.absent:
            continue
        kept.append(text)
        if text.constant:
            break
    if not kept:
        return ABSENT
    if len(kept) == 1:
        return kept[0]
    return Text(f"coalesce({', '.join(text.sql for text in kept)})", unsure_of(*kept))


_LITERAL = re.compile(r"[A-Za-z0-9_ \-/:=,@\"'<>#%&~!;]+")


def literals(pattern: str) -> list[str] | None:
    """The alternatives of a pattern that is only plain texts joined by `|`, None for any other."""
    parts = pattern.split("|")
    return parts if all(_LITERAL.fullmatch(part) for part in parts) else None


def matcher(text: Text, found: ast.Matcher) -> str:
    """A string matcher on the text."""
    value = found.value
    match found.op:
        case ast.MatchOp.EQ:
            return f"({text.sql} = {quote(value)})" if value else f"(coalesce({text.sql}, '') = '')"
        case ast.MatchOp.NE:
            return f"({text.sql} IS DISTINCT FROM {quote(value)})" if value else f"(coalesce({text.sql}, '') <> '')"
    negate = "NOT " if found.op is ast.MatchOp.NRE else ""
    plain = literals(value)
    if plain:
        return f"({negate}coalesce({text.sql}, '') IN ({', '.join(map(quote, plain))}))"
    return f"({negate}regexp_matches(coalesce({text.sql}, ''), {quote(regex.anchored_pattern(value))}))"


def line_match(line: Text, op: ast.LineOp, alternative: ast.LineMatch) -> str:
    """One alternative of a line filter, before negation."""
    value = alternative.value
    if alternative.ip:
        raise NotPushableError("ip()")
    if op in (ast.LineOp.CONTAINS, ast.LineOp.NOT_CONTAINS):
        return f"contains({line.sql}, {quote(value)})" if value else "TRUE"
    if op in (ast.LineOp.PATTERN, ast.LineOp.NOT_PATTERN):
        return f"regexp_matches({line.sql}, {quote(LinePattern(value).text)})"
    plain = literals(value)
    if plain:
        return either([f"contains({line.sql}, {quote(part)})" for part in plain])
    return f"regexp_matches({line.sql}, {quote(regex.line_pattern(value))})"
