"""Hands finished spans to exporters: a bounded queue and a thread each, so that a collector never slows a request."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from pytake.telemetry import catalog
from pytake.telemetry.labels import DropReason
from pytake.telemetry.spans import RecordingSpan, Redact

log = logging.getLogger(__name__)


class ExportQueue:
    """Spans on their way to one exporter. Full: the newest are dropped and counted."""

    def __init__(
        self, exporter: SpanExporter, resource: Resource, *, size: int = 2048, batch: int = 512, delay: float = 1.0,
        redact: Redact | None = None,
    ) -> None:  # fmt: skip
        """Start the thread; ``redact`` is given every attribute before it leaves the process."""
        self.exporter, self._resource, self._size, self._batch, self._delay = exporter, resource, size, batch, delay
        self._redact = redact
        self._spans: deque[RecordingSpan] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._exporting = False
        self._thread = threading.Thread(target=self._run, name=f"spans-{type(exporter).__name__}", daemon=True)
        self._thread.start()

    def put(self, span: RecordingSpan) -> None:
        """Queue a span; never blocks."""
        if self._stopping:
            catalog.SPANS_DROPPED.inc(reason=DropReason.SHUTDOWN)
        elif len(self._spans) >= self._size:
            catalog.SPANS_DROPPED.inc(reason=DropReason.QUEUE_FULL)
        else:
            self._spans.append(span)
            if len(self._spans) >= self._batch:
                self._wake.set()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._delay)
            self._wake.clear()
            self._drain()

    def _drain(self) -> None:
        while self._spans and not self._stopping:
            self._export_batch()

    def _export_batch(self) -> None:
        self._exporting = True  # before the queue is empty, so that flush() does not take it for done
        try:
            self._export(self._take())
        finally:
            self._exporting = False

    def _take(self) -> list[RecordingSpan]:
        return [self._spans.popleft() for _ in range(min(self._batch, len(self._spans)))]

    def _export(self, batch: list[RecordingSpan]) -> None:
        try:
            readable: Sequence[ReadableSpan] = [span.readable(self._resource, self._redact) for span in batch]
            taken = self.exporter.export(readable) is SpanExportResult.SUCCESS
        except Exception:
            log.warning("span export failed", exc_info=True)
            taken = False
        if taken:
            catalog.SPANS_EXPORTED.inc(len(batch))
        else:
            catalog.SPANS_DROPPED.inc(len(batch), reason=DropReason.EXPORT_FAILED)

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until every span was exported; False when that took longer than ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while (self._spans or self._exporting) and time.monotonic() < deadline:
            self._wake.set()
            time.sleep(0.005)
        return not self._spans and not self._exporting

    def shutdown(self, timeout: float = 5.0) -> None:
        """Export what waits, for at most ``timeout`` seconds; the rest is counted as dropped."""
        self.flush(timeout)
        self._stopping = True
        self._wake.set()
        self._shut(self.exporter.shutdown)
        self._thread.join(timeout)
        if self._spans:
            catalog.SPANS_DROPPED.inc(len(self._spans), reason=DropReason.SHUTDOWN)

    @staticmethod
    def _shut(shutdown: Callable[[], Any]) -> None:
        try:
            shutdown()
        except Exception:
            log.warning("span exporter did not shut down", exc_info=True)
