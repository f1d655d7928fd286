"""Range functions: the samples of one window to one value."""

from __future__ import annotations

import itertools
import math
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from pytake.embedded.loki.logql.ast import RangeAggregation, RangeOp

Sample = tuple[int, float]
"""Nanoseconds and value."""
SECOND = 1_000_000_000
Window = Sequence[Sample]


def quantile(q: float, values: Sequence[float]) -> float:
    """Linear interpolation between the two nearest ranks."""
    if not values:
        return math.nan
    if math.isnan(q):
        return math.nan
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    ordered = sorted(values, key=lambda value: (not math.isnan(value), value))
    rank = q * (len(ordered) - 1)
    low = math.floor(rank)
    high = min(low + 1, len(ordered) - 1)
    weight = rank - low
    return ordered[low] * (1 - weight) + ordered[high] * weight


def total(values: Iterable[float]) -> float:
    """The sum, exact where it is finite."""
    values = list(values)
    try:
        return math.fsum(values)
    except (ValueError, OverflowError):  # infinities of both signs, or too large
        return sum(values)


def smallest(values: Sequence[float]) -> float:
    """The minimum; NaN only where there is nothing else."""
    return min((value for value in values if not math.isnan(value)), default=math.nan)


def largest(values: Sequence[float]) -> float:
    """The maximum; NaN only where there is nothing else."""
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def variance(values: Sequence[float]) -> float:
    """Population variance."""
    mean = total(values) / len(values)
    return total((value - mean) * (value - mean) for value in values) / len(values)


def counter_rate(window: Window, start: int, end: int) -> float:
    """Per-second increase of a counter with resets, extrapolated to the window as Prometheus does."""
    if len(window) < 2:
        return 0.0
    increase = window[-1][1] - window[0][1]
    for (_, before), (_, after) in itertools.pairwise(window):
        if after < before:
            increase += before
    to_start = (window[0][0] - start) / SECOND
    to_end = (end - window[-1][0]) / SECOND
    sampled = (window[-1][0] - window[0][0]) / SECOND
    if sampled == 0:
        return 0.0
    average = sampled / (len(window) - 1)
    if increase > 0 and window[0][1] >= 0:
        to_start = min(to_start, sampled * (window[0][1] / increase))
    extrapolated = sampled
    threshold = average * 1.1
    extrapolated += to_start if to_start < threshold else average / 2
    extrapolated += to_end if to_end < threshold else average / 2
    return increase * (extrapolated / sampled) / ((end - start) / SECOND)


def window_function(agg: RangeAggregation) -> Callable[[Window, int, int], float]:
    """The function of the aggregation: samples in time order, the window's start (outside) and end (inside)."""
    seconds = agg.range / SECOND
    q = agg.param if agg.param is not None else 0.0
    functions: dict[RangeOp, Callable[[Window, int, int], float]] = {
        RangeOp.COUNT: lambda w, s, e: float(len(w)),
        RangeOp.RATE: lambda w, s, e: total(v for _, v in w) / seconds,
        RangeOp.BYTES: lambda w, s, e: total(v for _, v in w),
        RangeOp.BYTES_RATE: lambda w, s, e: total(v for _, v in w) / seconds,
        RangeOp.SUM: lambda w, s, e: total(v for _, v in w),
        RangeOp.AVG: lambda w, s, e: total(v for _, v in w) / len(w),
        RangeOp.MIN: lambda w, s, e: smallest([v for _, v in w]),
        RangeOp.MAX: lambda w, s, e: largest([v for _, v in w]),
        RangeOp.STDVAR: lambda w, s, e: variance([v for _, v in w]),
        RangeOp.STDDEV: lambda w, s, e: math.sqrt(variance([v for _, v in w])),
        RangeOp.QUANTILE: lambda w, s, e: quantile(q, [v for _, v in w]),
        RangeOp.FIRST: lambda w, s, e: w[0][1],
        RangeOp.LAST: lambda w, s, e: w[-1][1],
        RangeOp.RATE_COUNTER: counter_rate,
        RangeOp.ABSENT: lambda w, s, e: 1.0,
    }
    return functions[agg.op]


class Samples:
    """The samples of one series, 16 bytes each."""

    __slots__ = ("times", "values")

    def __init__(self) -> None:
        self.times, self.values = array("q"), array("d")

    def add(self, ts: int, value: float) -> None:
        """One more sample, in any order."""
        self.times.append(ts)
        self.values.append(value)

    def slide(self, agg: RangeAggregation, steps: Sequence[int]) -> list[tuple[int, float]]:
        """As `slide`, in arrays where the function allows it."""
        fold = _ARRAYS.get(agg.op)
        if fold is None:
            return slide(agg, list(zip(self.times, self.values, strict=True)), steps)
        times = np.frombuffer(self.times, np.int64)
        order = np.argsort(times, kind="stable")
        times, values = times[order], np.frombuffer(self.values, np.float64)[order]
        ends = np.asarray(steps, np.int64) - agg.offset
        low, high = np.searchsorted(times, ends - agg.range, "right"), np.searchsorted(times, ends, "right")
        scale = agg.range / SECOND if agg.op in (RangeOp.RATE, RangeOp.BYTES_RATE) else 1.0
        return [(step, float(fold(values[a:b])) / scale) for step, a, b in zip(steps, low, high, strict=True) if b > a]


_ARRAYS: dict[RangeOp, Callable[[Any], Any]] = {
    RangeOp.COUNT: len,
    RangeOp.ABSENT: len,
    RangeOp.RATE: np.sum,
    RangeOp.BYTES: np.sum,
    RangeOp.BYTES_RATE: np.sum,
    RangeOp.SUM: np.sum,
    RangeOp.AVG: np.mean,
    RangeOp.MIN: np.fmin.reduce,
    RangeOp.MAX: np.fmax.reduce,
}


def slide(agg: RangeAggregation, samples: list[Sample], steps: Sequence[int]) -> list[tuple[int, float]]:
    """The aggregation of one series at every step that has samples in `(step - range, step]`; sorts the samples."""
    samples.sort()
    times = [ts for ts, _ in samples]
    function = window_function(agg)
    points = []
    for step in steps:
        end = step - agg.offset
        start = end - agg.range
        window = samples[bisect_right(times, start) : bisect_right(times, end)]
        if window:
            points.append((step, function(window, start, end)))
    return points
