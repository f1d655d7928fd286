"""Hashes of attribute pairs and trace ids: what the index stores instead of the values.

A pair's hash joins the hashes of its key and of the bytes of its ``AnyValue``. Two CRCs with different polynomials
give 48 independent bits: within one segment a false match is a one-in-a-billion event.
"""

import binascii
import contextlib
import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from pytake.embedded.jaeger.proto import AnyValue

U64 = npt.NDArray[np.uint64]

_MIX = np.uint64(0xFF51AFD7ED558CCD)
_FOLD = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)
_INTEGER = re.compile(r"[+-]?\d{1,19}")


def text_hash(data: bytes) -> int:
    """Hash of one key or value."""
    return zlib.crc32(data) | binascii.crc_hqx(data, 0) << 32


def text_hashes(values: Sequence[bytes]) -> U64:
    """Hashes of many: what :func:`text_hash` gives, in half of the time."""
    low = np.fromiter(map(zlib.crc32, values), np.uint64, len(values))
    high = np.fromiter(map(binascii.crc_hqx, values, repeat(0)), np.uint64, len(values))
    return low | high << np.uint64(32)


def mix(values: U64) -> U64:
    """Spread the bits (the finaliser of MurmurHash3)."""
    values = values ^ (values >> _SHIFT)
    values = values * _MIX
    values = values ^ (values >> _SHIFT)
    return values * _FOLD


def pair_hashes(keys: U64, values: U64) -> U64:
    """Hash of each (key, value)."""
    return mix(mix(keys) + values)


def trace_keys(trace_ids: npt.NDArray[np.uint8]) -> U64:
    """One 64-bit key for each 16-byte trace id of an ``(n, 16)`` array."""
    words = np.ascontiguousarray(trace_ids).view(np.uint64)
    return mix(words[:, 0] * _FOLD + words[:, 1])


def _any_values(text: str) -> Iterable[Any]:
    """The typed values that a search for ``text`` means: Jaeger shows all of them as this text."""
    yield AnyValue(string_value=text)
    if text in ("true", "false"):
        yield AnyValue(bool_value=text == "true")
    if _INTEGER.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        yield AnyValue(int_value=int(text))
    with contextlib.suppress(ValueError):
        yield AnyValue(double_value=float(text))
    if text.startswith("["):
        try:
            items = orjson.loads(text)
        except orjson.JSONDecodeError:
            return
        value = AnyValue()
        for item in items:
            if isinstance(item, bool):
                value.array_value.values.add(bool_value=item)
            elif isinstance(item, int) and -(2**63) <= item < 2**63:
                value.array_value.values.add(int_value=item)
            elif isinstance(item, float):
                value.array_value.values.add(double_value=item)
            elif isinstance(item, str):
                value.array_value.values.add(string_value=item)
        yield value


def search_hashes(key: str, text: str) -> list[int]:
    """Hashes of the pairs that a search for ``key=text`` finds."""
    key_hash = np.array([text_hash(key.encode())], np.uint64)
    values = {value.SerializeToString() for value in _any_values(text)}
    return [int(pair_hashes(key_hash, text_hashes([value]))[0]) for value in sorted(values)]


def unpack_id(data: bytes) -> int:
    """An 8-byte id as a number (big-endian), 0 when absent."""
    return int(struct.unpack(">Q", data)[0]) if len(data) == 8 else 0
