"""Rate, errors and duration of every operation, counted from all spans before the tail decision.

Names, labels and values are the ``spanmetrics`` connector's as its Prometheus exporter shows them. Counting is done a
batch at a time; the numbers live in this process and start again with it, as counters may.
"""

import threading
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pytake.embedded.jaeger.columns import Columns
from pytake.embedded.jaeger.config import SpanMetricsOptions
from pytake.embedded.jaeger.proto import Span
from pytake.embedded.jaeger.values import tag_text

_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUS = ("UNSET", "OK", "ERROR")
_OVERFLOW: tuple[str, ...] = ("otel_metric_overflow",)
Labels = tuple[str, ...]
EXEMPLAR_SECONDS = 1.0
"""An example is replaced after this long: a scrape cannot see more, and taking one costs."""


def escape(value: str) -> str:
    """A label value between its quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    """A finite number as both formats want it."""
    return repr(float(value))


@dataclass(slots=True)
class _Series:
    buckets: npt.NDArray[np.int64]
    total: float
    exemplars: dict[int, tuple[str, str, float, float]]


class SpanMetrics:
    """Counts spans; :meth:`render` is the Prometheus page."""

    def __init__(self, options: SpanMetricsOptions) -> None:
        self._options = options
        prefix = options.namespace.replace(".", "_")
        self._prefix = f"{prefix}_" if prefix else ""
        self._unit = {"ms": "milliseconds", "s": "seconds"}[options.unit]
        self._scale = {"ms": 1e6, "s": 1e9}[options.unit]
        self._bounds = np.array(options.buckets)
        self._lock = threading.Lock()
        self._series: dict[Labels, _Series] = {}
        dimensions = [name.replace(".", "_") for name in options.dimensions]
        self._names = ("service_name", "span_name", "span_kind", "status_code", *dimensions)

    def observe(self, columns: Columns) -> None:
        """Count the spans of a batch."""
        values = columns.duration / self._scale
        bucket = np.searchsorted(self._bounds, values, side="left")
        code, labels = self._labels(columns)
        width = len(self._bounds) + 1
        cell = code * width + bucket
        counts = np.bincount(cell, minlength=len(labels) * width).reshape(-1, width)
        totals = np.bincount(code, weights=values, minlength=len(labels))
        newest = np.zeros(len(labels) * width, np.int64)
        newest[cell] = np.arange(len(cell))
        now = time.time()
        with self._lock:
            for at, key in enumerate(labels):
                series = self._find(key, width)
                series.buckets += counts[at]
                series.total += float(totals[at])
                if self._options.exemplars:
                    for hit in np.flatnonzero(counts[at]).tolist():
                        known = series.exemplars.get(hit)
                        if known is not None and now - known[3] < EXEMPLAR_SECONDS:
                            continue
                        row = int(newest[at * width + hit])
                        series.exemplars[hit] = (
                            columns.trace_id[row].tobytes().hex(), f"{int(columns.span_id[row]):016x}",
                            float(values[row]), now,
                        )  # fmt: skip

    def _find(self, key: Labels, width: int) -> _Series:
        series = self._series.get(key)
        if series is None:
            limit = self._options.cardinality_limit
            if limit and len(self._series) >= limit and key != _OVERFLOW:
                return self._find(_OVERFLOW, width)
            series = self._series[key] = _Series(np.zeros(width, np.int64), 0.0, {})
        return series

    def _labels(self, columns: Columns) -> tuple[npt.NDArray[np.int64], list[Labels]]:
        """Code of each span, and the labels of each code."""
        plain: list[Labels] = [
            (op.service, op.name, f"SPAN_KIND_{_KINDS[op.kind]}", f"STATUS_CODE_{_STATUS[op.status]}")
            for op in columns.ops
        ]
        if not self._options.dimensions:
            return columns.op.astype(np.int64), plain
        table: dict[Labels, int] = {}
        codes = np.empty(len(columns), np.int64)
        for row, (op, raw) in enumerate(zip(columns.op.tolist(), columns.span_bytes(0, len(columns)), strict=True)):
            found = {item.key: tag_text(item.value) for item in Span.FromString(raw).attributes}
            key = (*plain[op], *(found.get(name, "") for name in self._options.dimensions))
            codes[row] = table.setdefault(key, len(table))
        return codes, list(table)

    def render(self, openmetrics: bool) -> str:
        """The two families (without ``# EOF``); exemplars only in OpenMetrics."""
        calls, duration = f"{self._prefix}calls", f"{self._prefix}duration_{self._unit}"
        with self._lock:
            series = [
                (self._text(key), item.buckets.copy(), item.total, dict(item.exemplars))
                for key, item in self._series.items()
            ]
        if not series:
            return ""
        suffix = "" if openmetrics else "_total"
        lines = [
            f"# HELP {calls}{suffix} Spans by service, operation, kind and status.",
            f"# TYPE {calls}{suffix} counter",
        ]
        lines += [f"{calls}_total{{{labels}}} {int(buckets.sum())}" for labels, buckets, _, _ in series]
        lines += [f"# HELP {duration} Durations of spans.", f"# TYPE {duration} histogram"]
        bounds = [number(float(bound)) for bound in self._bounds] + ["+Inf"]
        for labels, buckets, total, exemplars in series:
            cumulative = np.cumsum(buckets).tolist()
            for at, bound in enumerate(bounds):
                line = f'{duration}_bucket{{{labels},le="{bound}"}} {cumulative[at]}'
                if openmetrics and at in exemplars:
                    trace_id, span_id, value, unix = exemplars[at]
                    line += f' # {{trace_id="{trace_id}",span_id="{span_id}"}} {number(value)} {unix:.3f}'
                lines.append(line)
            lines.append(f"{duration}_sum{{{labels}}} {number(total)}")
            lines.append(f"{duration}_count{{{labels}}} {cumulative[-1]}")
        return "\n".join(lines) + "\n"

    def _text(self, key: Labels) -> str:
        if key == _OVERFLOW:
            return 'otel_metric_overflow="true"'
        return ",".join(f'{name}="{escape(value)}"' for name, value in zip(self._names, key, strict=True))
