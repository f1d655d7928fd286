"""The id filter: finds the row groups that may hold a 32-digit hexadecimal id (a trace id) without reading lines.

Per row group a Bloom filter holds every maximal run of exactly 32 hexadecimal digits (lower case) in its lines; a
flag says whether some run is longer, for then an id may hide inside it. A needle can be looked up when it contains
a run of 32 digits: bounded on both sides inside the needle it must be a run of the line too; at the needle's edge
the line's run may be longer, which the flag covers. About 2 bytes a line.
"""

import os
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

_MAGIC = b"PTIDS001"
_GROUP = struct.Struct("<qqBBHI")
_HASHES = 5
_BITS_PER_ID = 16
_RUN = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_HEX = np.zeros(256, dtype=bool)
_HEX[list(b"0123456789abcdef")] = True


def sidecar(path: Path) -> Path:
    """The filter's file beside a segment."""
    return path.with_suffix(".ids")


def _runs(data: Any) -> tuple[Any, bool]:
    """Starts of the runs of exactly 32 hexadecimal digits in ``data`` (bytes), and whether a longer one exists.

    Every eighth byte is looked at first: a run of 32 covers four such samples in a row, of which the first is at most
    seven bytes behind the run's start.
    """
    none = np.empty(0, np.int64)
    if len(data) < 32:
        return none, False
    sampled = _HEX[data[::8]]
    chain = sampled[:-3] & sampled[1:-2] & sampled[2:-1] & sampled[3:]
    if not len(chain):
        return none, bool(_HEX[data].all())
    first = np.flatnonzero(chain) * 8
    padded = np.concatenate([np.zeros(8, np.uint8), data, np.zeros(40, np.uint8)])
    first = first[_HEX[padded[first[:, None] + np.arange(8, 33)]].all(axis=1)]
    before = ~_HEX[padded[first[:, None] + np.arange(7, -1, -1)]]
    known = before.any(axis=1)
    first, before = first[known], before[known]
    if not len(first):
        return none, False
    after = ~_HEX[padded[first[:, None] + np.arange(33, 42)]]
    start = first - np.argmax(before, axis=1)
    end = first + 25 + np.where(after.any(axis=1), np.argmax(after, axis=1), 99)
    length = end - start
    return start[length == 32], bool((length > 32).any())


def _hash(chunks: Any) -> Any:
    """64-bit hashes of rows of 32 bytes."""
    words = np.ascontiguousarray(chunks).view("<u8")
    mixed = np.full(len(words), 0x9E3779B97F4A7C15, np.uint64)
    with np.errstate(over="ignore"):
        for column in range(4):
            mixed = (mixed ^ words[:, column]) * np.uint64(0xD6E8FEB86659FD93)
            mixed ^= mixed >> np.uint64(32)
    return mixed


def _positions(hashes: Any, bits: int) -> Any:
    low, high = hashes & np.uint64(0xFFFFFFFF), hashes >> np.uint64(32)
    steps = np.arange(_HASHES, dtype=np.uint64)
    return (low[:, None] + steps * (high[:, None] | np.uint64(1))) % np.uint64(bits)


class Builder:
    """Collects the filters of a segment's row groups as they are written."""

    def __init__(self) -> None:
        self._groups: list[bytes] = []

    def add(self, lines: Any, start: int, end: int) -> None:
        """Add a row group (a chunked string array) whose times are ``start`` to ``end``."""
        array = lines.combine_chunks() if hasattr(lines, "combine_chunks") else lines
        if hasattr(array, "chunks"):
            array = array.chunks[0]
        _, offsets, data = array.buffers()
        bounds = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
        text = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]] if data is not None else np.empty(0, np.uint8)
        starts, longer = _runs(text)
        if len(starts):  # a run over the border of two lines is two shorter ones: do not trust those
            borders = bounds[1:-1] - bounds[0]
            place = np.searchsorted(borders, starts, side="right")
            crossing = (place < len(borders)) & (np.append(borders, 2**62)[place] < starts + 32)
            touching = np.isin(starts, borders) | np.isin(starts + 32, borders)
            longer = longer or bool((crossing | touching).any())
            starts = starts[~crossing]
        bits = b""
        if len(starts):
            size = max(64, len(starts) * _BITS_PER_ID)
            size += -size % 64
            flags = np.zeros(size, dtype=bool)
            flags[_positions(_hash(text[starts[:, None] + np.arange(32)]), size).ravel().astype(np.int64)] = True
            bits = np.packbits(flags, bitorder="little").tobytes()
        self._groups.append(_GROUP.pack(start, end, int(longer), 0, 0, len(bits)) + bits)

    def write(self, path: Path) -> int:
        """Write the filter file and sync it; the bytes written."""
        data = _MAGIC + b"".join(self._groups)
        with path.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        return len(data)


def needle_ids(needle: str) -> tuple[list[str], bool]:
    """The runs of 32 digits in a needle, and whether each of them is bounded by other characters inside it."""
    found = [match.group() for match in _RUN.finditer(needle)]
    bounded = all(needle.find(item) > 0 and needle.find(item) + 32 < len(needle) for item in found)
    return found, bounded


def candidates(path: Path, needle: str) -> list[tuple[int, int]] | None:
    """Time ranges (inclusive) of the row groups that may hold ``needle``; None where the filter cannot tell."""
    found, bounded = needle_ids(needle)
    if not found:
        return None
    try:
        data = np.memmap(sidecar(path), np.uint8, mode="r")
    except (OSError, ValueError):
        return None
    if bytes(data[: len(_MAGIC)]) != _MAGIC:
        return None
    chunks = np.frombuffer("".join(found).encode(), np.uint8).reshape(len(found), 32)
    hashes = _hash(chunks)
    ranges = []
    at = len(_MAGIC)
    while at + _GROUP.size <= len(data):
        start, end, longer, _, _, size = _GROUP.unpack(bytes(data[at : at + _GROUP.size]))
        at += _GROUP.size
        if (longer and not bounded) or (size and _may_hold(data[at : at + size], hashes)):
            ranges.append((start, end))
        at += size
    return ranges


def _may_hold(bits: Any, hashes: Any) -> bool:
    places = _positions(hashes, len(bits) * 8)
    return bool(((bits[(places >> np.uint64(3)).astype(np.int64)] >> (places & np.uint64(7))) & 1).all())
