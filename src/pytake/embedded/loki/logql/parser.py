"""Text to syntax tree, and Loki's words for what is wrong with the text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedToken, v_args
from lark.exceptions import VisitError

from pytake.embedded.loki.logql import ast, check
from pytake.embedded.loki.logql.ast import Expr
from pytake.embedded.loki.logql.errors import LogQLError, ParseError, UnsupportedQuery
from pytake.embedded.loki.logql.lexer import QueryLexer, position

Args = list[Any]
GRAMMAR = Path(__file__).with_name("logql.lark")
MAX_LENGTH = 131_072
"""`max_query_length` in Loki's words: characters of query text."""


@dataclass(frozen=True, slots=True)
class _Unwrap:
    """An unwrap among the stages, until it is known whether it may stand there."""

    unwrap: ast.Unwrap
    line: int
    col: int


@v_args(inline=True)
class _Build(Transformer[Token, Any]):
    """One method a grammar rule."""

    def start(self, expr: Expr) -> Expr:
        return expr

    # ---------------------------------------------------------------------------------------------------- selectors
    def empty_selector(self) -> tuple[ast.Matcher, ...]:
        return ()

    def selector(self, *matchers: ast.Matcher) -> tuple[ast.Matcher, ...]:
        return matchers

    def matcher(self, name: Token, op: ast.MatchOp, value: Token) -> ast.Matcher:
        return check.matcher(ast.Matcher(str(name), op, str(value)))

    def match_op(self, op: Token) -> ast.MatchOp:
        return ast.MatchOp(str(op))

    def bare_query(self, matchers: tuple[ast.Matcher, ...]) -> ast.LogQuery:
        return ast.LogQuery(check.selector(matchers))

    def staged_query(self, matchers: tuple[ast.Matcher, ...], stages: tuple[ast.Stage, ...]) -> ast.LogQuery:
        for stage in stages:
            if isinstance(stage, _Unwrap):
                raise ParseError("syntax error: unexpected unwrap", stage.line, stage.col)
        return ast.LogQuery(check.selector(matchers), stages)

    def stages(self, *stages: ast.Stage | _Unwrap) -> tuple[ast.Stage | _Unwrap, ...]:
        return tuple(stage if isinstance(stage, _Unwrap) else check.stage(stage) for stage in stages)

    # ------------------------------------------------------------------------------------------------------- stages
    def line_op(self, op: Token) -> ast.LineOp:
        return ast.LineOp(str(op))

    def line_text(self, value: Token) -> ast.LineMatch:
        return ast.LineMatch(str(value))

    def line_ip(self, value: Token) -> ast.LineMatch:
        return ast.LineMatch(str(value), ip=True)

    def line_filter(self, op: ast.LineOp, *alternatives: ast.LineMatch) -> ast.LineFilter:
        return ast.LineFilter(op, alternatives)

    def json(self, extractions: tuple[ast.Extraction, ...] = ()) -> ast.Json:
        return ast.Json(extractions)

    def flags(self, *flags: Token) -> frozenset[str]:
        return check.logfmt_flags(frozenset(map(str, flags)))

    def logfmt(self, *parts: Any) -> ast.Logfmt:
        flags: frozenset[str] = next((p for p in parts if isinstance(p, frozenset)), frozenset())
        extractions = next((p for p in parts if isinstance(p, tuple)), ())
        return ast.Logfmt("--strict" in flags, "--keep-empty" in flags, extractions)

    def extractions(self, *items: ast.Extraction) -> tuple[ast.Extraction, ...]:
        return items

    def extraction_same(self, label: Token) -> ast.Extraction:
        return ast.Extraction(str(label), str(label))

    def extraction_of(self, label: Token, expression: Token) -> ast.Extraction:
        return ast.Extraction(str(label), str(expression))

    def regexp(self, pattern: Token) -> ast.Regexp:
        return ast.Regexp(str(pattern))

    def pattern(self, pattern: Token) -> ast.Pattern:
        return ast.Pattern(str(pattern))

    def unpack(self) -> ast.Unpack:
        return ast.Unpack()

    def line_format(self, template: Token) -> ast.LineFormat:
        return ast.LineFormat(str(template))

    def rename(self, dst: Token, src: Token) -> ast.Rename:
        return ast.Rename(str(dst), str(src))

    def assign(self, dst: Token, template: Token) -> ast.Assign:
        return ast.Assign(str(dst), str(template))

    def label_format(self, *assignments: ast.Rename | ast.Assign) -> ast.LabelFormat:
        return ast.LabelFormat(assignments)

    def label_name(self, name: Token) -> str:
        return str(name)

    def drop(self, *items: str | ast.Matcher) -> ast.Drop:
        return ast.Drop(items)

    def keep(self, *items: str | ast.Matcher) -> ast.Keep:
        return ast.Keep(items)

    def decolorize(self) -> ast.Decolorize:
        return ast.Decolorize()

    # ------------------------------------------------------------------------------------------------ label filters
    def label_filter(self, predicate: ast.Predicate) -> ast.LabelFilter:
        return ast.LabelFilter(predicate)

    def pred_or(self, left: ast.Predicate, right: ast.Predicate) -> ast.Or:
        return ast.Or(left, right)

    def pred_and(self, left: ast.Predicate, right: ast.Predicate) -> ast.And:
        return ast.And(left, right)

    def ip_filter(self, name: Token, op: ast.MatchOp, pattern: Token) -> ast.IPFilter:
        return check.ip_filter(ast.IPFilter(str(name), op, str(pattern)))

    def cmp_op(self, op: Token) -> ast.CompareOp:
        return ast.CompareOp("==" if op == "=" else str(op))

    def quantity_filter(self, name: Token, op: ast.CompareOp, quantity: tuple[type, Any]) -> ast.Predicate:
        kind, value = quantity
        return kind(str(name), op, value)  # type: ignore[no-any-return]  # one of the three filters below

    def number(self, value: Token) -> tuple[type, float]:
        return ast.NumberFilter, _number(value)

    def negative(self, value: Token) -> tuple[type, float]:
        return ast.NumberFilter, -_number(value)

    def duration(self, value: Token) -> tuple[type, int]:
        return ast.DurationFilter, int(value)

    def negative_duration(self, value: Token) -> tuple[type, int]:
        return ast.DurationFilter, -int(value)

    def bytes(self, value: Token) -> tuple[type, int]:
        return ast.BytesFilter, int(value)

    # ------------------------------------------------------------------------------------------------------ metrics
    def log_range(self, matchers: tuple[ast.Matcher, ...], *parts: Any) -> ast.RangeAggregation:
        stages: tuple[Any, ...] = ()
        width = offset = 0
        for part in parts:
            if isinstance(part, Token):
                width = int(part)
            elif isinstance(part, int):
                offset = part
            else:
                stages = part
        stages, unwrap = _split_unwrap(stages)
        query = ast.LogQuery(check.selector(matchers), stages)
        return ast.RangeAggregation(ast.RangeOp.COUNT, query, width, offset, unwrap)

    def inner_range(self, inner: ast.RangeAggregation) -> ast.RangeAggregation:
        return inner

    def offset(self, value: Token) -> int:
        return int(value)

    def negative_offset(self, value: Token) -> int:
        return -int(value)

    def unwrap(self, *tokens: Token) -> _Unwrap:
        conversion = ast.Conversion(str(tokens[0])) if len(tokens) == 2 else None
        return _Unwrap(ast.Unwrap(str(tokens[-1]), conversion), tokens[0].line or 0, tokens[0].column or 0)

    def range_agg(self, op: Token, *parts: Any) -> ast.RangeAggregation:
        inner = next(p for p in parts if isinstance(p, ast.RangeAggregation))
        param = next((p.value for p in parts if isinstance(p, ast.Literal)), None)
        grouping = next((p for p in parts if isinstance(p, ast.Grouping)), None)
        return check.range_aggregation(
            ast.RangeAggregation(
                ast.RangeOp(str(op)), inner.query, inner.range, inner.offset, inner.unwrap, grouping, param
            )
        )

    def by(self, labels: tuple[str, ...]) -> ast.Grouping:
        return ast.Grouping(labels)

    def without(self, labels: tuple[str, ...]) -> ast.Grouping:
        return ast.Grouping(labels, without=True)

    def labels(self, *names: Token) -> tuple[str, ...]:
        return tuple(map(str, names))

    def vector_agg(self, op: Token, *parts: Any) -> ast.VectorAggregation:
        grouping = next((p for p in parts if isinstance(p, ast.Grouping)), None)
        exprs = [p for p in parts if not isinstance(p, ast.Grouping)]
        param = exprs[0].value if len(exprs) == 2 else None
        return check.vector_aggregation(ast.VectorOp(str(op)), exprs[-1], grouping, param)

    def literal(self, value: Token) -> ast.Literal:
        return ast.Literal(_number(value))

    def negative_literal(self, value: Token) -> ast.Literal:
        return ast.Literal(-_number(value))

    def vector(self, value: ast.Literal) -> ast.Vector:
        return ast.Vector(value.value)

    def label_replace(self, expr: ast.MetricExpr, *texts: Token) -> ast.LabelReplace:
        return check.label_replace(ast.LabelReplace(expr, *map(str, texts)))

    # ------------------------------------------------------------------------------------------------------- binary
    def or_op(self, op: Token) -> ast.BinaryOp:
        return ast.BinaryOp(str(op))

    and_op = compare = add_op = mul_op = pow_op = or_op

    def bool_(self) -> bool:
        return True

    def on(self, labels: tuple[str, ...]) -> ast.Matching:
        return ast.Matching(labels, on=True)

    def ignoring(self, labels: tuple[str, ...]) -> ast.Matching:
        return ast.Matching(labels)

    def group_bare(self, side: Token) -> tuple[str, tuple[str, ...]]:
        return str(side), ()

    def group_of(self, side: Token, labels: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        return str(side), labels

    def modifiers(self, *parts: Any) -> tuple[bool, ast.Matching | None]:
        matching = next((p for p in parts if isinstance(p, ast.Matching)), None)
        group = next((p for p in parts if isinstance(p, tuple)), None)
        if matching and group:
            matching = ast.Matching(matching.labels, matching.on, ast.Cardinality(group[0]), group[1])
        return True in parts, matching

    def binary(
        self, left: ast.MetricExpr, op: ast.BinaryOp, modifiers: tuple[bool, ast.Matching | None], right: ast.MetricExpr
    ) -> ast.BinaryOperation:
        return check.binary(ast.BinaryOperation(op, left, right, *modifiers))


def _split_unwrap(stages: tuple[Any, ...]) -> tuple[tuple[ast.Stage, ...], ast.Unwrap | None]:
    """Stages before the unwrap, and the unwrap with the label filters after it."""
    at = next((index for index, stage in enumerate(stages) if isinstance(stage, _Unwrap)), None)
    if at is None:
        return stages, None
    marker: _Unwrap = stages[at]
    filters = stages[at + 1 :]
    if not all(isinstance(stage, ast.LabelFilter) for stage in filters):
        raise ParseError("syntax error: only label filters are allowed after unwrap", marker.line, marker.col)
    return stages[:at], ast.Unwrap(marker.unwrap.label, marker.unwrap.conversion, filters)


def _number(token: Token) -> float:
    return float(int(token, 16)) if token[:2].lower() == "0x" else float(token)


@lru_cache(maxsize=1)
def _lark() -> Lark:
    return Lark(GRAMMAR.read_text(), parser="lalr", lexer=QueryLexer, maybe_placeholders=False)


@lru_cache(maxsize=1)
def _build() -> _Build:
    return _Build()


@lru_cache(maxsize=512)
def parse(text: str) -> Expr:
    """The tree of a query. Raises `ParseError` in Loki's words, `UnsupportedQuery` for what is refused by name."""
    if len(text) > MAX_LENGTH:
        raise ParseError(f"input size too long ({len(text)} > {MAX_LENGTH})")
    try:
        tree = _lark().parse(text)
        return _build().transform(tree)  # type: ignore[no-any-return]  # start() gives an Expr
    except UnexpectedToken as problem:
        raise named(text, _syntax_error(text, problem)) from None
    except ParseError as problem:
        raise named(text, problem) from None
    except VisitError as problem:
        if isinstance(problem.orig_exc, LogQLError):
            raise problem.orig_exc from None
        raise


_ELSEWHERE = {
    "distinct": "Loki took it back before release 2.9.2; group in a metric query instead",
    "count_values": "LogQL has no such aggregation; count lines by a label instead",
    "quantile": "LogQL has no quantile over series; use quantile_over_time on an unwrapped label",
    "group": "LogQL has no such aggregation; use count",
    "limitk": "LogQL has no such aggregation; use topk",
    "limit_ratio": "LogQL has no such aggregation; use topk",
    "increase": "LogQL counts lines; use count_over_time, or sum_over_time on an unwrapped label",
    "irate": "use rate",
    "delta": "use last_over_time - first_over_time on an unwrapped label",
    "histogram_quantile": "LogQL has no histograms; use quantile_over_time on an unwrapped label",
    "label_join": "use label_replace or label_format",
    "absent": "use absent_over_time",
    "time": "LogQL has no clock of its own; templates have now",
    "sample": "LogQL has no sampling stage",
    "@": "LogQL has no @ modifier; ask for the time with the query's parameters, or use offset",
}
_USED = re.compile(r"(?P<at>@)|(?P<function>[a-z_]+)\s*(?=\(|by\b|without\b)|\|\s*(?P<stage>distinct|sample)\b")


def named(text: str, problem: ParseError) -> ParseError:
    """The problem, or a refusal by name where the text at its place is a construct that people bring from elsewhere."""
    if not problem.line:
        return problem
    line = text.split("\n")[problem.line - 1]
    for used in _USED.finditer(line):
        word = used["at"] or used["function"] or used["stage"]
        at = used.start(str(used.lastgroup)) + 1
        here = at == problem.col or (used["stage"] and used.end() < problem.col <= used.end() + 2)
        if here and word in _ELSEWHERE:
            return UnsupportedQuery(word, _ELSEWHERE[word], problem)
    return problem


_ORDER = [
    "IDENTIFIER",
    "STRING",
    "NUMBER",
    "DURATION",
    "BYTES",
    "RANGE",
    "=",
    "=~",
    "!~",
    "!=",
    "{",
    "}",
    "(",
    ")",
    ",",
]


def _syntax_error(text: str, problem: UnexpectedToken) -> ParseError:
    shown = {t.name: t.pattern.value for t in _lark().terminals if getattr(t, "pattern", None) is not None}
    token = problem.token
    at = len(text) if token.type == "$END" else (token.start_pos or 0)
    accepted = getattr(problem, "accepts", None) or set()
    names = sorted(
        (shown.get(name, name) for name in accepted if name != "$END"),
        key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name),
    )
    got = "$end" if token.type == "$END" else shown.get(token.type, token.type)
    if token.type in ("RANGE_OP", "VECTOR_OP", "CONVERSION", "GROUP"):
        got = str(token)
    message = f"syntax error: unexpected {got}"
    if 0 < len(names) <= 4:
        message += ", expecting " + " or ".join(names)
    return ParseError(message, *position(text, at))
