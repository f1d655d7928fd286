"""What a search looks at: small arrays about spans that lie trace by trace, the traces in the order they began.

An index describes one part of the store, in memory (:class:`HotPart`) or on disk (:class:`~.segment.Segment`).
Attribute pairs that occur often in a segment have an exact bitmap of their rows; the others share a Bloom filter for
each block of 1,024 rows, so a rare value costs the reading of the few blocks that may hold it.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from pytake.embedded.jaeger import hashing
from pytake.embedded.jaeger.arrow import pa
from pytake.embedded.jaeger.columns import I32, I64, U8, U64, Columns, Op

Ints = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
BLOCK = 1024
"""Rows of a block: a row group of the Parquet file, and what one Bloom filter speaks of."""
FREQUENT = 64
MAX_FREQUENT = 4096
_BITS_PER_PAIR, _HASHES = 12, 5
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def narrow(values: Ints) -> Ints:
    """The same non-negative numbers in the smallest unsigned type that holds them."""
    top = int(values.max()) if len(values) else 0
    for kind in (np.uint8, np.uint16, np.uint32):
        if top <= np.iinfo(kind).max:
            return values.astype(kind)
    return values.astype(np.uint64)


@dataclass(slots=True)
class TraceTable:
    """The traces of a part in the order of their rows, and their keys sorted: what a look-up by trace id needs."""

    trace_id: U8
    first_row: Ints
    key_order: Ints
    keys: U64

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return self.trace_id.nbytes + self.first_row.nbytes + self.key_order.nbytes + self.keys.nbytes

    def find(self, trace_ids: Sequence[bytes], keys: U64) -> Iterator[tuple[int, int, int]]:
        """``(number of the id, first row, last row + 1)`` of the given traces that are here."""
        at = self.keys.searchsorted(keys)
        here = self.keys.take(at, mode="clip") == keys
        if not here.any():
            return
        for number in here.nonzero()[0].tolist():
            place = int(at[number])
            while place < len(self.keys) and self.keys[place] == keys[number]:
                trace = int(self.key_order[place])
                if self.trace_id[trace].tobytes() == trace_ids[number]:
                    yield number, int(self.first_row[trace]), int(self.first_row[trace + 1])
                place += 1


@dataclass(slots=True)
class Index:
    """Arrays with one row a span (``start`` in µs after ``base``), and the traces that the rows belong to."""

    base: int
    start: Ints
    duration: Ints
    op: Ints
    resource: Ints
    scope: Ints
    traces: TraceTable
    ops: list[Op]
    resources: list[bytes]
    scopes: list[bytes]

    def __len__(self) -> int:
        return len(self.start)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, without the traces'."""
        return sum(array.nbytes for array in (self.start, self.duration, self.op, self.resource, self.scope))

    def trace_of(self, rows: Ints) -> Ints:
        """Number of the trace that each row belongs to."""
        return np.searchsorted(self.traces.first_row, rows, side="right") - 1


