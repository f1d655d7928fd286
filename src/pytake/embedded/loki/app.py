"""The server: its parts, its routes, and the ASGI application."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pytake.embedded.loki.api.admin import Admin
from pytake.embedded.loki.api.http import Receive, Request, Response, Send, failure, text
from pytake.embedded.loki.api.push import Push
from pytake.embedded.loki.api.query import QueryApi
from pytake.embedded.loki.api.rules import RulesApi
from pytake.embedded.loki.api.tail import Tails
from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.limits import Rates
from pytake.embedded.loki.push.accept import Acceptor
from pytake.embedded.loki.query.engine import Engine
from pytake.embedded.loki.query.index import Index
from pytake.embedded.loki.query.service import QueryService
from pytake.embedded.loki.ruler.ruler import Ruler
from pytake.embedded.loki.settings import Settings
from pytake.embedded.loki.store.compact import Compactor
from pytake.embedded.loki.store.deletes import Deletes
from pytake.embedded.loki.store.store import Store
from pytake.telemetry import catalog_embedded as metrics
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
Handler = Callable[[Request, str], Awaitable[Response]]
_TENANT = re.compile(r"[A-Za-z0-9!\-_.*'()]{1,150}")
VERSION = "3.7.6"
PUSH_PATHS = ("/loki/api/v1/push", "/api/prom/push", "/otlp/v1/logs")
METHODS = frozenset(["GET", "POST", "PUT", "DELETE", "HEAD"])
TAIL_PATHS = ("/loki/api/v1/tail", "/api/prom/tail")


class Loki:
    """Everything that runs in the process; made by the application's start-up."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings)
        self.deletes = Deletes(self.store)
        self.engine = Engine(self.store, settings, self.deletes.hidden)
        self.queries = QueryService(self.engine, settings)
        self.tails = Tails()
        self.index = Index(self.store)
        self.push = Push(self.store, Acceptor(self.store, Rates(), settings.limits_of), self.tails)
        self.compactor = Compactor(self.store, self.deletes)
        self.ruler = Ruler(settings, self.queries)
        query = QueryApi(settings, self.queries, self.index, self.tails, self.store.streams)
        admin = Admin(settings, self.store, self.deletes, self.ruler, VERSION)
        rules = RulesApi(self.ruler)
        self.tail = query.tail
        self.exact: dict[str, Handler] = {
            **dict.fromkeys(PUSH_PATHS[:2], self.push.loki),
            PUSH_PATHS[2]: self.push.otlp,
            "/loki/api/v1/query": query.instant,
            "/loki/api/v1/query_range": query.range,
            "/api/prom/query": query.old_query,
            "/loki/api/v1/labels": query.labels,
            "/loki/api/v1/label": query.labels,
            "/api/prom/label": query.old_labels,
            "/loki/api/v1/series": query.series,
            "/api/prom/series": query.series,
            "/loki/api/v1/index/stats": query.index_stats,
            "/loki/api/v1/index/volume": query.volume,
            "/loki/api/v1/index/volume_range": query.volume_range,
            "/loki/api/v1/detected_fields": query.detected_fields,
            "/loki/api/v1/detected_labels": query.detected_labels,
            "/loki/api/v1/patterns": query.patterns,
            "/loki/api/v1/format_query": query.format_query,
            "/loki/api/v1/drilldown-limits": admin.drilldown_limits,
            "/loki/api/v1/delete": admin.delete,
            "/loki/api/v1/status/buildinfo": admin.buildinfo,
            "/loki/api/v1/rules": rules.groups,
            "/api/prom/rules": rules.groups,
            "/prometheus/api/v1/rules": rules.prometheus_rules,
            "/prometheus/api/v1/alerts": rules.prometheus_alerts,
        }
        self.open: dict[str, Handler] = {
            "/ready": admin.ready,
            "/metrics": admin.metrics,
            "/config": admin.config,
            "/services": admin.services,
            "/flush": admin.flush,
            "/log_level": admin.log_level,
            "/ring": admin.ring,
            "/compactor/ring": admin.ring,
            "/distributor/ring": admin.ring,
            "/ruler/ring": admin.ring,
            "/indexgateway/ring": admin.ring,
            "/memberlist": admin.ring,
            "/ingester/prepare_shutdown": admin.prepare_shutdown,
            "/ingester/shutdown": admin.shutdown,
            "/ingester/flush_shutdown": admin.shutdown,
        }
        self.patterns: list[tuple[re.Pattern[str], str, Handler]] = [
            (re.compile(r"/loki/api/v1/label/([^/]+)/values"), "loki_api_v1_label_name_values", query.label_values),
            (re.compile(r"/api/prom/label/([^/]+)/values"), "api_prom_label_name_values", query.old_labels),
            (
                re.compile(r"/loki/api/v1/detected_field/([^/]+)/values"),
                "loki_api_v1_detected_field_name_values",
                query.detected_field_values,
            ),
            (re.compile(r"/(?:loki/api/v1|api/prom)/rules/([^/]+)"), "loki_api_v1_rules_namespace", rules.namespace),
            (
                re.compile(r"/(?:loki/api/v1|api/prom)/rules/([^/]+)/([^/]+)"),
                "loki_api_v1_rules_namespace_groupname",
                rules.group,
            ),
        ]
        metrics.LOKI_BUILD.set(1, version=VERSION, goversion="python")

    def start(self) -> None:
        """Begin background work."""
        self.compactor.start()
        self.ruler.start()

    def close(self) -> None:
        """Stop in the order of dependence; rows in memory go to segments."""
        self.ruler.close()
        self.queries.close()
        self.push.close()
        self.compactor.close()
        self.store.close()
        self.engine.close()

    def route(self, path: str) -> tuple[str, Handler, tuple[str, ...], bool] | None:
        """Route name, handler, arguments of the path, and whether a tenant is needed."""
        handler = self.exact.get(path)
        if handler is not None:
            return path.strip("/").replace("/", "_").replace("-", "_"), handler, (), True
        handler = self.open.get(path)
        if handler is not None:
            return path.strip("/").replace("/", "_"), handler, (), False
        for pattern, name, handler in self.patterns:
            match = pattern.fullmatch(path)
            if match:
                return name, handler, match.groups(), True
        return None

    def tenant(self, request: Request) -> str:
        """The tenant of a request; several are joined by ``|``. Raises 401 or 400."""
        if not self.settings.auth_enabled:
            return "fake"
        value = request.header("x-scope-orgid")
        if not value:
            raise RequestError(401, "no org id")
        for part in value.split("|"):
            if not _TENANT.fullmatch(part) or part in (".", ".."):
                raise RequestError(400, f"tenant ID '{part}' contains unsupported character")
        return "|".join(sorted(set(value.split("|"))))


