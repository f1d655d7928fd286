"""Reading PromQL: selectors, and the labels that an expression's result can have.

The label sets are what most checks need: whether a grouping label exists, whether two sides of a vector operation can
ever match, whether an annotation's ``$labels.x`` is there. Parsing is `promql-parser`'s (Prometheus 2.45 grammar).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import promql_parser as pp

Schema = Mapping[str, frozenset[str]]
"""Metric name (sample name, ``_bucket`` included) -> labels it may carry, target labels included."""

RATES = frozenset({"rate", "irate", "increase", "resets"})
SET_OPERATORS = frozenset({"and", "or", "unless"})
COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">="})
_MATCH_OPERATORS = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}
_KEEP_ONE_SERIES = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})


class PromQLError(ValueError):
    """The expression does not parse; the message says what and in which expression."""


def parse(text: str) -> pp.Expr:
    """Parse PromQL; raises :class:`PromQLError`."""
    try:
        return pp.parse(text)
    except ValueError as error:
        raise PromQLError(f"{error}: {' '.join(text.split())}") from error


def children(node: Any) -> Iterator[Any]:
    """Direct sub-expressions of a node."""
    match node:
        case pp.BinaryExpr():
            yield node.lhs
            yield node.rhs
        case pp.AggregateExpr():
            if node.param is not None:
                yield node.param
            yield node.expr
        case pp.Call():
            yield from node.args
        case pp.ParenExpr() | pp.UnaryExpr() | pp.SubqueryExpr():
            yield node.expr
        case pp.MatrixSelector():
            yield node.vector_selector


def walk(node: Any) -> Iterator[Any]:
    """The node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def unwrap(node: Any) -> Any:
    """The node without the parentheses around it."""
    while isinstance(node, pp.ParenExpr):
        node = node.expr
    return node


def is_scalar(node: Any) -> bool:
    """Whether the expression is a number (or ``time()``, ``scalar(...)``), which matches every series."""
    node = unwrap(node)
    if isinstance(node, pp.NumberLiteral):
        return True
    if isinstance(node, pp.UnaryExpr):
        return is_scalar(node.expr)
    if isinstance(node, pp.Call):
        return node.func.name in {"time", "scalar", "pi"}
    return isinstance(node, pp.BinaryExpr) and is_scalar(node.lhs) and is_scalar(node.rhs)


def op(node: pp.BinaryExpr) -> str:
    """Operator of a binary expression, as written."""
    return str(node.op)


@dataclass(frozen=True)
class Selector:
    """A vector selector: the metric's name (or a pattern of names) and its matchers."""

    name: str | None
    pattern: str | None
    matchers: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def of(cls, node: pp.VectorSelector) -> "Selector":
        """Read a parsed selector."""
        name, pattern, found = node.name, None, []
        for matcher in node.matchers.matchers:
            kind = _MATCH_OPERATORS[str(matcher.op)]
            if matcher.name == "__name__":
                if kind == "=":
                    name = matcher.value
                elif kind == "=~":
                    pattern = matcher.value
            else:
                found.append((matcher.name, kind, matcher.value))
        return cls(name, pattern, tuple(found))

    def names(self, known: Mapping[str, Any]) -> list[str]:
        """Known metrics that the selector can select; a name that is not known selects nothing."""
        if self.name is not None:
            return [self.name] if self.name in known else []
        pattern = re.compile(self.pattern or ".+")
        return [name for name in known if pattern.fullmatch(name)]

    def __str__(self) -> str:
        return self.name or f"{{__name__=~{self.pattern!r}}}"


def selectors(node: Any) -> list[Selector]:
    """All selectors of an expression."""
    return [Selector.of(n) for n in walk(node) if isinstance(n, pp.VectorSelector)]


@dataclass
class Problem:
    """Something that is wrong with an expression; ``check`` names the rule that it breaks."""

    check: str
    text: str


