"""The syntax tree of LogQL: frozen dataclasses, one a construct, compared by value.

Durations are nanoseconds, byte sizes are bytes, numbers are floats. `printer.format_query` is its inverse to text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MatchOp(StrEnum):
    """Operators of matchers on strings; regular expressions are anchored at both ends."""

    EQ = "="
    NE = "!="
    RE = "=~"
    NRE = "!~"


class CompareOp(StrEnum):
    """Operators of label filters on numbers, durations and byte sizes."""

    EQ = "=="
    NE = "!="
    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="


class LineOp(StrEnum):
    """Operators of line filters; nothing is anchored."""

    CONTAINS = "|="
    NOT_CONTAINS = "!="
    MATCH = "|~"
    NOT_MATCH = "!~"
    PATTERN = "|>"
    NOT_PATTERN = "!>"

    @property
    def negative(self) -> bool:
        """Whether the operator drops the lines that match."""
        return self in (LineOp.NOT_CONTAINS, LineOp.NOT_MATCH, LineOp.NOT_PATTERN)


@dataclass(frozen=True, slots=True)
class Matcher:
    """`name="value"` in a selector, and the string form of a label filter."""

    name: str
    op: MatchOp
    value: str


# ---------------------------------------------------------------------------------------------- label filter predicates
@dataclass(frozen=True, slots=True)
class NumberFilter:
    """`status >= 500`."""

    name: str
    op: CompareOp
    value: float


@dataclass(frozen=True, slots=True)
class DurationFilter:
    """`duration > 1m30s`; the value is in nanoseconds."""

    name: str
    op: CompareOp
    value: int


@dataclass(frozen=True, slots=True)
class BytesFilter:
    """`size > 20MB`; the value is in bytes."""

    name: str
    op: CompareOp
    value: int


@dataclass(frozen=True, slots=True)
class IPFilter:
    """`addr = ip("10.0.0.0/8")`; the operator is EQ or NE."""

    name: str
    op: MatchOp
    pattern: str


@dataclass(frozen=True, slots=True)
class And:
    """Both sides hold. A comma and a blank between predicates mean the same."""

    left: Predicate
    right: Predicate


@dataclass(frozen=True, slots=True)
class Or:
    """One of the sides holds."""

    left: Predicate
    right: Predicate


Predicate = Matcher | NumberFilter | DurationFilter | BytesFilter | IPFilter | And | Or


# ------------------------------------------------------------------------------------------------------------- stages
@dataclass(frozen=True, slots=True)
class LineMatch:
    """One alternative of a line filter; `ip` marks `ip("...")`."""

    value: str
    ip: bool = False


@dataclass(frozen=True, slots=True)
class LineFilter:
    """`|= "a" or "b"`: a line matches when any alternative does; a negative operator drops those."""

    op: LineOp
    alternatives: tuple[LineMatch, ...]


@dataclass(frozen=True, slots=True)
class Extraction:
    """`label="expression"` of the json and logfmt stages."""

    label: str
    expression: str


@dataclass(frozen=True, slots=True)
class Json:
    """`| json`, of all keys or only of the expressions."""

    extractions: tuple[Extraction, ...] = ()


@dataclass(frozen=True, slots=True)
class Logfmt:
    """`| logfmt`, of all keys or only of the expressions."""

    strict: bool = False
    keep_empty: bool = False
    extractions: tuple[Extraction, ...] = ()


@dataclass(frozen=True, slots=True)
class Regexp:
    """`| regexp "(?P<name>re)"`."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """`| pattern "<name> literal"`."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Unpack:
    """`| unpack`: labels and line of Promtail's pack stage."""


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """`| predicate`."""

    predicate: Predicate


@dataclass(frozen=True, slots=True)
class LineFormat:
    """`| line_format "template"`."""

    template: str


@dataclass(frozen=True, slots=True)
class Rename:
    """`dst=src` of label_format."""

    dst: str
    src: str


@dataclass(frozen=True, slots=True)
class Assign:
    """`dst="template"` of label_format."""

    dst: str
    template: str


@dataclass(frozen=True, slots=True)
class LabelFormat:
    """`| label_format dst=src, dst="template"`."""

    assignments: tuple[Rename | Assign, ...]


@dataclass(frozen=True, slots=True)
class Drop:
    """`| drop name, name="value"`; a string drops always, a matcher only where it holds."""

    items: tuple[str | Matcher, ...]


@dataclass(frozen=True, slots=True)
class Keep:
    """`| keep name, name="value"`; everything else goes, `__error__` and `__error_details__` stay."""

    items: tuple[str | Matcher, ...]


@dataclass(frozen=True, slots=True)
class Decolorize:
    """`| decolorize`: the line without ANSI colours."""