class Application:
    """ASGI: lifespan, HTTP and the tail WebSocket."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.loki: Loki | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Handle one connection's scope."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    self.loki = await asyncio.to_thread(Loki, self._settings)
                except Exception as error:
                    log.exception("start_failed")
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                self.loki.start()
                log.info("ready", streams=len(self.loki.store.streams), segments=self.loki.store.totals()[0])
                await send({"type": "lifespan.startup.complete"})
            else:
                if self.loki is not None:
                    await asyncio.to_thread(self.loki.close)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        assert self.loki is not None
        began = time.perf_counter()
        request = Request(scope, receive)
        found = self.loki.route(scope["path"])
        name = "unmatched" if found is None else found[0]
        metrics.LOKI_INFLIGHT.inc()
        response = Response(500)
        try:
            response = await self._answer(request, found)
            await response.send(send)
        finally:
            metrics.LOKI_INFLIGHT.dec()
            method = scope["method"] if scope["method"] in ("GET", "POST", "PUT", "DELETE", "HEAD") else "other"
            metrics.LOKI_REQUEST_SECONDS.observe(
                time.perf_counter() - began, method=method, route=name, status_code=str(response.status), ws="false"
            )

    async def _answer(self, request: Request, found: tuple[str, Handler, tuple[str, ...], bool] | None) -> Response:
        assert self.loki is not None
        path, method = request.scope["path"], request.method
        if found is None:
            if path in TAIL_PATHS:
                return text("Bad Request: tail is a WebSocket, the request does not ask to upgrade\n", 400)
            return text("404 page not found\n", 404)
        if (path in PUSH_PATHS and method != "POST") or method not in METHODS:
            return text("405 method not allowed\n", 405)
        _, handler, request.path_args, needs_tenant = found
        try:
            tenant = self.loki.tenant(request) if needs_tenant else ""
            return await handler(request, tenant)
        except RequestError as error:
            return failure(error)
        except Exception as error:
            log.exception("request_failed", path=request.scope["path"])
            return text(f"{type(error).__name__}: {error}\n", 500)

    async def _websocket(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        assert self.loki is not None
        await receive()
        request = Request({**scope, "method": "GET"}, receive)
        try:
            if scope["path"] not in TAIL_PATHS:
                raise RequestError(404, "404 page not found")
            await self.loki.tail(request, self.loki.tenant(request), send)
        except RequestError as error:
            body = (error.text + "\n").encode()
            if "websocket.http.response" in scope.get("extensions", {}):
                headers = [(b"content-type", b"text/plain; charset=utf-8")]
                await send({"type": "websocket.http.response.start", "status": error.status, "headers": headers})
                await send({"type": "websocket.http.response.body", "body": body})
            else:
                await send({"type": "websocket.close", "code": 1008, "reason": error.text[:100]})
