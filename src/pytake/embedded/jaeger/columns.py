"""Requests to columns: one row a span.

Everything here works on whole arrays; nothing runs once a span except the hashing of attribute values that were not
seen before in the same batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pytake.embedded.jaeger import hashing
from pytake.embedded.jaeger.arrow import pa
from pytake.embedded.jaeger.proto import Resource, decode_columns, decode_raw

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
ERROR = 2
"""``STATUS_CODE_ERROR``."""
UNKNOWN_SERVICE = "unknown_service"
MAX_DURATION_NS = 2**62


class Op(NamedTuple):
    """What spans are grouped by: service, operation, span kind and status code (OTLP numbers)."""

    service: str
    name: str
    kind: int
    status: int


@dataclass(slots=True)
class Columns:
    """Spans as columns; ``ops``, ``resources`` and ``scopes`` are the tables that their columns point into."""

    trace_id: U8
    span_id: U64
    parent_id: U64
    start: I64
    duration: I64
    op: I32
    ops: list[Op]
    resource: I32
    resources: list[bytes]
    scope: I32
    scopes: list[bytes]
    pair_offsets: I64
    pairs: U64
    spans: Any
    """Arrow array of the spans' own bytes."""

    def __len__(self) -> int:
        return len(self.start)

    @property
    def nbytes(self) -> int:
        """Memory held, roughly."""
        return int(self.spans.nbytes) + self.pairs.nbytes + 60 * len(self)

    def take(self, order: I64) -> "Columns":
        """The rows in ``order``."""
        pairs = pa.ListArray.from_arrays(pa.array(self.pair_offsets.astype(np.int32)), pa.array(self.pairs))
        pairs = pairs.take(pa.array(order))
        return Columns(
            trace_id=self.trace_id[order], span_id=self.span_id[order], parent_id=self.parent_id[order],
            start=self.start[order], duration=self.duration[order], op=self.op[order], ops=self.ops,
            resource=self.resource[order], resources=self.resources, scope=self.scope[order], scopes=self.scopes,
            pair_offsets=pairs.offsets.to_numpy().astype(np.int64), pairs=pairs.values.to_numpy(),
            spans=self.spans.take(pa.array(order)),
        )  # fmt: skip

    def span_bytes(self, first: int, last: int) -> list[bytes]:
        """The spans of rows ``first`` to ``last`` (exclusive)."""
        return list(self.spans.slice(first, last - first).to_pylist())


@lru_cache(maxsize=4096)
def service_of(resource: bytes) -> str:
    """``service.name`` of a resource."""
    for attribute in Resource.FromString(resource).attributes:
        if attribute.key == "service.name" and attribute.value.HasField("string_value"):
            return attribute.value.string_value or UNKNOWN_SERVICE
    return UNKNOWN_SERVICE


def _binary_data(array: Any) -> tuple[npt.NDArray[np.int32], U8]:
    """Offsets and data of an Arrow binary array."""
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    return ends, np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)


def _fixed(array: Any, width: int) -> U8:
    """Rows of ``width`` bytes from a binary array; a value of another length becomes zeros."""
    offsets, data = _binary_data(array)
    lengths = np.diff(offsets)
    if len(lengths) and (lengths == width).all():
        return data[offsets[0] : offsets[-1]].reshape(-1, width)
    rows = np.zeros((len(lengths), width), np.uint8)
    good = np.flatnonzero(lengths == width)
    rows[good] = data[offsets[good][:, None] + np.arange(width)]
    return rows


def _ids(array: Any) -> U64:
    return np.ascontiguousarray(_fixed(array, 8)).view(">u8").ravel().astype(np.uint64)


def _numpy(array: Any) -> npt.NDArray[Any]:
    return np.asarray(array.to_numpy(zero_copy_only=False))


