"""The tail decision: which traces to keep once their spans are known, as the ``tail_sampling`` processor decides it.

Until a generation becomes a segment its spans are all searchable; then the traces that no policy wants are left out.
A decision is remembered (bounded), so that late spans of a kept trace are kept too. When memory is needed sooner than
``decision_wait`` allows, the decision is taken with the spans that have come so far; nothing is dropped undecided.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pytake.embedded.common.config import ConfigError, parse_duration
from pytake.embedded.jaeger import hashing
from pytake.embedded.jaeger.columns import I64, U64, Columns
from pytake.embedded.jaeger.index import Bools, Ints

_STATUS = {"UNSET": 0, "OK": 1, "ERROR": 2}


@dataclass(slots=True)
class Traces:
    """What policies look at: one row a span with ``trace`` pointing at the trace, and the spans' columns in parts."""

    keys: U64
    trace: Ints
    start: I64
    end: I64
    status: Ints
    parts: Sequence[Columns]

    def any_span(self, spans: Bools) -> Bools:
        """Traces with at least one such span."""
        found = np.zeros(len(self.keys), bool)
        found[self.trace[spans]] = True
        return found

    def latency_ms(self) -> Any:
        """Latest end minus earliest start of each trace."""
        first = np.full(len(self.keys), np.iinfo(np.int64).max)
        last = np.zeros(len(self.keys), np.int64)
        np.minimum.at(first, self.trace, self.start)
        np.maximum.at(last, self.trace, self.end)
        return (last - first) / 1e6


Policy = Callable[[Traces], Bools]


def _latency(options: dict[str, Any]) -> Policy:
    threshold, upper = float(options["threshold_ms"]), float(options.get("upper_threshold_ms") or 0)

    def decide(traces: Traces) -> Bools:
        latency = traces.latency_ms()
        slow = latency > threshold
        return np.asarray(slow & (latency <= upper) if upper else slow)

    return decide


def _status(options: dict[str, Any]) -> Policy:
    codes = [_STATUS[str(code).upper()] for code in options["status_codes"]]
    return lambda traces: traces.any_span(np.isin(traces.status, codes))


def _probabilistic(options: dict[str, Any]) -> Policy:
    share = min(max(float(options["sampling_percentage"]) / 100, 0.0), 1.0)
    salt = np.uint64(hashing.text_hash(str(options.get("hash_salt", "")).encode()))
    return lambda traces: np.asarray(hashing.mix(traces.keys ^ salt) < share * 2.0**64)


def _attribute(options: dict[str, Any]) -> Policy:
    if options.get("enabled_regex_matching"):
        raise ConfigError("string_attribute: enabled_regex_matching is not supported here")
    key, values, invert = (
        str(options["key"]),
        [str(value) for value in options["values"]],
        bool(options.get("invert_match")),
    )
    wanted = np.array([code for value in values for code in hashing.search_hashes(key, value)], np.uint64)

    def decide(traces: Traces) -> Bools:
        spans = []
        for part in traces.parts:
            hit = np.zeros(len(part), bool)
            pairs = np.flatnonzero(np.isin(part.pairs, wanted))
            hit[np.searchsorted(part.pair_offsets, pairs, side="right") - 1] = True
            if key == "service.name":
                hit |= np.array([op.service in values for op in part.ops], bool)[part.op]
            spans.append(hit)
        found = traces.any_span(np.concatenate(spans))
        return ~found if invert else found

    return decide


def _always(_options: dict[str, Any]) -> Policy:
    return lambda traces: np.ones(len(traces.keys), bool)


_POLICIES: dict[str, Callable[[dict[str, Any]], Policy]] = {
    "always_sample": _always, "latency": _latency, "status_code": _status, "probabilistic": _probabilistic,
    "string_attribute": _attribute,
}  # fmt: skip


class _Decisions:
    """Remembered decisions, the oldest forgotten beyond a number."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[int, None] = OrderedDict()

    def kept(self, keys: U64) -> Bools:
        return np.fromiter((key in self._kept for key in keys.tolist()), bool, len(keys))

    def remember(self, keys: U64) -> None:
        for key in keys.tolist():
            self._kept[key] = None
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)


class TailSampler:
    """The policies of one ``tail_sampling`` processor; a trace is kept when any of them wants it."""

    def __init__(self, options: dict[str, Any]) -> None:
        """Raises :class:`ConfigError` on a policy that is not supported or lacks a value."""
        self.decision_wait = parse_duration(options.get("decision_wait") or "30s")
        self.num_traces = int(options.get("num_traces") or 50_000)
        cache = options.get("decision_cache") or {}
        self._decisions = _Decisions(int(cache.get("sampled_cache_size") or self.num_traces))
        self._policies: list[Policy] = []
        for policy in options.get("policies") or []:
            name, kind = policy.get("name"), policy.get("type")
            if kind not in _POLICIES:
                known = ", ".join(sorted(_POLICIES))
                raise ConfigError(
                    f"tail_sampling: policy {name!r}: type {kind!r} is not supported here (supported: {known})"
                )
            try:
                self._policies.append(_POLICIES[kind](policy.get(kind) or {}))
            except (KeyError, ValueError, TypeError) as error:
                raise ConfigError(f"tail_sampling: policy {name!r}: {error!r} is missing or wrong") from error
        if not self._policies:
            raise ConfigError("tail_sampling: needs at least one policy; without any, no trace would be kept")

    def keep(self, columns: Columns, newer: Sequence[Columns] = ()) -> Bools:
        """Which rows of ``columns`` to keep; ``newer`` are later spans that are still in memory."""
        parts = [columns, *newer]
        keys = np.concatenate([hashing.trace_keys(part.trace_id) for part in parts])
        unique, trace = np.unique(keys, return_inverse=True)
        start = np.concatenate([part.start for part in parts])
        status = [np.array([op.status for op in part.ops], np.uint8)[part.op] for part in parts]
        end = start + np.concatenate([part.duration for part in parts])
        traces = Traces(unique, trace, start, end, np.concatenate(status), parts)
        wanted = self._decisions.kept(unique)
        for policy in self._policies:
            wanted |= policy(traces)
        self._decisions.remember(unique[wanted])
        return np.asarray(wanted[trace[: len(columns)]])
