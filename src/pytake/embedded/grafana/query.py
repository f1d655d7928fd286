"""``/api/ds/query``: queries to Prometheus, Loki and Jaeger, shared while in flight and for a moment after.

Many viewers of one dashboard ask the same at the same time: identical questions (times rounded to the step) are asked
once. Source of the request's shape: Grafana's HTTP API, "Query a data source".
"""

import asyncio
import json
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import astuple, dataclass
from functools import partial
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

import cramjam
import httpx
import orjson

from pytake.embedded.common.config import ConfigError, parse_duration
from pytake.embedded.grafana import frames
from pytake.embedded.grafana.errors import ApiError, not_found
from pytake.embedded.grafana.provisioning import DataSource

KEEP_SECONDS = 1.0
MAX_PACKED = 200
MAX_POINTS = 11_000
DEFAULT_POINTS = 1500
SCRAPE_SECONDS = 15.0
_RELATIVE = re.compile(r"now(?:-(\d+)([smhdwMy]))?(?:/[smhdwMy])?")
_METRIC_QUERY = re.compile(r"\s*[a-z_(]")
"""LogQL that counts begins with a function; one that shows lines begins with its selector."""
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


@dataclass(frozen=True)
class Window:
    """The times of a query in Unix seconds, rounded so that all who look at the same moment ask the same."""

    start: float
    end: float
    step: float
    span: int


def _window(source: DataSource, query: Mapping[str, Any], start: float, end: float) -> Window:
    step, span = _step(query, start, end), round(end - start)
    if source.type == "loki" and query.get("queryType") != "instant" and not query.get("instant"):
        first = start - start % step if _METRIC_QUERY.match(str(query.get("expr") or "")) else math.floor(start)
        return Window(first, math.ceil(end), step, span)  # lines of the last second are shown too
    if source.type == "prometheus" and (query.get("range") or not query.get("instant")):
        return Window(start - start % step, end - end % (1.0 if query.get("instant") else step), step, span)
    return Window(math.floor(start), math.floor(end) if source.type != "jaeger" else math.ceil(end), step, span)


