"""The query server: Jaeger's HTTP APIs, health, metrics and the pages."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pytake.embedded.jaeger import apiv3, otlpjson, pages, params, uijson
from pytake.embedded.jaeger.archive import Archive
from pytake.embedded.jaeger.proto import ExportTraceServiceRequest
from pytake.embedded.jaeger.receive import MalformedError, UnavailableError
from pytake.embedded.jaeger.search import StoredSpan
from pytake.embedded.jaeger.service import NotConfiguredError, NotFoundError, QueryService
from pytake.embedded.jaeger.spanmetrics import SpanMetrics
from pytake.telemetry import catalog_embedded as metrics
from pytake.telemetry.exposition import OPENMETRICS, TEXT, render
from pytake.telemetry.logging import get_logger

log = get_logger("pytake.jaeger")
MAX_IMPORT_BYTES = 64 * 2**20
CONCURRENT_QUERIES = 4
Handler = Callable[[Request], Awaitable[Response]]
_ENVELOPE = {"total": 0, "limit": 0, "offset": 0, "errors": None}


def envelope(data: Any, *, total: int = 0, errors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Jaeger's structured response."""
    return {"data": data, **_ENVELOPE, "total": total, "errors": errors}


def _failure(error: Exception) -> tuple[int, str]:
    for kinds, status in (
        ((params.ParameterError, MalformedError), 400),
        ((NotFoundError,), 404),
        ((NotConfiguredError,), 501),
        ((UnavailableError,), 503),
    ):
        if isinstance(error, kinds):
            return status, str(error)
    log.error("query_failed", error=repr(error))
    return 500, f"internal error: {type(error).__name__}"


