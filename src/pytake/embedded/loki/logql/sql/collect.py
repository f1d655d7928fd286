"""Rows of a range aggregation's statement to series."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from pytake.embedded.loki.logql.ast import RangeOp
from pytake.embedded.loki.logql.errors import LogQLError
from pytake.embedded.loki.logql.rows import Labels
from pytake.embedded.loki.logql.sql.fold import one_of
from pytake.embedded.loki.logql.sql.leaf import Leaf

MAX_POINTS = 1_000_000
"""Values (or buckets of them) of one range aggregation, about 200 bytes each, that a query may hold."""
Points = dict[int, float]
"""Values by step index."""


class Collector:
    """Takes the rows as they come; `problem` is raised when they make more than `cap` series."""

    def __init__(self, leaf: Leaf, cap: int, problem: LogQLError) -> None:
        self.leaf, self.cap, self.problem = leaf, cap, problem
        self.fold = leaf.fold
        self.wrong = False
        self._points = 0
        self._names: dict[tuple[Any, ...], Labels] = {}
        self._states: dict[Labels, dict[int, Sequence[Any]]] = {}

    def feed(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take some rows: bucket or step, keys, partial results, whether something is wrong."""
        size = len(self.leaf.columns)
        first, last = size + 1, size + 1 + len(self.fold.parts)
        names, states = self._names, self._states
        for row in rows:
            self.wrong |= bool(row[-1])
            key = tuple(row[1:first])
            labels = names.get(key)
            if labels is None:
                labels = names[key] = self.leaf.labels(key)
            state = row[first:last]
            if state[0] is None:
                continue
            steps = states.setdefault(labels, {})
            known = steps.get(row[0])
            if known is None:
                steps[row[0]] = state
                self._points += 1
            else:
                steps[row[0]] = self.fold.combine(known, state)
        self._check()

    def feed_lists(self, table: Any) -> None:
        """Take an Arrow table of the same columns, whose partial results are lists of samples."""
        size = len(self.leaf.columns)
        self.wrong |= any(table.column(size + 2).to_pylist())
        columns = [table.column(at).to_pylist() for at in range(size + 1)]
        arrays = [part for chunk in table.column(size + 1).chunks for part in _arrays(chunk)]
        for array, at, *key in zip(arrays, *columns, strict=True):
            labels = self._names.get(tuple(key))
            if labels is None:
                labels = self._names[tuple(key)] = self.leaf.labels(key)
            steps = self._states.setdefault(labels, {})
            known = steps.get(at)
            steps[at] = [[array]] if known is None else [[*known[0], array]]
            self._points += known is None
        self._check()

    def add(self, ts: int, labels: Labels, value: float) -> None:
        """Take a sample that was made in Python."""
        steps = self._states.setdefault(labels, {})
        for at in self.leaf.places(ts):
            state = one_of(self.leaf.agg, ts, value)
            self._points += at not in steps
            steps[at] = self.fold.combine(steps[at], state) if at in steps else state
        if not steps:
            del self._states[labels]
        self._check()

    def _check(self) -> None:
        states = self._states
        if len(states) > self.cap:
            raise self.problem
        if self._points > MAX_POINTS or (self.leaf.wide and len(states) * self.leaf.steps.count > MAX_POINTS):
            raise LogQLError(
                f"{self.leaf.agg.op} would hold more than {MAX_POINTS} points in memory; group by labels with fewer "
                "values, ask for fewer steps or shorten the time range"
            )

    def series(self) -> dict[Labels, Points]:
        """Values by series and step."""
        final = self.fold.final
        if self.leaf.wide:
            slide = self._slide_lists if self.fold.lists else self._slide
            return {labels: slide(buckets) for labels, buckets in self._states.items()}
        return {labels: {at: final(state) for at, state in steps.items()} for labels, steps in self._states.items()}

    def _slide_lists(self, buckets: dict[int, Sequence[Any]]) -> Points:
        """Windows over the samples of one series: those of neighbouring buckets lie next to each other."""
        leaf = self.leaf
        step, width = leaf.steps.step // leaf.grain, leaf.agg.range // leaf.grain
        at = np.array(sorted(buckets), np.int64)
        arrays = [array for bucket in at.tolist() for array in buckets[bucket][0]]
        sizes = [sum(map(len, buckets[bucket][0])) for bucket in at.tolist()]
        values, edges = np.concatenate(arrays), np.concatenate(([0], np.cumsum(sizes)))
        starts = np.arange(leaf.steps.count, dtype=np.int64) * step + 1
        low, high = edges[np.searchsorted(at, starts)], edges[np.searchsorted(at, starts + width)]
        return {
            index: self.fold.final([[values[a:b]]])
            for index, (a, b) in enumerate(zip(low.tolist(), high.tolist(), strict=True))
            if b > a
        }

    def _slide(self, buckets: dict[int, Sequence[Any]]) -> Points:
        """Windows over the buckets of one series."""
        leaf, grain = self.leaf, self.leaf.grain
        step, width = leaf.steps.step // grain, leaf.agg.range // grain
        size = step * (leaf.steps.count - 1) + width
        at = np.fromiter(buckets, np.int64, len(buckets)) - 1
        there = np.zeros(size, bool)
        there[at] = True
        fold = {RangeOp.MIN: np.fmin.reduce, RangeOp.MAX: np.fmax.reduce}.get(leaf.agg.op, np.sum)
        folded = []
        for index in range(len(self.fold.parts)):
            dense = np.full(size, 0.0 if fold is np.sum else np.nan)
            dense[at] = [float(state[index]) for state in buckets.values()]
            folded.append(fold(np.lib.stride_tricks.sliding_window_view(dense, width)[::step], axis=1))
        present = np.lib.stride_tricks.sliding_window_view(there, width)[::step].any(axis=1)
        final = self.fold.final
        return {int(k): final([part[k] for part in folded]) for k in np.flatnonzero(present)}


def _arrays(lists: Any) -> list[Any]:
    """The lists of an Arrow list array as NumPy arrays."""
    offsets, values = lists.offsets.to_numpy(), lists.values.to_numpy(zero_copy_only=False)
    return [values[a:b] for a, b in pairwise(offsets.tolist())]
