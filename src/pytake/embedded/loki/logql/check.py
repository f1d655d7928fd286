"""What a query must hold beyond its grammar, with the words of Loki's refusals."""

from __future__ import annotations

from pytake.embedded.loki.logql import ast, regex
from pytake.embedded.loki.logql.ast import RangeOp, VectorOp
from pytake.embedded.loki.logql.errors import LogQLError, ParseError
from pytake.embedded.loki.logql.ip import IPMatcher
from pytake.embedded.loki.logql.jsonpath import parse_path
from pytake.embedded.loki.logql.pattern import LinePattern, ParsePattern
from pytake.embedded.loki.logql.template import compile_template

NO_MATCHER = (
    "queries require at least one regexp or equality matcher that does not have an empty-compatible value. "
    'For instance, app=~".*" does not meet this requirement, but app=~".+" will'
)
_NEEDS_UNWRAP = {
    RangeOp.SUM, RangeOp.AVG, RangeOp.MIN, RangeOp.MAX, RangeOp.STDVAR, RangeOp.STDDEV, RangeOp.QUANTILE,
    RangeOp.FIRST, RangeOp.LAST, RangeOp.RATE_COUNTER,
}  # fmt: skip
_TAKES_UNWRAP = _NEEDS_UNWRAP | {RangeOp.RATE, RangeOp.ABSENT}
_GROUPS = {
    RangeOp.AVG,
    RangeOp.MIN,
    RangeOp.MAX,
    RangeOp.STDVAR,
    RangeOp.STDDEV,
    RangeOp.QUANTILE,
    RangeOp.FIRST,
    RangeOp.LAST,
}
_TAKES_PARAM = {VectorOp.TOPK, VectorOp.BOTTOMK, VectorOp.APPROX_TOPK}


def matcher(found: ast.Matcher) -> ast.Matcher:
    """The matcher, if its regular expression compiles."""
    if found.op in (ast.MatchOp.RE, ast.MatchOp.NRE):
        regex.anchored(found.value)
    return found


def selector(matchers: tuple[ast.Matcher, ...]) -> tuple[ast.Matcher, ...]:
    """The selector, if some matcher of it cannot hold for an absent label."""
    if not any(m.op in (ast.MatchOp.EQ, ast.MatchOp.RE) and not regex.matcher_test(m)("") for m in matchers):
        raise ParseError(NO_MATCHER)
    return matchers


def ip_filter(found: ast.IPFilter) -> ast.IPFilter:
    """The filter, if operator and pattern fit."""
    if found.op not in (ast.MatchOp.EQ, ast.MatchOp.NE):
        raise ParseError(f"ip: invalid operation {found.op.value!r}, only '=' and '!=' are allowed")
    IPMatcher(found.pattern)
    return found


def logfmt_flags(flags: frozenset[str]) -> frozenset[str]:
    """The flags, if logfmt has them."""
    for flag in sorted(flags - {"--strict", "--keep-empty"}):
        raise ParseError(f"unknown parser flag: {flag}")
    return flags


def stage(found: ast.Stage) -> ast.Stage:
    """The stage, if its patterns, templates and names are sound."""
    match found:
        case ast.LineFilter():
            _line_filter(found)
        case ast.Json(extractions):
            for extraction in extractions:
                parse_path(extraction.expression)
        case ast.Regexp(pattern):
            _regexp(pattern)
        case ast.Pattern(pattern):
            ParsePattern(pattern)
        case ast.LineFormat(template):
            compile_template(template)
        case ast.LabelFormat(assignments):
            _label_format(assignments)
        case _:
            pass
    return found


def _line_filter(found: ast.LineFilter) -> None:
    for alternative in found.alternatives:
        if alternative.ip:
            if found.op not in (ast.LineOp.CONTAINS, ast.LineOp.NOT_CONTAINS):
                raise ParseError(f"ip: invalid operation {found.op.value!r}, only '|=' and '!=' are allowed")
            IPMatcher(alternative.value)
        elif found.op in (ast.LineOp.MATCH, ast.LineOp.NOT_MATCH):
            regex.line(alternative.value)
        elif found.op in (ast.LineOp.PATTERN, ast.LineOp.NOT_PATTERN):
            LinePattern(alternative.value)


