"""One range aggregation as one SELECT, and the labels of its rows."""

# ruff: noqa: S608 - the texts put together are quoted literals and names of this package

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytake.embedded.loki.logql import ast
from pytake.embedded.loki.logql.algebra import group_labels
from pytake.embedded.loki.logql.ast import RangeOp
from pytake.embedded.loki.logql.meta import metadata
from pytake.embedded.loki.logql.pipeline import compile_stage
from pytake.embedded.loki.logql.row import Row
from pytake.embedded.loki.logql.rows import Labels
from pytake.embedded.loki.logql.samples import live_stages
from pytake.embedded.loki.logql.sql.fold import Fold, fold_of
from pytake.embedded.loki.logql.sql.predicate import as_bytes, as_duration, as_number, compile_predicate, doubts
from pytake.embedded.loki.logql.sql.scope import Scope
from pytake.embedded.loki.logql.sql.text import NotPushableError, Text, either, quote
from pytake.embedded.loki.rowsource import Col

LABEL_STAGES = (ast.Drop, ast.Keep, ast.LabelFormat)
MAX_SPREAD = 12
"""Windows that SQL puts a bucket into."""
SLIDING = frozenset(
    (
        RangeOp.COUNT, RangeOp.RATE, RangeOp.BYTES, RangeOp.BYTES_RATE, RangeOp.SUM, RangeOp.AVG, RangeOp.MIN,
        RangeOp.MAX, RangeOp.ABSENT,
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Steps:
    """The instants of a query: `count` of them, `step` apart (1 where there is only one)."""

    start: int
    step: int
    count: int

    def at(self, index: int) -> int:
        """The instant's time."""
        return self.start + index * self.step


@dataclass(slots=True)
class Leaf:
    """A range aggregation ready for SQL; `NotPushableError` while building means that only Python can do it."""

    agg: ast.RangeAggregation
    injected: ast.Grouping | None
    streams: Mapping[int, Mapping[str, str]]
    steps: Steps
    top: tuple[bool, int] | None = None
    """`(largest, k)` where a `topk` or `bottomk` of the whole vector is all that reads the aggregation."""
    sure: bool = False
    """Leave out the rows that SQL is not sure of, and keep partial results that those can be added to."""
    scope: Scope = field(init=False)
    keys: list[str] = field(default_factory=list)
    fixed: list[tuple[str, str]] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    open: bool = False
    value: str = "1"
    _stages: list[ast.Stage] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.agg.op is RangeOp.RATE_COUNTER:
            raise NotPushableError("rate_counter needs its samples in order")
        self.scope = Scope(self.streams, strict=True)
        for stage in live_stages(self.agg, self.injected):
            self.scope.apply(stage)
            if isinstance(stage, LABEL_STAGES):
                self._stages.append(stage)
        self._value()
        self._keys()

    # ------------------------------------------------------------------------------------------------------ samples
    def _value(self) -> None:
        if self.agg.op in (RangeOp.BYTES, RangeOp.BYTES_RATE):
            line = self.scope.line
            if line is None or line.unsure:
                raise NotPushableError("bytes of a line that only Python knows")
            self.value = f"strlen({line.sql})"
            return
        unwrap = self.agg.unwrap
        if unwrap is None:
            return
        text = self.scope.label(unwrap.label)
        if text.absent:
            self.scope.where.append("FALSE")
            return
        convert = {None: as_number, ast.Conversion.BYTES: as_bytes}.get(unwrap.conversion, as_duration)
        number, odd, clean = convert(text)
        self.scope.clean.append(clean)
        seconds = unwrap.conversion in (ast.Conversion.DURATION, ast.Conversion.DURATION_SECONDS)
        present = f"{text.sql} <> ''"
        self.scope.where.append(present)
        self.scope.unsure.append(f"coalesce({odd}, FALSE)")
        failed = f"CASE WHEN {number} IS NULL THEN 'SampleExtractionErr' END"
        self.scope.error = f"coalesce({failed}, {self.scope.error})" if self.scope.error else f"({failed})"
        self.value = f"coalesce({number}{' / 1e9' if seconds else ''}, 0.0)"
        for item in unwrap.filters:
            found = compile_predicate(item.predicate, self.scope.error, self.scope.label, self.scope.error_text)
            self.scope.error = found.error
            self.scope.unsure += found.unsure
            self.scope.clean += found.clean
            self.scope.where.append(either([found.sql, *self.scope.unsure]))

    # --------------------------------------------------------------------------------------------------------- keys
    def _keys(self) -> None:
        if self.agg.op is RangeOp.ABSENT:
            return
        grouping = self.injected if self.injected is not None else self.agg.grouping
        if grouping is None or grouping.without:
            self._open_keys()
            return
        for label in dict.fromkeys(grouping.labels):
            if label in {"__error__", "__error_details__"}:
                continue
            text = self.scope.label(label)
            if text.constant:
                self.fixed.append((label, text.constant))
            elif not text.absent:
                self._key(label, text)

    def _key(self, label: str, text: Text) -> None:
        self.keys.append(label)
        self.columns.append(text.sql)
        unsure, clean = doubts(text)
        self.scope.unsure += unsure
        self.scope.clean += clean

    def _open_keys(self) -> None:
        """All labels: what they are made of becomes the key, and Python makes the labels of each combination."""
        self.open = True
        self.columns = [f"r.{Col.SID}", f"r.{Col.META}", f"r.{Col.LEVEL}"]
        for layer in self.scope.layers:
            if layer.names is None or not layer.known:
                raise NotPushableError("series of all labels of a line")
            for label, text in layer.names.items():
                self._key(label, text)
        for stage in self._stages:
            if isinstance(stage, ast.LabelFormat) and any(isinstance(a, ast.Assign) for a in stage.assignments):
                raise NotPushableError("templates in series")

    def labels(self, key: Sequence[Any]) -> Labels:
        """The series that a combination of keys belongs to."""
        if not self.open:
            pairs = [(label, value) for label, value in zip(self.keys, key, strict=True) if value]
            return tuple(sorted(self.fixed + pairs))
        row = Row(0, "", self.streams[key[0]], metadata(key[1], key[2]))
        for label, value in zip(self.keys, key[3:], strict=True):
            if value:
                row.extract(label, value)
        for stage in self._stages:
            compile_stage(stage)(row)
        if self.agg.unwrap:
            row.delete(self.agg.unwrap.label)
        grouping = self.injected if self.injected is not None else self.agg.grouping
        labels: Labels = tuple(sorted(pair for pair in row.view().items() if pair[1]))
        return group_labels(labels, grouping) if grouping is not None else labels

    # ---------------------------------------------------------------------------------------------------------- SQL
    @property
    def base(self) -> int:
        """Everything up to here is before the first window."""
        return self.steps.start - self.agg.offset - self.agg.range

    @property
    def bounds(self) -> tuple[int, int]:
        """Time range of the samples, end exclusive."""
        last = self.steps.at(self.steps.count - 1) - self.agg.offset
        return self.base + 1, last + 1

    @property
    def fold(self) -> Fold:
        """How the samples become a value."""
        return fold_of(self.agg, keep=self.open or self.sure or bool(self.grain))

    @property
    def grain(self) -> int:
        """Width of the buckets that overlapping windows are made of; 0 where windows do not overlap."""
        overlap = self.steps.count > 1 and self.agg.range > self.steps.step
        return math.gcd(self.steps.step, self.agg.range) if overlap else 0

    @property
    def wide(self) -> bool:
        """Whether Python slides windows over the buckets instead of SQL putting each bucket into all its windows: when
        those are many, or a bucket is all its samples."""
        many = self.agg.range // self.steps.step > MAX_SPREAD and self.agg.op in SLIDING
        return bool(self.grain) and (many or self.fold.lists)

    def sql(self, sources: Sequence[str]) -> str:
        """The statement: step index, keys, partial results, and whether something is wrong with a row of them.

        Wrong is an error of the pipeline in a `sure` leaf, and otherwise what is not plainly right.
        """
        fold = self.fold
        keys = [f"k{index}" for index in range(len(self.columns))]
        right = self.scope.clean + self.scope.parsed
        wrong = f"({' AND '.join(right)}) IS NOT TRUE" if right else "FALSE"
        if self.sure:
            wrong = f"{self.scope.error} IS NOT NULL" if self.scope.error else "FALSE"
        unsure = either(self.scope.unsure) if self.scope.unsure else "FALSE"
        picked = [f"{column} AS {key}" for column, key in zip(self.columns, keys, strict=True)]
        picked += [f"{self.value} AS v", f"r.{Col.TS} AS ts", f"{wrong} AS e"]
        if self.sure:
            picked.append(f"{unsure} AS u")
        rows = " UNION ALL ".join(f"SELECT {', '.join(picked)} {source}" for source in sources)
        group = ", ".join(["b", *keys])
        parts = [f"{part} AS p{index}" for index, part in enumerate(fold.parts)]
        checks = ["bool_or(e) AS e"]
        if self.sure and self.scope.unsure:
            rows = f"SELECT * FROM ({rows}) WHERE NOT u"
        bucket, rows = self._buckets(rows)
        inner = (
            f"SELECT {', '.join([f'{bucket} AS b', *keys, *parts, *checks])} FROM ({rows}) GROUP BY "
            + (group if self.steps.count > 1 else ", ".join(keys) or "()")
            + " HAVING count(*) > 0"
        )
        if self.wide:
            return inner
        grain = self.grain
        if not grain:
            return inner if fold.lists else self._topped(inner, keys)
        s, w = self.steps.step // grain, self.agg.range // grain
        low, high = f"greatest(0, (b - {w} + {s - 1}) // {s})", f"least({self.steps.count}, (b + {s - 1}) // {s})"
        carried = [f"p{index}" for index in range(len(fold.parts))]
        spread = f"SELECT unnest(range({low}, {high})) AS b, {', '.join([*keys, *carried, 'e'])} FROM ({inner})"
        merged = [f"{part} AS p{index}" for index, part in enumerate(fold.merge)]
        return self._topped(
            f"SELECT {', '.join(['b', *keys, *merged, *checks])} FROM ({spread}) GROUP BY {group}", keys
        )

    def _buckets(self, rows: str) -> tuple[str, str]:
        """The bucket of a row, and the rows that are in some window."""
        step, width = self.steps.step, self.agg.range
        if self.steps.count == 1:
            return "0", rows
        if self.grain:
            return f"(ts - {self.base} + {self.grain - 1}) // {self.grain}", rows
        origin = self.steps.start - self.agg.offset
        bucket = f"(ts - {origin} + {step - 1}) // {step}"
        if width < step:
            rows = f"SELECT * FROM ({rows}) WHERE ts > {origin - width} + ({bucket}) * {step}"
        return bucket, rows

    def _topped(self, inner: str, keys: list[str]) -> str:
        """Only the rows that `topk` around the aggregation can keep, in its order: by value, then by labels."""
        if self.top is None or self.open:
            return inner
        largest, count = self.top
        named = sorted([*zip(self.keys, keys, strict=True), *((label, quote(value)) for label, value in self.fixed)])
        order = [f"{self.fold.order} {'DESC' if largest else 'ASC'}"]
        for index, (_, column) in enumerate(named):
            rest = ", ".join(f"nullif({other}, '')" for _, other in named[index:])
            order += [f"(coalesce({rest}) IS NULL) DESC", f"nullif({column}, '') NULLS LAST"]
        parts = [f"p{index}" for index in range(len(self.fold.parts))]
        columns = ", ".join(["b", *keys, *parts, "bool_or(e) OVER () AS e"])
        rank = f"row_number() OVER (PARTITION BY b ORDER BY {', '.join(order)})"
        return f"SELECT {columns} FROM ({inner}) QUALIFY {rank} <= {count}"

    def doubtful(self, sources: Sequence[str]) -> str:
        """The rows that SQL is not sure of."""
        columns = f"r.{Col.TS}, r.{Col.SID}, r.{Col.LINE}, r.{Col.META}, r.{Col.LEVEL}"
        unsure = either(self.scope.unsure) if self.scope.unsure else "FALSE"
        rows = " UNION ALL ".join(f"SELECT {columns}, {unsure} AS u {source}" for source in sources)
        return f"SELECT * EXCLUDE (u) FROM ({rows}) WHERE u"

    def places(self, ts: int) -> range:
        """Where a sample of this time counts: steps, or the bucket that wide windows are made of."""
        if self.wide:
            bucket = -((self.base - ts) // self.grain)
            return range(bucket, bucket + 1)
        after = ts + self.agg.offset - self.steps.start
        first = max(0, -(-after // self.steps.step))
        return range(first, min(self.steps.count, -(-(after + self.agg.range) // self.steps.step)))

    def probe(self, sources: Sequence[str]) -> str:
        """A row with an error, to say which."""
        columns = f"r.{Col.TS}, r.{Col.SID}, r.{Col.LINE}, r.{Col.META}, r.{Col.LEVEL}"
        rows = " UNION ALL ".join(f"SELECT {columns}, {self.scope.error or 'NULL'} AS e {source}" for source in sources)
        return f"SELECT * FROM ({rows}) WHERE e IS NOT NULL LIMIT 1"