def _table(array: Any) -> tuple[I32, list[Any]]:
    """Codes and distinct values."""
    encoded = array.dictionary_encode()
    return _numpy(encoded.indices).astype(np.int32), encoded.dictionary.to_pylist()


def _lengths(lists: Any) -> I64:
    return np.diff(_numpy(lists.offsets)).astype(np.int64)


def _pair_hashes(pairs: Any) -> U64:
    """Hashes of an Arrow array of (key, value) structures."""
    if len(pairs) == 0:
        return np.zeros(0, np.uint64)
    keys, key_values = _table(pairs.field("key"))
    values, value_values = _table(pairs.field("value"))
    key_hashes = hashing.text_hashes([key.encode() for key in key_values])
    return hashing.pair_hashes(key_hashes[keys], hashing.text_hashes(value_values)[values])


def _all_pairs(spans: Any) -> tuple[I64, U64]:
    """Attribute hashes of each span: its own and its events'; the event's name counts as the attribute ``event``."""
    count = len(spans)
    attributes, events = spans.field("attributes"), spans.field("events")
    lengths, hashes = _lengths(attributes), _pair_hashes(attributes.flatten())
    if len(events.flatten()) == 0:
        return np.concatenate(([0], np.cumsum(lengths))), hashes
    rows = np.repeat(np.arange(count), lengths)
    event = events.flatten()
    event_rows = np.repeat(np.arange(count), _lengths(events))
    inner = event.field("attributes")
    inner_rows = np.repeat(event_rows, _lengths(inner))
    codes, names = _table(event.field("name"))
    label = np.array([hashing.text_hash(b"event")], np.uint64)
    encoded = [b"\x0a" + _varint(len(name.encode())) + name.encode() for name in names]
    name_hashes = hashing.pair_hashes(np.repeat(label, len(names)), hashing.text_hashes(encoded))
    rows = np.concatenate((rows, inner_rows, event_rows))
    hashes = np.concatenate((hashes, _pair_hashes(inner.flatten()), name_hashes[codes]))
    order = np.argsort(rows, kind="stable")
    counts = np.bincount(rows, minlength=count)
    return np.concatenate(([0], np.cumsum(counts))), hashes[order]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _ops(
    service: I32, services: Sequence[str], name: I32, names: Sequence[str], kind: I32, status: I32
) -> tuple[I32, list[Op]]:
    """Codes and table of the distinct (service, name, kind, status)."""
    kind, status = np.clip(kind, 0, 5), np.clip(status, 0, 2)
    code = ((service.astype(np.int64) * (len(names) + 1) + name) * 6 + kind) * 3 + status
    encoded = pa.array(code).dictionary_encode()
    table = []
    for value in encoded.dictionary.to_pylist():
        rest, status_code = divmod(value, 3)
        rest, span_kind = divmod(rest, 6)
        service_code, name_code = divmod(rest, len(names) + 1)
        table.append(Op(services[service_code], names[name_code], span_kind, status_code))
    return _numpy(encoded.indices).astype(np.int32), table


class Decoded(NamedTuple):
    """A request that was decoded to be checked; handed on so that it is decoded once."""

    resources: Any
    spans: int
    unusable: int


def decode(body: bytes) -> Decoded:
    """Decode a request and count its spans and those whose trace or span id is all zeros (or none).

    Raises ``ValueError`` when an id has a wrong length.
    """
    resources = decode_columns([body]).column(0).flatten()
    spans = resources.field("scope_spans").flatten().field("spans").flatten()
    for name, width in (("trace_id", 16), ("span_id", 8), ("parent_span_id", 8)):
        lengths = np.diff(_binary_data(spans.field(name))[0])
        wrong = lengths[(lengths != width) & (lengths != 0)]
        if len(wrong):
            raise ValueError(f"{name}: expected {width} bytes, found {int(wrong[0])}")
    usable = _fixed(spans.field("trace_id"), 16).any(axis=1) & (_ids(spans.field("span_id")) != 0)
    return Decoded(resources, len(spans), len(spans) - int(usable.sum()))