Stage = (
    LineFilter | Json | Logfmt | Regexp | Pattern | Unpack | LabelFilter | LineFormat | LabelFormat | Drop | Keep
    | Decolorize
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LogQuery:
    """`{selector} | stages`: a query that answers with lines."""

    matchers: tuple[Matcher, ...]
    stages: tuple[Stage, ...] = ()


# ------------------------------------------------------------------------------------------------------------ metrics
class Conversion(StrEnum):
    """Conversions of unwrap."""

    DURATION = "duration"
    DURATION_SECONDS = "duration_seconds"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Unwrap:
    """`| unwrap conversion(label)` and the label filters after it."""

    label: str
    conversion: Conversion | None = None
    filters: tuple[LabelFilter, ...] = ()


@dataclass(frozen=True, slots=True)
class Grouping:
    """`by (labels)` or `without (labels)`."""

    labels: tuple[str, ...]
    without: bool = False


class RangeOp(StrEnum):
    """Range aggregations."""

    RATE = "rate"
    RATE_COUNTER = "rate_counter"
    COUNT = "count_over_time"
    BYTES_RATE = "bytes_rate"
    BYTES = "bytes_over_time"
    SUM = "sum_over_time"
    AVG = "avg_over_time"
    MIN = "min_over_time"
    MAX = "max_over_time"
    STDVAR = "stdvar_over_time"
    STDDEV = "stddev_over_time"
    QUANTILE = "quantile_over_time"
    FIRST = "first_over_time"
    LAST = "last_over_time"
    ABSENT = "absent_over_time"


@dataclass(frozen=True, slots=True)
class RangeAggregation:
    """`op(param, query | unwrap x [range] offset o) by (labels)`; range and offset in nanoseconds."""

    op: RangeOp
    query: LogQuery
    range: int
    offset: int = 0
    unwrap: Unwrap | None = None
    grouping: Grouping | None = None
    param: float | None = None


class VectorOp(StrEnum):
    """Vector aggregations."""

    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    COUNT = "count"
    STDDEV = "stddev"
    STDVAR = "stdvar"
    TOPK = "topk"
    BOTTOMK = "bottomk"
    APPROX_TOPK = "approx_topk"
    SORT = "sort"
    SORT_DESC = "sort_desc"


@dataclass(frozen=True, slots=True)
class VectorAggregation:
    """`op by (labels) (param, expr)`."""

    op: VectorOp
    expr: MetricExpr
    grouping: Grouping | None = None
    param: int | None = None


class BinaryOp(StrEnum):
    """Binary operators between metrics and numbers."""

    OR = "or"
    AND = "and"
    UNLESS = "unless"
    EQ = "=="
    NE = "!="
    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="
    ADD = "+"
    SUB = "-"
    MUL = "*"
    DIV = "/"
    MOD = "%"
    POW = "^"

    @property
    def is_set(self) -> bool:
        """Whether the operator combines sets of series."""
        return self in (BinaryOp.OR, BinaryOp.AND, BinaryOp.UNLESS)

    @property
    def is_comparison(self) -> bool:
        """Whether the operator compares."""
        return self in (BinaryOp.EQ, BinaryOp.NE, BinaryOp.GT, BinaryOp.GE, BinaryOp.LT, BinaryOp.LE)


class Cardinality(StrEnum):
    """How many series of a side may pair with one of the other."""

    ONE_TO_ONE = ""
    GROUP_LEFT = "group_left"
    GROUP_RIGHT = "group_right"


@dataclass(frozen=True, slots=True)
class Matching:
    """`on (labels)` or `ignoring (labels)`, with `group_left (include)` or `group_right (include)`."""

    labels: tuple[str, ...] = ()
    on: bool = False
    cardinality: Cardinality = Cardinality.ONE_TO_ONE
    include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BinaryOperation:
    """`left op bool matching right`; `matching` is None when the query names none."""

    op: BinaryOp
    left: MetricExpr
    right: MetricExpr
    return_bool: bool = False
    matching: Matching | None = None


@dataclass(frozen=True, slots=True)
class LabelReplace:
    """`label_replace(expr, "dst", "replacement", "src", "regex")`."""

    expr: MetricExpr
    dst: str
    replacement: str
    src: str
    regex: str


@dataclass(frozen=True, slots=True)
class Vector:
    """`vector(1)`: one series without labels."""

    value: float


@dataclass(frozen=True, slots=True)
class Literal:
    """A number on its own."""

    value: float


MetricExpr = RangeAggregation | VectorAggregation | BinaryOperation | LabelReplace | Vector | Literal
Expr = LogQuery | MetricExpr
