"""Starts telemetry in a process: ``telemetry = configure("pytake-api")``, at its end ``telemetry.shutdown()``."""

import os
import platform
import socket
import time
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version

from opentelemetry.sdk.resources import Resource

from pytake.telemetry import catalog, exporters, metrics, tracing
from pytake.telemetry.costs import use_rates
from pytake.telemetry.export import ExportQueue
from pytake.telemetry.logging import LogPipeline, configure_logging
from pytake.telemetry.process import ProcessMetrics, Refresher, count_series
from pytake.telemetry.redact import redact_value
from pytake.telemetry.settings import TelemetrySettings
from pytake.telemetry.shared import SharedMetrics
from pytake.telemetry.spans import Policy, Provider, RecordingSpan, Sink

_process_metrics = ProcessMetrics()


@dataclass
class Telemetry:
    """What :func:`configure` started."""

    service: str
    settings: TelemetrySettings
    logs: LogPipeline
    provider: Provider | None = None
    queues: list[ExportQueue] = field(default_factory=list)
    shared: SharedMetrics | None = None
    refresher: Refresher | None = None

    def flush(self, timeout: float = 5.0) -> bool:
        """Send waiting spans and lines; False when spans are left after ``timeout`` seconds."""
        done = [queue.flush(timeout) for queue in self.queues]
        self.logs.flush()
        return all(done)

    def shutdown(self, timeout: float = 5.0) -> None:
        """Send what waits, for at most ``timeout`` seconds, and stop; a second call does nothing."""
        tracing.set_provider(None)
        queues, self.queues = self.queues, []
        deadline = time.monotonic() + timeout
        for queue in queues:
            queue.shutdown(max(0.1, deadline - time.monotonic()))
        if self.refresher is not None:
            self.refresher.close()
            self.refresher = None
        if self.shared is not None:
            self.shared.leave()
            self.shared = None
        self.logs.close()


def package_version() -> str:
    """Return the installed version of pytake."""
    try:
        return installed_version("pytake")
    except PackageNotFoundError:
        return "0+unknown"


def configure(service_name: str, *, version: str | None = None, settings: TelemetrySettings | None = None) -> Telemetry:
    """Set up logs, traces and metrics of this process as ``service_name``; later calls replace earlier ones."""
    settings = settings or TelemetrySettings()
    version = version or package_version()
    telemetry = Telemetry(service_name, settings, configure_logging(service_name, settings))
    catalog.BUILD_INFO.set(
        1.0, version=version, revision=os.environ.get("PYTAKE_REVISION", "unknown"), python=platform.python_version()
    )
    use_rates(settings.whatsapp_rates_file)
    metrics._STATE.trace_id = tracing.current_trace_id
    if settings.metrics_dir is not None and metrics._STATE.shared is None:
        telemetry.shared = SharedMetrics(settings.metrics_dir, service_name)
        telemetry.shared.join()
    for hook in (_process_metrics, count_series):
        metrics.on_collect(hook)
    telemetry.refresher = Refresher()
    if settings.sdk_disabled:
        tracing.set_provider(None)
        return telemetry
    resource = _resource(service_name, version, settings)
    make = partial(
        ExportQueue, resource=resource, size=settings.span_queue, batch=settings.span_batch,
        delay=settings.span_delay_ms / 1000, redact=redact_attribute if settings.log_redact else None,
    )  # fmt: skip
    telemetry.queues = [make(exporter) for exporter in exporters.build(settings)]
    telemetry.provider = Provider(_policy(settings), _fan_out(telemetry.queues))
    tracing.set_provider(telemetry.provider)
    return telemetry


def redact_attribute(key: str, value: object) -> object:
    """Redact strings of spans; other attribute values are numbers and lists of names."""
    if not isinstance(value, str):
        return value
    return _redact_short(key, value) if len(value) <= 100 else redact_value(key, value)


@lru_cache(maxsize=4096)
def _redact_short(key: str, value: str) -> object:
    """Most attributes say the same in every span."""
    return redact_value(key, value)


def _fan_out(queues: list[ExportQueue]) -> Sink:
    if len(queues) == 1:
        return queues[0].put

    def put(span: RecordingSpan) -> None:
        for queue in queues:
            queue.put(span)

    return put


def _policy(settings: TelemetrySettings) -> Policy:
    name = settings.sampler
    ratio = 1.0 if name.endswith("always_on") else 0.0 if name.endswith("always_off") else settings.sampler_arg
    return Policy(
        ratio=ratio, parent_based=name.startswith("parentbased"), keep_errors=settings.keep_errors,
        slower_than=settings.keep_slower_than,
    )  # fmt: skip


def _resource(service_name: str, version: str, settings: TelemetrySettings) -> Resource:
    more = dict(pair.split("=", 1) for pair in settings.resource_attributes.split(",") if "=" in pair)
    return Resource.create(
        {
            "service.namespace": "pytake", "service.version": version,
            "deployment.environment.name": settings.environment, "host.name": socket.gethostname(),
            "process.pid": os.getpid(), **{key.strip(): value.strip() for key, value in more.items()},
            "service.name": settings.service_name or service_name,
        }
    )  # fmt: skip
