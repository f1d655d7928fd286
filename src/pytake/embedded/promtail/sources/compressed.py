"""Reading a compressed file once: gz, bz2, z. The position counts delivered lines, as in Promtail."""

import bz2
import gzip
import io
import itertools
import time
import zlib
from typing import BinaryIO, cast

from pytake.embedded.common.config import ConfigError
from pytake.embedded.promtail.entry import Entry, Ticket
from pytake.embedded.promtail.pipeline import Pipeline
from pytake.embedded.promtail.positions import Positions, identity_of
from pytake.embedded.promtail.settings import Decompression
from pytake.telemetry import catalog_embedded as catalog

LINES_AT_ONCE = 2000
ENDINGS = {".gz": "gz", ".bz2": "bz2", ".z": "z"}


class CompressedFile:
    """Reads one compressed file to its end."""

    def __init__(
        self, path: str, labels: dict[str, str], pipeline: Pipeline, positions: Positions, config: Decompression,
        encoding: str,
    ) -> None:  # fmt: skip
        self.path = path
        self.labels = labels
        self.finished = False
        self._config = config
        self._pipeline = pipeline
        self._positions = positions
        self._encoding = encoding
        self._start = time.monotonic() + config.initial_delay
        self._lines: io.TextIOWrapper | None = None
        self._count = 0
        self._delivered = positions.get(path)

    @property
    def position(self) -> int:
        """Lines read so far."""
        return self._count

    def poll(self) -> bool:
        """Read some lines; ``True`` while there are more."""
        if self.finished or time.monotonic() < self._start:
            return False
        if self._lines is None:
            self._lines = io.TextIOWrapper(self._open(), encoding=self._encoding, errors="replace", newline="\n")
            self._count = sum(1 for _ in itertools.islice(self._lines, self._delivered))
        lines = [line.rstrip("\n") for line in itertools.islice(self._lines, LINES_AT_ONCE)]
        if not lines:
            self.close()
            self.finished = True
            return False
        self._count += len(lines)
        end = self._count
        ticket = Ticket(lambda: self._done(end))
        now = time.time_ns()
        entries = [Entry(self.labels, now, line, ticket) for line in lines]
        ticket.remaining += len(entries)
        catalog.PROMTAIL_READ_LINES.inc(len(entries), path=self.path)
        self._pipeline.push(entries)
        ticket.settle()
        return True

    def close(self) -> None:
        """Stop reading."""
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def _done(self, end: int) -> None:
        if end > self._delivered:
            self._delivered = end
            self._positions.put(self.path, end, identity_of(self.path))

    def _open(self) -> BinaryIO:
        kind = self._config.format or next((k for e, k in ENDINGS.items() if self.path.endswith(e)), "")
        match kind:
            case "gz":
                return cast(BinaryIO, gzip.open(self.path, "rb"))
            case "bz2":
                return cast(BinaryIO, bz2.open(self.path, "rb"))
            case "z":
                with open(self.path, "rb") as file:
                    return io.BytesIO(zlib.decompress(file.read()))
        raise ConfigError(f"{self.path}: decompression.format {kind!r} is none of gz, bz2, z")
