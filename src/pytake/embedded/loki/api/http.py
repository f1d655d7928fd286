"""Requests and answers for the API's ASGI functions."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import orjson

from pytake.embedded.loki.errors import RequestError

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(slots=True)
class Response:
    """An answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json; charset=UTF-8"
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, send: Send) -> None:
        """Write it."""
        headers = [(b"content-length", str(len(self.body)).encode()), *self.headers]
        if self.body or self.status not in (204, 304):
            headers.append((b"content-type", self.content_type.encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def text(body: str, status: int = 200) -> Response:
    """A plain-text answer."""
    return Response(status, body.encode(), "text/plain; charset=utf-8")


def failure(error: RequestError) -> Response:
    """Loki's errors are plain text with a line end, as Go's ``http.Error`` writes them."""
    return text(error.text + "\n", error.status)


def success(data: Any) -> Response:
    """``{"status": "success", "data": ...}``."""
    return Response(body=orjson.dumps({"status": "success", "data": data}))


@dataclass(slots=True)
class Request:
    """One HTTP request; the body is read once, on demand."""

    scope: dict[str, Any]
    receive: Receive
    path_args: tuple[str, ...] = ()
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    _headers: dict[bytes, bytes] | None = None
    _params: dict[str, list[str]] | None = None

    @property
    def method(self) -> str:
        """GET, POST, …"""
        return str(self.scope["method"])

    def header(self, name: str, default: str = "") -> str:
        """A header's value."""
        if self._headers is None:
            self._headers = dict(self.scope["headers"])
        return self._headers.get(name.lower().encode(), default.encode()).decode("latin-1")

    async def body(self, limit: int) -> bytes:
        """The whole body; raises 413 beyond ``limit`` bytes."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise RequestError(499, "The request was cancelled by the client.")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                raise RequestError(413, f"Request body too large: {size} bytes, limit: {limit} bytes")
            if not message.get("more_body"):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def params(self) -> dict[str, list[str]]:
        """Query parameters, and those of a form in the body."""
        if self._params is None:
            self._params = parse_qs(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)
            if self.method == "POST" and "form-urlencoded" in self.header("content-type"):
                form = parse_qs((await self.body(4 << 20)).decode("utf-8", "replace"), keep_blank_values=True)
                for name, values in form.items():
                    self._params.setdefault(name, []).extend(values)
        return self._params

    async def wait_gone(self) -> None:
        """Return when the client has left."""
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                self.gone.set()
                return
