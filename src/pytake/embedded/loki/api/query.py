"""Endpoints that read: queries, labels, series, index, fields, patterns, tail."""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import orjson

from pytake.embedded.loki import logql
from pytake.embedded.loki.api import legacy, parquet
from pytake.embedded.loki.api.http import Request, Response, Send, success
from pytake.embedded.loki.api.params import (
    SECOND,
    Params,
    bounds,
    forward,
    one,
    parse_limit,
    parse_step,
    parse_time,
    range_params,
    seconds,
)
from pytake.embedded.loki.api.tail import MAX_TAILS, Tail, Tails
from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.query.index import Index, VolumeAsk, parse_selector
from pytake.embedded.loki.query.samples import fields_answer, fields_of, patterns
from pytake.embedded.loki.query.service import Job, QueryService
from pytake.embedded.loki.settings import Settings
from pytake.embedded.loki.streams import Streams

HOUR = 3600 * SECOND
_CATEGORIZE = "categorize-labels"


class QueryApi:
    """Parameters in, JSON out."""

    def __init__(self, settings: Settings, queries: QueryService, index: Index, tails: Tails, streams: Streams) -> None:
        self._settings, self._queries, self._index = settings, queries, index
        self._tails, self._streams = tails, streams

    def _most(self, tenants: tuple[str, ...]) -> int:
        return min(self._settings.limits_of(tenant).max_entries_limit_per_query for tenant in tenants)

    def _job(self, request: Request, params: Params, tenant: str, kind: str) -> Job:
        wants = one(params, "explain") or request.header("x-explain")
        return Job(tuple(tenant.split("|")), one(params, "query"), kind, wants.lower() in ("1", "true", "yes"))

    async def _run(self, request: Request, job: Job, work: Callable[[Job], Any]) -> Any:
        return await self._queries.run(job, work, request.wait_gone)

    async def instant(self, request: Request, tenant: str) -> Response:
        """``query``."""
        params = await request.params()
        at = parse_time(one(params, "time")) if one(params, "time") else time.time_ns()
        forward(params)
        parse_limit(params, 100, self._most(tuple(tenant.split("|"))))
        job = self._job(request, params, tenant, "instant")
        body = await self._run(request, job, lambda j: self._queries.instant_query(j, job.text, at))
        return await self._form(request, Response(body=body))

    @staticmethod
    async def _form(request: Request, answer: Response) -> Response:
        """The answer in the form that the client accepts."""
        if parquet.CONTENT_TYPE not in request.header("accept"):
            return answer
        return await asyncio.to_thread(parquet.parquet, answer)

    async def range(self, request: Request, tenant: str) -> Response:
        """``query_range``."""
        params = await request.params()
        ask = range_params(params, time.time_ns())
        limit = parse_limit(params, 100, self._most(tuple(tenant.split("|"))))
        job = self._job(request, params, tenant, "range")
        categorize = _CATEGORIZE in request.header("x-loki-response-encoding-flags")
        body = await self._run(request, job, lambda j: self._queries.range_query(j, ask, limit, categorize=categorize))
        return await self._form(request, Response(body=body))

    async def old_query(self, request: Request, tenant: str) -> Response:
        """``/api/prom/query``: a range query of lines, in the old shape."""
        if parquet.CONTENT_TYPE in request.header("accept"):
            raise RequestError(400, "/api/prom/query has no Parquet form, use /loki/api/v1/query_range")
        return legacy.streams(await self.range(request, tenant))

    async def old_labels(self, request: Request, tenant: str) -> Response:
        """``/api/prom/label`` and ``/api/prom/label/<name>/values``, in the old shape."""
        answer = await (self.label_values if request.path_args else self.labels)(request, tenant)
        return legacy.label_list(answer)

    async def labels(self, request: Request, tenant: str) -> Response:
        """``labels``."""
        params = await request.params()
        start, end = bounds(params, time.time_ns(), 6 * HOUR)
        return success(self._index.label_names(tenant.split("|"), one(params, "query"), start, end))

    async def label_values(self, request: Request, tenant: str) -> Response:
        """``label/<name>/values``."""
        params = await request.params()
        start, end = bounds(params, time.time_ns(), 6 * HOUR)
        name = unquote(request.path_args[0])
        return success(self._index.label_values(tenant.split("|"), name, one(params, "query"), start, end))

    async def series(self, request: Request, tenant: str) -> Response:
        """``series``."""
        params = await request.params()
        start, end = bounds(params, time.time_ns(), 6 * HOUR)
        selectors = [*params.get("match[]", ()), *params.get("match", ())]
        if not selectors:
            raise RequestError(400, "at least one match[] argument must be provided")
        return success(self._index.series(tenant.split("|"), selectors, start, end))

    async def index_stats(self, request: Request, tenant: str) -> Response:
        """``index/stats``."""
        params = await request.params()
        start, end = bounds(params, time.time_ns(), HOUR)
        tenants, query = tenant.split("|"), self._required(params)
        return Response(body=orjson.dumps(await asyncio.to_thread(self._index.stats, tenants, query, start, end)))

    @staticmethod
    def _required(params: Params) -> str:
        query = one(params, "query")
        parse_selector(query)
        return query

    def _volume_ask(self, params: Params, tenant: str) -> VolumeAsk:
        limits = self._settings.limits_of(tenant.split("|", maxsplit=1)[0])
        if not limits.volume_enabled:
            raise RequestError(404, "volume endpoint is disabled: set limits_config.volume_enabled")
        targets = [name for value in params.get("targetLabels", ()) for name in value.split(",") if name]
        by = one(params, "aggregateBy", "series")
        if by not in ("series", "labels"):
            raise RequestError(400, f"invalid aggregation option: {by}")
        return VolumeAsk(parse_limit(params, 100, limits.volume_max_series), targets, by_labels=by == "labels")

    async def volume(self, request: Request, tenant: str) -> Response:
        """``index/volume``."""
        params = await request.params()
        start, end = bounds(params, time.time_ns(), HOUR)
        ask, query = self._volume_ask(params, tenant), self._required(params)
        found = await asyncio.to_thread(self._index.volume, tenant.split("|"), query, start, end, ask)
        result = [{"metric": name, "value": [seconds(end), str(size)]} for name, size in found]
        return success({"resultType": "vector", "result": result, "stats": {}})

    async def volume_range(self, request: Request, tenant: str) -> Response:
        """``index/volume_range``."""
        params = await request.params()
        ask, query = self._volume_ask(params, tenant), self._required(params)
        span = range_params({**params, "query": [query]}, time.time_ns())
        job = self._job(request, params, tenant, "volume_range")

        def work(job: Job) -> Any:
            return self._queries.rows(
                job,
                span.start,
                span.end,
                lambda source, running: self._index.volume_range(
                    source, running, job.tenants, query, span.start, span.end, span.step, ask
                ),
            )

        found = await self._run(request, job, work)
        result = [
            {"metric": name, "values": [[seconds(ts), str(size)] for ts, size in points]} for name, points in found
        ]
        return success({"resultType": "matrix", "result": result, "stats": {}})

    # ------------------------------------------------------------------------------------------------ samples of lines
    async def _sample(self, request: Request, params: Params, tenant: str, kind: str, lines: int) -> list[Any]:
        start, end = bounds(params, time.time_ns(), HOUR)
        job = self._job(request, params, tenant, kind)
        found: list[Any] = await self._run(
            request, job, lambda j: self._queries.entries(j, job.text, start, end, lines)
        )
        return found

    async def detected_fields(self, request: Request, tenant: str) -> Response:
        """``detected_fields``."""
        params = await request.params()
        limit = parse_limit(params, 1000, 0)
        entries = await self._sample(request, params, tenant, "fields", self._lines(params))
        return Response(body=orjson.dumps({"fields": fields_answer(fields_of(entries), limit), "limit": limit}))

    @staticmethod
    def _lines(params: Params) -> int:
        return min(parse_limit({"limit": params.get("line_limit", ())}, 1000, 0), 5000)

    async def detected_field_values(self, request: Request, tenant: str) -> Response:
        """``detected_field/<name>/values``."""
        params = await request.params()
        limit = parse_limit(params, 1000, 0)
        found = fields_of(await self._sample(request, params, tenant, "fields", self._lines(params)))
        item = found.get(unquote(request.path_args[0]))
        values = sorted(item.values)[:limit] if item is not None else []
        return Response(body=orjson.dumps({"values": values, "limit": limit}))

    async def detected_labels(self, request: Request, tenant: str) -> Response:
        """``detected_labels``."""
        params = await request.params()
        start, end = bounds(params, time.time_ns(), HOUR)
        found = self._index.detected_labels(tenant.split("|"), one(params, "query"), start, end)
        return Response(body=orjson.dumps({"detectedLabels": found}))

    async def patterns(self, request: Request, tenant: str) -> Response:
        """``patterns``."""
        params = await request.params()
        step = max(parse_step(one(params, "step", "10s")), 10 * SECOND)
        entries = await self._sample(request, params, tenant, "patterns", 5000)
        return success(await asyncio.to_thread(patterns, entries, step))

    async def format_query(self, request: Request, tenant: str) -> Response:
        """``format_query``."""
        params = await request.params()
        try:
            return success(logql.format_query(logql.parse(one(params, "query"))))
        except logql.LogQLError as error:
            body = {"status": "invalid-query", "error": str(error)}
            return Response(400, orjson.dumps(body))

    # ----------------------------------------------------------------------------------------------------------- tail
    async def tail(self, request: Request, tenant: str, send: Send) -> None:
        """``tail`` over a WebSocket; refused with 400 before the socket opens."""
        params = await request.params()
        delay = parse_step(one(params, "delay_for", "0"))
        if delay > 5 * SECOND:
            raise RequestError(400, "delay_for can't be greater than 5")
        limit = parse_limit(params, 100, self._most(tuple(tenant.split("|"))))
        try:
            query = logql.parse(one(params, "query"))
            if not isinstance(query, logql.LogQuery):
                raise RequestError(400, "only log queries can be tailed")
            tenants = tuple(tenant.split("|"))
            levels = self._settings.limits_of(tenants[0]).discover_log_levels
            tail = Tail(tenants, query, self._streams, levels=levels)
        except logql.LogQLError as error:
            raise RequestError(error.status, str(error)) from error
        if len(self._tails) >= MAX_TAILS:
            raise RequestError(
                429, f"max concurrent tail requests limit exceeded, count > limit ({MAX_TAILS + 1} > {MAX_TAILS})"
            )
        now = time.time_ns()
        start = parse_time(one(params, "start")) if one(params, "start") else now - HOUR
        job = self._job(request, params, tenant, "tail")
        history = await self._queries.run(
            job, lambda j: self._queries.entries(j, job.text, start, now + 600 * SECOND, limit)
        )
        await send({"type": "websocket.accept"})
        await self._tails.serve(tail, history, request.receive, send, delay=delay / SECOND, limit=limit)
