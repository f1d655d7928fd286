"""Segments: two files that never change.

``<number>.parquet`` holds the spans (their own OTLP bytes in the column ``span``) beside columns that any Parquet
reader can query; one row group is one block of the index. ``<number>.idx`` holds the index: a JSON header and arrays,
each compressed. The Parquet file is renamed into place last, so a segment exists whole or not at all.
"""

import os
import struct
import threading
from collections import OrderedDict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import zstandard

from pytake.embedded.jaeger.arrow import pa, pq
from pytake.embedded.jaeger.columns import Columns, Op
from pytake.embedded.jaeger.dependencies import Calls, summarise
from pytake.embedded.jaeger.index import BLOCK, Bools, Index, Tags, TraceTable, build_tags
from pytake.embedded.jaeger.wal import sync_directory

_MAGIC = b"PTJIDX02"
_LENGTH = struct.Struct("<8sI")
_INDEX_ARRAYS = ("start", "duration", "op", "resource", "scope")
_TRACE_ARRAYS = ("trace_id", "first_row", "key_order", "keys")
_TAG_ARRAYS = ("frequent", "bitmap_ends", "bloom")
_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUS = ("unset", "ok", "error")
CACHE_BYTES = 80 * 2**20
TRACE_CACHE_BYTES = 48 * 2**20
"""Kept apart: every look-up by trace id goes through all of these, and must not push the indexes out."""
OPEN_FILES = 24


class _Cache:
    """Parts of segments in memory, the least recently used dropped beyond a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._used = limit, 0
        self._entries: OrderedDict[tuple[int, str], tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, str]) -> Any:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: tuple[int, str], value: Any, size: int) -> None:
        with self._lock:
            if key in self._entries:
                return
            self._entries[key] = (value, size)
            self._used += size
            while self._used > self._limit and len(self._entries) > 1:
                self._used -= self._entries.popitem(last=False)[1][1]

    def drop(self, key: tuple[int, str]) -> None:
        with self._lock:
            entry = self._entries.pop(key, None)
            self._used -= entry[1] if entry else 0


class SegmentCache:
    """What all segments of a store share: loaded indexes and open Parquet files."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self.parts = _Cache(limit)
        self.traces = _Cache(TRACE_CACHE_BYTES)
        self.files = _Cache(OPEN_FILES)


def _table(columns: Columns) -> Any:
    def choose(values: list[str]) -> Any:
        table = sorted(set(values))
        codes = np.array([table.index(value) for value in values], np.int32)[columns.op]
        return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(table, pa.string()))

    return pa.table({
        "trace_id": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), len(columns), [None, pa.py_buffer(np.ascontiguousarray(columns.trace_id))]
        ),
        "start_time": pa.array(columns.start, pa.timestamp("ns", tz="UTC")),
        "duration_ns": pa.array(columns.duration),
        "service": choose([op.service for op in columns.ops]),
        "operation": choose([op.name for op in columns.ops]),
        "kind": choose([_KINDS[op.kind] for op in columns.ops]),
        "status": choose([_STATUS[op.status] for op in columns.ops]),
        "span": columns.spans,
    })  # fmt: skip


def _joined(values: list[bytes]) -> tuple[bytes, list[int]]:
    return b"".join(values), [len(value) for value in values]


def _write_index(path: Path, index: Index, tags: Tags, calls: Calls, number: int) -> None:
    resources, resource_sizes = _joined(index.resources)
    scopes, scope_sizes = _joined(index.scopes)
    blobs: dict[str, Any] = {name: getattr(index, name) for name in _INDEX_ARRAYS}
    blobs |= {name: getattr(index.traces, name) for name in _TRACE_ARRAYS}
    blobs |= {name: getattr(tags, name) for name in _TAG_ARRAYS}
    blobs |= {f"calls_{name}": array for name, array in calls.arrays().items()}
    blobs |= {"bitmaps": tags.bitmaps, "resources": resources, "scopes": scopes}
    compressor, chunks, layout, at = zstandard.ZstdCompressor(level=3), [], {}, 0
    for name, blob in blobs.items():
        raw = np.ascontiguousarray(blob).tobytes() if isinstance(blob, np.ndarray) else blob
        chunk = compressor.compress(raw)
        shape, kind = (list(blob.shape), blob.dtype.str) if isinstance(blob, np.ndarray) else ([len(blob)], "bytes")
        layout[name] = [at, len(chunk), kind, shape]
        chunks.append(chunk)
        at += len(chunk)
    last = index.base + int(index.start.max())
    header = orjson.dumps({
        "number": number, "rows": len(index), "traces": len(index.traces.trace_id), "base": index.base, "last": last,
        "ops": [list(op) for op in index.ops], "resource_sizes": resource_sizes, "scope_sizes": scope_sizes,
        "layout": layout,
    })  # fmt: skip
    with path.open("wb") as file:
        file.write(_LENGTH.pack(_MAGIC, len(header)) + header)
        file.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())


