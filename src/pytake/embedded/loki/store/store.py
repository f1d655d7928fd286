"""The store: takes batches, keeps them in the log, in memory and in segments, and shows them to queries.

Order of a push: record in the write-ahead log, synced; rows into the current generation; acknowledged. A generation
that is full or old becomes one segment a tenant, and one transaction of the manifest moves its rows from memory to
disk.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from pytake.embedded.common.serving import trim_allocator
from pytake.embedded.loki.batch import Batch, StreamRows, pc
from pytake.embedded.loki.settings import Settings
from pytake.embedded.loki.store import ids, segment
from pytake.embedded.loki.store.enrich import Enricher, normal_level
from pytake.embedded.loki.store.hot import Generation, TenantRows
from pytake.embedded.loki.store.manifest import Manifest, Segment, Transaction
from pytake.embedded.loki.store.promote import SAMPLE, Promoter
from pytake.embedded.loki.store.record import Record
from pytake.embedded.loki.store.recover import replay, tidy
from pytake.embedded.loki.store.wal import WriteAheadLog
from pytake.embedded.loki.streams import Streams
from pytake.telemetry import catalog_embedded as metrics
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
ENRICH_ROWS, ENRICH_MANY, ENRICH_SECONDS = 8192, 32768, 0.25
"""Columns are made of so many raw rows, of more when they come fast: portions cost less the larger they are, but a
query that comes first has to wait for them."""
MAX_GENERATION_BYTES = 48 << 20
MAX_WAITING_GENERATIONS = 2
TRIM_SECONDS = 10.0
_LEVEL_LABELS = ("level", "LEVEL", "Level", "severity", "SEVERITY", "Severity", "lvl", "LVL", "Lvl", "log_level")


@dataclass(slots=True)
class View:
    """What a query sees: segments (pinned until the query is done) and rows in memory."""

    segments: list[Segment]
    tables: list[pa.Table] = field(default_factory=list)


class Store:
    """All tenants' rows. Threads: the log's, the flusher's, the enricher's; queries come from any."""

    def __init__(self, settings: Settings, clock: Callable[[], int] = time.time_ns) -> None:
        self.settings = settings
        self.clock = clock
        self.directory = settings.data_dir / "pytake"
        self.segment_directory = self.directory / "segments"
        self.damaged_directory = self.directory / "damaged"
        self.temp_directory = self.directory / "tmp"
        for path in (self.segment_directory, self.damaged_directory, self.temp_directory):
            path.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self.commit_lock = threading.Lock()
        """Held over a change of the manifest and the file work around it."""
        self.streams = Streams()
        self.manifest = Manifest(self.directory / "manifest.journal")
        for sid, (tenant, labels) in self.manifest.streams.items():
            self.streams.restore(sid, tenant, labels)
        self.promoters: dict[str, Promoter] = {}
        self._enricher = Enricher(str(self.temp_directory))
        self._current = Generation(time.monotonic())
        self._waiting: list[Generation] = []
        self._seq = self.manifest.seq
        self._pins: Counter[str] = Counter()
        self._doomed: set[str] = set()
        self._wake = threading.Event()
        self._wake_enricher = threading.Event()
        self._enriched = time.monotonic()
        self._stopping = False
        self.flush_error: str | None = None
        self._trimmed = time.monotonic()
        tidy(self)
        self.wal = WriteAheadLog(self.directory / "wal", on_sync=self._count_sync)
        replay(self)
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in ((self._flush_loop, "loki-flush"), (self._enrich_loop, "loki-enrich"))
        ]
        for thread in self._threads:
            thread.start()

    # ------------------------------------------------------------------------------------------------------ writing
    def prepare(self, tenant: str, streams: Sequence[StreamRows], sids: Sequence[int]) -> Batch:
        """One batch of the rows of several streams."""
        counts = [len(rows.ts) for rows in streams]
        sid = pa.concat_arrays([pa.repeat(pa.scalar(s, pa.int32()), n) for s, n in zip(sids, counts, strict=True)])
        meta = None
        if any(rows.meta is not None for rows in streams):
            meta = pa.concat_arrays(
                [pa.nulls(len(rows.ts), pa.string()) if rows.meta is None else rows.meta for rows in streams]
            )
        return Batch(
            ts=pa.concat_arrays([rows.ts for rows in streams]),
            sid=sid,
            line=pa.concat_arrays([rows.line for rows in streams]),
            meta=meta,
            nbytes=sum(rows.nbytes for rows in streams),
        )

    def append(self, record: Record, batch: Batch, done: Callable[[BaseException | None], None]) -> None:
        """Store a batch; ``done`` is called from the log's thread once it is durable and visible, or with the error."""
        span = pc.min_max(batch.ts)
        bounds = (span["min"].as_py(), span["max"].as_py())
        sids = set(pc.unique(batch.sid).to_pylist())
        with self.lock:
            self._seq += 1
            seq = self._seq

            def logged(error: BaseException | None) -> None:
                if error is None:
                    self._add(record.tenant, batch, bounds, sids, seq)
                else:
                    metrics.LOKI_WAL_DISK_FULL.inc()
                done(error)

            self.wal.append(seq, record.pack(), logged)

    def _add(self, tenant: str, batch: Batch, bounds: tuple[int, int], sids: set[int], seq: int) -> None:
        with self.lock:
            current = self._current
            current.add(tenant, batch, bounds, sids, seq)
            if current.rows >= self.settings.segment_rows or current.nbytes >= MAX_GENERATION_BYTES:
                self._cut()
            else:
                raw = current.tenants[tenant].raw_rows
                slow = time.monotonic() - self._enriched > ENRICH_SECONDS
                if raw >= ENRICH_MANY or (slow and raw >= ENRICH_ROWS):
                    self._wake_enricher.set()

    def _cut(self) -> None:
        if self._current.rows:
            self._waiting.append(self._current)
            self._current = Generation(time.monotonic())
            self.wal.rotate()
        self._wake.set()

    @property
    def overloaded(self) -> bool:
        """Whether so much waits to be flushed that pushes should wait."""
        return len(self._waiting) >= MAX_WAITING_GENERATIONS

    def flush(self, timeout: float = 60.0) -> bool:
        """Write everything in memory to segments; False when that did not succeed in time."""
        with self.lock:
            self._cut()
        deadline = time.monotonic() + timeout
        while self._waiting and time.monotonic() < deadline:
            self._wake.set()
            time.sleep(0.01)
        return not self._waiting

    def close(self) -> None:
        """Flush and stop; rows that could not be flushed stay in the log."""
        self.flush(timeout=20.0)
        self._stopping = True
        self._wake.set()
        self._wake_enricher.set()
        for thread in self._threads:
            thread.join(timeout=30.0)
        self.wal.close()
        self._enricher.close()

    # ----------------------------------------------------------------------------------------------------- flushing
    def promoter(self, tenant: str) -> Promoter:
        """What is known of a tenant's JSON keys."""
        return self.promoters.setdefault(tenant, Promoter())

    def choose(self, tenant: str, batches: Sequence[Batch]) -> tuple[str, ...]:
        """The labels to promote, from a sample of the rows."""
        total = sum(map(len, batches))
        step = max(1, total // SAMPLE)
        lines = [batch.line[at].as_py() for batch in batches for at in range(0, len(batch), step)]
        return self.promoter(tenant).choose(lines[: SAMPLE * 2])

    def enrich(self, tenant: str, batches: Sequence[Batch], labels: tuple[str, ...]) -> pa.Table:
        """The columns of a segment."""
        limits = self.settings.limits_of(tenant)
        hints: dict[int, str] = {}
        if limits.discover_log_levels:
            for sid in {sid for batch in batches for sid in pc.unique(batch.sid).to_pylist()}:
                known = self.streams.get(sid).labels
                level = next((known[name] for name in _LEVEL_LABELS if name in known), None)
                if level is not None:
                    hints[sid] = normal_level(level)
        paths = self.promoter(tenant).paths
        return self._enricher.run(batches, labels, paths, levels=limits.discover_log_levels, hints=hints)

    def _trim(self) -> None:
        """Give memory of written rows back to the system, now and then."""
        if time.monotonic() - self._trimmed > TRIM_SECONDS:
            self._trimmed = time.monotonic()
            pa.default_memory_pool().release_unused()
            trim_allocator()

    def _flush_loop(self) -> None:
        backoff = 0.1
        while not self._stopping:
            self._wake.wait(timeout=1.0)
            self._wake.clear()
            with self.lock:
                if self._current.rows and time.monotonic() - self._current.born > self.settings.flush_seconds:
                    self._cut()
                waiting = list(self._waiting)
            try:
                for generation in waiting:
                    self._flush(generation)
                backoff, self.flush_error = 0.1, None
                if waiting:
                    self._trim()
            except Exception as error:
                metrics.LOKI_FLUSH_FAILURES.inc()
                self.flush_error = str(error)
                log.exception("flush_failed")
                time.sleep(backoff)
                backoff = min(backoff * 2, 5.0)
                self._wake.set()

    def _enrich_loop(self) -> None:
        """Make columns of rows as they pile up, beside the flusher that writes them."""
        while not self._stopping:
            self._wake_enricher.wait()
            self._wake_enricher.clear()
            self._enriched = time.monotonic()
            with self.lock:
                current = (*self._waiting, self._current)
                behind = [rows for item in current for rows in item.tenants.values() if rows.raw_rows >= ENRICH_ROWS]
            try:
                for rows in behind:
                    rows.enriched(self.enrich, self.choose)
            except Exception:  # the flusher meets it too, and tries again
                log.exception("enrich_failed")

    def _write_segment(self, rows: TenantRows, seq: int) -> Segment:
        table = pa.concat_tables(rows.enriched(self.enrich, self.choose))
        table = segment.sort_by_time(table)
        name = segment.segment_name(table.column("ts")[0].as_py(), seq, level=0)
        writer = segment.SegmentWriter(self.segment_directory, rows.tenant, name, table.schema, level=0)
        try:
            writer.write(table)
        except BaseException:
            writer.abandon()
            raise
        return writer.finish(extra=self.footer(seq, rows.sids))

    def footer(self, seq: int, sids: Iterable[int], replaces: Sequence[str] = ()) -> dict[str, Any]:
        """What a segment says of itself, so that it can be taken back when the manifest is lost."""
        labels = {str(sid): dict(self.streams.get(sid).labels) for sid in sids}
        return {"seq": seq, "labels": labels, "replaces": list(replaces)}

    def _flush(self, generation: Generation) -> None:
        written: list[Segment] = []
        fresh = []
        try:
            written = [self._write_segment(rows, generation.last_seq) for rows in generation.tenants.values()]
            fresh = self.streams.take_unsaved()
            change = Transaction(
                add=written,
                streams=[(stream.sid, stream.tenant, dict(stream.labels)) for stream in fresh],
                seq=generation.last_seq,
            )
            with self.commit_lock, self.lock:
                self.manifest.commit(change)
                self._waiting.remove(generation)
        except BaseException:
            self.streams.put_back_unsaved(fresh)
            for item in written:
                self._unlink(item.name)
            raise
        metrics.LOKI_CHUNKS_FLUSHED.inc(len(written))
        self.wal.drop_through(generation.last_seq)

    # ------------------------------------------------------------------------------------------------------ reading
    @contextmanager
    def view(self, tenants: Sequence[str], start: int, end: int) -> Iterator[View]:
        """Segments and rows of tenants that overlap ``[start, end)``."""
        with self.lock:
            found = [
                item
                for item in self.manifest.segments.values()
                if item.tenant in tenants and item.end >= start and item.start < end
            ]
            self._pins.update(item.name for item in found)
            rows = [
                generation.tenants[tenant]
                for generation in (*self._waiting, self._current)
                for tenant in tenants
                if tenant in generation.tenants
            ]
            rows = [item for item in rows if item.end >= start and item.start < end]
        try:
            found.sort(key=lambda item: item.start)
            tables = [table for item in rows for table in item.enriched(self.enrich, self.choose)]
            yield View(found, tables)
        finally:
            self._unpin(found)

    def live_sids(self, tenant: str, start: int, end: int) -> set[int]:
        """Streams with rows in segments or memory that overlap the time range."""
        with self.lock:
            found: set[int] = set()
            for item in self.manifest.segments.values():
                if item.tenant == tenant and item.end >= start and item.start < end:
                    found.update(sid for sid, _, _ in item.sids)
            for generation in (*self._waiting, self._current):
                rows = generation.tenants.get(tenant)
                if rows is not None and rows.end >= start and rows.start < end:
                    found |= rows.sids
            return found

    def forget_idle_streams(self) -> int:
        """Forget streams that no row uses any more; how many."""
        with self.commit_lock, self.lock:
            live = {sid for item in self.manifest.segments.values() for sid, _, _ in item.sids}
            for generation in (*self._waiting, self._current):
                for rows in generation.tenants.values():
                    live |= rows.sids
            gone = self.streams.idle(live)
            if gone:
                self.manifest.commit(Transaction(forget=gone))
                self.streams.forget(gone)
        return len(gone)

    def _unpin(self, segments: Sequence[Segment]) -> None:
        with self.lock:
            self._pins.subtract(item.name for item in segments)
            gone = [item.name for item in segments if item.name in self._doomed and self._pins[item.name] <= 0]
            for item in segments:
                if self._pins[item.name] <= 0:
                    del self._pins[item.name]
        for name in gone:
            self._doomed.discard(name)
            self._unlink(name)

    # ----------------------------------------------------------------------------------------------- segments' files
    def path(self, name: str) -> Path:
        """Where a segment is."""
        return self.segment_directory / name

    def replace_segments(self, change: Transaction) -> None:
        """Commit a change of segments and delete the files that nobody reads any more."""
        with self.commit_lock, self.lock:
            change.remove = [name for name in change.remove if name in self.manifest.segments]
            self.manifest.commit(change)
            free = [name for name in change.remove if self._pins[name] <= 0]
            self._doomed.update(name for name in change.remove if self._pins[name] > 0)
        for name in free:
            self._unlink(name)

    def _unlink(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)
        ids.sidecar(self.path(name)).unlink(missing_ok=True)

    def set_aside(self, name: str, reason: str) -> None:
        """Take a damaged segment out of service; it is kept under ``damaged/``."""
        with self.commit_lock, self.lock:
            if name not in self.manifest.segments:
                return
            try:
                self.path(name).replace(self.damaged_directory / name)
                ids.sidecar(self.path(name)).unlink(missing_ok=True)
            except OSError:
                log.warning("damaged_segment_not_moved", segment=name)
            self.manifest.commit(Transaction(remove=[name]))
        metrics.LOKI_DAMAGED_SEGMENTS.inc()
        log.error("segment_damaged", segment=name, reason=reason, kept=str(self.damaged_directory))

    def examine(self, segments: Sequence[Segment]) -> list[str]:
        """Set aside those of ``segments`` that cannot be read; their names."""
        bad = []
        for item in segments:
            problem = segment.check(self.path(item.name))
            if problem is not None:
                self.set_aside(item.name, problem)
                bad.append(item.name)
        return bad

    # ------------------------------------------------------------------------------------------------------ starting
    def pass_seq(self, seq: int) -> None:
        """Later records get greater sequences than this one of the log."""
        self._seq = max(self._seq, seq)

    def take_again(self, tenant: str, batch: Batch, sids: Iterable[int], seq: int) -> None:
        """Rows of a log record, while starting; full generations become segments at once."""
        span = pc.min_max(batch.ts)
        self._current.add(tenant, batch, (span["min"].as_py(), span["max"].as_py()), set(sids), seq)
        if self._current.rows >= self.settings.segment_rows:
            self.flush_taken()

    def flush_taken(self) -> None:
        """Write what :meth:`take_again` took."""
        if self._current.rows:
            generation, self._current = self._current, Generation(time.monotonic())
            self._waiting.append(generation)
            self._flush(generation)

    @staticmethod
    def _count_sync(records: int, size: int) -> None:
        metrics.LOKI_WAL_RECORDS.inc(records)
        metrics.LOKI_WAL_BYTES.inc(size)

    def totals(self) -> tuple[int, int, int]:
        """Segments, their bytes, and rows in memory."""
        with self.lock:
            segments = self.manifest.segments.values()
            rows = self._current.rows + sum(generation.rows for generation in self._waiting)
            return len(segments), sum(item.size for item in segments), rows
