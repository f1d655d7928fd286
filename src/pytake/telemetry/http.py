"""One pure ASGI middleware for an HTTP service: metrics, request id, access log, server span, context.

Hand-written because each ready-made part wraps the request again: together they cost several times what this does
(``bench/telemetry_cost.py``). Put it outermost. It serves nothing itself.
"""

import random
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from pytake.telemetry import catalog, logging, tracing
from pytake.telemetry.logcontext import request_id
from pytake.telemetry.routes import route_template
from pytake.telemetry.spans import RecordingSpan

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

FASTAPI_TELEMETRY_OFF: dict[str, Any] = {
    "tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False,
}  # fmt: skip
"""For ``FastAPI(telemetry=...)``: it traces by itself since 0.165, and spans would come twice."""

QUIET = frozenset({"/metrics", "/healthz", "/observability/health", "/observability/ready", "/observability/live"})
"""Paths of probes: counted, but neither traced nor logged while they succeed."""
CLIENT_CLOSED = 499
_REQUEST_ID = re.compile(rb"[\w.\-]{1,64}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_bits = random.Random().getrandbits  # noqa: S311 (an id, not a secret)


class TelemetryMiddleware:
    """Measures every request and socket of ``app``."""

    def __init__(self, app: ASGIApp, *, service: str = "pytake", quiet: frozenset[str] = QUIET) -> None:
        self.app, self.service, self.quiet = app, service, quiet
        self._logger = f"{service}.access"
        self._series: dict[tuple[str, str], tuple[Any, Any, Any]] = {}
        self._counts: dict[tuple[str, str, int], Any] = {}
        self._in_flight = catalog.HTTP_IN_FLIGHT.labels()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, socket or lifespan."""
        if scope["type"] == "http":
            await _Request(self, scope, receive, send).run()
        elif scope["type"] == "websocket":
            await _Socket(self, scope, receive, send).run()
        else:
            await self.app(scope, receive, send)

    def count(self, method: str, endpoint: str, status: int, seconds: float, sizes: tuple[int, int], trace_id: int) -> None:
        """Add one finished request to the metrics."""
        counter = self._counts.get((method, endpoint, status))
        if counter is None:
            counter = catalog.HTTP_REQUESTS.labels(method=method, endpoint=endpoint, status=str(status))
            self._counts[method, endpoint, status] = counter
        series = self._series.get((method, endpoint))
        if series is None:
            labels = {"method": method, "endpoint": endpoint}
            metrics = (catalog.HTTP_DURATION, catalog.HTTP_REQUEST_SIZE, catalog.HTTP_RESPONSE_SIZE)
            series = self._series[method, endpoint] = tuple(metric.labels(**labels) for metric in metrics)
        counter.inc()
        series[0].observe(seconds, trace_id=trace_id)
        series[1].observe(sizes[0])
        series[2].observe(sizes[1])


class _Exchange:
    """What requests and sockets have in common: ids, span, template."""

    __slots__ = ("_receive", "_send", "bytes_in", "bytes_out", "error", "id", "middleware", "root_path", "scope", "span", "started")

    def __init__(self, middleware: TelemetryMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        self.middleware, self.scope, self._receive, self._send = middleware, scope, receive, send
        self.root_path = scope.get("root_path", "")
        self.bytes_in = self.bytes_out = 0
        self.span: RecordingSpan | None = None
        self.error: BaseException | None = None
        self.id = ""
        self.started = time.perf_counter()

    def begin(self, method: str, *, traced: bool) -> Any:
        """Take the ids from the headers and start the span; return the context token."""
        parent: bytes | None = None
        state: bytes | None = None
        for name, value in self.scope["headers"]:
            if name == b"x-request-id":
                if _REQUEST_ID.fullmatch(value):
                    self.id = value.decode("ascii")
            elif name == b"traceparent":
                parent = value
            elif name == b"tracestate":
                state = value
        self.id = self.id or f"{_bits(64):016x}"
        tracer = tracing._tracer
        if tracer is None or not traced:
            return None
        self.span = tracer.start_span(
            method, _parent(parent, state) if parent else _EMPTY, SpanKind.SERVER, self._attributes(method)
        )
        return context_api.attach(trace.set_span_in_context(self.span))

    def _attributes(self, method: str) -> dict[str, Any]:
        scope = self.scope
        client = scope.get("client")
        found = {
            "http.request.method": method,
            "url.path": scope["path"],
            "url.scheme": scope.get("scheme", "http"),
            "network.protocol.version": scope.get("http_version", "1.1"),
        }
        if client:
            found["client.address"] = client[0]
        return found

    def end_span(self, method: str, endpoint: str, status: int) -> int:
        """Finish the span; return its trace id when the trace is kept, else 0."""
        span = self.span
        if span is None:
            return 0
        span.name = f"{method} {endpoint}"
        attributes = span.attributes
        attributes["http.route"] = endpoint
        attributes["http.response.status_code"] = status
        if self.error is not None:
            span.fail(self.error)
        elif status >= 500:
            attributes["error.type"] = str(status)
            span.status = Status(StatusCode.ERROR)
        span.end()
        return span.local.trace_id if span.local.sampled else 0


class _Request(_Exchange):
    """One HTTP request."""

    __slots__ = ("complete", "gone", "status")

    async def run(self) -> None:
        middleware, scope = self.middleware, self.scope
        self.status, self.complete, self.gone = 0, False, False
        traced = scope["path"] not in middleware.quiet
        token = self.begin(scope["method"], traced=traced)
        reset = request_id.set(self.id)
        middleware._in_flight.inc()
        try:
            await middleware.app(scope, self.receive, self.send)
        except BaseException as fault:
            self.error = fault
            raise
        finally:
            middleware._in_flight.inc(-1.0)
            self.finish()
            request_id.reset(reset)
            if token is not None:
                context_api.detach(token)

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.bytes_in += len(message.get("body", b""))
        elif message["type"] == "http.disconnect" and not self.complete:
            self.gone = True
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.id.encode())]
        elif kind == "http.response.body":
            self.bytes_out += len(message.get("body", b""))
            if not message.get("more_body", False):
                self.complete = True
        await self._send(message)

    def finish(self) -> None:
        """Count, log and trace what happened."""
        seconds = time.perf_counter() - self.started
        scope, error = self.scope, self.error
        status = self.status or 500
        if self.gone and not self.complete:
            status = CLIENT_CLOSED
        elif error is not None and not self.status:
            status = 500 if isinstance(error, Exception) else CLIENT_CLOSED
        method = scope["method"] if scope["method"] in _METHODS else "other"
        endpoint = route_template(scope, self.root_path, status)
        if error is not None and isinstance(error, Exception):
            catalog.HTTP_EXCEPTIONS.inc(endpoint=endpoint, exception=type(error).__name__)
        else:
            self.error = None
        trace_id = self.end_span(method, endpoint, status)
        self.middleware.count(method, endpoint, status, seconds, (self.bytes_in, self.bytes_out), trace_id)
        if scope["path"] not in self.middleware.quiet or status >= 500:
            self.log(method, endpoint, status, seconds)

    def log(self, method: str, endpoint: str, status: int, seconds: float) -> None:
        target = logging.pipeline()
        if target is None or target.level > 20:
            return
        level = "error" if status >= 500 else "info"
        fields = {
            "method": method, "endpoint": endpoint, "status": status, "duration_seconds": round(seconds, 6),
            "request_bytes": self.bytes_in, "response_bytes": self.bytes_out,
        }  # fmt: skip
        if self.error is not None:
            fields["exception_type"] = type(self.error).__name__
        target.emit(level, self.middleware._logger, "http_request", f"{method} {endpoint} {status}", fields)


class _Socket(_Exchange):
    """One WebSocket, measured as one long request; its messages are counted by the application."""

    __slots__ = ("accepted", "code")

    async def run(self) -> None:
        middleware = self.middleware
        self.accepted, self.code = False, 0
        token = self.begin("GET", traced=True)
        reset = request_id.set(self.id)
        try:
            await middleware.app(self.scope, self.receive, self.send)
        except BaseException as fault:
            self.error = fault
            raise
        finally:
            self.finish()
            request_id.reset(reset)
            if token is not None:
                context_api.detach(token)

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self.code = self.code or message.get("code", 1005)
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            self.accepted = True
        elif kind == "websocket.close":
            self.code = self.code or message.get("code", 1000)
        await self._send(message)

    def finish(self) -> None:
        """Count the handshake's outcome and log the end."""
        seconds = time.perf_counter() - self.started
        failed = isinstance(self.error, Exception)
        status = 101 if self.accepted else 500 if failed else 403
        endpoint = route_template(self.scope, self.root_path, 404 if not self.accepted else 101)
        if failed:
            catalog.HTTP_EXCEPTIONS.inc(endpoint=endpoint, exception=type(self.error).__name__)
        catalog.HTTP_REQUESTS.inc(method="WEBSOCKET", endpoint=endpoint, status=str(status))
        self.end_span("GET", endpoint, status)
        target = logging.pipeline()
        if target is not None and target.level <= 20:
            fields = {"endpoint": endpoint, "status": status, "duration_seconds": round(seconds, 6), "close_code": self.code}
            target.emit("error" if failed else "info", self.middleware._logger, "websocket_closed", f"WEBSOCKET {endpoint}", fields)


_EMPTY = Context()


def _parent(header: bytes, state: bytes | None) -> Context:
    found = _TRACEPARENT.fullmatch(header.decode("latin-1"))
    if found is None:
        return _EMPTY
    trace_id, span_id = int(found[1], 16), int(found[2], 16)
    if not trace_id or not span_id:
        return _EMPTY
    if state:
        return tracing.extract({"traceparent": header.decode("latin-1"), "tracestate": state.decode("latin-1")})
    remote = SpanContext(trace_id, span_id, True, TraceFlags(int(found[3], 16) & 1))
    return trace.set_span_in_context(trace.NonRecordingSpan(remote), _EMPTY)
