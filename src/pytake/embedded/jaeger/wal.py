"""The write-ahead log: a request is acknowledged when its record is on disk.

One file a generation, ``wal/<number>.wal``; when the generation has become a segment, its file is deleted. A record is
a header (length, spans, CRC of the body) and the body, an OTLP request. A record that is torn or damaged (a crash while
writing: it was never acknowledged) ends the reading and is cut off.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

_HEADER = struct.Struct("<4sIII")
_MAGIC = b"PTJ1"
MAX_VECTORS = 512


def sync_directory(path: Path) -> None:
    """Make created, renamed and deleted names durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class WriteAheadLog:
    """Appends records to the file of one generation."""

    def __init__(self, directory: Path, number: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.number = number
        self.path = directory / f"{number:012d}.wal"
        self._handle = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o640)
        self.size = os.fstat(self._handle).st_size
        sync_directory(directory)

    def append(self, records: Sequence[tuple[bytes, int]]) -> None:
        """Write ``(body, spans)`` records and return when they are on disk. Raises ``OSError`` (disk full, ...)."""
        vectors: list[bytes] = []
        for body, spans in records:
            vectors += (_HEADER.pack(_MAGIC, len(body), spans, zlib.crc32(body)), body)
        total = sum(map(len, vectors))
        try:
            for first in range(0, len(vectors), MAX_VECTORS):
                self._write(vectors[first : first + MAX_VECTORS])
            os.fdatasync(self._handle)
        except OSError:
            os.ftruncate(self._handle, self.size)
            raise
        self.size += total

    def _write(self, vectors: list[bytes]) -> None:
        written, total = os.writev(self._handle, vectors), sum(map(len, vectors))
        if written < total:
            rest = b"".join(vectors)[written:]
            while rest:
                rest = rest[os.write(self._handle, rest) :]

    def close(self) -> None:
        """Close the file; what was appended is on disk already."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def numbers(directory: Path) -> list[int]:
    """Generations that have a log, oldest first."""
    return sorted(int(path.stem) for path in directory.glob("*.wal"))


def read(path: Path) -> Iterator[tuple[bytes, int]]:
    """The whole ``(body, spans)`` records of a file, and cut off a torn one at its end."""
    good = 0
    with path.open("rb") as file:
        while len(header := file.read(_HEADER.size)) == _HEADER.size:
            magic, length, spans, checksum = _HEADER.unpack(header)
            body = file.read(length) if magic == _MAGIC else b""
            if magic != _MAGIC or len(body) != length or zlib.crc32(body) != checksum:
                break
            good = file.tell()
            yield body, spans
    if good < path.stat().st_size:
        os.truncate(path, good)
