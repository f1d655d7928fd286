"""A request body of any accepted kind to streams; the same for live requests and for replay of the write-ahead log."""

from enum import IntEnum

from pytake.embedded.loki.batch import StreamRows
from pytake.embedded.loki.push import json_body, otlp, proto_body
from pytake.embedded.loki.push.bodies import decode_body, unsnappy


class Kind(IntEnum):
    """What a body is; the numbers are in the write-ahead log."""

    JSON = 1
    PROTOBUF = 2
    OTLP_PROTOBUF = 3
    OTLP_JSON = 4


ENCODINGS = ("", "gzip", "deflate", "zstd", "snappy")
"""Content encodings; their places are in the write-ahead log."""


def decode(kind: Kind, encoding: str, body: bytes, *, now_ns: int, limit: int) -> tuple[list[StreamRows], int]:
    """Streams, and the size of the plain body. Raises :class:`~pytake.embedded.loki.errors.RequestError`."""
    plain = decode_body(body, encoding, limit)
    match kind:
        case Kind.JSON:
            return json_body.decode(plain), len(plain)
        case Kind.PROTOBUF:
            return proto_body.decode(plain if encoding == "snappy" else unsnappy(plain)), len(plain)
        case Kind.OTLP_PROTOBUF:
            return otlp.decode(plain, "protobuf", now_ns), len(plain)
        case Kind.OTLP_JSON:
            return otlp.decode(plain, "json", now_ns), len(plain)
