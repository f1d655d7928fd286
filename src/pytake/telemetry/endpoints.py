"""``/metrics`` and ``/observability/{health,ready,live}`` as one small ASGI application, for any server of ours.

``app = ObservabilityEndpoints(app, health=registry)`` answers those paths and hands everything else on.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from pytake.telemetry.health import HealthRegistry
from pytake.telemetry.metrics import metrics_app

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = tuple[int, bytes]


class ObservabilityEndpoints:
    """Answers the observability paths in front of ``app``; alone (``app`` None) it answers 404 to others."""

    def __init__(self, app: ASGIApp | None = None, *, health: HealthRegistry | None = None) -> None:
        self.app = app
        self.health = health or HealthRegistry()
        self._paths: dict[str, Callable[[], Awaitable[Answer]]] = {
            "/observability/health": self._health,
            "/observability/ready": self._ready,
            "/observability/live": self._live,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path") if scope["type"] == "http" else None
        if path == "/metrics" or path in self._paths:
            scope["endpoint"], scope["path_params"] = self, {}  # a known path, for the metrics' route template
            await self._answer(path, scope, receive, send)
        elif self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await _send(send, 404, b'{"title":"Not Found","status":404}', b"application/problem+json")

    async def _answer(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await _send(send, 405, b'{"title":"Method Not Allowed","status":405}', b"application/problem+json")
        elif path == "/metrics":
            await metrics_app(scope, receive, send)
        else:
            status, body = await self._paths[path]()
            await _send(send, status, body if scope["method"] == "GET" else b"")

    async def _health(self) -> Answer:
        report = await self.health.report()
        return report.status_code, orjson.dumps(report.as_dict())

    async def _ready(self) -> Answer:
        report = await self.health.ready()
        return report.status_code, orjson.dumps(report.as_dict())

    async def _live(self) -> Answer:
        return 200, b'{"state":"alive"}'


async def _send(send: Send, status: int, body: bytes, kind: bytes = b"application/json") -> None:
    headers = [
        (b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store"),
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