class Queries:
    """Answers ``/api/ds/query`` over an HTTP client."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._shared: dict[str, tuple[float, asyncio.Task[Any]]] = {}
        self._packed: OrderedDict[bytes, bytes] = OrderedDict()

    async def run(self, body: Mapping[str, Any], sources: Mapping[str, DataSource]) -> bytes:
        """JSON of the results by refId; a query that fails carries its error, the others answer."""
        queries = body.get("queries")
        if not isinstance(queries, list) or not queries or not all(isinstance(query, dict) for query in queries):
            raise ApiError(400, "No queries found in query")
        now = time.time()
        start, end = moment(body.get("from", "now-1h"), now), moment(body.get("to", "now"), now)
        if end < start:
            raise ApiError(400, "the time range ends before it begins")
        answers = await asyncio.gather(*(self._shared_answer(query, sources, start, end) for query in queries))
        named = zip((str(query.get("refId", "A")) for query in queries), answers, strict=True)
        return orjson.dumps({"results": {name: orjson.Fragment(answer) for name, answer in named}})

    def gzip(self, raw: bytes) -> bytes:
        """``raw`` compressed: viewers of one dashboard get the same bytes, which are compressed once."""
        key = blake2b(raw, digest_size=16).digest()
        packed = self._packed.get(key)
        if packed is None:
            packed = self._packed[key] = bytes(cramjam.gzip.compress(raw, level=4))
            if len(self._packed) > MAX_PACKED:
                self._packed.popitem(last=False)
        return packed

    async def _shared_answer(
        self, query: Mapping[str, Any], sources: Mapping[str, DataSource], start: float, end: float
    ) -> bytes:
        """One query's result as JSON. Times are rounded to its step: who looks at the same moment asks the same."""
        try:
            source = _source(query, sources)
        except ApiError as error:
            return orjson.dumps(_failure(error))
        window = _window(source, query, start, end)
        key = "answer " + json.dumps([source.uid, astuple(window), query], sort_keys=True)
        return bytes(await self._once(key, lambda: self._answer(source, query, window)))

    async def _answer(self, source: DataSource, query: Mapping[str, Any], window: Window) -> bytes:
        try:
            match source.type:
                case "prometheus":
                    found = await self._prometheus(source, query, window)
                case "loki":
                    found = await self._loki(source, query, window)
                case "jaeger":
                    found = await self._jaeger(source, query, window)
                case other:
                    raise ApiError(400, f"data sources of type {other} are not queried here")
        except ApiError as error:
            return orjson.dumps(_failure(error))
        except (KeyError, ValueError, TypeError) as error:
            wrong = f"unexpected answer of the data source: {type(error).__name__} {error}"
            return orjson.dumps({"status": 500, "error": wrong, "frames": []})
        return orjson.dumps({"status": 200, "frames": found}, option=orjson.OPT_NON_STR_KEYS)

    async def _prometheus(self, source: DataSource, query: Mapping[str, Any], window: Window) -> list[frames.Frame]:
        start, end, step = window.start, window.end, window.step
        scrape = seconds(str(source.json_data.get("timeInterval") or ""), SCRAPE_SECONDS)
        expr = _interpolate(str(query.get("expr") or ""), step, scrape, window.span)
        if not expr:
            return []
        found, asked, instant = [], {**query, "expr": expr, "step": step}, bool(query.get("instant"))
        if query.get("range") or not instant:
            times = {"start": f"{start - start % step:.3f}", "end": f"{end - end % step:.3f}", "step": f"{step:g}"}
            answer = await self.fetch(source, "/api/v1/query_range", {"query": expr, **times})
            found += frames.from_prometheus(str(query.get("refId", "A")), answer, asked)
        if instant:
            answer = await self.fetch(source, "/api/v1/query", {"query": expr, "time": f"{end:.0f}"})
            found += frames.from_prometheus(str(query.get("refId", "A")), answer, asked)
        return found

    async def _loki(self, source: DataSource, query: Mapping[str, Any], window: Window) -> list[frames.Frame]:
        start, end, step = window.start, window.end, window.step
        expr = _interpolate(str(query.get("expr") or ""), step, step, window.span)
        if not expr:
            return []
        limit = str(query.get("maxLines") or source.json_data.get("maxLines") or 1000)
        if query.get("queryType") == "instant" or query.get("instant"):
            params = {"query": expr, "time": f"{int(end * 1e9)}", "limit": limit}
            answer = await self.fetch(source, "/loki/api/v1/query", params)
        else:
            params = {
                "query": expr,
                "start": f"{int(start * 1e9)}",
                "end": f"{int(end * 1e9)}",
                "step": f"{step:g}",
                "limit": limit,
                "direction": str(query.get("direction") or "backward"),
            }
            answer = await self.fetch(source, "/loki/api/v1/query_range", params)
        return frames.from_prometheus(str(query.get("refId", "A")), answer, {**query, "expr": expr, "step": step})

    async def _jaeger(self, source: DataSource, query: Mapping[str, Any], window: Window) -> list[frames.Frame]:
        ref_id = str(query.get("refId", "A"))
        text = str(query.get("query") or "").strip()
        if query.get("queryType") == "search" or not text:
            params = {
                "service": str(query.get("service") or ""),
                "operation": str(query.get("operation") or ""),
                "tags": str(query.get("tags") or ""),
                "minDuration": str(query.get("minDuration") or ""),
                "maxDuration": str(query.get("maxDuration") or ""),
                "limit": str(query.get("limit") or 20),
                "start": str(int(window.start * 1e6)),
                "end": str(int(window.end * 1e6)),
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
        return await self._once(key, lambda: self._request(source, path, params))

    async def _once(self, key: str, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """What ``make`` gives: shared while it is under way, and kept for a moment; failures are not kept."""
        kept = self._shared.get(key)
        if kept is None or (kept[1].done() and (time.monotonic() - kept[0] > KEEP_SECONDS or kept[1].exception())):
            kept = self._shared[key] = (time.monotonic(), asyncio.create_task(make()))
            kept[1].add_done_callback(partial(self._forget_later, key))
        return await asyncio.shield(kept[1])

    def _forget_later(self, key: str, task: asyncio.Task[Any]) -> None:
        """Let go of an answer, and of its memory, when nobody can be given it any more."""
        asyncio.get_running_loop().call_later(KEEP_SECONDS, self._forget, key, task)

    def _forget(self, key: str, task: asyncio.Task[Any]) -> None:
        if key in self._shared and self._shared[key][1] is task:
            del self._shared[key]

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


def _failure(error: ApiError) -> dict[str, Any]:
    return {"status": error.status, "error": str(error), "errorSource": "downstream", "frames": []}


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
