"""``pytake-jaeger --config FILE``: every server of the configuration in one process.

Exit codes: 0 stopped as asked, 1 a port or directory cannot be used, 2 a wrong flag or configuration.
"""

import argparse
import asyncio
import gc
import json
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import uvicorn
import uvloop
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pytake.embedded.common.config import ConfigError, parse_size
from pytake.embedded.common.serving import PortTakenError, bind
from pytake.embedded.jaeger import api, receive_grpc
from pytake.embedded.jaeger.archive import Archive
from pytake.embedded.jaeger.arrow import pa
from pytake.embedded.jaeger.columns import Columns
from pytake.embedded.jaeger.config import Config, Endpoint, load
from pytake.embedded.jaeger.generation import StoreOptions
from pytake.embedded.jaeger.receive import Receiver
from pytake.embedded.jaeger.receive_http import HttpReceiver, ThriftReceiver, ZipkinReceiver
from pytake.embedded.jaeger.service import QueryService
from pytake.embedded.jaeger.settings import JaegerSettings
from pytake.embedded.jaeger.spanmetrics import SpanMetrics
from pytake.embedded.jaeger.store import Store
from pytake.embedded.jaeger.strategies import Strategies
from pytake.embedded.jaeger.thrift_worker import ThriftConverter
from pytake.telemetry import catalog_embedded as metrics
from pytake.telemetry.logging import get_logger
from pytake.telemetry.metrics import on_collect

log = get_logger("pytake.jaeger")


class Server:
    """Everything that runs; :meth:`run` returns when it is told to stop."""

    def __init__(self, config: Config, options: StoreOptions) -> None:
        self.config = config
        self.span_metrics = SpanMetrics(config.span_metrics) if config.span_metrics else None
        self.store = Store(config.directory, options, sampler=config.tail_sampler, on_spans=self._on_spans)
        archive = Archive(config.archive) if config.archive else None
        self.query = QueryService(
            self.store, archive, max_skew_seconds=config.max_clock_skew_seconds,
            importer=Receiver(self.store, "import", "http"),
        )  # fmt: skip
        self.strategies = Strategies(config.strategies)
        self.converter = ThriftConverter()
        self.ports: dict[str, int] = {}
        self._started = time.time()
        self._ready = False
        self._sent = metrics.JAEGER_SENT_SPANS.labels(exporter="jaeger_storage_exporter")
        on_collect(self._collect)

    def _on_spans(self, columns: Columns) -> None:
        self._sent.inc(len(columns))
        if self.span_metrics is not None:
            self.span_metrics.observe(columns)

    def _collect(self) -> None:
        """Gauges that are read, not counted."""
        figures = self.store.figures()
        metrics.JAEGER_SEGMENTS.set(figures["segments"])
        metrics.JAEGER_SEGMENT_BYTES.set(figures["segment_bytes"])
        metrics.JAEGER_SEGMENT_SPANS.set(figures["segment_spans"])
        metrics.JAEGER_HOT_SPANS.set(figures["hot_spans"])
        metrics.JAEGER_LOG_BYTES.set(figures["log_bytes"])
        metrics.JAEGER_PENDING_BYTES.set(figures["pending_bytes"])
        metrics.JAEGER_MEMORY.set(psutil.Process().memory_info().rss)
        metrics.JAEGER_UPTIME.set(time.time() - self._started)
        kept, dropped = self.store.tail_decisions()
        metrics.JAEGER_SAMPLED_SPANS.inc(kept, sampled="true")
        metrics.JAEGER_SAMPLED_SPANS.inc(dropped, sampled="false")

    def ready(self) -> bool:
        """Whether what was in the log at the start can be searched."""
        return self._ready

    def _applications(self) -> list[tuple[str, Endpoint, Any]]:
        config, store = self.config, self.store

        async def health(_request: Request) -> Response:
            return JSONResponse(
                {"status": "StatusOK" if self._ready else "StatusStarting"}, 200 if self._ready else 503
            )

        internal, spans = (
            api.metrics_page(internal=True, spans=None),
            api.metrics_page(internal=False, spans=self.span_metrics),
        )
        found: list[tuple[str, Endpoint | None, Any]] = [
            ("query", config.query, api.application(self.query, self.span_metrics, self.ready, config.base_path)),
            ("otlp_http", config.otlp_http, _otlp(store, config.otlp_http)),
            ("thrift_http", config.thrift_http, self._thrift()),
            ("zipkin", config.zipkin, _zipkin(store, config.zipkin)),
            ("sampling", config.sampling, self.strategies),
            ("health", config.health, api.small_application({"/status": health, "/": health})),
            ("metrics", config.metrics, api.small_application({"/metrics": internal})),
            ("span_metrics", config.span_metrics_page, api.small_application({"/metrics": spans})),
        ]
        return [(name, endpoint, app) for name, endpoint, app in found if endpoint is not None]

    def _thrift(self) -> Any:
        endpoint = self.config.thrift_http
        limit = endpoint.max_bytes if endpoint else 0
        return ThriftReceiver(Receiver(self.store, "jaeger", "http"), limit, self.converter, self.strategies)

    async def run(self, stop: asyncio.Event, started: asyncio.Event | None = None) -> None:
        """Serve until ``stop`` is set. Raises :class:`PortTakenError`, ``OSError``."""
        with ExitStack() as cleanup:
            sockets = []
            for name, endpoint, app in self._applications():
                sock = bind(endpoint.host, endpoint.port)
                cleanup.callback(sock.close)
                sockets.append((name, sock, app))
                self.ports[name] = sock.getsockname()[1]
            self.store.start()
            cleanup.callback(self.store.close)
            if self.config.otlp_grpc is not None:
                receiver = Receiver(self.store, "otlp", "grpc")
                rpc, self.ports["otlp_grpc"] = receive_grpc.start(receiver, self.config.otlp_grpc)
                cleanup.callback(lambda: rpc.stop(5).wait())
            servers = [_uvicorn(app) for _, _, app in sockets]
            tasks = [
                asyncio.create_task(server._serve([sock]), name=name)
                for server, (name, sock, _) in zip(servers, sockets, strict=True)
            ]
            await asyncio.to_thread(self.store.settle, 60)
            while not all(server.started for server in servers) and not stop.is_set():  # noqa: ASYNC110 (uvicorn has a flag)
                await asyncio.sleep(0.01)
            self._ready = True
            log.info("jaeger_started", ports=self.ports, directory=str(self.config.directory), **self.store.figures())
            if started is not None:
                started.set()
            await stop.wait()
            for server in servers:
                server.should_exit = True
            await asyncio.gather(*tasks)
            await self.converter.close()
            log.info("jaeger_stopped")


