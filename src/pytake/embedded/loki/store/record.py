"""What a record of the write-ahead log holds: a request's body as it came, and what is needed to decode it again."""

import struct
from dataclasses import dataclass

import orjson

from pytake.embedded.loki.batch import StreamRows
from pytake.embedded.loki.push.decode import ENCODINGS, Kind

_HEADER = struct.Struct("<BBHQ")


@dataclass(frozen=True, slots=True)
class Record:
    """A push: ``now_ns`` is when it came (rows without a time get it)."""

    kind: Kind
    encoding: str
    tenant: str
    now_ns: int
    body: bytes

    def pack(self) -> bytes:
        """The record's bytes."""
        tenant = self.tenant.encode()
        return _HEADER.pack(self.kind, ENCODINGS.index(self.encoding), len(tenant), self.now_ns) + tenant + self.body

    @classmethod
    def unpack(cls, data: bytes) -> "Record":
        """A record of :meth:`pack`'s bytes."""
        kind, encoding, length, now_ns = _HEADER.unpack_from(data)
        at = _HEADER.size + length
        return cls(Kind(kind), ENCODINGS[encoding], data[_HEADER.size : at].decode(), now_ns, data[at:])


def body_of_rows(streams: list[StreamRows]) -> bytes:
    """A JSON push body of what was accepted, for requests of which a part was refused."""
    return orjson.dumps(
        {
            "streams": [
                {
                    "stream": rows.labels,
                    "values": [
                        [str(ts), line] if meta is None else [str(ts), line, orjson.loads(meta)]
                        for ts, line, meta in zip(
                            rows.ts.to_pylist(),
                            rows.line.to_pylist(),
                            [None] * len(rows.ts) if rows.meta is None else rows.meta.to_pylist(),
                            strict=True,
                        )
                    ],
                }
                for rows in streams
                if len(rows.ts)
            ]
        }
    )
