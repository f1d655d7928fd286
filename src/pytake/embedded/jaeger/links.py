"""Calls between services over a time: the segments' summaries, and what they leave open."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from pytake.embedded.jaeger import hashing
from pytake.embedded.jaeger.columns import service_of
from pytake.embedded.jaeger.dependencies import MINUTE_US, Calls, services, summarise
from pytake.embedded.jaeger.generation import Part
from pytake.embedded.jaeger.index import HotPart
from pytake.embedded.jaeger.proto import Span
from pytake.embedded.jaeger.segment import Segment
from pytake.embedded.jaeger.store import Store

MAX_OPEN_TRACES = 2000
"""Traces looked up in other parts by one query; beyond it the counts are a lower bound."""


@dataclass(slots=True)
class Link:
    """Calls from one service to another."""

    parent: str
    child: str
    calls: int
    errors: int


def _calls(part: Part) -> Calls | None:
    if isinstance(part, Segment):
        return part.calls()
    if isinstance(part, HotPart):
        if part.calls is None:
            index = part.load()
            part.calls = summarise(part.columns, index)
        counted: Calls = part.calls
        return counted
    return None


def dependencies(store: Store, first_us: int, last_us: int) -> list[Link]:
    """Calls whose minute lies between the times."""
    low, high = first_us // MINUTE_US, last_us // MINUTE_US
    counts: Counter[tuple[str, str]] = Counter()
    errors: Counter[tuple[str, str]] = Counter()
    parts = list(store.parts())
    budget = MAX_OPEN_TRACES
    for part in parts:
        if part.last_us < first_us or part.first_us > last_us:
            continue
        try:
            calls = _calls(part)
        except FileNotFoundError:  # the retention deleted it meanwhile
            continue
        if calls is None:
            continue
        names = services(part.ops)
        for at in np.flatnonzero((calls.minute >= low) & (calls.minute <= high)).tolist():
            key = (names[int(calls.caller[at])], names[int(calls.callee[at])])
            counts[key] += int(calls.count[at])
            errors[key] += int(calls.errors[at])
        pending = np.flatnonzero((calls.open_minute >= low) & (calls.open_minute <= high))
        if len(pending) and budget > 0:
            budget -= _resolve(parts, part, calls, pending[:budget], names, counts, errors)
    return [Link(parent, child, number, errors[parent, child]) for (parent, child), number in sorted(counts.items())]


def _resolve(
    parts: list[Part], part: Part, calls: Calls, pending: Any, names: list[str],
    counts: Counter[tuple[str, str]], errors: Counter[tuple[str, str]],
) -> int:  # fmt: skip
    """Find callers in other parts; returns how many traces were looked up."""
    index = part.load()
    traces = np.unique(calls.open_trace[pending].astype(np.int64))
    ids = index.traces.trace_id[traces]
    wanted = [item.tobytes() for item in ids]
    keys = hashing.trace_keys(ids)
    spans: dict[tuple[int, int], str] = {}
    for other in parts:
        if other is part:
            continue
        with suppress(FileNotFoundError):  # as above
            for number, first, last in other.traces().find(wanted, keys):
                there = other.load()
                for row, raw in enumerate(other.spans(first, last), first):
                    service = service_of(there.resources[int(there.resource[row])])
                    spans[int(traces[number]), hashing.unpack_id(Span.FromString(raw).span_id)] = service
    for at in pending.tolist():
        caller = spans.get((int(calls.open_trace[at]), int(calls.open_parent[at])))
        callee = names[int(calls.open_callee[at])]
        if caller is not None and caller != callee:
            counts[caller, callee] += 1
            errors[caller, callee] += int(calls.open_error[at])
    return len(traces)
