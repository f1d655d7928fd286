"""Endpoints of the server itself: readiness, metrics, configuration, flush, deletes."""

import asyncio
import os
import signal
import time
from dataclasses import asdict
from typing import Any

import orjson
import yaml

from pytake.embedded.loki.api.http import Request, Response, text
from pytake.embedded.loki.api.params import one, parse_time
from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.ruler.ruler import Ruler
from pytake.embedded.loki.settings import Limits, Settings
from pytake.embedded.loki.store.deletes import Deletes
from pytake.embedded.loki.store.store import Store
from pytake.telemetry import catalog_embedded as catalog
from pytake.telemetry.metrics import render

SERVICES = (
    "server", "distributor", "ingester", "querier", "query-frontend", "store", "compactor", "ruler",
)  # fmt: skip


def _plain(limits: Limits) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(limits).items()}


class Admin:
    """What an operator and Prometheus ask."""

    def __init__(self, settings: Settings, store: Store, deletes: Deletes, ruler: Ruler, version: str) -> None:
        self._settings, self._store, self._deletes, self._ruler = settings, store, deletes, ruler
        self._version = version
        self._prepared = False

    async def ready(self, request: Request, tenant: str) -> Response:
        """``/ready``: 503 while rows cannot be written."""
        if self._store.flush_error is not None:
            return text(f"Ingester not ready: {self._store.flush_error}\n", 503)
        return text("ready\n")

    async def metrics(self, request: Request, tenant: str) -> Response:
        """``/metrics``."""
        segments, size, rows = self._store.totals()
        catalog.LOKI_SEGMENTS.set(segments)
        catalog.LOKI_SEGMENT_BYTES.set(size)
        catalog.LOKI_MEMORY_ROWS.set(rows)
        for name in self._store.streams.tenants()[:100]:
            catalog.LOKI_MEMORY_STREAMS.set(self._store.streams.count(name), tenant=name)
        openmetrics = "application/openmetrics-text" in request.header("accept")
        kind = (
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
            if openmetrics
            else "text/plain; version=0.0.4; charset=utf-8"
        )
        return Response(200, await asyncio.to_thread(render, openmetrics), kind)

    async def config(self, request: Request, tenant: str) -> Response:
        """``/config``: the configuration as it was read; ``mode=defaults`` the defaults of what it steers."""
        mode = one(await request.params(), "mode")
        if mode == "defaults":
            return text(yaml.safe_dump({"limits_config": _plain(Limits())}, sort_keys=False))
        if mode == "diffs":
            given, usual = _plain(self._settings.limits), _plain(Limits())
            changed = {name: value for name, value in given.items() if value != usual[name]}
            return text(yaml.safe_dump({"limits_config": changed}, sort_keys=False))
        if mode:
            raise RequestError(400, f"unknown mode {mode!r}: defaults, diffs or none")
        return text(self._settings.raw)

    async def services(self, request: Request, tenant: str) -> Response:
        """``/services``."""
        return text("".join(f"{name} => Running\n" for name in SERVICES))

    async def ring(self, request: Request, tenant: str) -> Response:
        """Rings: there is one member, this process."""
        return text("single process: one member, ACTIVE\n")

    async def flush(self, request: Request, tenant: str) -> Response:
        """``/flush``: rows in memory become segments."""
        if request.method != "POST":
            return text("405 method not allowed\n", 405)
        if not await asyncio.to_thread(self._store.flush):
            raise RequestError(500, f"not flushed: {self._store.flush_error or 'still being written'}")
        return Response(204)

    async def prepare_shutdown(self, request: Request, tenant: str) -> Response:
        """``/ingester/prepare_shutdown``: noted and shown; a stop always writes what is in memory."""
        if request.method in ("POST", "DELETE"):
            self._prepared = request.method == "POST"
            return Response(204)
        return text("set\n" if self._prepared else "unset\n")

    async def shutdown(self, request: Request, tenant: str) -> Response:
        """``/ingester/shutdown``: write what is in memory, then end the process unless ``terminate=false``."""
        params = await request.params()
        if one(params, "flush", "true").lower() != "false" and not await asyncio.to_thread(self._store.flush):
            raise RequestError(500, f"not flushed: {self._store.flush_error or 'still being written'}")
        if one(params, "terminate", "true").lower() != "false":
            asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGTERM)
        return Response(204)

    async def log_level(self, request: Request, tenant: str) -> Response:
        """``/log_level``: shows the level; it is set at the start."""
        if request.method != "GET":
            raise RequestError(400, "the log level is set at the start: -log.level or server.log_level")
        return Response(body=orjson.dumps({"message": f"Current log level is {self._settings.log_level}"}))

    async def buildinfo(self, request: Request, tenant: str) -> Response:
        """``/loki/api/v1/status/buildinfo``."""
        info = {
            "version": self._version, "revision": "pytake", "branch": "embedded", "buildUser": "", "buildDate": "",
            "goVersion": "",
        }  # fmt: skip
        return Response(body=orjson.dumps(info))

    async def drilldown_limits(self, request: Request, tenant: str) -> Response:
        """What Grafana's log pages ask before they query."""
        limits = self._settings.limits_of(tenant)
        body = {
            "limits": {
                "discover_log_levels": limits.discover_log_levels,
                "discover_service_name": list(limits.discover_service_name),
                "max_entries_limit_per_query": limits.max_entries_limit_per_query,
                "max_query_series": limits.max_query_series,
                "query_timeout": f"{limits.query_timeout:g}s",
                "volume_enabled": limits.volume_enabled,
                "volume_max_series": limits.volume_max_series,
            },
            "pattern_ingester_enabled": True,
            "version": self._version,
        }
        return Response(body=orjson.dumps(body))

    async def delete(self, request: Request, tenant: str) -> Response:
        """``/loki/api/v1/delete``: POST or PUT records, GET lists, DELETE cancels."""
        limits = self._settings.limits_of(tenant)
        if not self._settings.retention_enabled or limits.deletion_mode == "disabled":
            raise RequestError(403, "deletion is not available for this tenant")
        params = await request.params()
        if request.method == "GET":
            return Response(body=orjson.dumps(self._deletes.listing(tenant)))
        if request.method == "DELETE":
            if not one(params, "request_id"):
                raise RequestError(400, "request_id not set")
            force = one(params, "force").lower() == "true"
            self._deletes.cancel(tenant, one(params, "request_id"), force=force)
            return Response(204)
        if not one(params, "query"):
            raise RequestError(400, "query not set")
        if not one(params, "start"):
            raise RequestError(400, "start time not set")
        end = parse_time(one(params, "end")) if one(params, "end") else time.time_ns()
        self._deletes.add(tenant, one(params, "query"), parse_time(one(params, "start")), end)
        return Response(204)