def arrange(columns: Columns) -> tuple[Columns, Index]:
    """Sort spans by trace (traces by their first start), then by start; with their index."""
    keys = hashing.trace_keys(columns.trace_id)
    by_key = np.argsort(keys, kind="stable")
    sorted_keys = keys[by_key]
    heads = np.flatnonzero(np.concatenate(([True], sorted_keys[1:] != sorted_keys[:-1])))
    counts = np.diff(np.append(heads, len(keys)))
    began = np.minimum.reduceat(columns.start[by_key], heads)
    rank = np.empty(len(heads), np.int64)
    rank[np.argsort(began, kind="stable")] = np.arange(len(heads))
    row_rank = np.empty(len(keys), np.int64)
    row_rank[by_key] = np.repeat(rank, counts)
    order = np.lexsort((columns.start, row_rank))
    columns = columns.take(order)
    first_row = np.concatenate(([0], np.cumsum(counts[np.argsort(rank)])))
    trace_keys = sorted_keys[heads][np.argsort(rank)]
    key_order = np.argsort(trace_keys)
    traces = TraceTable(columns.trace_id[first_row[:-1]], narrow(first_row), narrow(key_order), trace_keys[key_order])
    start = columns.start // 1000
    base = int(start.min())
    index = Index(
        base=base, start=narrow(start - base), duration=narrow(columns.duration // 1000), op=narrow(columns.op),
        resource=narrow(columns.resource), scope=narrow(columns.scope), traces=traces, ops=columns.ops,
        resources=columns.resources, scopes=columns.scopes,
    )  # fmt: skip
    return columns, index


@dataclass(slots=True)
class Tags:
    """Attribute pairs of a segment: bitmaps (zstd) of the frequent ones, Bloom filters for the rest."""

    frequent: U64
    bitmap_ends: Ints
    bitmaps: bytes
    bloom: U8
    """``(blocks, bytes)``."""
    rows: int

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return self.frequent.nbytes + self.bitmap_ends.nbytes + len(self.bitmaps) + self.bloom.nbytes

    def exact(self, pair: int) -> Bools | None:
        """Rows that carry a frequent pair; ``None`` when it is not one of them."""
        at = int(np.searchsorted(self.frequent, np.uint64(pair)))
        if at == len(self.frequent) or int(self.frequent[at]) != pair:
            return None
        first = int(self.bitmap_ends[at - 1]) if at else 0
        packed = zstandard.ZstdDecompressor().decompress(self.bitmaps[first : int(self.bitmap_ends[at])])
        return np.unpackbits(np.frombuffer(packed, np.uint8), count=self.rows).astype(bool)

    def blocks(self, pair: int) -> Bools:
        """Blocks that may hold a pair that is not frequent."""
        positions = _positions(np.array([pair], np.uint64), self.bloom.shape[1] * 8)[:, 0]
        found = np.ones(len(self.bloom), bool)
        for position in positions.tolist():
            found &= (self.bloom[:, position >> 3] >> (7 - (position & 7)) & 1).astype(bool)
        return found


def _positions(pairs: U64, bits: int) -> I64:
    """Bit numbers of each pair, ``(hashes, pairs)``."""
    low, high = pairs & _LOW, pairs >> _HALF | np.uint64(1)
    steps = np.arange(_HASHES, dtype=np.uint64)[:, None]
    return ((low + steps * high) % np.uint64(bits)).astype(np.int64)


def build_tags(columns: Columns) -> Tags:
    """Index the pairs of arranged columns."""
    rows = len(columns)
    row_of = np.repeat(np.arange(rows), np.diff(columns.pair_offsets))
    encoded = pa.array(columns.pairs).dictionary_encode()
    codes, table = encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary.to_numpy(zero_copy_only=False)
    counts = np.bincount(codes, minlength=len(table)) if len(codes) else np.zeros(0, np.int64)
    chosen = np.flatnonzero(counts >= FREQUENT)
    if len(chosen) > MAX_FREQUENT:
        chosen = chosen[np.argsort(-counts[chosen])[:MAX_FREQUENT]]
    frequent = table[chosen] if len(table) else np.zeros(0, np.uint64)
    order = np.argsort(frequent)
    number = np.full(len(table), len(chosen), np.int32)
    number[chosen[order]] = np.arange(len(chosen))
    pair_number = number[codes] if len(codes) else np.zeros(0, np.int32)
    ends, bitmaps = _bitmaps(row_of, pair_number, len(chosen), rows)
    rest = pair_number == len(chosen)
    return Tags(
        frequent=frequent[order], bitmap_ends=ends, bitmaps=bitmaps,
        bloom=_bloom(row_of[rest] // BLOCK, columns.pairs[rest], -(-rows // BLOCK)), rows=rows,
    )  # fmt: skip


def _bitmaps(row_of: I64, number: I32, count: int, rows: int) -> tuple[Ints, bytes]:
    order = np.argsort(number.astype(np.uint16), kind="stable")
    limits = np.searchsorted(number[order], np.arange(count + 1))
    compressor, chunks, ends, total = zstandard.ZstdCompressor(level=1), [], [], 0
    for first, last in zip(limits[:-1].tolist(), limits[1:].tolist(), strict=True):
        bits = np.zeros(rows, bool)
        bits[row_of[order[first:last]]] = True
        chunk = compressor.compress(np.packbits(bits).tobytes())
        total += len(chunk)
        chunks.append(chunk)
        ends.append(total)
    return np.array(ends, np.uint32), b"".join(chunks)


def _bloom(block_of: I64, pairs: U64, blocks: int) -> U8:
    fullest = int(np.bincount(block_of, minlength=1).max()) if len(block_of) else 0
    size = max(64, -(-fullest * _BITS_PER_PAIR // 8))
    bits = np.zeros((blocks, size * 8), bool)
    for positions in _positions(pairs, size * 8):
        bits[block_of, positions] = True
    return np.packbits(bits, axis=1)


class HotPart:
    """Spans in memory, not yet in a segment; sorted and indexed when a query first looks at them."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._index: Index | None = None
        self._lock = threading.Lock()
        self.first_us, self.last_us = int(columns.start.min()) // 1000, int(columns.start.max()) // 1000
        self.calls: Any = None
        """Its calls between services, counted when a query asks (:mod:`~.links`)."""

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def columns(self) -> Columns:
        """Its spans, in whatever order."""
        return self._columns

    @property
    def ops(self) -> list[Op]:
        """Operations of its spans."""
        return self._columns.ops

    def load(self) -> Index:
        """Return the index; :attr:`columns` are in its order from then on."""
        with self._lock:
            if self._index is None:
                self._columns, self._index = arrange(self._columns)
            return self._index

    def traces(self) -> TraceTable:
        """Return its traces."""
        return self.load().traces

    def exact(self, pair: int) -> Bools | None:
        """Rows that carry the pair."""
        rows = len(self.load())
        hits = np.flatnonzero(self._columns.pairs == np.uint64(pair))
        found = np.zeros(rows, bool)
        found[np.searchsorted(self._columns.pair_offsets, hits, side="right") - 1] = True
        return found

    def blocks(self, pair: int) -> Bools:
        """Unused: every pair is exact here."""
        raise NotImplementedError

    def spans(self, first: int, last: int) -> list[bytes]:
        """Bytes of the spans of rows ``first`` to ``last`` (exclusive)."""
        self.load()
        return self._columns.span_bytes(first, last)
