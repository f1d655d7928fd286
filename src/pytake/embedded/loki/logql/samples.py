"""Lines to samples: what a range aggregation takes from each row, in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pytake.embedded.loki.logql import ast
from pytake.embedded.loki.logql.algebra import group_labels, show_labels
from pytake.embedded.loki.logql.ast import RangeOp
from pytake.embedded.loki.logql.errors import PipelineError
from pytake.embedded.loki.logql.pipeline import Pipeline
from pytake.embedded.loki.logql.predicates import compile_predicate
from pytake.embedded.loki.logql.row import Row
from pytake.embedded.loki.logql.rows import Labels
from pytake.embedded.loki.logql.units import parse_bytes, parse_float, parse_go_duration

_PARSERS = (ast.Json, ast.Logfmt, ast.Regexp, ast.Pattern)
_SUMMED = (RangeOp.COUNT, RangeOp.RATE, RangeOp.BYTES, RangeOp.BYTES_RATE, RangeOp.SUM)


def injectable(outer: ast.VectorAggregation, inner: ast.RangeAggregation) -> bool:
    """Whether `sum` over the range aggregation may group the samples itself: sums of sums are sums."""
    return outer.op is ast.VectorOp.SUM and inner.op in _SUMMED and inner.grouping is None


def labels_unseen(agg: ast.RangeAggregation, injected: ast.Grouping | None) -> bool:
    """Whether no label of a line matters to the value, so that lines which do not parse are no error either."""
    return (
        injected == ast.Grouping(())
        and agg.unwrap is None
        and all(isinstance(stage, (*_PARSERS, ast.LineFilter, ast.Decolorize)) for stage in agg.query.stages)
    )


def live_stages(agg: ast.RangeAggregation, injected: ast.Grouping | None) -> tuple[ast.Stage, ...]:
    """The stages that matter to the value."""
    if labels_unseen(agg, injected):
        return tuple(stage for stage in agg.query.stages if not isinstance(stage, _PARSERS))
    return agg.query.stages


def convert(conversion: ast.Conversion | None, text: str) -> float | None:
    """A label's value as the sample of unwrap; None where it does not convert."""
    if conversion is None:
        return parse_float(text)
    if conversion is ast.Conversion.BYTES:
        size = parse_bytes(text)
        return None if size is None else float(size)
    ns = parse_go_duration(text)
    return None if ns is None else ns / 1e9


class Extractor:
    """Rows to `(labels, value)` for one range aggregation.

    `injected` is the grouping of a `sum` around it (`Grouping(())` for a bare `sum`), None when there is none.
    """

    def __init__(self, agg: ast.RangeAggregation, injected: ast.Grouping | None = None) -> None:
        self.pipeline = Pipeline(live_stages(agg, injected))
        self.unwrap = agg.unwrap
        self.filters = [compile_predicate(f.predicate) for f in agg.unwrap.filters] if agg.unwrap else []
        self.grouping = injected if injected is not None else agg.grouping
        self.value: Callable[[Row], float] = lambda row: 1.0
        if agg.op in (RangeOp.BYTES, RangeOp.BYTES_RATE):
            self.value = lambda row: float(len(row.line.encode()))

    def sample(
        self, ts: int, line: str, stream: Mapping[str, str], meta: Mapping[str, str]
    ) -> tuple[Labels, float] | None:
        """The sample of a row, None where it gives none; PipelineError where a stage failed on it."""
        row = Row(ts, line, stream, meta)
        if not self.pipeline.run(row):
            return None
        value = self.value(row)
        if self.unwrap:
            text = row.get(self.unwrap.label)
            if not text:
                return None
            number = convert(self.unwrap.conversion, text)
            if number is None:
                row.fail("SampleExtractionErr", f"cannot convert {text}")
            value = 0.0 if number is None else number
            if not all(test(row) for test in self.filters):
                return None
        labels: Labels = tuple(sorted((name, text) for name, text in row.view().items() if text))
        if row.error:
            raise PipelineError(row.error, show_labels(labels))
        if self.unwrap and (self.grouping is None or self.grouping.without):
            labels = tuple(pair for pair in labels if pair[0] != self.unwrap.label)
        return (labels if self.grouping is None else group_labels(labels, self.grouping)), value
