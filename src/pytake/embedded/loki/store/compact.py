"""Compaction, retention and carrying out delete requests: segments in, fewer or smaller segments out.

Rows are merged in windows of time, so that memory stays bounded whatever the inputs' sizes.
"""

# ruff: noqa: S608 - SQL is what this module makes; literals go through fields.literal, names through identifier

import threading
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pytake.embedded.loki import logql
from pytake.embedded.loki.rowsource import StreamMatcher
from pytake.embedded.loki.settings import Limits
from pytake.embedded.loki.store import segment
from pytake.embedded.loki.store.deletes import Deletes
from pytake.embedded.loki.store.enrich import BASE_COLUMNS, FLUSH_ALLOCATOR
from pytake.embedded.loki.store.fields import identifier, literal, select
from pytake.embedded.loki.store.manifest import Segment, Transaction
from pytake.embedded.loki.store.store import Store
from pytake.telemetry import catalog_embedded as metrics
from pytake.telemetry.labels import Outcome
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
HOUR = 3600 * 10**9
WINDOW_ROWS = 16384
FULL_ROWS = 1_500_000
MIN_INPUTS = 8
CLOSED_AFTER = 600 * 10**9


class Compactor:
    """The maintenance thread."""

    def __init__(self, store: Store, deletes: Deletes) -> None:
        self._store, self._deletes = store, deletes
        config: dict[str, Any] = {"threads": 1, "memory_limit": "96MB", "temp_directory": str(store.temp_directory)}
        self._engine = duckdb.connect(":memory:", config=config)
        self._engine.execute(FLUSH_ALLOCATOR)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="loki-compactor", daemon=True)

    def start(self) -> None:
        """Begin working in the background."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the step at hand."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)
        self._engine.close()

    def _loop(self) -> None:
        period = min(15.0, self._store.settings.compaction_interval)
        while not self._stop.wait(period):
            self.run_once()

    def run_once(self, now: int | None = None) -> None:
        """One round: retention, deletes, compaction; a failing step is logged and tried again next time."""
        at = self._store.clock() if now is None else now
        for step in (self.apply_retention, self.apply_deletes, self.compact, self.forget_streams):
            try:
                step(at)
            except Exception:
                log.exception("maintenance_failed", step=step.__name__)
        segments, size, rows = self._store.totals()
        metrics.LOKI_SEGMENTS.set(segments)
        metrics.LOKI_SEGMENT_BYTES.set(size)
        metrics.LOKI_MEMORY_ROWS.set(rows)

    def forget_streams(self, now: int) -> None:
        """Forget streams whose last line is gone."""
        self._store.forget_idle_streams()

    # --------------------------------------------------------------------------------------------------- compaction
    def candidates(self, now: int) -> list[list[Segment]]:
        """Groups of segments worth merging: many small ones of an hour, or all of an hour that is over."""
        hours: dict[tuple[str, int], list[Segment]] = defaultdict(list)
        for item in self._store.manifest.segments.copy().values():
            if item.level == 0 or item.rows < FULL_ROWS // 2:
                hours[item.tenant, item.start // HOUR].append(item)
        groups = []
        for (_, hour), items in sorted(hours.items()):
            fresh = [item for item in items if item.level == 0]
            closed = (hour + 1) * HOUR + CLOSED_AFTER < now
            if len(fresh) >= MIN_INPUTS or (closed and fresh):
                groups.append(sorted(items, key=lambda item: item.start))
        return groups

    def compact(self, now: int) -> None:
        """Merge what is worth merging."""
        for group in self.candidates(now):
            if self._stop.is_set():
                return
            try:
                self.merge(group)
                metrics.LOKI_COMPACTIONS.inc(status=Outcome.SUCCESS)
            except duckdb.Error:
                metrics.LOKI_COMPACTIONS.inc(status=Outcome.ERROR)
                if not self._store.examine(group):
                    raise

    def merge(self, group: Sequence[Segment], keep: str = "true") -> list[Segment]:
        """Write the rows of ``group`` that satisfy ``keep`` to new segments, one an hour, and swap them in."""
        began = time.monotonic()
        tenant = group[0].tenant
        labels = sorted({label for item in group for label in item.columns})
        written: list[Segment] = []
        writer: segment.SegmentWriter | None = None
        hour: int | None = None
        names = [item.name for item in group]
        seq = max(int(name.split("-")[1], 16) for name in names)
        footer = self._store.footer(seq, sorted({sid for item in group for sid, _, _ in item.sids}), names)
        try:
            for table in self._windows(group, labels, keep):
                for part_hour, part in _by_hour(table):
                    if writer is None or part_hour != hour:
                        if writer is not None:
                            written.append(writer.finish(extra=footer))
                        hour = part_hour
                        name = segment.segment_name(part.column("ts")[0].as_py(), seq, level=1)
                        writer = segment.SegmentWriter(
                            self._store.segment_directory, tenant, name, part.schema, level=1
                        )
                    writer.write(part)
            if writer is not None:
                written.append(writer.finish(extra=footer))
                writer = None
            self._store.replace_segments(Transaction(add=written, remove=names))
        except BaseException:
            if writer is not None:
                writer.abandon()
            for item in written:
                self._store.path(item.name).unlink(missing_ok=True)
            raise
        log.info(
            "segments_merged", tenant=tenant, inputs=len(group), outputs=len(written),
            rows=sum(item.rows for item in written), seconds=round(time.monotonic() - began, 2),
        )  # fmt: skip
        return written

    def _windows(self, group: Sequence[Segment], labels: Sequence[str], keep: str) -> Iterator[pa.Table]:
        """The rows of ``group`` in order, a bounded number at a time."""
        stamps = np.sort(
            np.concatenate(
                [
                    pq.read_table(str(self._store.path(item.name)), columns=["ts"]).column("ts").to_numpy()
                    for item in group
                ]
            )
        )
        edges = [int(stamps[at]) for at in range(0, len(stamps), WINDOW_ROWS)]
        edges = [*dict.fromkeys(edges), int(stamps[-1]) + 1]
        columns = [*BASE_COLUMNS, *(f"j_{label}" for label in labels)]
        listed = ", ".join(map(identifier, columns))
        for low, high in pairwise(edges):
            inputs = [item for item in group if item.end >= low and item.start < high]
            parts = [self._part(item, labels, f"ts >= {low} AND ts < {high} AND {keep}") for item in inputs]
            sql = f"SELECT {listed} FROM ({' UNION ALL '.join(parts)}) ORDER BY ts"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                table: pa.Table = self._engine.sql(sql).to_arrow_table()
            if len(table):
                yield segment.sort_by_time(table)

    def _part(self, item: Segment, labels: Sequence[str], where: str) -> str:
        stored = [f"j_{label}" for label in labels if label in item.columns]
        missing = [label for label in labels if label not in item.columns]
        source = f"(SELECT * FROM read_parquet([{literal(str(self._store.path(item.name)))}]) WHERE {where})"
        inner = select(source, [*BASE_COLUMNS, *stored], missing, self._store.promoter(item.tenant).paths)
        listed = ", ".join([*BASE_COLUMNS, *(identifier(f"j_{label}") for label in labels)])
        return f"(SELECT {listed} FROM ({inner}))"

    # ---------------------------------------------------------------------------------------------------- retention
    def apply_retention(self, now: int) -> None:
        """Delete what is older than its streams may be kept, then the oldest segments beyond the size limit."""
        if self._store.settings.retention_enabled:
            for item in list(self._store.manifest.segments.values()):
                self._expire(item, now)
        limit = self._store.settings.retention_bytes
        segments = sorted(self._store.manifest.segments.values(), key=lambda item: item.end)
        size = sum(item.size for item in segments)
        doomed = []
        while limit and size > limit and len(segments) > 1:
            oldest = segments.pop(0)
            size -= oldest.size
            doomed.append(oldest.name)
            metrics.LOKI_RETENTION_ROWS.inc(oldest.rows)
        if doomed:
            self._store.replace_segments(Transaction(remove=doomed))
            log.info("retention_by_size", segments=len(doomed), limit_bytes=limit)

    def _expire(self, item: Segment, now: int) -> None:
        limits = self._store.settings.limits_of(item.tenant)
        periods = {sid: self._period(item.tenant, sid, limits) for sid, _, _ in item.sids}
        gone = {sid for sid, period in periods.items() if period and item.end < now - int(period * 1e9)}
        if not gone:
            return
        if len(gone) == len(periods):
            self._store.replace_segments(Transaction(remove=[item.name]))
            metrics.LOKI_RETENTION_ROWS.inc(item.rows)
        else:
            self.merge([item], f"sid NOT IN ({', '.join(map(str, sorted(gone)))})")
            metrics.LOKI_RETENTION_ROWS.inc(sum(rows for sid, rows, _ in item.sids if sid in gone))

    def _period(self, tenant: str, sid: int, limits: Limits) -> float:
        best: tuple[int, float] | None = None
        for rule in limits.retention_stream:
            expr = logql.parse(rule.selector)
            assert isinstance(expr, logql.LogQuery)
            matchers = [StreamMatcher(item.name, str(item.op), item.value) for item in expr.matchers]
            if any(stream.sid == sid for stream in self._store.streams.select(tenant, matchers)) and (
                best is None or (rule.priority, -rule.period) > (best[0], -best[1])
            ):
                best = (rule.priority, rule.period)
        return best[1] if best is not None else limits.retention_period

    # ------------------------------------------------------------------------------------------------------- deletes
    def apply_deletes(self, now: int) -> None:
        """Rewrite the segments that hold rows of delete requests whose time has come."""
        for request, condition in self._deletes.due(now):
            self._store.flush()
            for item in list(self._store.manifest.segments.values()):
                if item.tenant == request.tenant and item.end >= request.start and item.start <= request.end:
                    before = item.rows
                    after = sum(out.rows for out in self.merge([item], f"NOT ({condition})"))
                    metrics.LOKI_RETENTION_ROWS.inc(before - after)
            self._deletes.finish(request)


def _by_hour(table: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    hours = table.column("ts").to_numpy() // HOUR
    borders = [0, *(np.flatnonzero(np.diff(hours)) + 1).tolist(), len(table)]
    for low, high in pairwise(borders):
        yield int(hours[low]), table.slice(low, high - low)
