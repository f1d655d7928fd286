"""Syntax tree to text: one line where it fits, else broken and indented as Loki's format_query does."""

from __future__ import annotations

from pytake.embedded.loki.logql import ast
from pytake.embedded.loki.logql.gostrings import quote
from pytake.embedded.loki.logql.units import format_duration

WIDTH = 100
"""Characters that a line may have before it is broken."""
_INDENT = "  "


def format_query(expr: ast.Expr) -> str:
    """The query as text; `parse` gives the same tree back."""
    return _pretty(expr, 0)


def one_line(expr: ast.Expr) -> str:
    """The query on one line."""
    if isinstance(expr, ast.LogQuery):
        return " ".join([_selector(expr.matchers), *map(stage, expr.stages)])
    return _metric(expr)


def _selector(matchers: tuple[ast.Matcher, ...]) -> str:
    return "{" + ", ".join(map(_matcher, matchers)) + "}"


def _matcher(matcher: ast.Matcher) -> str:
    return f"{matcher.name}{matcher.op}{quote(matcher.value)}"


def number(value: float) -> str:
    """A number that the lexer reads back."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def predicate(found: ast.Predicate) -> str:  # noqa: PLR0911 - one return a case
    """A label filter's predicate, in parentheses where precedence asks for them."""
    match found:
        case ast.Matcher():
            return _matcher(found)
        case ast.NumberFilter(name, op, value):
            return f"{name}{op}{number(value)}"
        case ast.DurationFilter(name, op, value):
            return f"{name}{op}{format_duration(value)}"
        case ast.BytesFilter(name, op, value):
            return f"{name}{op}{value}B"
        case ast.IPFilter(name, op, pattern):
            return f"{name}{op}ip({quote(pattern)})"
        case ast.And(left, right):
            sides = [f"({predicate(side)})" if isinstance(side, ast.Or) else predicate(side) for side in (left, right)]
            return f"{sides[0]} and {_nested(right, sides[1], ast.And)}"
        case ast.Or(left, right):
            return f"{predicate(left)} or {_nested(right, predicate(right), ast.Or)}"


def _nested(side: ast.Predicate, text: str, kind: type) -> str:
    return f"({text})" if isinstance(side, kind) else text


def _extractions(items: tuple[ast.Extraction, ...]) -> str:
    return ", ".join(e.label if e.label == e.expression else f"{e.label}={quote(e.expression)}" for e in items)


def _items(items: tuple[str | ast.Matcher, ...]) -> str:
    return ", ".join(item if isinstance(item, str) else _matcher(item) for item in items)


def stage(found: ast.Stage) -> str:  # noqa: PLR0911 - one return a construct
    """One stage with its pipe."""
    match found:
        case ast.LineFilter(op, alternatives):
            return f"{op} " + " or ".join(f"ip({quote(a.value)})" if a.ip else quote(a.value) for a in alternatives)
        case ast.Json(extractions):
            return " ".join(filter(None, ["| json", _extractions(extractions)]))
        case ast.Logfmt(strict, keep_empty, extractions):
            flags = ["--strict"] * strict + ["--keep-empty"] * keep_empty
            return " ".join(filter(None, ["| logfmt", *flags, _extractions(extractions)]))
        case ast.Regexp(pattern):
            return f"| regexp {quote(pattern)}"
        case ast.Pattern(pattern):
            return f"| pattern {quote(pattern)}"
        case ast.Unpack():
            return "| unpack"
        case ast.LabelFilter(found_predicate):
            return f"| {predicate(found_predicate)}"
        case ast.LineFormat(template):
            return f"| line_format {quote(template)}"
        case ast.LabelFormat(assignments):
            parts = [f"{a.dst}={a.src if isinstance(a, ast.Rename) else quote(a.template)}" for a in assignments]
            return "| label_format " + ", ".join(parts)
        case ast.Drop(items):
            return f"| drop {_items(items)}"
        case ast.Keep(items):
            return f"| keep {_items(items)}"
        case ast.Decolorize():
            return "| decolorize"


def _unwrap(unwrap: ast.Unwrap) -> list[str]:
    label = f"{unwrap.conversion}({unwrap.label})" if unwrap.conversion else unwrap.label
    return [f"| unwrap {label}", *map(stage, unwrap.filters)]


