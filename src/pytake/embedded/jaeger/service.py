"""What the query APIs answer from: the store, the archive, the clock limits. Everything here runs in a thread."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pytake.embedded.jaeger import links, metricsquery, uijson
from pytake.embedded.jaeger.archive import Archive
from pytake.embedded.jaeger.metricsquery import MetricsQuery
from pytake.embedded.jaeger.proto import ExportTraceServiceRequest
from pytake.embedded.jaeger.receive import Accepted, Receiver
from pytake.embedded.jaeger.search import KINDS, Query, StoredSpan, find_trace_ids, read_traces
from pytake.embedded.jaeger.store import Store
from pytake.telemetry import catalog_embedded as metrics


class NotFoundError(LookupError):
    """No such trace."""


class NotConfiguredError(RuntimeError):
    """The configuration file does not switch this on (HTTP 501)."""


@contextmanager
def _measured(operation: str) -> Iterator[None]:
    began, result = time.perf_counter(), "err"
    try:
        yield
        result = "ok"
    except NotFoundError:
        result = "ok"
        raise
    finally:
        seconds = time.perf_counter() - began
        metrics.JAEGER_STORAGE_REQUESTS.labels(kind="badger", operation=operation, result=result).inc()
        metrics.JAEGER_STORAGE_SECONDS.labels(kind="badger", operation=operation, result=result).observe(seconds)


class QueryService:
    """Reads traces."""

    def __init__(
        self, store: Store, archive: Archive | None = None, *, max_skew_seconds: float = 0.0,
        importer: Receiver | None = None,
    ) -> None:  # fmt: skip
        self._store, self._archive, self._importer = store, archive, importer
        self._skew_ns = int(max_skew_seconds * 1e9)

    def services(self) -> list[str]:
        """Names of services, sorted."""
        with _measured("get_services"):
            self._store.settle()
            return sorted({service for service, _, _ in self._store.operations()})

    def operations(self, service: str, kind: str = "") -> list[tuple[str, str]]:
        """``(operation, span kind)`` of a service, sorted."""
        with _measured("get_operations"):
            self._store.settle()
            found = {(name, KINDS[number]) for own, name, number in self._store.operations() if own == service}
            return sorted(item for item in found if not kind or item[1] == kind)

    def find(self, query: Query) -> list[list[StoredSpan]]:
        """The newest traces that match, newest first."""
        with _measured("find_traces"):
            self._store.settle()
            return read_traces(self._store, find_trace_ids(self._store, query))

    def trace(self, trace_id: bytes, start_us: int = 0, end_us: int = 0) -> list[StoredSpan]:
        """A trace, from the archive when it is not stored any more. Raises :class:`NotFoundError`.

        ``start_us`` and ``end_us`` (0: open) leave out spans that began outside of them.
        """
        with _measured("get_trace"):
            self._store.settle()
            spans = read_traces(self._store, [trace_id])[0]
            if not spans and self._archive is not None:
                spans = self._archive.get(trace_id)
            if start_us or end_us:
                last = (end_us or 2**62) * 1000
                spans = [item for item in spans if start_us * 1000 <= item.span.start_time_unix_nano <= last]
            if not spans:
                raise NotFoundError("trace not found")
            return spans

    def json(self, spans: list[StoredSpan], *, raw: bool = False) -> dict[str, Any]:
        """A trace in Jaeger's JSON."""
        return uijson.trace_json(spans, raw=raw or not self._skew_ns, max_skew_ns=self._skew_ns)

    def otlp(self, traces: list[list[StoredSpan]], *, raw: bool = False) -> ExportTraceServiceRequest:
        """Traces as OTLP."""
        return uijson.otlp(traces, adjust=not raw and bool(self._skew_ns))

    def archive(self, trace_id: bytes) -> None:
        """Keep a trace beyond the retention. Raises :class:`NotFoundError`, :class:`NotConfiguredError`."""
        if self._archive is None:
            raise NotConfiguredError("archive storage was not configured (jaeger_query.storage.traces_archive)")
        self._archive.put(trace_id, self.trace(trace_id))

    def dependencies(self, end_us: int, lookback_us: int) -> list[links.Link]:
        """Calls between services."""
        with _measured("get_dependencies"):
            self._store.settle()
            return links.dependencies(self._store, end_us - lookback_us, end_us)

    def metrics(self, kind: str, query: MetricsQuery, quantile: float = 0.95) -> dict[str, Any]:
        """``latencies``, ``calls`` or ``errors`` as a metric family."""
        grouped = "service & operation" if query.by_operation else "service"
        name = "service_operation" if query.by_operation else "service"
        compute: dict[str, tuple[str, str, Callable[[], dict[tuple[str, ...], Any]]]] = {
            "latencies": ("latencies", f"{quantile:.2f}th quantile latency, grouped by {grouped}",
                          lambda: metricsquery.latencies(self._store, query, quantile)),
            "calls": ("call_rate", f"calls/sec, grouped by {grouped}",
                      lambda: metricsquery.call_rates(self._store, query)),
            "errors": ("error_rate", f"error rate, as a fraction of errors/sec over calls/sec, grouped by {grouped}",
                       lambda: metricsquery.error_rates(self._store, query)),
        }  # fmt: skip
        suffix, help, run = compute[kind]
        with _measured(f"get_{suffix}"):
            self._store.settle()
            return metricsquery.family(f"{name}_{suffix}", help, run(), query)

    def load(self, request: ExportTraceServiceRequest) -> Accepted:
        """Store imported spans."""
        if self._importer is None:
            raise NotConfiguredError("import is switched off")
        return self._importer.store(request.SerializeToString())
