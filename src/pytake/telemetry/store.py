"""The memory that metric values live in: a block of doubles, private to the process or mapped from a file.

Every series owns a run of slots. A mapped file survives ``kill -9``, so what a process counted is never lost, and
another process can read it while it is being written (:mod:`pytake.telemetry.shared`). Disk space for the file is
reserved up front: a write into a hole of a full disk would end the process with SIGBUS.
"""

import mmap
import struct

SLOT_BYTES = 8
DEFAULT_SLOTS = 1 << 19
HEADER_SLOTS = 8
"""Slot 0 holds the number of used slots; the others are kept for later versions of the format."""
EXEMPLAR_SLOTS = 5
_EXEMPLAR = struct.Struct("=QQddQ")


class StoreFullError(RuntimeError):
    """No slots are left; the series is counted in its metric's overflow series instead."""


class Store:
    """A fixed number of doubles, handed out in runs and never taken back."""

    __slots__ = ("_block", "doubles", "slots")

    def __init__(self, block: mmap.mmap | None = None) -> None:
        """Use ``block`` (a mapped file) or anonymous memory, which costs nothing until it is written."""
        self._block = block if block is not None else mmap.mmap(-1, DEFAULT_SLOTS * SLOT_BYTES)
        self.slots = len(self._block) // SLOT_BYTES
        self.doubles: memoryview[float] = memoryview(self._block).cast("d")
        if self.used < HEADER_SLOTS:
            self.doubles[0] = float(HEADER_SLOTS)

    @classmethod
    def reading(cls, block: mmap.mmap) -> "Store":
        """Return a view of another process's block, for reading only."""
        store = cls.__new__(cls)
        store._block, store.slots = block, len(block) // SLOT_BYTES
        store.doubles = memoryview(block).cast("d")
        return store

    def numbers(self, start: int, stop: int) -> list[float]:
        """Return the doubles from slot ``start`` up to, not with, ``stop``."""
        found: list[float] = self.doubles[start:stop].tolist()  # type: ignore[assignment] # typeshed: ints whatever the format
        return found

    @property
    def used(self) -> int:
        """Slots handed out so far, the header included."""
        return int(self.doubles[0])

    def allocate(self, count: int) -> int:
        """Return the first of ``count`` new slots, all zero; raise :class:`StoreFullError` when there is no room."""
        start = self.used
        if start + count > self.slots:
            msg = f"metric store is full: {self.slots} slots; lower the cardinality budgets"
            raise StoreFullError(msg)
        self.doubles[0] = float(start + count)
        return start

    def write_exemplar(self, slot: int, trace_id: int, value: float, timestamp: float) -> None:
        """Keep ``trace_id`` as the newest example of a bucket; a reader tells a torn write by the check word."""
        high, low = trace_id >> 64, trace_id & 0xFFFF_FFFF_FFFF_FFFF
        _EXEMPLAR.pack_into(self._block, slot * SLOT_BYTES, high, low, value, timestamp, high ^ low)

    def read_exemplar(self, slot: int) -> tuple[int, float, float] | None:
        """Return ``(trace_id, value, unix_time)`` of a bucket's example; None when there is none."""
        high, low, value, timestamp, check = _EXEMPLAR.unpack_from(self._block, slot * SLOT_BYTES)
        if check != high ^ low or not (high or low):
            return None
        return (high << 64) | low, value, timestamp

    def copy_from(self, other: "Store", source: int, target: int, count: int) -> None:
        """Copy ``count`` slots of ``other``, bit by bit."""
        self._block[target * SLOT_BYTES : (target + count) * SLOT_BYTES] = other._block[
            source * SLOT_BYTES : (source + count) * SLOT_BYTES
        ]