def from_requests(bodies: list[bytes], decoded: Sequence[Decoded | None] = ()) -> Columns:
    """Columns of OTLP requests, of which some may be decoded already. Spans without a usable id are left out."""
    known = [item.resources for item in decoded if item is not None]
    whole = len(known) == len(bodies)
    resources = pa.concat_arrays(known) if whole else decode_columns(bodies).column(0).flatten()
    scopes = resources.field("scope_spans").flatten()
    spans = scopes.field("spans").flatten()
    raw = decode_raw(bodies).column(0).flatten().field("scope_spans").flatten().field("spans").flatten()
    scope_spans, resource_scopes = _lengths(scopes.field("spans")), _lengths(resources.field("scope_spans"))
    resource_code, resource_values = _table(resources.field("resource"))
    scope_code, scope_values = _table(scopes.field("scope"))
    resource = np.repeat(np.repeat(resource_code, resource_scopes), scope_spans)
    services = [service_of(value) for value in resource_values]
    unique = sorted(set(services))
    service = np.array([unique.index(name) for name in services], np.int32)[resource] if services else resource
    name, names = _table(spans.field("name"))
    op, ops = _ops(
        service, unique, name, names, _numpy(spans.field("kind")), _numpy(spans.field("status").field("code"))
    )
    start = _numpy(spans.field("start")).astype(np.uint64).clip(0, 2**63 - 1).astype(np.int64)
    end = _numpy(spans.field("end")).astype(np.uint64).clip(0, 2**63 - 1).astype(np.int64)
    offsets, pairs = _all_pairs(spans)
    columns = Columns(
        trace_id=_fixed(spans.field("trace_id"), 16), span_id=_ids(spans.field("span_id")),
        parent_id=_ids(spans.field("parent_span_id")), start=start, duration=(end - start).clip(0, MAX_DURATION_NS),
        op=op, ops=ops, resource=resource, resources=resource_values,
        scope=np.repeat(scope_code, scope_spans), scopes=scope_values, pair_offsets=offsets, pairs=pairs, spans=raw,
    )  # fmt: skip
    good = columns.trace_id.any(axis=1) & (columns.span_id != 0)
    return columns if good.all() else columns.take(np.flatnonzero(good))


def _remap(parts: Sequence[tuple[I32, list[Any]]]) -> tuple[I32, list[Any]]:
    """Join codes that point into different tables into codes of one table."""
    table: dict[Any, int] = {}
    codes = []
    for code, values in parts:
        new = np.array([table.setdefault(value, len(table)) for value in values], np.int32)
        codes.append(new[code] if len(values) else code)
    return np.concatenate(codes), list(table)


def concat(parts: Sequence[Columns]) -> Columns:
    """All rows of ``parts`` (at least one), in order."""
    if len(parts) == 1:
        return parts[0]
    op, ops = _remap([(part.op, part.ops) for part in parts])
    resource, resources = _remap([(part.resource, part.resources) for part in parts])
    scope, scopes = _remap([(part.scope, part.scopes) for part in parts])
    lengths = np.concatenate([np.diff(part.pair_offsets) for part in parts])
    return Columns(
        trace_id=np.concatenate([part.trace_id for part in parts]),
        span_id=np.concatenate([part.span_id for part in parts]),
        parent_id=np.concatenate([part.parent_id for part in parts]),
        start=np.concatenate([part.start for part in parts]),
        duration=np.concatenate([part.duration for part in parts]),
        op=op, ops=ops, resource=resource, resources=resources, scope=scope, scopes=scopes,
        pair_offsets=np.concatenate(([0], np.cumsum(lengths))),
        pairs=np.concatenate([part.pairs[part.pair_offsets[0] : part.pair_offsets[-1]] for part in parts]),
        spans=pa.concat_arrays([part.spans for part in parts]),
    )  # fmt: skip
