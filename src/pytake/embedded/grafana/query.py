"""``/api/ds/query``: queries to Prometheus, Loki and Jaeger, shared while in flight and for a moment after.

Many viewers of one dashboard ask the same at the same time: identical questions (times rounded to the step) are asked
once. Source of the request's shape: Grafana's HTTP API, "Query a data source".
"""

import asyncio
import json
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from pytake.embedded.common.config import ConfigError, parse_duration
from pytake.embedded.grafana import frames
from pytake.embedded.grafana.errors import ApiError, not_found
from pytake.embedded.grafana.provisioning import DataSource

KEEP_SECONDS = 1.0
MAX_KEPT = 2000
MAX_POINTS = 11_000
DEFAULT_POINTS = 1500
SCRAPE_SECONDS = 15.0
_RELATIVE = re.compile(r"now(?:-(\d+)([smhdwMy]))?(?:/[smhdwMy])?")
_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 2_592_000, "y": 31_536_000}


def moment(text: Any, now: float) -> float:
    """Unix seconds of ``now-1h``, of milliseconds, or of RFC 3339 text; 400 on anything else."""
    value = str(text)
    if value.isdigit():
        return int(value) / 1000
    match = _RELATIVE.fullmatch(value)
    if match is None:
        raise ApiError(400, f"{value!r} is no time: expected now-1h or milliseconds since 1970")
    return now - (int(match[1]) * _UNIT[match[2]] if match[1] else 0)


def seconds(duration: str, default: float) -> float:
    """Seconds of a scrape interval such as ``15s``."""
    try:
        return parse_duration(duration) if duration else default
    except ConfigError:
        return default


class Queries:
    """Answers ``/api/ds/query`` over an HTTP client."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._shared: OrderedDict[str, tuple[float, asyncio.Task[Any]]] = OrderedDict()

    async def run(self, body: Mapping[str, Any], sources: Mapping[str, DataSource]) -> dict[str, Any]:
        """Results by refId; a query that fails carries its error, the others answer."""
        queries = body.get("queries")
        if not isinstance(queries, list) or not queries:
            raise ApiError(400, "No queries found in query")
        now = time.time()
        start, end = moment(body.get("from", "now-1h"), now), moment(body.get("to", "now"), now)
        if end < start:
            raise ApiError(400, "the time range ends before it begins")
        answers = await asyncio.gather(*(self._one(query, sources, start, end) for query in queries))
        return {"results": {str(q.get("refId", "A")): answer for q, answer in zip(queries, answers, strict=True)}}

    async def _one(self, query: Mapping[str, Any], sources: Mapping[str, DataSource], start: float, end: float) -> Any:
        ref_id = str(query.get("refId", "A"))
        try:
            source = _source(query, sources)
            match source.type:
                case "prometheus":
                    found = await self._prometheus(source, query, start, end, ref_id)
                case "loki":
                    found = await self._loki(source, query, start, end, ref_id)
                case "jaeger":
                    found = await self._jaeger(source, query, start, end, ref_id)
                case kind:
                    raise ApiError(400, f"data sources of type {kind} cannot be queried here")
        except ApiError as error:
            return {"status": error.status, "error": str(error), "errorSource": "downstream", "frames": []}
        except (KeyError, ValueError, TypeError) as error:
            return {"status": 500, "error": f"unexpected answer of the data source: {error}", "frames": []}
        return {"status": 200, "frames": found}

    async def _prometheus(
        self, source: DataSource, query: Mapping[str, Any], start: float, end: float, ref_id: str
    ) -> Any:
        step = _step(query, start, end)
        scrape = seconds(str(source.json_data.get("timeInterval") or ""), SCRAPE_SECONDS)
        expr = _interpolate(str(query.get("expr") or ""), step, scrape, end - start)
        if not expr:
            return []
        found = []
        instant = bool(query.get("instant"))
        if query.get("range") or not instant:
            first = start - start % step
            params = {"query": expr, "start": f"{first:.3f}", "end": f"{end - end % step:.3f}", "step": f"{step:g}"}
            found += frames.from_prometheus(
                ref_id, await self.fetch(source, "/api/v1/query_range", params), {**query, "expr": expr}
            )
        if instant:
            params = {"query": expr, "time": f"{end - end % 1:.0f}"}
            found += frames.from_prometheus(
                ref_id, await self.fetch(source, "/api/v1/query", params), {**query, "expr": expr}
            )
        return found

    async def _loki(self, source: DataSource, query: Mapping[str, Any], start: float, end: float, ref_id: str) -> Any:
        step = _step(query, start, end)
        expr = _interpolate(str(query.get("expr") or ""), step, step, end - start)
        limit = str(query.get("maxLines") or source.json_data.get("maxLines") or 1000)
        if query.get("queryType") == "instant" or query.get("instant"):
            data = await self.fetch(
                source, "/loki/api/v1/query", {"query": expr, "time": f"{int(end * 1e9)}", "limit": limit}
            )
        else:
            params = {
                "query": expr,
                "start": f"{int((start - start % step) * 1e9)}",
                "end": f"{int(end * 1e9)}",
                "step": f"{step:g}",
                "limit": limit,
                "direction": str(query.get("direction") or "backward"),
            }
            data = await self.fetch(source, "/loki/api/v1/query_range", params)
        return frames.from_prometheus(ref_id, data, {**query, "expr": expr})

    async def _jaeger(self, source: DataSource, query: Mapping[str, Any], start: float, end: float, ref_id: str) -> Any:
        text = str(query.get("query") or "").strip()
        if query.get("queryType") == "search" or not text:
            params = {
                "service": str(query.get("service") or ""),
                "operation": str(query.get("operation") or ""),
                "tags": str(query.get("tags") or ""),
                "minDuration": str(query.get("minDuration") or ""),
                "maxDuration": str(query.get("maxDuration") or ""),
                "limit": str(query.get("limit") or 20),
                "start": str(int(start * 1e6)),
                "end": str(int(end * 1e6)),
            }
            found = await self.fetch(source, "/api/traces", {k: v for k, v in params.items() if v})
            return [frames.from_traces(ref_id, found or [])]
        found = await self.fetch(source, f"/api/traces/{quote(text, safe='')}", {})
        if not found:
            raise ApiError(404, f"trace {text} was not found")
        return [frames.from_trace(ref_id, found[0])]

    async def fetch(self, source: DataSource, path: str, params: Mapping[str, str]) -> Any:
        """The answer's ``data``; one request for all who ask the same within a second."""
        key = json.dumps([source.uid, path, sorted(params.items())])
        kept = self._shared.get(key)
        if kept is None or (kept[1].done() and time.monotonic() - kept[0] > KEEP_SECONDS):
            task = asyncio.create_task(self._request(source, path, params))
            kept = self._shared[key] = (time.monotonic(), task)
            self._shared.move_to_end(key)
            while len(self._shared) > MAX_KEPT:
                self._shared.popitem(last=False)
        return await asyncio.shield(kept[1])

    async def _request(self, source: DataSource, path: str, params: Mapping[str, str]) -> Any:
        auth = (source.user, source.password) if source.user else None
        try:
            answer = await self._client.get(f"{source.url}{path}", params=dict(params), auth=auth)
        except httpx.HTTPError as error:
            raise ApiError(
                502, f"{source.name} at {source.url} does not answer: {type(error).__name__} {error}".rstrip()
            ) from error
        if answer.status_code >= 400:
            raise ApiError(answer.status_code, _words(answer))
        body = answer.json()
        return body.get("data", body) if isinstance(body, dict) else body


