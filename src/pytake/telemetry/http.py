"""One pure ASGI middleware for an HTTP service: metrics, request id, access log, server span, context.

Hand-written because each ready-made part wraps the request again: together they cost several times what this does
(``bench/telemetry_cost.py``). Put it outermost. It serves nothing itself.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from logging import INFO
from time import perf_counter, time_ns
from typing import Any, NamedTuple

import orjson
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from pytake.telemetry import catalog, logging, tracing
from pytake.telemetry.logcontext import request_id
from pytake.telemetry.metrics import record
from pytake.telemetry.process import monitor_event_loop
from pytake.telemetry.routes import route_template
from pytake.telemetry.spans import RecordingSpan, random_bits

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
MAX_KEPT = 2000
_REQUEST_ID = re.compile(rb"[\w.\-]{1,64}")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class _Series(NamedTuple):
    """What requests with the same method, endpoint and status share."""

    requests: Any
    duration: Any
    request_size: Any
    response_size: Any
    level: str
    line: str
    """The unchanging middle of their access lines."""


class TelemetryMiddleware:
    """Measures every request and socket of ``app``."""

    def __init__(self, app: ASGIApp, *, service: str = "pytake", quiet: frozenset[str] = QUIET) -> None:
        self.app, self.service, self.quiet = app, service, quiet
        self.logger = f"{service}.access"
        self.in_flight = catalog.HTTP_IN_FLIGHT.labels()
        self._series: dict[tuple[str, str, int], _Series] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, socket or lifespan."""
        kind = scope["type"]
        if kind == "http":
            await _Request(self, scope, receive, send).run()
        elif kind == "websocket":
            await _Socket(self, scope, receive, send).run()
        else:
            await self._lifespan(scope, receive, send)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        monitor = asyncio.create_task(monitor_event_loop(), name="event-loop-lag")
        try:
            await self.app(scope, receive, send)
        finally:
            monitor.cancel()

    def series(self, method: str, endpoint: str, status: int) -> _Series:
        """Return (and keep) what requests of this kind share; an endpoint beyond the budget is ``other``."""
        counter = catalog.HTTP_REQUESTS.labels(method=method, endpoint=endpoint, status=str(status))
        by = {"method": method, "endpoint": endpoint}
        level = "error" if status >= 500 else "info"
        static = {
            "level": level, "logger": self.logger, "event": "http_request", "message": f"{method} {endpoint} {status}",
            "method": method, "endpoint": endpoint, "status": status,
        }  # fmt: skip
        found = _Series(
            counter, catalog.HTTP_DURATION.labels(**by), catalog.HTTP_REQUEST_SIZE.labels(**by),
            catalog.HTTP_RESPONSE_SIZE.labels(**by), level, orjson.dumps(static).decode()[1:-1],
        )  # fmt: skip
        if len(self._series) < MAX_KEPT:
            self._series[method, endpoint, status] = found
        return found


class _Exchange:
    """What requests and sockets have in common: ids and the span."""

    __slots__ = ("_receive", "_send", "error", "id", "middleware", "root_path", "scope", "span", "started")
    timed = True
    """Whether taking long is worth a trace."""

    def __init__(self, middleware: TelemetryMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        self.middleware, self.scope, self._receive, self._send = middleware, scope, receive, send
        self.root_path: str = scope.get("root_path", "")
        self.span: RecordingSpan | None = None
        self.error: Exception | None = None
        self.started = perf_counter()

    def begin(self, *, traced: bool) -> Any:
        """Take the ids from the headers and start the span; return the context token."""
        headers = dict(self.scope["headers"])
        given = headers.get(b"x-request-id")
        self.id = given.decode("ascii") if given and _REQUEST_ID.fullmatch(given) else f"{random_bits(64):016x}"
        provider = tracing.provider()
        if provider is None or not traced:
            return None
        header = headers.get(b"traceparent")
        parent = _remote(header, headers.get(b"tracestate")) if header else None
        span = self.span = provider.root("", SpanKind.SERVER, parent)
        span.timed = self.timed
        return context_api.attach(Context({_SPAN_KEY: span}))

    def end_span(self, method: str, endpoint: str, status: int) -> int:
        """Finish the span; return its trace id when the trace is kept, else 0."""
        span = self.span
        if span is None:
            return 0
        span.finish = now = time_ns()
        local = span.local
        failed = status >= 500 or self.error is not None or span.status is not None
        if local.sampled or failed or (span.timed and now - span.start > local.provider.policy.slow_ns):
            span.finish = None
            self._describe(span, method, endpoint, status)
            span.finish = now
        local.ended(span)
        return local.trace_id if local.sampled else 0

    def _describe(self, span: RecordingSpan, method: str, endpoint: str, status: int) -> None:
        """Fill in what is seen of an exported span; others do not pay for it."""
        scope, client = self.scope, self.scope.get("client")
        span.name = f"{method} {endpoint}"
        span.set_attributes({
            "http.request.method": method if method != "other" else "_OTHER", "http.route": endpoint,
            "http.response.status_code": status, "url.path": scope["path"], "url.scheme": scope.get("scheme", "http"),
            "network.protocol.version": scope.get("http_version", "1.1"), "pytake.request_id": self.id,
        })  # fmt: skip
        if client:
            span.set_attribute("client.address", client[0])
        if self.error is not None:
            span.fail(self.error)
        elif status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)


