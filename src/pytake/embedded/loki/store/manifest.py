"""The manifest: which segments and streams there are, changed by transactions in one append-only journal.

Each line is ``crc32 json``. A transaction names the segments that come and go, new streams, and the write-ahead log's
sequence up to which rows are in segments: so a flush, a compaction and a retention sweep either happened or did not. A
line cut short by a crash is the end of the journal. Now and then the journal is rewritten as one snapshot.
"""

import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from pytake.embedded.loki.store.wal import sync_directory

REWRITE_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Segment:
    """One Parquet file of one tenant; times in nanoseconds, ``end`` is its newest row's."""

    name: str
    tenant: str
    start: int
    end: int
    rows: int
    size: int
    """Bytes on disk."""
    line_bytes: int
    """Bytes of lines and structured metadata."""
    columns: tuple[str, ...]
    """Promoted columns."""
    sids: tuple[tuple[int, int, int], ...]
    """Streams: id, rows, bytes."""
    level: int = 0
    """0 from a flush, 1 compacted."""
    has_meta: bool = True
    """Whether some row has structured metadata."""
    all_json: bool = False
    """Whether every line is a JSON object."""
    meta_keys: tuple[str, ...] | None = None
    """All keys of structured metadata; None where that is not known."""


@dataclass(slots=True)
class Transaction:
    """A change of the manifest."""

    add: list[Segment] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    streams: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)
    forget: list[int] = field(default_factory=list)
    seq: int | None = None
    deletes: list[dict[str, Any]] | None = None


def parse_segment(data: dict[str, Any]) -> Segment:
    """A segment of its JSON form."""
    data["columns"] = tuple(data["columns"])
    data["meta_keys"] = None if data.get("meta_keys") is None else tuple(data["meta_keys"])
    data["sids"] = tuple(tuple(item) for item in data["sids"])
    return Segment(**data)


class Manifest:
    """The journal's state in memory, and the journal on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.segments: dict[str, Segment] = {}
        self.streams: dict[int, tuple[str, dict[str, str]]] = {}
        self.seq = 0
        self.deletes: list[dict[str, Any]] = []
        self.torn = False
        """Whether reading stopped at a damaged line."""
        self._size = 0
        self._read()
        self._rewrite()

    def _read(self) -> None:
        if not self._path.exists():
            self.torn = True
            return
        for line in self._path.read_bytes().split(b"\n"):
            if not line:
                continue
            crc, _, body = line.partition(b" ")
            try:
                if int(crc, 16) != zlib.crc32(body):
                    raise ValueError("checksum")
                self._apply(self._parse(orjson.loads(body)))
            except (ValueError, KeyError, TypeError):
                self.torn = True
                return

    @staticmethod
    def _parse(data: dict[str, Any]) -> Transaction:
        return Transaction(
            add=[parse_segment(item) for item in data.get("add", ())],
            remove=data.get("remove", []),
            streams=[(sid, tenant, labels) for sid, tenant, labels in data.get("streams", ())],
            forget=data.get("forget", []),
            seq=data.get("seq"),
            deletes=data.get("deletes"),
        )

    def _apply(self, change: Transaction) -> None:
        for name in change.remove:
            self.segments.pop(name, None)
        for segment in change.add:
            self.segments[segment.name] = segment
        for sid, tenant, labels in change.streams:
            self.streams[sid] = (tenant, labels)
        for sid in change.forget:
            self.streams.pop(sid, None)
        if change.seq is not None:
            self.seq = max(self.seq, change.seq)
        if change.deletes is not None:
            self.deletes = change.deletes

    @staticmethod
    def _line(change: Transaction) -> bytes:
        body = orjson.dumps({key: value for key, value in asdict(change).items() if value not in ([], None)})
        return b"%08x %s\n" % (zlib.crc32(body), body)

    def commit(self, change: Transaction, apply: Callable[[], None] | None = None) -> None:
        """Make a change durable, then visible; raises :class:`OSError` and changes nothing when the disk refuses."""
        line = self._line(change)
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            try:
                written = os.write(handle, line)
                if written < len(line):
                    raise OSError(28, "No space left on device", str(self._path))
                os.fsync(handle)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(handle, self._size)
                raise
        finally:
            os.close(handle)
        self._size += len(line)
        self._apply(change)
        if apply is not None:
            apply()
        if self._size > REWRITE_BYTES:
            with suppress(OSError):
                self._rewrite()

    def _rewrite(self) -> None:
        """Replace the journal by one line that says all."""
        whole = Transaction(
            add=list(self.segments.values()),
            streams=[(sid, tenant, labels) for sid, (tenant, labels) in self.streams.items()],
            seq=self.seq,
            deletes=self.deletes,
        )
        line = self._line(whole)
        temporary = self._path.with_suffix(".new")
        try:
            with temporary.open("wb") as handle:
                handle.write(line)
                handle.flush()
                os.fsync(handle.fileno())
        except OSError:
            temporary.unlink(missing_ok=True)
            if not self._path.exists():
                raise
            self._size = self._path.stat().st_size
            return
        temporary.replace(self._path)
        sync_directory(self._path.parent)
        self._size = len(line)