def _regexp(pattern: str) -> None:
    names = [name for name in regex.group_names(pattern) if name]
    if not names:
        raise ParseError("at least one named capture must be supplied")
    for name in names:
        if names.count(name) > 1:
            raise ParseError(f"duplicate extracted label name '{name}'")
        if not regex.LABEL_NAME.fullmatch(name):
            raise ParseError(f"invalid extracted label name '{name}'")


def _label_format(assignments: tuple[ast.Rename | ast.Assign, ...]) -> None:
    seen: set[str] = set()
    for assignment in assignments:
        if assignment.dst == "__error__":
            raise ParseError("__error__ cannot be formatted")
        if assignment.dst in seen:
            raise ParseError(f"multiple label name '{assignment.dst}' not allowed in a single format operation")
        seen.add(assignment.dst)
        if isinstance(assignment, ast.Assign):
            compile_template(assignment.template)


def range_aggregation(found: ast.RangeAggregation) -> ast.RangeAggregation:
    """The aggregation, if unwrap, grouping and parameter fit its operation."""
    op = found.op
    if found.unwrap and op not in _TAKES_UNWRAP:
        raise ParseError(f"invalid aggregation {op} with unwrap")
    if not found.unwrap and op in _NEEDS_UNWRAP:
        raise ParseError(f"invalid aggregation {op} without unwrap")
    if found.grouping and op not in _GROUPS:
        raise ParseError(f"grouping not allowed for {op} aggregation")
    if op is RangeOp.QUANTILE and found.param is None:
        raise ParseError(f"parameter required for operation {op}")
    if op is not RangeOp.QUANTILE and found.param is not None:
        raise ParseError(f"parameter {found.param:g} not supported for operation {op}")
    return found


def vector_aggregation(
    op: VectorOp, expr: ast.MetricExpr, grouping: ast.Grouping | None, param: float | None
) -> ast.VectorAggregation:
    """The aggregation, if parameter and grouping fit its operation."""
    if op in _TAKES_PARAM:
        if param is None:
            raise ParseError(f"parameter required for operation {op}")
        if param != int(param) or param <= 0:
            raise ParseError(f"invalid parameter (must be greater than 0) {op}({param:g}")
    elif param is not None:
        raise ParseError(f"unsupported parameter for operation {op}({param:g},")
    if op in (VectorOp.SORT, VectorOp.SORT_DESC) and grouping:
        raise ParseError("sort and sort_desc doesn't allow grouping by")
    if op is VectorOp.APPROX_TOPK and grouping:
        raise ParseError("grouping not allowed for approx_topk aggregation")
    if isinstance(expr, ast.Literal):
        raise ParseError(f"syntax error: unexpected literal in {op}, it aggregates series")
    return ast.VectorAggregation(op, expr, grouping, None if param is None else int(param))


def label_replace(found: ast.LabelReplace) -> ast.LabelReplace:
    """The call, if expression and destination are sound."""
    try:
        regex.anchored(found.regex)
    except LogQLError:
        raise ParseError(f"invalid regex in label_replace: {found.regex}") from None
    if not regex.LABEL_NAME.fullmatch(found.dst):
        raise ParseError(f"invalid label name in label_replace: {found.dst}")
    if isinstance(found.expr, ast.Literal):
        raise ParseError("label_replace needs series, not a number")
    return found


def binary(found: ast.BinaryOperation) -> ast.BinaryOperation:
    """The operation, if its sides and modifiers fit the operator."""
    op = found.op
    if op.is_set:
        for side, leg in (("left", found.left), ("right", found.right)):
            if isinstance(leg, ast.Literal):
                raise ParseError(
                    f"unexpected literal for {side} leg of logical/set binary operation ({op}): {leg.value:f}"
                )
        if found.matching and found.matching.cardinality:
            raise ParseError("no grouping allowed for set operations")
    if found.return_bool and not op.is_comparison:
        raise ParseError(f"bool modifier can only be used on comparison operators, not {op}")
    if found.matching and (isinstance(found.left, ast.Literal) or isinstance(found.right, ast.Literal)):
        raise ParseError("vector matching only allowed between instant vectors")
    matching = found.matching
    if matching and matching.on:
        for label in matching.include:
            if label in matching.labels:
                raise ParseError(f'label "{label}" must not occur in ON and GROUP clause at once')
    return found
