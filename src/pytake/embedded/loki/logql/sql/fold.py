"""How a range aggregation folds: SQL over samples, SQL over partial results, Python over what is left."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pytake.embedded.loki.logql import ast
from pytake.embedded.loki.logql.ast import RangeOp
from pytake.embedded.loki.logql.ranges import SECOND, largest, smallest


@dataclass(frozen=True, slots=True)
class Fold:
    """SQL of an aggregation: over samples `v` at `ts`, and over such partial results `p0`, `p1`.

    Where `lists` is set a partial result is all samples: SQL hands a list over, Python keeps a list of arrays.
    """

    parts: tuple[str, ...]
    merge: tuple[str, ...]
    final: Callable[[Sequence[Any]], float]
    combine: Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]]
    order: str = "p0"
    """SQL of something that sorts as the value does."""
    lists: bool = False


def one_of(agg: ast.RangeAggregation, ts: int, value: float) -> Sequence[Any]:
    """The partial result of a single sample."""
    match agg.op:
        case RangeOp.AVG:
            return [value, 1]
        case RangeOp.FIRST | RangeOp.LAST:
            return [{"t": ts, "v": value}]
        case RangeOp.QUANTILE | RangeOp.STDVAR | RangeOp.STDDEV:
            return [[np.array([value])]]
    return [value]


def _add(a: Sequence[Any], b: Sequence[Any]) -> Sequence[Any]:
    return [x + y for x, y in zip(a, b, strict=True)]


def fold_of(agg: ast.RangeAggregation, *, keep: bool) -> Fold:  # noqa: PLR0911 - one return a case
    """The fold of the aggregation; `keep` has all samples handed over where SQL could finish quantiles and deviations,
    so that Python can merge series and slide windows over them."""
    seconds = agg.range / SECOND
    op = agg.op
    match op:
        case RangeOp.COUNT | RangeOp.ABSENT:
            return Fold(("count(*)",), ("sum(p0)",), lambda p: float(p[0]), _add)
        case RangeOp.RATE | RangeOp.BYTES_RATE | RangeOp.BYTES | RangeOp.SUM:
            scale = seconds if op in (RangeOp.RATE, RangeOp.BYTES_RATE) else 1.0
            part = "count(*)" if op is RangeOp.RATE and agg.unwrap is None else "sum(v)"
            return Fold((part,), ("sum(p0)",), lambda p: float(p[0]) / scale, _add)
        case RangeOp.AVG:
            return Fold(
                ("sum(v)", "count(*)"), ("sum(p0)", "sum(p1)"), lambda p: float(p[0]) / float(p[1]), _add, "p0 / p1"
            )
        case RangeOp.MIN:
            return Fold(("min(v)",), ("min(p0)",), lambda p: float(p[0]), lambda a, b: [smallest([a[0], b[0]])])
        case RangeOp.MAX:
            return Fold(("max(v)",), ("max(p0)",), lambda p: float(p[0]), lambda a, b: [largest([a[0], b[0]])])
        case RangeOp.FIRST | RangeOp.LAST:
            pick, choose = ("min", min) if op is RangeOp.FIRST else ("max", max)
            pair = "{'t': ts, 'v': v}"
            return Fold(
                (f"{pick}({pair})",),
                (f"{pick}(p0)",),
                lambda p: float(p[0]["v"]),
                lambda a, b: [choose(a[0], b[0], key=lambda d: (d["t"], d["v"]))],
                "p0.v",
            )
    q = agg.param if agg.param is not None else 0.0
    if keep or not 0 <= q <= 1:
        finish = _OVER_ARRAYS[op]
        return Fold(("list(v)",), (), lambda p: finish(q, _joined(p[0])), _add, lists=True)
    function = {RangeOp.QUANTILE: "quantile_cont", RangeOp.STDVAR: "var_pop", RangeOp.STDDEV: "stddev_pop"}[op]
    argument = f", {q!r}" if op is RangeOp.QUANTILE else ""
    return Fold((f"{function}(v{argument})",), (), lambda p: float(p[0]), _add)


def _joined(arrays: Sequence[Any]) -> Any:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def array_quantile(q: float, values: Any) -> float:
    """`ranges.quantile` of an array, without sorting all of it; NaN is less than any number."""
    if math.isnan(q) or not len(values):
        return math.nan
    if not 0 <= q <= 1:
        return math.copysign(math.inf, q)
    rank = q * (len(values) - 1)
    low = math.floor(rank)
    high = min(low + 1, len(values) - 1)
    missing = np.isnan(values)
    if missing.any():
        values = np.where(missing, -np.inf, values)
        if low < missing.sum():
            return math.nan
    ordered = np.partition(values, (low, high))
    weight = rank - low
    return float(ordered[low]) * (1 - weight) + float(ordered[high]) * weight


_OVER_ARRAYS: dict[RangeOp, Callable[[float, Any], float]] = {
    RangeOp.QUANTILE: array_quantile,
    RangeOp.STDVAR: lambda _, values: float(np.var(values)),
    RangeOp.STDDEV: lambda _, values: float(np.std(values)),
}