@dataclass
class Labels:
    """Infers label sets bottom-up and collects what cannot work on the way."""

    schema: Schema
    problems: list[Problem] = field(default_factory=list)

    def report(self, check: str, text: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(check, text))

    def of(self, node: Any) -> frozenset[str]:
        """Labels that the result of ``node`` may carry."""
        handler: dict[type, Callable[[Any], frozenset[str]]] = {
            pp.VectorSelector: self._selector,
            pp.AggregateExpr: self._aggregate,
            pp.BinaryExpr: self._binary,
            pp.Call: self._call,
        }
        if type(node) in handler:
            return handler[type(node)](node)
        found: frozenset[str] = frozenset()
        for child in children(node):
            found |= self.of(child)
        return found

    def _selector(self, node: pp.VectorSelector) -> frozenset[str]:
        selector = Selector.of(node)
        names = selector.names(self.schema)
        if not names:
            self.report("unknown_metric", f"no metric {selector} is known")
            return frozenset(name for name, _, _ in selector.matchers)
        labels = frozenset[str]().union(*(self.schema[name] for name in names))
        for label, _, _ in selector.matchers:
            if label not in labels:
                self.report("unknown_label", f"{selector} has no label {label!r} (it has {', '.join(sorted(labels))})")
        return labels

    def _aggregate(self, node: pp.AggregateExpr) -> frozenset[str]:
        inner = self.of(node.expr)
        if node.param is not None:
            self.of(node.param)
        kind = str(node.op)
        if kind in _KEEP_ONE_SERIES:
            return inner
        if node.modifier is None:
            return frozenset()
        named = frozenset(node.modifier.labels)
        for label in sorted(named - inner - {"__name__"}):
            self.report("unknown_label", f"{kind} groups by {label!r}, which {node.expr!s} does not have")
        return named if node.modifier.type == pp.AggModifierType.By else inner - named

    def _binary(self, node: pp.BinaryExpr) -> frozenset[str]:
        left, right = self.of(node.lhs), self.of(node.rhs)
        if is_scalar(node.lhs):
            return right
        if is_scalar(node.rhs):
            return left
        if op(node) == "or":
            return left | right
        if node.modifier is None or node.modifier.matching is None:
            self._same_sides(node, left, right)
            return left
        return self._matched(node, node.modifier, left, right)

    def _matched(
        self, node: pp.BinaryExpr, modifier: pp.BinModifier, left: frozenset[str], right: frozenset[str]
    ) -> frozenset[str]:
        """Result labels of an operation with on() or ignoring()."""
        matching = modifier.matching
        assert matching is not None
        named, on = frozenset(matching.labels), matching.type == pp.LabelModifierType.Include
        if on:
            for label in sorted(named - (left & right)):
                self.report("vector_matching", f"'on ({label})' but one side has no label {label!r}: {node!s}")
        elif left - named != right - named:
            self.report("vector_matching", f"the sides differ in {sorted((left ^ right) - named)}: {node!s}")
        if op(node) in SET_OPERATORS:
            return left
        group = frozenset(modifier.group_labels or ())
        if modifier.card == pp.VectorMatchCardinality.OneToMany:
            return right | group
        if modifier.card == pp.VectorMatchCardinality.ManyToOne:
            return left | group
        return named if on else left - named

    def _same_sides(self, node: pp.BinaryExpr, left: frozenset[str], right: frozenset[str]) -> None:
        """Without on() or ignoring(), series match on all labels: different label sets never do."""
        if left != right and not _has_or(node):
            self.report("vector_matching", f"the sides differ in {sorted(left ^ right)} and never match: {node!s}")

    def _call(self, node: pp.Call) -> frozenset[str]:
        name = node.func.name
        found: frozenset[str] = frozenset()
        for arg in node.args:
            found |= self.of(arg)
        if name == "histogram_quantile":
            if "le" not in found:
                self.report("histogram", f"histogram_quantile needs the label le: {node!s}")
            return found - {"le"}
        if name in {"absent", "absent_over_time"}:
            inner = [Selector.of(n) for n in walk(node) if isinstance(n, pp.VectorSelector)]
            return frozenset(label for s in inner for label, kind, _ in s.matchers if kind == "=")
        if name in {"label_replace", "label_join"}:
            return found | {str(node.args[1].val)}
        if name in {"vector", "scalar", "time"}:
            return frozenset()
        return found


def _has_or(node: Any) -> bool:
    """Alternatives of an ``or`` may have different labels; then the union says nothing about one series."""
    return any(isinstance(n, pp.BinaryExpr) and op(n) == "or" for n in walk(node))
