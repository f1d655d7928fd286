"""What the tail decision left out, counted: rates, errors and latencies are those of all spans, not of the kept.

One Parquet file a generation, ``left-out/<number>.parquet``: spans by second, operation and level of duration. Levels
are 9 % apart (:data:`PER_OCTAVE` to a doubling). Busy operations take a row a second and level, whatever their rate.
"""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from pytake.embedded.jaeger.arrow import pa, pq
from pytake.embedded.jaeger.columns import Columns, Op
from pytake.embedded.jaeger.index import Bools, Ints, narrow
from pytake.embedded.jaeger.wal import sync_directory

PER_OCTAVE = 8
LEVELS = 40 * PER_OCTAVE
_NAMES = ("second", "op", "level", "spans")
_SECOND_US = 1_000_000


def levels(durations_us: Ints) -> Ints:
    """Level of each duration: the smallest ``n`` with ``duration <= 2 ** (n / PER_OCTAVE)`` µs."""
    octaves = np.log2(np.maximum(durations_us, 1)) * PER_OCTAVE
    return np.asarray(np.ceil(octaves).astype(np.int64).clip(0, LEVELS - 1))


def level_us(level: Any) -> Any:
    """The duration that stands for a level, in µs."""
    return 2.0 ** ((level - 0.5) / PER_OCTAVE)


@dataclass(frozen=True, slots=True)
class Cells:
    """Spans by second (since 1970), operation (of :attr:`ops`) and level."""

    ops: list[Op]
    second: Ints
    op: Ints
    level: Ints
    spans: Ints

    @property
    def first_us(self) -> int:
        """Start of the first second."""
        return int(self.second.min()) * _SECOND_US

    @property
    def last_us(self) -> int:
        """End of the last second."""
        return (int(self.second.max()) + 1) * _SECOND_US


def count(columns: Columns, chosen: Bools) -> Cells:
    """Count the ``chosen`` rows (at least one)."""
    rows = np.flatnonzero(chosen)
    level = levels(columns.duration[rows] // 1000)
    second = columns.start[rows] // 1_000_000_000
    code = ((second - second.min()) * len(columns.ops) + columns.op[rows]) * LEVELS + level
    found, spans = np.unique(code, return_counts=True)
    rest, level = np.divmod(found, LEVELS)
    second_at, op = np.divmod(rest, len(columns.ops))
    return Cells(columns.ops, second_at + second.min(), op, level, spans)


class _File:
    """The cells of one generation on disk."""

    def __init__(self, path: Path, cells: Cells | None = None) -> None:
        self.path, self.number = path, int(path.stem)
        known = cells or self.load()
        self.first_us, self.last_us, self.size = known.first_us, known.last_us, path.stat().st_size

    def load(self) -> Cells:
        table = pq.read_table(self.path, memory_map=False)
        ops = [Op(*op) for op in orjson.loads(table.schema.metadata[b"ops"])]
        return Cells(ops, *(table.column(name).to_numpy() for name in _NAMES))


class LeftOut:
    """The files of a store."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: list[_File] = []
        self._lock = threading.Lock()

    def open(self) -> None:
        """Find what is on disk."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for leftover in self._directory.glob("*.tmp"):
            leftover.unlink()
        self._files = [_File(path) for path in sorted(self._directory.glob("*.parquet"))]

    def write(self, number: int, cells: Cells) -> None:
        """Store the cells of a generation; durable on return, written again when the generation is. Raises ``OSError``.

        They count from :meth:`show` on.
        """
        table = pa.table({name: narrow(getattr(cells, name)) for name in _NAMES})
        table = table.replace_schema_metadata({"ops": orjson.dumps([list(op) for op in cells.ops])})
        final = self._path(number)
        partial = final.with_suffix(".tmp")
        with partial.open("wb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        partial.rename(final)
        sync_directory(self._directory)

    def show(self, number: int, cells: Cells) -> None:
        """Let :meth:`between` find a written generation."""
        with self._lock:
            self._files = [file for file in self._files if file.number != number]
            self._files.append(_File(self._path(number), cells))

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:012d}.parquet"

    @property
    def size(self) -> int:
        """Bytes on disk."""
        with self._lock:
            return sum(file.size for file in self._files)

    def between(self, first_us: int, last_us: int) -> list[Cells]:
        """The cells of generations that have spans between the times."""
        with self._lock:
            files = [file for file in self._files if file.last_us > first_us and file.first_us <= last_us]
        found = []
        for file in files:
            try:
                found.append(file.load())
            except FileNotFoundError:  # the retention deleted it meanwhile
                continue
        return found

    def forget(self, before_us: float, up_to: int) -> None:
        """Delete what is older, and the generations up to a number (their segments are deleted)."""
        with self._lock:
            doomed = [file for file in self._files if file.last_us < before_us or file.number <= up_to]
            self._files = [file for file in self._files if file not in doomed]
        for file in doomed:
            file.path.unlink(missing_ok=True)