def _words(answer: httpx.Response) -> str:
    """The server's own words."""
    try:
        body = answer.json()
    except ValueError:
        return answer.text.strip()[:1000] or answer.reason_phrase
    if isinstance(body, dict):
        errors = body.get("errors") or []
        return str(body.get("error") or body.get("message") or (errors[0].get("msg") if errors else "") or body)
    return str(body)


def _source(query: Mapping[str, Any], sources: Mapping[str, DataSource]) -> DataSource:
    reference = query.get("datasource")
    uid = reference.get("uid") if isinstance(reference, dict) else reference
    if uid in sources:
        return sources[str(uid)]
    for source in sources.values():
        if uid in (source.name, None, "default") and (uid == source.name or source.default):
            return source
        if query.get("datasourceId") == source.id:
            return source
    raise not_found(f"Data source {uid}")


def _step(query: Mapping[str, Any], start: float, end: float) -> float:
    """Seconds between points: what the panel asked for, and never more than Prometheus' 11,000 points."""
    wanted = float(query.get("intervalMs") or 0) / 1000
    points = float(query.get("maxDataPoints") or DEFAULT_POINTS)
    least = seconds(str(query.get("interval") or ""), 0.0)
    step = max(wanted, (end - start) / max(points, 1), (end - start) / MAX_POINTS, least, 1.0)
    return round(step) if step >= 1 else 1.0


def _interpolate(expr: str, step: float, scrape: float, span: float) -> str:
    """Grafana's time variables: ``$__rate_interval`` is at least four scrapes."""
    rate = max(step + scrape, 4 * scrape)
    values = {
        "__rate_interval": f"{round(rate)}s",
        "__interval_ms": f"{round(step * 1000)}",
        "__interval": f"{round(step)}s",
        "__range_ms": f"{round(span * 1000)}",
        "__range_s": f"{round(span)}",
        "__range": f"{round(span)}s",
        "__auto": f"{round(max(step, 1))}s",
    }
    for name, value in values.items():
        expr = expr.replace(f"${{{name}}}", value).replace(f"${name}", value)
    return expr.strip()