class _Request(_Exchange):
    """One HTTP request."""

    __slots__ = ("bytes_in", "bytes_out", "complete", "gone", "status")

    async def run(self) -> None:
        """Answer the request and account for it, however it ends."""
        self.status = self.bytes_in = self.bytes_out = 0
        self.complete = self.gone = False
        scope, middleware = self.scope, self.middleware
        quiet = scope["path"] in middleware.quiet
        token = self.begin(traced=not quiet)
        reset = request_id.set(self.id)
        middleware.in_flight.inc()
        try:
            await middleware.app(scope, self.receive, self.send)
        except Exception as fault:
            self.error = fault
            raise
        except BaseException:  # the server gave up on the request: its client left, or it shuts down
            self.gone = True
            raise
        finally:
            middleware.in_flight.inc(-1.0)
            self.finish(quiet)
            self.error = None  # its traceback holds this frame
            request_id.reset(reset)
            if token is not None:
                context_api.detach(token)

    async def receive(self) -> Message:
        """Count the body on its way in; notice a client that leaves."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.bytes_in += len(message.get("body", b""))
        elif not self.complete:
            self.gone = True
        return message

    async def send(self, message: Message) -> None:
        """Count the body on its way out; add the request id to the headers."""
        kind = message["type"]
        if kind == "http.response.body":
            self.bytes_out += len(message.get("body", b""))
            if not message.get("more_body", False):
                self.complete = True
        elif kind == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.id.encode())]
        await self._send(message)

    def finish(self, quiet: bool) -> None:
        """Count, trace and log what happened."""
        seconds = perf_counter() - self.started
        status = self.status
        if not self.complete:
            if self.gone:
                status = CLIENT_CLOSED
            elif not status:
                status = 500
        scope = self.scope
        method = scope["method"]
        if method not in _METHODS:
            method = "other"
        endpoint = route_template(scope, self.root_path, status)
        middleware = self.middleware
        series = middleware._series.get((method, endpoint, status)) or middleware.series(method, endpoint, status)
        if self.error is not None:
            catalog.HTTP_EXCEPTIONS.inc(endpoint=endpoint, exception=type(self.error).__name__)
        trace_id = self.end_span(method, endpoint, status)
        record(
            series.requests, ((series.duration, seconds), (series.request_size, self.bytes_in),
            (series.response_size, self.bytes_out)), trace_id,
        )  # fmt: skip
        if not quiet or status >= 500:
            self.log(series, seconds)

    def log(self, series: _Series, seconds: float) -> None:
        """Write the access line: put together by hand, since every part of it is known to be safe."""
        target = logging.pipeline()
        if target is None or (target.level > INFO and series.level == "info"):
            return
        span = self.span
        ids = f',"trace_id":"{span.local.trace_id:032x}","span_id":"{span.span_id:016x}"' if span is not None else ""
        more = f',"exception_type":"{type(self.error).__name__}"' if self.error is not None else ""
        line = (
            f'{{"timestamp":"{logging.timestamp()}",{series.line},"request_id":"{self.id}"{ids}'
            f',"duration_seconds":{seconds:.6f},"request_bytes":{self.bytes_in},"response_bytes":{self.bytes_out}{more}}}\n'
        )
        target.line(series.level, line.encode())


class _Socket(_Exchange):
    """One WebSocket, measured as one long request; its messages are counted by the application."""

    __slots__ = ("accepted", "code", "refused")
    timed = False

    async def run(self) -> None:
        """Serve the socket and account for it, however it ends."""
        self.accepted, self.code, self.refused = False, 0, 403
        token = self.begin(traced=True)
        reset = request_id.set(self.id)
        try:
            await self.middleware.app(self.scope, self.receive, self.send)
        except Exception as fault:
            self.error = fault
            raise
        finally:
            self.finish()
            request_id.reset(reset)
            if token is not None:
                context_api.detach(token)

    async def receive(self) -> Message:
        """Notice how the client ends it."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self.code = self.code or message.get("code", 1005)
        return message

    async def send(self, message: Message) -> None:
        """Notice how the application answers the handshake and ends the socket."""
        kind = message["type"]
        if kind == "websocket.accept":
            self.accepted = True
        elif kind == "websocket.close":
            self.code = self.code or message.get("code", 1000)
        elif kind == "websocket.http.response.start":
            self.refused = message["status"]
        await self._send(message)

    def finish(self) -> None:
        """Count the handshake's outcome (101, or what refused it), trace and log the end."""
        seconds = perf_counter() - self.started
        status = 101 if self.accepted else 500 if self.error is not None else self.refused
        routed = self.scope.get("endpoint") is not None
        endpoint = route_template(self.scope, self.root_path, status if routed else 404)
        if self.error is not None:
            catalog.HTTP_EXCEPTIONS.inc(endpoint=endpoint, exception=type(self.error).__name__)
        catalog.HTTP_REQUESTS.inc(method="WEBSOCKET", endpoint=endpoint, status=str(status))
        span = self.span
        if span is not None:
            self.end_span("GET", endpoint, status)
        target = logging.pipeline()
        if target is not None and target.level <= INFO:
            level = "info" if self.error is None else "error"
            fields = {"endpoint": endpoint, "status": status, "duration_seconds": round(seconds, 6), "code": self.code}
            target.emit(level, self.middleware.logger, "websocket_closed", f"WEBSOCKET {endpoint} {status}", fields)


_SPAN_KEY = next(iter(trace.set_span_in_context(trace.INVALID_SPAN, Context())))
"""Where OpenTelemetry's context keeps its span: a request's context holds nothing else, so it is made directly."""


def _remote(header: bytes, state: bytes | None) -> SpanContext | None:
    """Return the caller's span by W3C Trace Context; None when the header is not one."""
    parts = header.decode("latin-1").split("-")
    if len(parts) < 4 or list(map(len, parts[:4])) != [2, 32, 16, 2] or parts[0] == "ff":
        return None
    carrier = {"traceparent": header.decode("latin-1")}
    if state:
        carrier["tracestate"] = state.decode("latin-1")
    found = trace.get_current_span(tracing.extract(carrier)).get_span_context()
    return found if found.is_valid else None
