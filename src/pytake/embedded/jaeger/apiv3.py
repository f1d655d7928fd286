"""``/api/v3/*``: Jaeger's newer API, traces as OTLP JSON."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from pytake.embedded.jaeger import otlpjson, params
from pytake.embedded.jaeger.search import Query
from pytake.embedded.jaeger.service import NotFoundError, QueryService

Run = Callable[[Request, Callable[[], Any]], Awaitable[Response]]
Handler = Callable[[Request], Awaitable[Response]]
MAX_QUERY_BYTES = 2**20


def failure(status: int, message: str) -> dict[str, Any]:
    """The gateway's error body."""
    return {"error": {"httpCode": status, "message": message}}


def routes(service: QueryService, run: Run) -> list[tuple[str, str, Handler]]:
    """``(path, method, handler)`` of the API; faults are raised as exceptions."""
    api = _Api(service, run)
    return [
        ("/api/v3/services", "GET", api.services), ("/api/v3/operations", "GET", api.operations),
        ("/api/v3/traces", "GET", api.find), ("/api/v3/traces", "POST", api.find_post),
        ("/api/v3/traces/{trace_id}", "GET", api.trace), ("/api/v3/dependencies", "GET", api.dependencies),
    ]  # fmt: skip


class _Api:
    def __init__(self, service: QueryService, run: Run) -> None:
        self._service, self._run = service, run

    async def services(self, request: Request) -> Response:
        return await self._run(request, lambda: {"services": self._service.services()})

    async def operations(self, request: Request) -> Response:
        values = params.Values(request.query_params.multi_items())
        service, kind = values.get("service"), values.get("span_kind", "spanKind")
        if not service:
            raise params.ParameterError("malformed parameter service: it is required")

        def work() -> Any:
            found = self._service.operations(service, kind)
            return {"operations": [{"name": name, "spanKind": own or "internal"} for name, own in found]}

        return await self._run(request, work)

    async def find(self, request: Request) -> Response:
        pairs = request.query_params.multi_items()
        fields = {name.removeprefix("query."): value for name, value in pairs if name.startswith("query.")}
        raw = params.boolean(params.Values(pairs), "query.raw_traces", "query.rawTraces")
        return await self._answer(request, params.search_v3(fields), raw=raw)

    async def find_post(self, request: Request) -> Response:
        body = await request.body()
        try:
            fields = orjson.loads(body)["query"] if len(body) <= MAX_QUERY_BYTES else None
        except (orjson.JSONDecodeError, KeyError, TypeError):
            fields = None
        if not isinstance(fields, dict):
            raise params.ParameterError('malformed body: expected {"query": {...}}')
        return await self._answer(request, params.search_v3(fields), raw=bool(fields.get("rawTraces")))

    async def _answer(self, request: Request, query: Query, *, raw: bool) -> Response:
        def work() -> Any:
            traces = self._service.find(query)
            if not traces:
                raise NotFoundError("No traces found")
            return {"result": otlpjson.dump(self._service.otlp(traces, raw=raw))}

        return await self._run(request, work)

    async def trace(self, request: Request) -> Response:
        trace_id = params.trace_id(request.path_params["trace_id"])
        values = params.Values(request.query_params.multi_items())
        raw = params.boolean(values, "raw_traces", "rawTraces")
        start, end = values.get("start_time", "startTime"), values.get("end_time", "endTime")
        first = params.rfc3339_us(start, "start_time") if start else 0
        last = params.rfc3339_us(end, "end_time") if end else 0

        def work() -> Any:
            return {"result": otlpjson.dump(self._service.otlp([self._service.trace(trace_id, first, last)], raw=raw))}

        return await self._run(request, work)

    async def dependencies(self, request: Request) -> Response:
        values = params.Values(request.query_params.multi_items())
        start, end = values.get("start_time", "startTime"), values.get("end_time", "endTime")
        if not start or not end:
            raise params.ParameterError("start_time and end_time are required")
        first, last = params.rfc3339_us(start, "start_time"), params.rfc3339_us(end, "end_time")

        def work() -> Any:
            found = self._service.dependencies(last, last - first)
            return {
                "dependencies": [
                    {"parent": link.parent, "child": link.child, "callCount": str(link.calls)} for link in found
                ]
            }

        return await self._run(request, work)
