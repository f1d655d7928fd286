"""Write-ahead log: what was acknowledged survives ``kill -9`` and power loss.

A file is the magic and then records: length, CRC-32, sequence, body. A thread writes what is waiting in one go and
syncs once (group commit). A write that fails (full disk) is cut off again, so that a file never holds a half record
before a good one. Replay stops at the first record that is cut short or damaged at the end of a file; damage before
the end is counted and skipped to the next file.
"""

import os
import queue
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

MAGIC = b"PTLOKIW1"
_HEADER = struct.Struct("<IIQ")
MAX_GROUP_BYTES = 32 << 20

Done = Callable[[BaseException | None], None]
"""Called in the log's thread once the record is on disk (None) or could not be written."""


@dataclass(slots=True)
class _Pending:
    seq: int
    body: bytes
    done: Done


def sync_directory(path: Path) -> None:
    """Make renames and new files in ``path`` durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class WriteAheadLog:
    """Appends records in order; ``seq`` grows by one a record, over restarts too."""

    def __init__(self, directory: Path, *, on_sync: Callable[[int, int], None] | None = None) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._queue: queue.SimpleQueue[_Pending | Callable[[], None] | None] = queue.SimpleQueue()
        self._file = -1
        self._path: Path | None = None
        self._offset = 0
        self._on_sync = on_sync
        self._thread = threading.Thread(target=self._run, name="loki-wal", daemon=True)
        self._thread.start()

    def append(self, seq: int, body: bytes, done: Done) -> None:
        """Write a record; ``done`` is called when it is durable or has failed."""
        self._queue.put(_Pending(seq, body, done))

    def rotate(self) -> None:
        """Later records go to a new file (from the record after those already queued)."""
        self._queue.put(self._close_file)

    def close(self) -> None:
        """Write what is queued and stop."""
        self._queue.put(None)
        self._thread.join()

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file, self._path = -1, None

    def _open(self, seq: int) -> None:
        path = self.directory / f"{seq:016x}.wal"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            os.write(handle, MAGIC)
            sync_directory(self.directory)
        except BaseException:
            os.close(handle)
            with suppress(OSError):
                path.unlink()
            raise
        self._file, self._path, self._offset = handle, path, len(MAGIC)

    def _run(self) -> None:
        while True:
            item = self._queue.get()
            group: list[_Pending] = []
            size = 0
            while isinstance(item, _Pending):
                group.append(item)
                size += len(item.body)
                if size >= MAX_GROUP_BYTES:
                    item = _NOTHING
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    item = _NOTHING
            if group:
                self._write(group)
            if item is None:
                self._close_file()
                return
            if not isinstance(item, _Pending):
                item()

    def _write(self, group: list[_Pending]) -> None:
        error: BaseException | None = None
        try:
            if self._file < 0:
                self._open(group[0].seq)
            parts: list[bytes] = []
            for item in group:
                crc = zlib.crc32(item.body, zlib.crc32(item.seq.to_bytes(8, "little")))
                parts += (_HEADER.pack(len(item.body), crc, item.seq), item.body)
            data = b"".join(parts)
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            os.fdatasync(self._file)
            self._offset += len(data)
            if self._on_sync is not None:
                self._on_sync(len(group), len(data))
        except OSError as caught:
            error = caught
            self._cut_off()
        for item in group:
            item.done(error)

    def _cut_off(self) -> None:
        """Forget what a failed write left behind; after a failed sync the file is not trusted with more."""
        if self._file >= 0:
            with suppress(OSError):
                os.ftruncate(self._file, self._offset)
        self._close_file()

    def files(self) -> list[Path]:
        """All log files, oldest first."""
        return sorted(self.directory.glob("*.wal"))

    def drop_through(self, seq: int) -> None:
        """Delete the files that hold only records up to ``seq``."""
        files = self.files()
        for path, following in pairwise(files):
            if path != self._path and int(following.stem, 16) - 1 <= seq:
                path.unlink(missing_ok=True)


def _NOTHING() -> None:  # noqa: N802 (a sentinel that may be called)
    """Nothing to do."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A log file that could not be read to its end, where, and how many bytes were left unread."""

    path: Path
    offset: int
    lost: int


def read_file(path: Path, damage: list[Damage]) -> Iterator[tuple[int, bytes]]:
    """Records of one file as ``(seq, body)``; what is damaged is appended to ``damage``."""
    data = path.read_bytes()
    offset = len(MAGIC)
    if data[:offset] != MAGIC:
        if data:
            damage.append(Damage(path, 0, len(data)))
        return
    while offset < len(data):
        start = offset + _HEADER.size
        if start > len(data):
            break
        length, crc, seq = _HEADER.unpack_from(data, offset)
        body = data[start : start + length]
        if len(body) < length or zlib.crc32(body, zlib.crc32(seq.to_bytes(8, "little"))) != crc:
            break
        yield seq, body
        offset = start + length
    if offset < len(data):
        damage.append(Damage(path, offset, len(data) - offset))