class QueryApi:
    """Handlers of ``/api/*``."""

    def __init__(self, service: QueryService) -> None:
        self.service = service
        self._slots = asyncio.Semaphore(CONCURRENT_QUERIES)

    def routes(self) -> list[BaseRoute]:
        """Routes of the API."""
        get = {
            "/api/services": self.services, "/api/services/{service:path}/operations": self.service_operations,
            "/api/operations": self.operations, "/api/traces": self.search, "/api/traces/{trace_id}": self.trace,
            "/api/dependencies": self.dependencies, "/api/metrics/minstep": self.min_step,
            "/api/metrics/{kind}": self.metrics,
        }  # fmt: skip
        post = {
            "/api/archive/{trace_id}": self.archive, "/api/transform": self.transform, "/api/import": self.load,
        }  # fmt: skip
        found: list[BaseRoute] = [
            Route(path, self._measured(path, handler), methods=["GET"]) for path, handler in get.items()
        ]
        found += [Route(path, self._measured(path, handler), methods=["POST"]) for path, handler in post.items()]
        for path, method, handler in apiv3.routes(self.service, self._run):
            found.append(Route(path, self._measured(path, handler, v3=True), methods=[method]))
        return found

    def _measured(self, route: str, handler: Handler, *, v3: bool = False) -> Handler:
        async def endpoint(request: Request) -> Response:
            began = time.perf_counter()
            try:
                response = await handler(request)
            except Exception as error:
                status, text = _failure(error)
                body = apiv3.failure(status, text) if v3 else envelope(None, errors=[{"code": status, "msg": text}])
                headers = {"retry-after": "1"} if status == 503 else None
                response = JSONResponse(body, status, headers=headers)
            metrics.JAEGER_HTTP_SECONDS.observe(
                time.perf_counter() - began, http_request_method=request.method,
                http_response_status_code=str(response.status_code), http_route=route,
            )  # fmt: skip
            return response

        return endpoint

    async def _run(self, request: Request, work: Callable[[], Any]) -> Response:
        """Do the work in a thread and answer with its JSON."""
        pretty = request.query_params.get("prettyPrint", "false") != "false"
        options = orjson.OPT_INDENT_2 if pretty else None

        def compute() -> bytes:
            return orjson.dumps(work(), option=options)

        async with self._slots:
            return Response(await asyncio.to_thread(compute), media_type="application/json")

    async def services(self, request: Request) -> Response:
        """``GET /api/services``."""

        def work() -> Any:
            names = self.service.services()
            return envelope(names, total=len(names))

        return await self._run(request, work)

    async def service_operations(self, request: Request) -> Response:
        """``GET /api/services/{service}/operations``: names only."""

        def work() -> Any:
            names = sorted({name for name, _ in self.service.operations(request.path_params["service"])})
            return envelope(names, total=len(names))

        return await self._run(request, work)

    async def operations(self, request: Request) -> Response:
        """``GET /api/operations?service=&spanKind=``."""
        values = _values(request)
        service, kind = values.get("service"), values.get("spanKind")
        if not service:
            raise params.ParameterError("parameter 'service' is required")

        def work() -> Any:
            found = [{"name": name, "spanKind": own} for name, own in self.service.operations(service, kind)]
            return envelope(found, total=len(found))

        return await self._run(request, work)

    async def search(self, request: Request) -> Response:
        """``GET /api/traces``: a search, or the traces named by ``traceID``."""
        values = _values(request)
        raw = params.boolean(values, "raw")
        ids = [(text, params.trace_id(text)) for text in values.all("traceID")]
        query = None if ids else params.search(values)

        def work() -> Any:
            errors: list[dict[str, Any]] = []
            if query is not None:
                traces = self.service.find(query)
            else:
                traces = [trace for text, trace_id in ids if (trace := self._named(text, trace_id, errors))]
            return envelope([self.service.json(trace, raw=raw) for trace in traces], errors=errors or None)

        return await self._run(request, work)

    def _named(self, text: str, trace_id: bytes, errors: list[dict[str, Any]]) -> list[StoredSpan]:
        try:
            return self.service.trace(trace_id)
        except NotFoundError as error:
            errors.append({"msg": str(error), "traceID": text})
            return []

    async def trace(self, request: Request) -> Response:
        """``GET /api/traces/{trace_id}``."""
        trace_id = params.trace_id(request.path_params["trace_id"])
        values = _values(request)
        raw = params.boolean(values, "raw")
        start, end = params.integer(values, "start", 0), params.integer(values, "end", 0)
        return await self._run(
            request, lambda: envelope([self.service.json(self.service.trace(trace_id, start, end), raw=raw)])
        )

    async def archive(self, request: Request) -> Response:
        """``POST /api/archive/{trace_id}``."""
        trace_id = params.trace_id(request.path_params["trace_id"])

        def work() -> Any:
            self.service.archive(trace_id)
            return envelope([], errors=[])

        return await self._run(request, work)

    async def dependencies(self, request: Request) -> Response:
        """``GET /api/dependencies?endTs=&lookback=`` (ms); ``errors=true`` adds ``errorCount`` to each link."""
        values = _values(request)
        end = params.integer(values, "endTs", params.now_us() // 1000, low=0, high=2**43) * 1000
        lookback = params.integer(values, "lookback", 86_400_000, low=0, high=2**43) * 1000
        service, errors = values.get("service"), params.boolean(values, "errors")

        def work() -> Any:
            found = [
                link for link in self.service.dependencies(end, lookback) if service in ("", link.parent, link.child)
            ]
            return envelope([
                {"parent": link.parent, "child": link.child, "callCount": link.calls}
                | ({"errorCount": link.errors} if errors else {})
                for link in found
            ])  # fmt: skip

        return await self._run(request, work)

    async def metrics(self, request: Request) -> Response:
        """``GET /api/metrics/{latencies,calls,errors}``."""
        kind, values = request.path_params["kind"], _values(request)
        if kind not in ("latencies", "calls", "errors"):
            raise NotFoundError(f"no such metric: {kind}")
        quantile = 0.95
        if kind == "latencies":
            try:
                quantile = float(values.get("quantile"))
            except ValueError:
                quantile = math.nan
            if not 0 <= quantile <= 1:
                raise params.ParameterError("unable to parse param 'quantile': expected a number from 0 to 1")
        query = params.metrics(values)
        return await self._run(request, lambda: self.service.metrics(kind, query, quantile))

    async def min_step(self, request: Request) -> Response:
        """``GET /api/metrics/minstep`` (ms)."""
        return await self._run(request, lambda: envelope(1))

    async def transform(self, request: Request) -> Response:
        """``POST /api/transform``: OTLP JSON to Jaeger's JSON, nothing stored."""
        body = await _body(request)

        def work() -> Any:
            traces = _traces(_parse_otlp(body))
            return envelope([uijson.trace_json(trace, raw=True) for trace in traces])

        return await self._run(request, work)

    async def load(self, request: Request) -> Response:
        """``POST /api/import``: store traces exported as Jaeger's or OTLP's JSON."""
        body = await _body(request)

        def work() -> Any:
            try:
                document = orjson.loads(body)
                otlp = isinstance(document, dict) and ("resourceSpans" in document or "resource_spans" in document)
                parsed = _parse_otlp(body) if otlp else uijson.from_json(document)
            except ValueError as error:
                raise params.ParameterError(str(error)) from error
            accepted = self.service.load(parsed)
            return envelope({"spans": accepted.spans, "rejected": accepted.rejected})

        return await self._run(request, work)


def _values(request: Request) -> params.Values:
    return params.Values(request.query_params.multi_items())


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_IMPORT_BYTES:
            raise params.ParameterError(f"the body is larger than {MAX_IMPORT_BYTES} bytes")
    return bytes(body)


def _parse_otlp(body: bytes) -> ExportTraceServiceRequest:
    try:
        return otlpjson.parse(body)
    except ValueError as error:
        raise params.ParameterError(str(error)) from error


def _traces(request: ExportTraceServiceRequest) -> list[list[StoredSpan]]:
    found: dict[bytes, list[StoredSpan]] = {}
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                item = StoredSpan(span, resource.resource.SerializeToString(), scope.scope.SerializeToString(), b"")
                found.setdefault(span.trace_id, []).append(item)
    return list(found.values())


def metrics_page(*, internal: bool, spans: SpanMetrics | None) -> Handler:
    """A handler of ``/metrics``: the server's own numbers, the span metrics, or both."""

    async def page(request: Request) -> Response:
        openmetrics = "application/openmetrics-text" in request.headers.get("accept", "")
        own = render(openmetrics) if internal else b"# EOF\n" if openmetrics else b""
        own = own.removesuffix(b"# EOF\n")
        extra = spans.render(openmetrics).encode() if spans is not None else b""
        end = b"# EOF\n" if openmetrics else b""
        return Response(
            own + extra + end, media_type=None, headers={"content-type": OPENMETRICS if openmetrics else TEXT}
        )

    return page


def application(
    service: QueryService, spans: SpanMetrics | None, ready: Callable[[], bool], base_path: str = ""
) -> Starlette:
    """The application of port 16686."""

    async def health(_request: Request) -> Response:
        status = "StatusOK" if ready() else "StatusStarting"
        return JSONResponse({"status": status}, 200 if ready() else 503)

    async def unknown(_request: Request) -> Response:
        body = envelope(None, errors=[{"code": 404, "msg": "no such endpoint; see docs/embedded/jaeger.md"}])
        return JSONResponse(body, 404)

    routes: list[BaseRoute] = QueryApi(service).routes()
    routes += [
        Route("/metrics", metrics_page(internal=True, spans=spans)),
        Route("/status", health), Route("/health", health), Route("/healthz", health),
        Route("/api/{rest:path}", unknown, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
        *pages.routes(base_path),
    ]  # fmt: skip
    if base_path:
        from starlette.routing import Mount  # noqa: PLC0415 (only with a base path)

        routes = [Mount(base_path, routes=routes)]
    return Starlette(routes=routes)


def small_application(routes: dict[str, Handler]) -> Starlette:
    """An application of a few GET pages (health, metrics)."""
    return Starlette(routes=[Route(path, handler) for path, handler in routes.items()])


__all__ = ["Archive", "QueryApi", "application", "envelope", "metrics_page", "small_application"]
