"""Searching the parts of the store and reading traces from them."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from pytake.embedded.jaeger import hashing
from pytake.embedded.jaeger.columns import ERROR, I64, U64
from pytake.embedded.jaeger.generation import Part
from pytake.embedded.jaeger.index import BLOCK, Bools, Index
from pytake.embedded.jaeger.proto import InstrumentationScope, Resource, Span
from pytake.embedded.jaeger.store import Store
from pytake.embedded.jaeger.values import tag_text

KINDS = ("", "internal", "server", "client", "producer", "consumer")
_VERIFY_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Query:
    """A search; times in µs since the epoch (both ends included), durations in µs, ``None`` where open."""

    service: str
    operation: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    start_us: int = 0
    end_us: int = 2**62
    min_duration_us: int = 0
    max_duration_us: int | None = None
    limit: int = 100


@dataclass(slots=True)
class StoredSpan:
    """A span as it came, with the resource and scope that it came under."""

    span: Span
    resource: bytes
    scope: bytes
    raw: bytes


def _tables(index: Index, key: str, text: str) -> tuple[Bools, Bools, Bools]:
    """Which operations, resources and scopes satisfy a tag by themselves."""
    ops = np.zeros(len(index.ops), bool)
    if key == "span.kind":
        ops = np.array([KINDS[op.kind] == text for op in index.ops], bool)
    elif key == "error":
        ops = np.array([op.status == ERROR and text == "true" for op in index.ops], bool)
    elif key == "otel.status_code":
        ops = np.array([("", "OK", "ERROR")[op.status] == text for op in index.ops], bool)
    resources = np.array(
        [_in_attributes(Resource.FromString(item).attributes, key, text) for item in index.resources], bool
    )
    scopes = np.array([_in_scope(item, key, text) for item in index.scopes], bool)
    return ops, resources, scopes


def _in_attributes(attributes: Iterable[object], key: str, text: str) -> bool:
    return any(item.key == key and tag_text(item.value) == text for item in attributes)  # type: ignore[attr-defined]  # KeyValue, untyped repeated field


def _in_scope(encoded: bytes, key: str, text: str) -> bool:
    scope = InstrumentationScope.FromString(encoded)
    own = {"otel.scope.name": scope.name, "otel.scope.version": scope.version}
    return own.get(key) == text or _in_attributes(scope.attributes, key, text)


def span_has(span: Span, key: str, text: str) -> bool:
    """Whether a span's attributes, or its events', hold ``key=text``."""
    if _in_attributes(span.attributes, key, text):
        return True
    if key == "otel.status_description" and span.status.message == text:
        return True
    return any(
        _in_attributes(event.attributes, key, text) or (key == "event" and event.name == text) for event in span.events
    )


class _Matcher:
    """One search in one part: rows that may match, newest first, and the check of what the index leaves open."""

    def __init__(self, part: Part, query: Query) -> None:
        self._part, self._query, self.index = part, query, part.load()
        self._sure: dict[str, Bools] = {}
        self._blocks: dict[int, list[bytes]] = {}

    def rows(self) -> I64:
        """Rows that satisfy everything the index knows, newest first."""
        query, index = self._query, self.index
        wanted = np.array([
            op.service == query.service and (not query.operation or op.name == query.operation) for op in index.ops
        ], bool)  # fmt: skip
        mask = wanted[index.op]
        if query.start_us > self._part.first_us:
            mask &= index.start >= query.start_us - index.base
        if query.end_us < self._part.last_us:
            mask &= index.start <= query.end_us - index.base
        if query.min_duration_us:
            mask &= index.duration >= query.min_duration_us
        if query.max_duration_us is not None:
            mask &= index.duration <= query.max_duration_us
        for key, text in query.tags.items():
            if not mask.any():
                break
            mask &= self._tag(key, text)
        rows = np.flatnonzero(mask)
        return rows[np.argsort(index.start[rows], kind="stable")[::-1]]

    def _tag(self, key: str, text: str) -> Bools:
        index = self.index
        ops, resources, scopes = _tables(index, key, text)
        sure = ops[index.op] | resources[index.resource] | scopes[index.scope]
        blocks: Bools | None = None
        for pair in hashing.search_hashes(key, text):
            exact = self._part.exact(pair)
            if exact is not None:
                sure |= exact
            else:
                found = self._part.blocks(pair)
                blocks = found if blocks is None else blocks | found
        self._sure[key] = sure
        if key == "otel.status_description":
            sure_or_failed: Bools = sure | np.array([op.status == ERROR for op in index.ops], bool)[index.op]
            return sure_or_failed
        return sure if blocks is None else sure | np.repeat(blocks, BLOCK)[: len(index)]

    def verify(self, row: int) -> bool:
        """Whether the span itself has the tags that the index could not answer for."""
        open_tags = [(key, text) for key, text in self._query.tags.items() if not self._sure[key][row]]
        if not open_tags:
            return True
        number = row // BLOCK
        if number not in self._blocks:
            self._blocks[number] = self._part.spans(number * BLOCK, min((number + 1) * BLOCK, len(self.index)))
        span = Span.FromString(self._blocks[number][row % BLOCK])
        return all(span_has(span, key, text) for key, text in open_tags)


def _find_in(part: Part, query: Query, found: dict[bytes, int]) -> None:
    """Add matching traces of a part to ``found`` (trace id: newest start)."""
    matcher = _Matcher(part, query)
    new = 0
    for row, trace in zip(*_candidates(matcher), strict=True):
        trace_id = matcher.index.traces.trace_id[trace].tobytes()
        start = matcher.index.base + int(matcher.index.start[row])
        if found.get(trace_id, -1) < start and matcher.verify(row):
            new += trace_id not in found
            found[trace_id] = start
        if new >= query.limit:
            return


def find_trace_ids(store: Store, query: Query) -> list[bytes]:
    """Ids of the newest matching traces (by their newest matching span), newest first, at most ``query.limit``."""
    found: dict[bytes, int] = {}
    parts = [part for part in store.parts() if part.last_us >= query.start_us and part.first_us <= query.end_us]
    for part in sorted(parts, key=lambda part: -part.last_us):
        if len(found) >= query.limit and part.last_us <= sorted(found.values())[-query.limit]:
            break
        if not any(op.service == query.service for op in part.ops):
            continue
        with suppress(FileNotFoundError):  # the retention deleted it meanwhile
            _find_in(part, query, found)
    return sorted(found, key=lambda trace_id: -found[trace_id])[: query.limit]


def _candidates(matcher: _Matcher) -> tuple[list[int], list[int]]:
    rows = matcher.rows()
    return rows.tolist(), matcher.index.trace_of(rows).tolist()


def read_traces(store: Store, trace_ids: Sequence[bytes]) -> list[list[StoredSpan]]:
    """All spans of each trace, from every part, the same span once; an unknown trace is an empty list."""
    if not trace_ids:
        return []
    keys = hashing.trace_keys(np.frombuffer(b"".join(trace_ids), np.uint8).reshape(-1, 16))
    out: list[list[StoredSpan]] = [[] for _ in trace_ids]
    for part in reversed(store.parts()):
        with suppress(FileNotFoundError):  # as above
            _read_from(part, trace_ids, keys, out)
    return [list({(item.raw, item.resource): item for item in trace}.values()) for trace in out]


def _read_from(part: Part, trace_ids: Sequence[bytes], keys: U64, out: list[list[StoredSpan]]) -> None:
    for number, first, last in part.traces().find(trace_ids, keys):
        out[number] += _stored(part, part.load(), first, last)


def _stored(part: Part, index: Index, first: int, last: int) -> list[StoredSpan]:
    resources, scopes = index.resource[first:last].tolist(), index.scope[first:last].tolist()
    return [
        StoredSpan(Span.FromString(raw), index.resources[resource], index.scopes[scope], raw)
        for raw, resource, scope in zip(part.spans(first, last), resources, scopes, strict=True)
    ]
