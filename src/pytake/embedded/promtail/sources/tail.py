"""Following one file: new lines, rotation, truncation, other encodings; what was delivered moves the position."""

import logging
import os
import time
from collections import deque
from pathlib import Path
from typing import BinaryIO

from pytake.embedded.promtail.entry import Entry, Ticket
from pytake.embedded.promtail.pipeline import Pipeline
from pytake.embedded.promtail.positions import FINGERPRINT_BYTES, Positions, identity_of, same_file
from pytake.telemetry import catalog_embedded as catalog

log = logging.getLogger("promtail.tail")
CHUNK = 256 * 1024
MAX_LINE = 16 * 1024 * 1024
"""A line longer than this is cut into pieces: memory must not grow with a file without newlines."""


class Piece:
    """A part of a file (``identity``) that was read: it ends at ``end``, ``done`` when all of it was delivered.

    Pieces of a rotated file stay in the queue before those of its successor: the position moves on only in order.
    """

    __slots__ = ("done", "end", "identity")

    def __init__(self, end: int, identity: str) -> None:
        self.end = end
        self.identity = identity
        self.done = False


class Tail:
    """One followed file."""

    def __init__(
        self, path: str, labels: dict[str, str], pipeline: Pipeline, positions: Positions, *, key: str | None = None,
        encoding: str = "utf-8", once: bool = False,
    ) -> None:  # fmt: skip
        self.path = path
        self.labels = labels
        self.finished = False
        self._key = key or path
        self._pipeline = pipeline
        self._positions = positions
        self._once = once
        self._encoding = encoding
        self._newline = "\n".encode("utf-16-le" if encoding.lower() in ("utf-16", "utf16") else encoding)
        self._file: BinaryIO | None = None
        self._read = 0
        self._partial = b""
        self._pieces: deque[Piece] = deque()
        self._identity = ""
        self._lines = catalog.PROMTAIL_READ_LINES.labels(path=path)
        self._bytes = catalog.PROMTAIL_READ_BYTES.labels(path=path)
        self._size = catalog.PROMTAIL_FILE_BYTES.labels(path=path)

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._read

    def open(self, offset: int = 0) -> None:
        """Start at ``offset``; raises :class:`OSError`."""
        self._file = open(self.path, "rb")  # noqa: SIM115 (kept open while the file is followed)
        self._identity = identity_of(self.path)
        self._file.seek(offset)
        self._read = offset
        self._partial = b""

    def resume(self) -> "Tail | None":
        """Open where the positions say; returns a tail of the rotated file where that still holds undelivered lines."""
        offset, identity = self._positions.get(self._key), self._positions.identity(self._key)
        if offset == 0:
            self.open()
            return None
        size = os.stat(self.path).st_size
        if not identity or same_file(self.path, identity):
            self.open(offset if offset <= size else 0)
            return None
        self.open()
        return self._rotated(offset, identity)

    def _rotated(self, offset: int, identity: str) -> "Tail | None":
        folder = Path(self.path)
        for candidate in sorted(folder.parent.glob(f"{folder.name}*")):
            if str(candidate) == self.path or not same_file(str(candidate), identity):
                continue
            if candidate.stat().st_size > offset:
                rest = Tail(
                    str(candidate), self.labels, self._pipeline, self._positions, encoding=self._encoding, once=True,
                    key=f"{self.path} (rotated)",
                )  # fmt: skip
                rest.open(offset)
                return rest
            return None
        log.warning("rotated_file_gone", extra={"path": self.path, "offset": offset})
        return None

    def poll(self) -> bool:
        """Read what is there, at most one chunk; ``True`` when there may be more."""
        if self._file is None:
            return False
        data = self._file.read(CHUNK)
        if data:
            self._take(data)
            return True
        if self._once:
            self._finish()
            return False
        return self._check()

    def close(self) -> None:
        """Stop following."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._size.set(float("nan"))

    def _take(self, data: bytes) -> None:
        self._read += len(data)
        self._bytes.set(self._read)
        buffer = self._partial + data if self._partial else data
        end = self._last_newline(buffer)
        if end == 0 and len(buffer) > MAX_LINE:
            end = len(buffer)
        self._partial = buffer[end:]
        if end:
            self._emit(buffer[:end])

    def _last_newline(self, buffer: bytes) -> int:
        """Where the last whole line ends; newlines of two-byte encodings stand at even places."""
        width = len(self._newline)
        at = buffer.rfind(self._newline)
        while width > 1 and at >= 0 and at % width:
            at = buffer.rfind(self._newline, 0, at + width - 1)
        return at + width if at >= 0 else 0

    def _emit(self, whole: bytes) -> None:
        lines = whole.decode(self._encoding, errors="replace").split("\n")
        if not lines[-1]:
            lines.pop()
        piece = Piece(self._read - len(self._partial), self._identity)
        self._pieces.append(piece)
        ticket = Ticket(lambda: self._done(piece))
        labels, now = self.labels, time.time_ns()
        entries = [Entry(labels, now, line, ticket) for line in lines]
        ticket.remaining += len(entries)
        self._lines.inc(len(entries))
        self._pipeline.push(entries)
        ticket.settle()

    def _done(self, piece: Piece) -> None:
        piece.done = True
        pieces = self._pieces
        last = None
        while pieces and pieces[0].done:
            last = pieces.popleft()
        if last is not None and not self.finished:
            self._positions.put(self._key, last.end, last.identity)

    def _finish(self) -> None:
        """The end of a file that will not grow: its last line may lack a newline."""
        if self._partial:
            partial, self._partial = self._partial, b""
            self._emit(partial)
        self.close()
        self.finished = True
        if self._once:
            self._positions.remove(self._key)

    def _check(self) -> bool:
        """At the end of what is there: was the file rotated, truncated or removed?"""
        assert self._file is not None
        here = os.fstat(self._file.fileno())
        self._size.set(here.st_size)
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            self._finish()
            self._positions.remove(self._key)
            return False
        if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
            if self._partial:
                partial, self._partial = self._partial, b""
                self._emit(partial)
            log.info("file_rotated", extra={"path": self.path})
            self._file.close()
            self.open()
            return True
        if here.st_size < self._read:
            log.info("file_truncated", extra={"path": self.path, "from": self._read, "to": here.st_size})
            self._file.close()
            self.open()
            return True
        if int(self._identity.split(":")[1]) < min(FINGERPRINT_BYTES, here.st_size):
            self._identity = identity_of(self.path)
        return False
