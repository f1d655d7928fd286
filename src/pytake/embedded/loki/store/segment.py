"""Parquet files of a tenant's rows: written once, sorted by time, never changed."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pytake.embedded.loki.batch import pc
from pytake.embedded.loki.store import ids
from pytake.embedded.loki.store.manifest import Segment
from pytake.embedded.loki.store.metakeys import MAX_KEYS, keys_of
from pytake.embedded.loki.store.wal import sync_directory

ROW_GROUP = 16384
_METADATA_KEY = b"pytake_segment"


def sort_by_time(table: pa.Table) -> pa.Table:
    """The table in the order of ``ts``; exact duplicates (time, stream, line) are kept once, as Loki does."""
    stamps = table.column("ts").to_numpy()
    if len(stamps) > 1 and not bool(np.all(stamps[1:] >= stamps[:-1])):
        order = np.argsort(stamps, kind="stable")
        table = table.take(order)
        stamps = stamps[order]
    repeated = np.flatnonzero(stamps[1:] == stamps[:-1])
    if not len(repeated):
        return table
    return _without_duplicates(table, stamps, repeated)


def _without_duplicates(table: pa.Table, stamps: Any, repeated: Any) -> pa.Table:
    rows = np.unique(np.concatenate([repeated, repeated + 1]))
    part = table.select(["sid", "line", "meta"]).take(pa.array(rows))
    seen: set[tuple[Any, ...]] = set()
    drop = []
    columns = zip(
        rows.tolist(),
        stamps[rows].tolist(),
        *(part.column(name).to_pylist() for name in ("sid", "line", "meta")),
        strict=True,
    )
    for row, *key in columns:
        if tuple(key) in seen:
            drop.append(row)
        seen.add(tuple(key))
    if not drop:
        return table
    keep = np.ones(len(table), dtype=bool)
    keep[drop] = False
    return table.filter(pa.array(keep))


class SegmentWriter:
    """Writes one segment in pieces; the file appears under its name only when :meth:`finish` has made it durable."""

    def __init__(self, directory: Path, tenant: str, name: str, schema: pa.Schema, *, level: int) -> None:
        self.path = directory / name
        self._temporary = directory / f"{name}.tmp"
        self._tenant, self._name, self._level = tenant, name, level
        self._labels = tuple(column[2:] for column in schema.names if column.startswith("j_"))
        dictionary: Any = [column for column in schema.names if column not in ("ts", "line")]
        self._writer = pq.ParquetWriter(
            str(self._temporary),
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=dictionary,
            write_statistics=["ts", "sid"],
            column_encoding={"ts": "DELTA_BINARY_PACKED", "line": "PLAIN"},
        )
        self._schema = schema
        self._start, self._end, self._rows, self._bytes = 2**63 - 1, -(2**63), 0, 0
        self._has_meta, self._all_json = False, True
        self._meta_keys: set[str] = set()
        self._streams: dict[int, list[int]] = {}
        self._ids = ids.Builder() if level else None

    def write(self, table: pa.Table) -> None:
        """Append rows, already in order."""
        for at in range(0, len(table), ROW_GROUP):
            part = table.slice(at, ROW_GROUP).combine_chunks()
            self._writer.write_table(part, row_group_size=ROW_GROUP)
            self._count(part)

    def _count(self, part: pa.Table) -> None:
        stamps = part.column("ts")
        first, last = stamps[0].as_py(), stamps[len(part) - 1].as_py()
        self._start, self._end = min(self._start, first), max(self._end, last)
        self._rows += len(part)
        sizes = pc.binary_length(part.column("line")).to_numpy().astype(np.int64)
        self._all_json = self._all_json and bool(pc.all(part.column("json_ok")).as_py())
        if part.column("meta").null_count < len(part):
            self._has_meta = True
            if len(self._meta_keys) <= MAX_KEYS:
                self._meta_keys |= keys_of(part.column("meta"))
            sizes = sizes + pc.fill_null(pc.binary_length(part.column("meta")), 0).to_numpy()
        self._bytes += int(sizes.sum())
        sids = part.column("sid").to_numpy()
        unique, inverse = np.unique(sids, return_inverse=True)
        rows, total = np.bincount(inverse), np.bincount(inverse, weights=sizes)
        for sid, count, size in zip(unique.tolist(), rows.tolist(), total.tolist(), strict=True):
            entry = self._streams.setdefault(sid, [0, 0])
            entry[0] += count
            entry[1] += int(size)
        if self._ids is not None:
            self._ids.add(part.column("line"), first, last)

    def finish(self, extra: dict[str, Any] | None = None) -> Segment:
        """Close, sync and name the file; raises :class:`OSError` (and leaves nothing) when the disk refuses."""
        segment = Segment(
            name=self._name,
            tenant=self._tenant,
            start=self._start,
            end=self._end,
            rows=self._rows,
            size=0,
            line_bytes=self._bytes,
            columns=self._labels,
            sids=tuple((sid, rows, size) for sid, (rows, size) in sorted(self._streams.items())),
            level=self._level,
            has_meta=self._has_meta,
            all_json=self._all_json,
            meta_keys=tuple(sorted(self._meta_keys)) if len(self._meta_keys) <= MAX_KEYS else None,
        )
        try:
            about = orjson.dumps({**asdict(segment), **(extra or {})})
            self._writer.add_key_value_metadata({_METADATA_KEY.decode(): about.decode()})
            self._writer.close()
            handle = os.open(self._temporary, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            size = self._temporary.stat().st_size
            if self._ids is not None:
                size += self._ids.write(ids.sidecar(self.path))
            self._temporary.replace(self.path)
            sync_directory(self.path.parent)
        except BaseException:
            self.abandon()
            raise
        return Segment(**{**{name: getattr(segment, name) for name in Segment.__slots__}, "size": size})

    def abandon(self) -> None:
        """Leave nothing behind."""
        with suppress(OSError, pa.ArrowException, ValueError):
            self._writer.close()
        self._temporary.unlink(missing_ok=True)
        ids.sidecar(self.path).unlink(missing_ok=True)


def about(path: Path) -> dict[str, Any] | None:
    """What a segment's footer says of it; None where the file cannot be read."""
    try:
        metadata = pq.read_metadata(str(path)).metadata or {}
        return dict(orjson.loads(metadata[_METADATA_KEY]))
    except (OSError, pa.ArrowException, KeyError, orjson.JSONDecodeError):
        return None


def segment_name(start: int, seq: int, *, level: int) -> str:
    """A name that sorts by time and is never used twice."""
    return f"{max(start, 0):016x}-{seq:012x}-{level}-{time.time_ns():x}.parquet"


def check(path: Path) -> str | None:
    """Read all of a file; what is wrong with it, or None."""
    try:
        with pq.ParquetFile(str(path)) as file:
            for _ in file.iter_batches(batch_size=8192):
                pass
    except (OSError, pa.ArrowException) as error:
        return str(error).splitlines()[0]
    return None


def read_parts(path: Path) -> Iterator[pa.Table]:
    """Row groups of a file, one at a time."""
    with pq.ParquetFile(str(path)) as file:
        for index in range(file.num_row_groups):
            yield file.read_row_group(index)