def write(directory: Path, number: int, columns: Columns, index: Index) -> None:
    """Write arranged columns as segment ``number``; durable on return. Raises ``OSError``."""
    directory.mkdir(parents=True, exist_ok=True)
    final = directory / f"{number:012d}.parquet"
    _write_index(final.with_suffix(".idx"), index, build_tags(columns), summarise(columns, index), number)
    partial = final.with_suffix(".tmp")
    pq.write_table(
        _table(columns), partial, row_group_size=BLOCK, compression="zstd", compression_level=1,
        use_dictionary=["trace_id", "service", "operation", "kind", "status"], write_statistics=["start_time"],
        column_encoding={"start_time": "DELTA_BINARY_PACKED", "span": "DELTA_LENGTH_BYTE_ARRAY"}, store_schema=False,
    )  # fmt: skip
    handle = os.open(partial, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    partial.rename(final)
    sync_directory(directory)


class Segment:
    """A segment on disk; indexes are loaded when needed and kept in the shared cache."""

    def __init__(self, path: Path, cache: SegmentCache) -> None:
        self.path, self._cache = path, cache
        self._index_path = path.with_suffix(".idx")
        with self._index_path.open("rb") as file:
            magic, length = _LENGTH.unpack(file.read(_LENGTH.size))
            if magic != _MAGIC:
                raise ValueError(f"{self._index_path}: not an index of this version; move the segment away")
            header = orjson.loads(file.read(length))
        self._data = _LENGTH.size + length
        self._layout: dict[str, list[Any]] = header["layout"]
        self._sizes = (header["resource_sizes"], header["scope_sizes"])
        self.number: int = header["number"]
        self.rows: int = header["rows"]
        self.first_us: int = header["base"]
        self.last_us: int = header["last"]
        self.ops = [Op(*op) for op in header["ops"]]
        self.size = path.stat().st_size + self._index_path.stat().st_size

    def _read(self, names: tuple[str, ...]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        decompressor = zstandard.ZstdDecompressor()
        with self._index_path.open("rb") as file:
            for name in names:
                at, length, kind, shape = self._layout[name]
                file.seek(self._data + at)
                raw = decompressor.decompress(file.read(length))
                out[name] = raw if kind == "bytes" else np.frombuffer(raw, np.dtype(kind)).reshape(shape)
        return out

    def load(self) -> Index:
        """Return the index, from the cache or the disk."""
        index: Index | None = self._cache.parts.get((self.number, "index"))
        if index is None:
            blobs = self._read((*_INDEX_ARRAYS, "resources", "scopes"))
            for name, sizes in zip(("resources", "scopes"), self._sizes, strict=True):
                ends = np.cumsum([0, *sizes]).tolist()
                blobs[name] = [blobs[name][a:b] for a, b in pairwise(ends)]
            index = Index(base=self.first_us, ops=self.ops, traces=self.traces(), **blobs)
            self._cache.parts.put((self.number, "index"), index, index.nbytes)
        return index

    def traces(self) -> TraceTable:
        """Return its traces, from their cache or the disk."""
        table: TraceTable | None = self._cache.traces.get((self.number, "traces"))
        if table is None:
            table = TraceTable(**self._read(_TRACE_ARRAYS))
            self._cache.traces.put((self.number, "traces"), table, table.nbytes)
        return table

    def tags(self) -> Tags:
        """Return the attribute index."""
        tags: Tags | None = self._cache.parts.get((self.number, "tags"))
        if tags is None:
            tags = Tags(rows=self.rows, **self._read((*_TAG_ARRAYS, "bitmaps")))
            self._cache.parts.put((self.number, "tags"), tags, tags.nbytes)
        return tags

    def calls(self) -> Calls:
        """Return the summary of calls between services."""
        calls: Calls | None = self._cache.parts.get((self.number, "calls"))
        if calls is None:
            blobs = self._read(tuple(f"calls_{name}" for name in Calls.NAMES))
            calls = Calls(**{name: blobs[f"calls_{name}"] for name in Calls.NAMES})
            self._cache.parts.put((self.number, "calls"), calls, calls.nbytes)
        return calls

    def exact(self, pair: int) -> Bools | None:
        """Rows that carry the pair, when the index knows them exactly."""
        return self.tags().exact(pair)

    def blocks(self, pair: int) -> Bools:
        """Blocks that may hold the pair."""
        return self.tags().blocks(pair)

    def spans(self, first: int, last: int) -> list[bytes]:
        """Bytes of the spans of rows ``first`` to ``last`` (exclusive)."""
        groups = list(range(first // BLOCK, (last - 1) // BLOCK + 1))
        file = self._cache.files.get((self.number, "file"))
        if file is None:
            file = pq.ParquetFile(self.path, memory_map=True)
            self._cache.files.put((self.number, "file"), file, 1)
        column = file.read_row_groups(groups, columns=["span"], use_threads=False).column(0)
        return list(column.slice(first - groups[0] * BLOCK, last - first).to_pylist())

    def forget(self) -> None:
        """Drop what the cache holds of this segment."""
        for name in ("index", "tags", "calls"):
            self._cache.parts.drop((self.number, name))
        self._cache.traces.drop((self.number, "traces"))
        self._cache.files.drop((self.number, "file"))

    def delete(self) -> None:
        """Remove the files; the Parquet file first, so that a crash leaves no half segment."""
        self.forget()
        self.path.unlink(missing_ok=True)
        self._index_path.unlink(missing_ok=True)


def open_all(directory: Path, cache: SegmentCache) -> list[Segment]:
    """Segments of a directory, oldest first; leftovers of an interrupted write are removed."""
    for leftover in directory.glob("*.tmp"):
        leftover.unlink()
    for orphan in directory.glob("*.idx"):
        if not orphan.with_suffix(".parquet").exists():
            orphan.unlink()
    return [Segment(path, cache) for path in sorted(directory.glob("*.parquet"))]
