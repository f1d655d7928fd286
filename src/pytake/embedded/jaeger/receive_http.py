"""Receivers over HTTP: OTLP (protobuf, JSON), Jaeger Thrift, Zipkin v2; gzip, deflate and zstd bodies."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import orjson
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # published without types
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from pytake.embedded.jaeger import otlpjson, zipkin
from pytake.embedded.jaeger.asgi import Receive, RefusedError, Scope, Send, decompress, lifespan, read_body, reply
from pytake.embedded.jaeger.receive import Accepted, MalformedError, Receiver, UnavailableError
from pytake.embedded.jaeger.strategies import Strategies
from pytake.embedded.jaeger.thrift_worker import ThriftConverter

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_GRPC_CODES = {400: 3, 404: 5, 405: 12, 413: 8, 415: 3, 503: 14}
THRIFT_TYPES = ("application/x-thrift", "application/vnd.apache.thrift.binary")


class HttpReceiver:
    """One ASGI application: the paths of one receiver."""

    methods = ("POST",)

    def __init__(self, receiver: Receiver, limit: int) -> None:
        self._receiver, self._limit = receiver, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        headers = {name.decode("latin1"): value.decode("latin1") for name, value in scope["headers"]}
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            if await self.other(scope, send):
                return
            if scope["path"].rstrip("/") not in self.paths(scope):
                raise RefusedError(404, f"no such path: {scope['path']}")
            if scope["method"] not in self.methods:
                raise RefusedError(405, "use POST", ((b"allow", b"POST"),))
            if not self.takes(kind):
                raise RefusedError(415, f"content type {kind!r} is not supported")
            body = await read_body(receive, self._limit)
            body = decompress(body, headers.get("content-encoding", "").strip().lower(), self._limit)
            status, answer, content = await self.accept(body, kind)
        except RefusedError as refused:
            await self._refuse(send, kind, refused.status, str(refused), refused.headers)
        except MalformedError as error:
            await self._refuse(send, kind, 400, str(error))
        except UnavailableError as error:
            await self._refuse(send, kind, 503, str(error), ((b"retry-after", str(error.retry_seconds).encode()),))
        else:
            await reply(send, status, answer, content)

    def paths(self, scope: Scope) -> tuple[str, ...]:
        """Paths that are answered."""
        return ("/v1/traces",)

    def takes(self, kind: str) -> bool:
        """Whether the content type is one of ours."""
        return kind in (PROTOBUF, JSON)

    async def other(self, scope: Scope, send: Send) -> bool:
        """Answer something else than spans; true when it did."""
        return False

    async def accept(self, body: bytes, kind: str) -> tuple[int, bytes, str]:
        """Store an OTLP request; returns status, answer and its content type."""
        if kind == JSON:
            try:
                body = otlpjson.parse(body).SerializeToString()
            except ValueError as error:
                raise MalformedError(str(error)) from error
        accepted = await self._receiver.store_async(body)
        response = _response(accepted)
        if kind == JSON:
            return 200, orjson.dumps(otlpjson.dump(response)), JSON
        return 200, response.SerializeToString(), PROTOBUF

    async def _refuse(
        self, send: Send, kind: str, status: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        details = Status(code=_GRPC_CODES.get(status, 2), message=message)
        if kind == PROTOBUF:
            await reply(send, status, details.SerializeToString(), PROTOBUF, headers)
        else:
            await reply(send, status, orjson.dumps({"code": details.code, "message": message}), JSON, headers)


def _response(accepted: Accepted) -> ExportTraceServiceResponse:
    response = ExportTraceServiceResponse()
    if accepted.rejected:
        response.partial_success.rejected_spans = accepted.rejected
        response.partial_success.error_message = accepted.message
    return response


class ThriftReceiver(HttpReceiver):
    """Jaeger Thrift batches on ``/api/traces``; the sampling strategies on ``/sampling`` and ``/api/sampling``."""

    def __init__(self, receiver: Receiver, limit: int, converter: ThriftConverter, strategies: Strategies) -> None:
        super().__init__(receiver, limit)
        self._converter, self._strategies = converter, strategies

    def paths(self, scope: Scope) -> tuple[str, ...]:
        """Paths that are answered."""
        return ("/api/traces",)

    def takes(self, kind: str) -> bool:
        """Thrift's types; old clients send none."""
        return kind in (*THRIFT_TYPES, "")

    async def other(self, scope: Scope, send: Send) -> bool:
        """Sampling strategies."""
        if scope["method"] != "GET" or scope["path"].rstrip("/") not in ("/sampling", "/api/sampling"):
            return False
        await self._strategies(scope, _nothing, send)
        return True

    async def accept(self, body: bytes, kind: str) -> tuple[int, bytes, str]:
        """Store a batch."""
        converted = await self._converter.convert(body)
        accepted = await self._receiver.store_async(converted)
        if accepted.rejected and not accepted.spans:
            raise MalformedError(accepted.message)
        return 202, b"", "text/plain"


class ZipkinReceiver(HttpReceiver):
    """Zipkin v2 spans on ``/api/v2/spans``."""

    def paths(self, scope: Scope) -> tuple[str, ...]:
        """Paths that are answered."""
        return ("/api/v2/spans",)

    def takes(self, kind: str) -> bool:
        """JSON only."""
        return kind in (JSON, "")

    async def accept(self, body: bytes, kind: str) -> tuple[int, bytes, str]:
        """Store a list of spans."""
        try:
            converted = await asyncio.to_thread(zipkin.to_otlp, body)
        except zipkin.ZipkinError as error:
            raise MalformedError(str(error)) from error
        await self._receiver.store_async(converted)
        return 202, b"", "text/plain"


async def _nothing() -> MutableMapping[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}