def _otlp(store: Store, endpoint: Endpoint | None) -> Any:
    return HttpReceiver(Receiver(store, "otlp", "http"), endpoint.max_bytes if endpoint else 0)


def _zipkin(store: Store, endpoint: Endpoint | None) -> Any:
    return ZipkinReceiver(Receiver(store, "zipkin", "http"), endpoint.max_bytes if endpoint else 0)


def _uvicorn(app: Any) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False, server_header=False,
            timeout_graceful_shutdown=10, timeout_keep_alive=75, backlog=2048,
        )
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytake-jaeger",
        description="Jaeger v2's APIs on an embedded trace store.",
        epilog="Environment: PYTAKE_PORT_OFFSET, PYTAKE_JAEGER_{UI,OTLP_GRPC,OTLP_HTTP,THRIFT_HTTP,ZIPKIN,SAMPLING,"
        "HEALTH,METRICS,SPAN_METRICS}_PORT, PYTAKE_JAEGER_MAX_DISK (10GB), and what the configuration names. "
        "Exit codes: 0 stopped, 1 a port or directory cannot be used, 2 a wrong flag or configuration.",
    )
    parser.add_argument("--config", required=True, type=Path, help="Jaeger v2's configuration file (YAML)")
    parser.add_argument("--check", action="store_true", help="check the configuration and say what it switches on")
    parser.add_argument("--json", action="store_true", help="with --check: as JSON")
    return parser


def _describe(config: Config) -> dict[str, Any]:
    names = (
        "query", "otlp_grpc", "otlp_http", "thrift_http", "zipkin", "sampling", "health", "metrics",
        "span_metrics_page",
    )  # fmt: skip
    found = {name: getattr(config, name) for name in names}
    return {
        "listen": {name: f"{point.host}:{point.port}" for name, point in found.items() if point is not None},
        "directory": str(config.directory), "archive": str(config.archive) if config.archive else None,
        "retention_seconds": config.retention_seconds, "tail_sampling": config.tail_sampler is not None,
        "span_metrics": config.span_metrics is not None,
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Command line; see ``--help``."""
    arguments = _parser().parse_args(argv)
    with ExitStack() as cleanup:
        try:
            config = load(arguments.config)
            options = StoreOptions(
                retention_seconds=config.retention_seconds,
                retention_bytes=parse_size(JaegerSettings().max_disk),
            )
            if config.ephemeral:
                directory = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="pytake-jaeger-"))
                config = replace(config, directory=Path(directory))
            if arguments.check:
                found = _describe(config)
                print(
                    json.dumps(found)
                    if arguments.json
                    else "\n".join(f"{key}: {value}" for key, value in found.items())
                )
                return
            server = Server(config, options)
        except ConfigError as error:
            print(f"pytake-jaeger: {error}", file=sys.stderr)
            raise SystemExit(2) from None
        _logging()
        gc.set_threshold(50_000, 20, 20)
        pa.set_memory_pool(pa.system_memory_pool())  # gives back what a burst took
        try:
            uvloop.run(_serve(server))
        except (PortTakenError, OSError) as error:
            print(f"pytake-jaeger: {error}", file=sys.stderr)
            raise SystemExit(1) from None


def _logging() -> None:
    """Log lines of this process as all of ours write them."""
    from pytake.telemetry.settings import TelemetrySettings  # noqa: PLC0415 (only the running server needs them)
    from pytake.telemetry.setup import configure  # noqa: PLC0415 (as above)

    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    configure("pytake-jaeger", settings=TelemetrySettings().model_copy(update={"sdk_disabled": True}))


async def _serve(server: Server) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.run(stop)


if __name__ == "__main__":
    main()
