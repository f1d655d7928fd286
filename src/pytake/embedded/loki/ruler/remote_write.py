"""Recording rules' samples to a remote-write endpoint: snappy protobuf, encoded here (three tiny messages)."""

import struct
from collections.abc import Iterable

import cramjam
import httpx


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def encode(series: Iterable[tuple[tuple[tuple[str, str], ...], float, int]]) -> bytes:
    """A ``WriteRequest`` of (sorted labels with ``__name__``, value, milliseconds), compressed."""
    body = b""
    for labels, value, at_ms in series:
        inner = b"".join(_field(1, _field(1, name.encode()) + _field(2, text.encode())) for name, text in labels)
        sample = b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(at_ms)
        body += _field(1, inner + _field(2, sample))
    return bytes(cramjam.snappy.compress_raw(body))


async def write(client: httpx.AsyncClient, url: str, body: bytes) -> None:
    """Send; raises :class:`httpx.HTTPError` when it is not taken."""
    headers = {
        "content-type": "application/x-protobuf",
        "content-encoding": "snappy",
        "x-prometheus-remote-write-version": "0.1.0",
    }
    (await client.post(url, content=body, headers=headers)).raise_for_status()