def _grouping(grouping: ast.Grouping | None) -> str:
    if grouping is None:
        return ""
    return f"{'without' if grouping.without else 'by'} ({', '.join(grouping.labels)})"


def _range_parts(found: ast.RangeAggregation) -> list[str]:
    parts = [_selector(found.query.matchers), *map(stage, found.query.stages)]
    if found.unwrap:
        parts += _unwrap(found.unwrap)
    offset = f" offset {format_duration(found.offset)}" if found.offset else ""
    return [*parts, f"[{format_duration(found.range)}]{offset}"]


def _binary_head(found: ast.BinaryOperation) -> str:
    parts = [found.op.value] + ["bool"] * found.return_bool
    matching = found.matching
    if matching:
        parts.append(f"{'on' if matching.on else 'ignoring'} ({', '.join(matching.labels)})")
        if matching.cardinality:
            parts.append(f"{matching.cardinality} ({', '.join(matching.include)})")
    return " ".join(parts)


def _vector_head(found: ast.VectorAggregation) -> str:
    grouping = _grouping(found.grouping)
    return f"{found.op} {grouping} " if grouping else found.op.value


def _param(value: float | None) -> str:
    return "" if value is None else f"{number(float(value))}, "


def _metric(found: ast.MetricExpr) -> str:
    match found:
        case ast.RangeAggregation():
            tail = _grouping(found.grouping)
            return f"{found.op}({_param(found.param)}{' '.join(_range_parts(found))})" + (f" {tail}" if tail else "")
        case ast.VectorAggregation():
            return f"{_vector_head(found)}({_param(found.param)}{_metric(found.expr)})"
        case ast.BinaryOperation():
            return f"({_metric(found.left)} {_binary_head(found)} {_metric(found.right)})"
        case ast.LabelReplace():
            texts = ", ".join(map(quote, (found.dst, found.replacement, found.src, found.regex)))
            return f"label_replace({_metric(found.expr)}, {texts})"
        case ast.Vector(value):
            return f"vector({number(value)})"
        case ast.Literal(value):
            return number(value)


def _pretty(found: ast.Expr, depth: int) -> str:  # noqa: PLR0911 - one return a case
    flat = one_line(found)
    pad = _INDENT * depth
    if len(pad) + len(flat) <= WIDTH:
        return pad + flat
    inner = _INDENT * (depth + 1)
    match found:
        case ast.LogQuery(matchers, stages):
            return "\n".join([pad + _selector(matchers), *(inner + stage(s) for s in stages)])
        case ast.RangeAggregation():
            first, *middle, last = _range_parts(found)
            lines = [
                f"{pad}{found.op}(",
                *([f"{inner}{_param(found.param).strip()}"] if found.param is not None else []),
            ]
            lines += [inner + first, *(inner + _INDENT + part for part in middle), inner + last]
            tail = _grouping(found.grouping)
            return "\n".join([*lines, f"{pad})" + (f" {tail}" if tail else "")])
        case ast.VectorAggregation():
            head = [f"{pad}{_vector_head(found)}(", *([f"{inner}{found.param},"] if found.param is not None else [])]
            return "\n".join([*head, _pretty(found.expr, depth + 1), f"{pad})"])
        case ast.BinaryOperation():
            sides = [_pretty(side, depth + 1) for side in (found.left, found.right)]
            return f"{pad}(\n{sides[0]}\n{pad}{_binary_head(found)}\n{sides[1]}\n{pad})"
        case ast.LabelReplace():
            texts = ",\n".join(inner + quote(t) for t in (found.dst, found.replacement, found.src, found.regex))
            return f"{pad}label_replace(\n{_pretty(found.expr, depth + 1)},\n{texts}\n{pad})"
    return pad + flat


def selectors(expr: ast.Expr) -> tuple[tuple[ast.Matcher, ...], ...]:
    """The stream selectors of the query, in the order they stand."""
    match expr:
        case ast.LogQuery(matchers):
            return (matchers,)
        case ast.RangeAggregation(query=query):
            return (query.matchers,)
        case ast.VectorAggregation(expr=inner) | ast.LabelReplace(expr=inner):
            return selectors(inner)
        case ast.BinaryOperation(left=left, right=right):
            return selectors(left) + selectors(right)
    return ()
