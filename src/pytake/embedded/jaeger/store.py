"""The trace store: a write-ahead log, spans in memory, segments on disk.

A request is appended to the log of the current *generation* (several requests share one disk sync) and acknowledged;
an indexing thread turns it into columns; when the generation is full, or old, a third thread writes it as a segment and
deletes its log. A restart reads the logs that have no segment yet. Segments are deleted by age and by total size.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

import numpy as np

from pytake.embedded.jaeger import segment, wal
from pytake.embedded.jaeger.columns import Columns, Decoded, concat
from pytake.embedded.jaeger.generation import (
    Generation,
    Indexing,
    OverloadedError,
    Part,
    Request,
    StoreClosedError,
    StoreOptions,
    columns_of,
    hold,
)  # fmt: skip
from pytake.embedded.jaeger.index import HotPart, arrange
from pytake.embedded.jaeger.leftout import Cells, LeftOut, count
from pytake.embedded.jaeger.segment import Segment, SegmentCache
from pytake.embedded.jaeger.tail_sampling import TailSampler
from pytake.telemetry.logging import get_logger

log = get_logger("pytake.jaeger")
CHUNK_SPANS = 16384
MERGE_SPANS = 16384


class Store:
    """Spans on disk under one directory. Threads run between :meth:`start` and :meth:`close`."""

    def __init__(
        self, directory: Path, options: StoreOptions | None = None, *, sampler: TailSampler | None = None,
        on_spans: Callable[[Columns], None] | None = None, clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.directory = directory
        self.options = options or StoreOptions()
        self._sampler, self._on_spans, self._clock = sampler, on_spans, clock
        self._lock = threading.RLock()
        self._incoming_ready = threading.Condition(self._lock)
        self._index_wanted = threading.Condition(self._lock)
        self._indexed = threading.Condition(self._lock)
        self._flush_wanted = threading.Condition(self._lock)
        self._incoming: deque[Request] = deque()
        self._to_index: deque[Indexing] = deque()
        self._pending_bytes = 0
        self._pending_spans = 0
        self._waiters = 0
        self._accepted = self._searchable = 0
        self._generations: list[Generation] = []
        self._segments: list[Segment] = []
        self._operations: Counter[tuple[str, str, int]] = Counter()
        self._cache = SegmentCache(self.options.cache_bytes)
        self.left_out = LeftOut(directory / "left-out")
        self._closing = False
        self._threads: list[threading.Thread] = []
        self._kept = self._dropped = 0
        self._held: TextIOWrapper | None = None

    # --- life --------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Read back what is on disk and begin to take spans. Raises ``OSError`` when the directory is not usable."""
        segments = self.directory / "segments"
        segments.mkdir(parents=True, exist_ok=True)
        self._held = hold(self.directory)
        self.left_out.open()
        for found in segment.open_all(segments, self._cache):
            self._add_segment(found)
        written = {found.number for found in self._segments}
        logs = self.directory / "wal"
        logs.mkdir(exist_ok=True)
        for number in wal.numbers(logs):
            path = logs / f"{number:012d}.wal"
            if number in written:
                path.unlink()
            else:
                self._recover(path)
        if self._generations:
            self._generations[-1].closed_at = None
        else:
            self._open_generation()
        for target in (self._run_log, self._run_index, self._run_flush):
            thread = threading.Thread(target=target, name=f"jaeger-store-{target.__name__[5:]}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _recover(self, path: Path) -> None:
        bodies = list(wal.read(path))
        generation = Generation(wal.WriteAheadLog(path.parent, int(path.stem)), time.monotonic(), closed_at=0.0)
        self._generations.append(generation)
        for body, spans in bodies:
            self._hand_over(Indexing(generation, body, spans, None))

    def close(self) -> None:
        """Finish what was acknowledged; the spans in memory stay in the log and are read back at the next start."""
        with self._lock:
            self._closing = True
            for condition in (self._incoming_ready, self._index_wanted, self._flush_wanted):
                condition.notify_all()
        for thread in self._threads:
            thread.join(timeout=30)
        for generation in self._generations:
            generation.log.close()
        if self._held is not None:
            self._held.close()

    def _open_generation(self) -> Generation:
        last = max([g.number for g in self._generations] + [s.number for s in self._segments], default=0)
        generation = Generation(wal.WriteAheadLog(self.directory / "wal", last + 1), time.monotonic())
        self._generations.append(generation)
        return generation

    # --- writing -----------------------------------------------------------------------------------------------------
    def submit(
        self, body: bytes, spans: int, done: Callable[[Exception | None], None], decoded: Decoded | None = None
    ) -> None:
        """Queue a checked OTLP request; ``done`` is called from another thread when it is on disk (or failed).

        Raises :class:`OverloadedError` when too much is waiting already, :class:`StoreClosedError` while stopping.
        """
        with self._lock:
            if self._closing:
                raise StoreClosedError
            waiting = sum(1 for generation in self._generations if generation.closed_at is not None)
            if self._pending_bytes > self.options.pending_bytes or waiting > self.options.waiting_generations:
                raise OverloadedError
            self._pending_bytes += len(body)
            self._incoming.append(Request(body, spans, decoded, done))
            self._incoming_ready.notify()

    def append(self, body: bytes, spans: int, decoded: Decoded | None = None, *, timeout: float = 30.0) -> None:
        """:meth:`submit` and wait until it is on disk."""
        finished, failures = threading.Event(), []

        def done(error: Exception | None) -> None:
            failures.append(error)
            finished.set()

        self.submit(body, spans, done, decoded)
        if not finished.wait(timeout):
            raise TimeoutError(f"not on disk after {timeout:g} s")
        if failures[0] is not None:
            raise failures[0]

    def _run_log(self) -> None:
        while True:
            with self._lock:
                while not self._incoming and not self._closing:
                    self._incoming_ready.wait()
                if not self._incoming:
                    return
                requests = list(self._incoming)
                self._incoming.clear()
                generation = self._generations[-1]
                generation.unindexed += len(requests)
            try:
                generation.log.append([(request.body, request.spans) for request in requests])
            except OSError as error:
                log.error("trace_log_write_failed", path=str(generation.log.path), error=str(error))
                with self._lock:
                    self._pending_bytes -= sum(len(request.body) for request in requests)
                    generation.unindexed -= len(requests)
                for request in requests:
                    request.done(error)
                continue
            with self._lock:
                for request in requests:
                    self._hand_over(Indexing(generation, request.body, request.spans, request.decoded), queued=True)
                self._accepted += len(requests)
                if self._full(generation):
                    self._rotate(generation)
                if self._pending_spans >= CHUNK_SPANS:
                    self._index_wanted.notify()
            for request in requests:
                request.done(None)

    def _hand_over(self, item: Indexing, *, queued: bool = False) -> None:
        self._to_index.append(item)
        self._pending_spans += item.spans
        self._pending_bytes += 0 if queued else len(item.body)
        item.generation.spans += item.spans
        if not queued:
            item.generation.unindexed += 1
            self._accepted += 1

    def _full(self, generation: Generation) -> bool:
        options = self.options
        old = generation.spans and time.monotonic() - generation.opened > options.segment_seconds
        return bool(generation.spans >= options.segment_spans or generation.log.size >= options.segment_bytes or old)

    def _rotate(self, generation: Generation) -> None:
        generation.closed_at = time.monotonic()
        self._open_generation()
        self._flush_wanted.notify()
        self._index_wanted.notify()

    # --- indexing ----------------------------------------------------------------------------------------------------
    def _run_index(self) -> None:
        while True:
            with self._lock:
                if self._pending_spans < CHUNK_SPANS and not self._waiters and not self._closing:
                    self._index_wanted.wait(self.options.index_seconds)
                if self._closing:
                    return
                current = self._generations[-1]
                if self._full(current) and current.closed_at is None:
                    self._rotate(current)
                chunk = self._next_chunk()
            if chunk:
                generation = chunk[0].generation
                self._index(generation, chunk)
                with self._lock:
                    self._searchable += len(chunk)
                    generation.unindexed -= len(chunk)
                    self._pending_bytes -= sum(len(item.body) for item in chunk)
                    self._pending_spans -= sum(item.spans for item in chunk)
                    self._indexed.notify_all()
                    if generation.closed_at is not None:
                        self._flush_wanted.notify()

    def _next_chunk(self) -> list[Indexing]:
        chunk: list[Indexing] = []
        spans = 0
        while self._to_index and spans < CHUNK_SPANS:
            if chunk and self._to_index[0].generation is not chunk[0].generation:
                break
            chunk.append(self._to_index.popleft())
            spans += chunk[-1].spans
        return chunk

    def _index(self, generation: Generation, chunk: list[Indexing]) -> None:
        columns = columns_of([item.body for item in chunk], [item.decoded for item in chunk])
        if columns is None or len(columns) == 0:
            return
        if self._on_spans is not None:
            try:
                self._on_spans(columns)
            except Exception as error:  # counting must not stop the store
                log.error("span_metrics_failed", error=repr(error))
        parts = list(generation.parts)
        while parts and len(parts[-1]) < 2 * len(columns) and len(parts[-1]) + len(columns) <= MERGE_SPANS:
            columns = concat([parts.pop().columns, columns])
        part = HotPart(columns)
        with self._lock:
            generation.parts = [*parts, part]

    def settle(self, timeout: float = 0.5) -> None:
        """Wait until everything acknowledged before this call can be found, at most ``timeout`` seconds."""
        with self._lock:
            target, deadline = self._accepted, time.monotonic() + timeout
            self._waiters += 1
            self._index_wanted.notify()
            while self._searchable < target and (left := deadline - time.monotonic()) > 0:
                self._indexed.wait(left)
            self._waiters -= 1

    # --- segments ----------------------------------------------------------------------------------------------------
    def _run_flush(self) -> None:
        last_retention = 0.0
        for found in self.segments()[::-1]:
            if self._closing:
                return
            with suppress(FileNotFoundError):
                found.traces()  # the first look-up by trace id finds them in memory
        while True:
            with self._lock:
                generation = self._next_to_flush()
                if generation is None and not self._closing:
                    self._flush_wanted.wait(1.0)
                    generation = self._next_to_flush()
                if self._closing:
                    return
            if generation is not None:
                try:
                    self._flush(generation)
                except Exception as error:  # of disk, Arrow or memory: the log keeps the spans; try again
                    log.error("trace_segment_write_failed", generation=generation.number, error=repr(error))
                    time.sleep(1.0)
            if time.monotonic() - last_retention > 30 or generation is not None:
                last_retention = time.monotonic()
                self.enforce_retention()

    def _next_to_flush(self) -> Generation | None:
        closed = [generation for generation in self._generations if generation.closed_at is not None]
        if not closed or closed[0].unindexed:
            return None
        wait = self._sampler.decision_wait if self._sampler is not None else 0.0
        pressed = len(closed) >= self.options.waiting_generations
        waited = time.monotonic() - (closed[0].closed_at or 0.0) >= wait
        return closed[0] if waited or pressed else None

    def _flush(self, generation: Generation) -> None:
        with self._lock:
            at = self._generations.index(generation)
            newer = [part.columns for later in self._generations[at + 1 :] for part in later.parts]
        written: Segment | None = None
        dropped: Cells | None = None
        if generation.parts:
            columns = concat([part.columns for part in generation.parts])
            if self._sampler is not None:
                kept = self._sampler.keep(columns, newer)
                with self._lock:
                    self._kept += int(kept.sum())
                    self._dropped += int(len(kept) - kept.sum())
                if not kept.all():
                    dropped = count(columns, ~kept)
                    self.left_out.write(generation.number, dropped)
                    columns = columns.take(np.flatnonzero(kept))
            if len(columns):
                columns, index = arrange(columns)
                segments = self.directory / "segments"
                segment.write(segments, generation.number, columns, index)
                written = Segment(segments / f"{generation.number:012d}.parquet", self._cache)
        with self._lock:
            self._generations.remove(generation)
            if written is not None:
                self._add_segment(written)
            if dropped is not None:
                self.left_out.show(generation.number, dropped)
        generation.log.close()
        generation.log.path.unlink()

    def flush(self) -> None:
        """Write everything in memory as a segment now (a backup, a test)."""
        self.settle(timeout=30)
        with self._lock:
            generation = self._generations[-1]
            if generation.spans:
                self._rotate(generation)
                generation.closed_at = 0.0
        deadline = time.monotonic() + 60
        while generation in self._generations and time.monotonic() < deadline and generation.closed_at is not None:
            with self._lock:
                self._flush_wanted.notify()
            time.sleep(0.005)

    def _add_segment(self, added: Segment) -> None:
        self._segments.append(added)
        self._operations.update({(op.service, op.name, op.kind) for op in added.ops})

    def enforce_retention(self) -> int:
        """Delete segments that are too old, and the oldest beyond the size; returns how many."""
        options, doomed = self.options, []
        with self._lock:
            left = sum(found.size for found in self._segments) + self.left_out.size
            limit = (self._clock() - options.retention_seconds) * 1e6 if options.retention_seconds else 0
            for found in list(self._segments):
                if found.last_us < limit or 0 < options.retention_bytes < left:
                    doomed.append(found)
                    left -= found.size
                    self._segments.remove(found)
                    self._operations.subtract({(op.service, op.name, op.kind) for op in found.ops})
            self._operations += Counter()
        for found in doomed:
            found.delete()
        self.left_out.forget(limit, max((found.number for found in doomed), default=0))
        return len(doomed)

    # --- reading -----------------------------------------------------------------------------------------------------
    def parts(self) -> Sequence[Part]:
        """Everything that can be searched, newest first."""
        with self._lock:
            hot = [part for generation in self._generations for part in generation.parts]
            return [*reversed(hot), *reversed(self._segments)]

    def segments(self) -> list[Segment]:
        """The segments, oldest first."""
        with self._lock:
            return list(self._segments)

    def operations(self) -> set[tuple[str, str, int]]:
        """Every (service, operation, span kind) stored."""
        with self._lock:
            stored = set(self._operations)
            hot = [part.ops for generation in self._generations for part in generation.parts]
        for ops in hot:
            stored.update((op.service, op.name, op.kind) for op in ops)
        return stored

    def tail_decisions(self) -> tuple[int, int]:
        """Spans kept and left out by the tail decision since the last call."""
        with self._lock:
            kept, dropped, self._kept, self._dropped = self._kept, self._dropped, 0, 0
            return kept, dropped

    def figures(self) -> dict[str, int]:
        """Sizes for ``/metrics``: spans in memory, requests not yet indexed, segments, spans and bytes on disk."""
        with self._lock:
            return {
                "hot_spans": sum(generation.spans for generation in self._generations),
                "pending_bytes": self._pending_bytes,
                "segments": len(self._segments),
                "segment_spans": sum(found.rows for found in self._segments),
                "segment_bytes": sum(found.size for found in self._segments),
                "log_bytes": sum(generation.log.size for generation in self._generations),
            }
