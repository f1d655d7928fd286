"""``/api/metrics/*``: latencies, call and error rates of services, as Jaeger's monitor tab asks.

They are computed from the stored spans and from the counts of those that the tail decision left out.

Values are counted in steps and summed over the rate window by differences of running sums, so the cost does not depend
on how much the windows overlap. Quantiles come from buckets that are 9 % apart.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from pytake.embedded.jaeger.columns import ERROR, Op
from pytake.embedded.jaeger.index import Ints
from pytake.embedded.jaeger.leftout import LEVELS, level_us, levels
from pytake.embedded.jaeger.store import Store

MAX_POINTS = 11_000
KINDS = {
    name: number for number, name in enumerate(("unspecified", "internal", "server", "client", "producer", "consumer"))
}


@dataclass(frozen=True, slots=True)
class MetricsQuery:
    """Times in µs; ``kinds`` are OTLP span kinds."""

    services: tuple[str, ...]
    kinds: frozenset[int]
    by_operation: bool
    end_us: int
    lookback_us: int
    step_us: int
    rate_us: int

    @property
    def steps_in_window(self) -> int:
        """Steps that the rate window spans (at least one)."""
        return max(1, round(self.rate_us / self.step_us))

    @property
    def points(self) -> int:
        """Points of the answer."""
        return self.lookback_us // self.step_us + 1


Key = tuple[str, ...]
Counts = dict[Key, Any]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Spans of one key: step, level of duration and outcome; a row stands for ``weight`` spans."""

    step: Any
    level: Any
    failed: Any
    weight: Any


def _rows(store: Store, query: MetricsQuery) -> Iterator[tuple[Key, _Rows]]:
    """The spans of each part and key."""
    first = query.end_us - query.lookback_us - query.steps_in_window * query.step_us
    left_out = store.left_out.between(first, query.end_us)
    for part in store.parts():
        if part.last_us <= first or part.first_us > query.end_us or not _keys(part.ops, query):
            continue
        try:
            index = part.load()
        except FileNotFoundError:  # the retention deleted it meanwhile
            continue
        start, one = index.start.astype(np.int64) + index.base, np.ones(len(index), np.int64)
        yield from _by_key(query, index.ops, start, index.op, levels(index.duration), one)
    for cells in left_out:
        if _keys(cells.ops, query):
            start = cells.second.astype(np.int64) * 1_000_000 + 500_000
            yield from _by_key(query, cells.ops, start, cells.op, cells.level, cells.spans)


def _by_key(
    query: MetricsQuery, ops: list[Op], start: Any, op: Ints, level: Ints, weight: Ints
) -> Iterator[tuple[Key, _Rows]]:
    first = query.end_us - query.lookback_us - query.steps_in_window * query.step_us
    keys = _keys(ops, query)
    number = np.array([keys.index(_key(item, query)) if _wanted(item, query) else -1 for item in ops])
    failed = np.array([item.status == ERROR for item in ops], bool)
    rows = np.flatnonzero((number[op] >= 0) & (start > first) & (start <= query.end_us))
    step, which = (start[rows] - first - 1) // query.step_us, number[op[rows]]
    for at, key in enumerate(keys):
        mine = which == at
        own = rows[mine]
        yield key, _Rows(step[mine], level[own].astype(np.int64), failed[op[own]], weight[own])


def _wanted(op: Op, query: MetricsQuery) -> bool:
    return op.service in query.services and op.kind in query.kinds


def _keys(ops: list[Op], query: MetricsQuery) -> list[Key]:
    return sorted({_key(op, query) for op in ops if _wanted(op, query)})


def _key(op: Op, query: MetricsQuery) -> Key:
    return (op.service, op.name) if query.by_operation else (op.service,)


def _windows(counts: Any, query: MetricsQuery) -> Any:
    """Sums over the window ending at each point; axis 0 is the step."""
    running = np.concatenate((np.zeros_like(counts[:1]), np.cumsum(counts, axis=0)))
    width = query.steps_in_window
    return (running[width:] - running[:-width])[: query.points]


def _tally(store: Store, query: MetricsQuery, weigh: Callable[[_Rows, int], Any]) -> Counts:
    size = query.points + query.steps_in_window
    out: Counts = {}
    for key, rows in _rows(store, query):
        tally = weigh(rows, size)
        out[key] = out[key] + tally if key in out else tally
    return out


def _calls(rows: _Rows, size: int) -> Any:
    return np.bincount(rows.step, weights=rows.weight, minlength=size)[:size]


def _errors(rows: _Rows, size: int) -> Any:
    return np.bincount(rows.step, weights=rows.failed * rows.weight, minlength=size)[:size]


def _levels(rows: _Rows, size: int) -> Any:
    cells = np.bincount(rows.step * LEVELS + rows.level, weights=rows.weight, minlength=size * LEVELS)
    return cells[: size * LEVELS].reshape(size, LEVELS)


def call_rates(store: Store, query: MetricsQuery) -> dict[Key, Any]:
    """Calls a second at each point."""
    seconds = query.steps_in_window * query.step_us / 1e6
    return {key: _windows(tally, query) / seconds for key, tally in _tally(store, query, _calls).items()}


def error_rates(store: Store, query: MetricsQuery) -> dict[Key, Any]:
    """Share of calls that failed; NaN where there was no call."""
    calls = _tally(store, query, _calls)
    errors = _tally(store, query, _errors)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {key: _windows(errors[key], query) / _windows(tally, query) for key, tally in calls.items()}


def latencies(store: Store, query: MetricsQuery, quantile: float) -> dict[Key, Any]:
    """The quantile of durations in milliseconds; NaN where there was no call."""
    out = {}
    for key, tally in _tally(store, query, _levels).items():
        cumulative = np.cumsum(_windows(tally, query), axis=1)
        total = cumulative[:, -1]
        rank = np.maximum(np.ceil(quantile * total), 1)
        level = (cumulative >= rank[:, None]).argmax(axis=1)
        out[key] = np.where(total > 0, level_us(level) / 1000, np.nan)
    return out


def family(name: str, help: str, series: dict[Key, Any], query: MetricsQuery) -> dict[str, Any]:
    """Jaeger's ``MetricFamily`` in protobuf's JSON."""
    times = [
        datetime.fromtimestamp((query.end_us - query.lookback_us + at * query.step_us) / 1e6, UTC)
        for at in range(query.points)
    ]
    stamps = [time.isoformat(timespec="milliseconds").replace("+00:00", "Z") for time in times]
    labels = ("service_name", "operation")
    metrics = []
    for key in sorted(series):
        points = [
            {"gaugeValue": {"doubleValue": value if value == value else "NaN"}, "timestamp": stamp}  # noqa: PLR0124 (NaN differs from itself)
            for value, stamp in zip(series[key].tolist(), stamps, strict=True)
        ]
        metrics.append({
            "labels": [{"name": label, "value": value} for label, value in zip(labels, key, strict=False)],
            "metricPoints": points,
        })  # fmt: skip
    return {"name": name, "type": "GAUGE", "help": help, "metrics": metrics}
