"""Plain ASGI: reading and decompressing bodies within a limit, answering, lifespan."""

import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import zstandard

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class RefusedError(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers


async def read_body(receive: Receive, limit: int) -> bytes:
    """The request's body. Raises :class:`RefusedError` (413) beyond ``limit`` bytes."""
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "the client left")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise RefusedError(413, f"the body is larger than {limit} bytes", ((b"connection", b"close"),))
        chunks.append(chunk)
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content encoding; never makes more than ``limit`` bytes. Raises :class:`RefusedError`."""
    if encoding in ("", "identity"):
        return body
    try:
        if encoding in ("gzip", "deflate", "zlib"):
            machine = zlib.decompressobj(47 if encoding == "gzip" else 15)
            out = machine.decompress(body, limit + 1)
            complete = machine.eof
        elif encoding == "zstd":
            with zstandard.ZstdDecompressor().stream_reader(body) as reader:
                out, complete = reader.read(limit + 1), True
        else:
            raise RefusedError(415, f"content encoding {encoding!r} is not supported (gzip, deflate, zstd)")
    except (zlib.error, zstandard.ZstdError) as error:
        raise RefusedError(400, f"the body is not {encoding}: {error}") from error
    if len(out) > limit:
        raise RefusedError(
            413, f"the body is larger than {limit} bytes after decompression", ((b"connection", b"close"),)
        )
    if not complete:
        raise RefusedError(400, f"the {encoding} body ends too early")
    return out


async def lifespan(receive: Receive, send: Send) -> None:
    """Answer the server's start and stop messages."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def reply(send: Send, status: int, body: bytes, kind: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """Send a whole answer."""
    fixed = ((b"content-type", kind.encode()), (b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
