"""No request body grows beyond its limit: 413 before an endpoint sees it (the webhook has a limit of its own)."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from pytake.backend.problems import MEDIA_TYPE

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class TooLarge(Exception):  # noqa: N818 (says what happened)
    """The body has passed its limit."""


class BodyLimit:
    """Pure ASGI: counts what is received."""

    def __init__(self, app: ASGIApp, *, limit: int, unlimited: frozenset[str] = frozenset()) -> None:
        self.app = app
        self.limit = limit
        self.unlimited = unlimited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in self.unlimited:
            await self.app(scope, receive, send)
            return
        size = 0
        answered = False

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.limit:
                raise TooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self.limit:
            await self._refuse(scope, send)
            return
        try:
            await self.app(scope, counted, watched)
        except TooLarge:
            if answered:
                raise
            await self._refuse(scope, send)

    async def _refuse(self, scope: Scope, send: Send) -> None:
        document = {
            "type": "urn:pytake:problem:body-too-large",
            "title": "Content Too Large",
            "status": 413,
            "detail": f"the body is longer than {self.limit} bytes",
            "instance": scope["path"][:500],
        }
        body = orjson.dumps(document)
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body})
