"""HTTP bodies: content encodings, with a cap on what they may grow to."""

import gzip
import zlib

import cramjam

from pytake.embedded.loki.errors import RequestError


def _inflate(body: bytes, wbits: int, limit: int) -> bytes:
    machine = zlib.decompressobj(wbits)
    data = machine.decompress(body, limit + 1)
    if len(data) > limit:
        raise RequestError(413, f"Request body too large: {len(data)} bytes, limit: {limit} bytes")
    if not machine.eof:
        raise EOFError("unexpected EOF")
    return data


def _deflate(body: bytes, limit: int) -> bytes:
    try:
        return _inflate(body, -15, limit)
    except zlib.error:
        return _inflate(body, 15, limit)


def decode_body(body: bytes, encoding: str, limit: int) -> bytes:
    """The plain body. Raises :class:`RequestError` 400 (damaged), 413 (too large) or 415 (an unknown encoding)."""
    try:
        match encoding:
            case "" | "identity":
                data = body
            case "gzip":
                data = _inflate(body, 31, limit)
            case "deflate":
                data = _deflate(body, limit)
            case "zstd":
                data = bytes(cramjam.zstd.decompress(body))
            case "snappy":
                data = unsnappy(body)
            case _:
                raise RequestError(415, f"Content-Encoding {encoding!r} not supported")
    except (zlib.error, EOFError, gzip.BadGzipFile, cramjam.DecompressionError) as error:
        raise RequestError(400, f"{encoding}: {error}") from error
    if len(data) > limit:
        raise RequestError(413, f"Request body too large: {len(data)} bytes, limit: {limit} bytes")
    return data


def unsnappy(body: bytes) -> bytes:
    """Snappy's block format, as remote write and Loki use it."""
    try:
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise RequestError(400, f"snappy: corrupt input ({error})") from error
