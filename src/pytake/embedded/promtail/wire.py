"""Loki's push request as protobuf bytes, written straight from entries.

The message is small and fixed (`PushRequest{streams: Stream{labels, entries: Entry{timestamp, line, metadata}}}`), and
building one Python object a field took a third of all the time that Promtail spent on a line. What varies little (names
with the lengths of their values, whole seconds) is kept as ready bytes. Tests compare with the generated classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from pytake.embedded.promtail.entry import Entry

_FIRST, _SECOND, _THIRD = b"\x0a", b"\x12", b"\x1a"
"""Tags of the length-delimited fields one to three."""
_SHORT = 4096


def varint(number: int) -> bytes:
    """A number in seven-bit groups, lowest first; negative ones (dates before 1970) as 64-bit two's complement."""
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


_VARINTS = [varint(number) for number in range(_SHORT)]


def _size(number: int) -> bytes:
    return _VARINTS[number] if number < _SHORT else varint(number)


@lru_cache(maxsize=256)
def _second(seconds: int) -> bytes:
    """Everything of a timestamp before its nanoseconds, which always take five bytes."""
    head = b"\x08" + varint(seconds) + b"\x10"
    return _FIRST + _size(len(head) + 5) + head


@lru_cache(maxsize=4096)
def _pair(name: str, length: int) -> bytes:
    """Everything of a metadata pair before its value of `length` bytes."""
    raw = name.encode(errors="replace")
    head = _FIRST + _size(len(raw)) + raw + _SECOND + _size(length)
    return _THIRD + _size(len(head) + length) + head


def _entry(entry: Entry) -> bytes:
    seconds, nanos = divmod(entry.ts, 1_000_000_000)
    line = entry.line.encode(errors="replace")
    parts = [
        _second(seconds),
        bytes(
            (nanos & 127 | 128, nanos >> 7 & 127 | 128, nanos >> 14 & 127 | 128, nanos >> 21 & 127 | 128, nanos >> 28)
        ),
        _SECOND,
        _size(len(line)),
        line,
    ]
    if entry.metadata:
        for name, value in entry.metadata:
            raw = value.encode(errors="replace")
            parts.append(_pair(name, len(raw)))
            parts.append(raw)
    return b"".join(parts)


def push_request(streams: Mapping[str, Iterable[Entry]]) -> bytes:
    """Streams (labels as Loki's text, with their entries) as the bytes of a push request."""
    request: list[bytes] = []
    for labels, entries in streams.items():
        name = labels.encode(errors="replace")
        parts = [_FIRST, _size(len(name)), name]
        for entry in entries:
            body = _entry(entry)
            parts += (_SECOND, _size(len(body)), body)
        stream = b"".join(parts)
        request += (_FIRST, _size(len(stream)), stream)
    return b"".join(request)
