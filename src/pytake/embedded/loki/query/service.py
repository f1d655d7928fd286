"""Answers of queries in Loki's JSON, run in worker threads; with the query log and explanations."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import duckdb
import orjson

from pytake.embedded.loki import logql
from pytake.embedded.loki.api.params import RangeParams, duration_text, number_text, seconds
from pytake.embedded.loki.api.tail import group_entries
from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.query.engine import (
    DamagedError,
    Engine,
    QueryCanceledError,
    Running,
    statistics,
)
from pytake.embedded.loki.settings import Settings
from pytake.embedded.loki.store.source import ReadStats, ViewSource
from pytake.telemetry import catalog_embedded as metrics
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
SLOW_SECONDS = 5.0
MAX_PYTHON_ROWS = 1_000_000
MAX_GROUPS = 300_000
WARNING_DAMAGED = "data of damaged segments is missing: {}"


@dataclass(slots=True, eq=False)
class Job:
    """A query on its way: who asked, how to cancel it, what it read."""

    tenants: tuple[str, ...]
    text: str
    kind: str
    explain: bool = False
    queued: float = field(default_factory=time.monotonic)
    running: Running | None = None
    canceled: bool = False
    stats: ReadStats = field(default_factory=ReadStats)
    warnings: list[str] = field(default_factory=list)
    waited: float = 0.0

    def started(self, running: Running) -> None:
        """Keep the handle to cancel by."""
        self.running = running
        if self.canceled:
            running.cancel()

    def cancel(self) -> None:
        """Stop it, wherever it is."""
        self.canceled = True
        if self.running is not None:
            self.running.cancel()


class QueryService:
    """Runs queries with a cap on how many run and wait."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine, self._settings = engine, settings
        self._workers = ThreadPoolExecutor(settings.max_concurrent, thread_name_prefix="loki-query")
        self._outstanding = 0
        self._jobs: set[Job] = set()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Cancel what runs and stop."""
        for job in list(self._jobs):
            job.cancel()
        self._workers.shutdown(wait=True, cancel_futures=True)

    async def run(self, job: Job, work: Callable[[Job], Any], gone: Callable[[], Any] | None = None) -> Any:
        """``work(job)`` in a worker; canceled when ``gone()`` completes first."""
        if self._outstanding >= self._settings.max_outstanding:
            raise RequestError(429, "too many outstanding requests")
        self._outstanding += 1
        self._jobs.add(job)
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._workers, self._work, job, work)
        watcher = asyncio.ensure_future(gone()) if gone is not None else None
        try:
            if watcher is not None:
                await asyncio.wait({future, watcher}, return_when=asyncio.FIRST_COMPLETED)
                if not future.done():
                    job.cancel()
            return await future
        except asyncio.CancelledError:
            job.cancel()
            raise
        finally:
            self._outstanding -= 1
            self._jobs.discard(job)
            if watcher is not None:
                watcher.cancel()

    def _work(self, job: Job, work: Callable[[Job], Any]) -> Any:
        job.waited = time.monotonic() - job.queued
        began = time.monotonic()
        status = 200
        try:
            if job.canceled:
                raise QueryCanceledError
            return self._retried(job, work)
        except logql.LogQLError as error:
            status = error.status
            raise RequestError(error.status, str(error)) from error
        except RequestError as error:
            status = error.status
            raise
        except MemoryError:
            status = 500
            raise RequestError(500, "the query ran out of memory") from None
        except Exception:
            status = 500
            raise
        finally:
            self._log(job, time.monotonic() - began, status)

    @staticmethod
    def _retried(job: Job, work: Callable[[Job], Any]) -> Any:
        for _ in range(8):
            try:
                return work(job)
            except DamagedError as error:
                job.warnings.append(WARNING_DAMAGED.format(", ".join(error.names)))
        raise RequestError(500, job.warnings[-1])

    def _log(self, job: Job, took: float, status: int) -> None:
        stats = job.stats
        metrics.LOKI_QUERY_SECONDS.observe(
            took, type=job.kind, range="range" if "range" in job.kind else "instant", status_code=str(status)
        )
        metrics.LOKI_QUERY_BYTES.inc(stats.line_bytes + stats.memory_bytes)
        line = {
            "tenant": "|".join(job.tenants), "query": job.text, "query_type": job.kind, "status": status,
            "duration_ms": round(took * 1000, 1), "queue_ms": round(job.waited * 1000, 1),
            "segments": len(stats.segments), "segments_skipped": len(stats.skipped),
            "rows": stats.rows + stats.memory_rows,
        }  # fmt: skip
        if took >= SLOW_SECONDS and job.running is not None:
            log.warning("query_slow", sql=job.running.statements[:5], **line)
        else:
            log.info("query", **line)

    # ------------------------------------------------------------------------------------------------------- queries
    def _check_length(self, tenants: Sequence[str], start: int, end: int) -> int:
        now = time.time_ns()
        for tenant in tenants:
            limits = self._settings.limits_of(tenant)
            longest = limits.max_query_length
            if longest and (end - start) / 1e9 > longest:
                raise RequestError(
                    400,
                    f"the query time range exceeds the limit (query length: {duration_text((end - start) / 1e9)}, "
                    f"limit: {duration_text(longest)})",
                )
            if limits.max_query_lookback:
                start = max(start, now - int(limits.max_query_lookback * 1e9))
        return start

    def _limits(self, tenants: Sequence[str]) -> logql.Limits:
        most = min(self._settings.limits_of(tenant).max_query_series for tenant in tenants)
        return logql.Limits(max_series=most, max_python_rows=MAX_PYTHON_ROWS)

    def _capped(self, job: Job, running: Running) -> logql.Limits:
        """Limits of a metric query; what SQL groups into more rows than Python may hold has too many series."""
        limits = self._limits(job.tenants)
        running.max_rows = MAX_GROUPS
        running.too_many = lambda: logql.SeriesLimit(limits.max_series or MAX_GROUPS)
        return limits

    def range_query(self, job: Job, ask: RangeParams, limit: int, *, categorize: bool) -> bytes:
        """The answer of ``query_range``."""
        expr = logql.parse(ask.query)
        start = self._check_length(job.tenants, ask.start, ask.end)
        if isinstance(expr, logql.LogQuery):
            return self._logs(job, expr, ask, start, limit, categorize=categorize)
        span = logql.time_range(expr, start, ask.end)
        with self._engine.query(job.tenants, *span, job.started) as (source, running):
            job.stats = source.stats
            limits = self._capped(job, running)
            series = logql.query_range(
                expr, source, running.execute, start=start, end=ask.end, step=ask.step, limits=limits
            )
            extra = self._explained(job, expr, source, start, ask.end, ask.step)
        result = [
            {
                "metric": dict(item.labels),
                "values": [[seconds(ts), number_text(value)] for ts, value in item.points],
            }
            for item in series
        ]
        return self._answer(job, "matrix", result, len(result), extra)

    def _logs(self, job: Job, expr: Any, ask: RangeParams, start: int, limit: int, *, categorize: bool) -> bytes:
        with self._engine.query(job.tenants, start, ask.end, job.started) as (source, running):
            job.stats = source.stats
            entries = logql.query_logs(
                expr, source, running.execute, start=start, end=ask.end, limit=limit, forward=ask.forward
            )
            extra = self._explained(job, expr, source, start, ask.end, ask.step)
        if ask.interval:
            entries = _thinned(entries, ask.interval)
        if categorize:
            extra["encodingFlags"] = ["categorize-labels"]
        return self._answer(job, "streams", group_entries(entries, categorize=categorize), len(entries), extra)

    def instant_query(self, job: Job, query: str, at: int) -> bytes:
        """The answer of ``query``."""
        expr = logql.parse(query)
        if isinstance(expr, logql.LogQuery):
            raise RequestError(
                400,
                "log queries are not supported as an instant query type, please change your query to a range query "
                "type",
            )
        with self._engine.query(job.tenants, *logql.time_range(expr, at, at), job.started) as (source, running):
            job.stats = source.stats
            series = logql.query_instant(expr, source, running.execute, at=at, limits=self._capped(job, running))
            extra = self._explained(job, expr, source, at, at, 1)
        if logql.is_scalar(expr):
            value = series[0].points[0][1] if series and series[0].points else float("nan")
            return self._answer(job, "scalar", [seconds(at), number_text(value)], 1, extra)
        result = [
            {"metric": dict(item.labels), "value": [seconds(item.points[0][0]), number_text(item.points[0][1])]}
            for item in series
            if item.points
        ]
        return self._answer(job, "vector", result, len(result), extra)

    def instant_series(self, job: Job, query: str, at: int) -> list[logql.Series]:
        """Series of an instant metric query, for the ruler."""
        expr = logql.parse(query)
        if isinstance(expr, logql.LogQuery):
            raise RequestError(400, "a rule needs a metric query")
        with self._engine.query(job.tenants, *logql.time_range(expr, at, at), job.started) as (source, running):
            job.stats = source.stats
            limits = self._capped(job, running)
            return list(logql.query_instant(expr, source, running.execute, at=at, limits=limits))

    def entries(self, job: Job, query: str, start: int, end: int, limit: int, *, forward: bool = False) -> list[Any]:
        """Lines of a log query, for the endpoints that look at samples of lines."""
        expr = logql.parse(query)
        if not isinstance(expr, logql.LogQuery):
            raise RequestError(400, "only log queries are supported here")
        with self._engine.query(job.tenants, start, end, job.started) as (source, running):
            job.stats = source.stats
            return list(
                logql.query_logs(expr, source, running.execute, start=start, end=end, limit=limit, forward=forward)
            )

    def rows(self, job: Job, start: int, end: int, use: Callable[[ViewSource, Running], Any]) -> Any:
        """Whatever ``use`` makes of a source and a runner."""
        with self._engine.query(job.tenants, start, end, job.started) as (source, running):
            job.stats = source.stats
            return use(source, running)

    def _explained(self, job: Job, expr: Any, source: ViewSource, start: int, end: int, step: int) -> dict[str, Any]:
        if not job.explain or job.running is None:
            return {}
        ran = list(job.running.statements)
        plans = []
        for sql in ran[:3]:
            try:
                plans.append("\n".join(str(row[1]) for row in job.running.cursor.execute(f"EXPLAIN {sql}").fetchall()))
            except duckdb.Error:
                break
        stats = source.stats
        return {
            "explain": {
                "statements": ran, "plans": plans, "segmentsRead": sorted(stats.segments),
                "segmentsSkipped": sorted(stats.skipped), "rows": stats.rows, "rowsInMemory": stats.memory_rows,
                "bytes": stats.line_bytes, "bytesOnDisk": stats.disk_bytes,
            }
        }  # fmt: skip

    def _answer(self, job: Job, kind: str, result: Any, entries: int, extra: dict[str, Any]) -> bytes:
        took = time.monotonic() - job.queued - job.waited
        stats = statistics(job.stats, seconds=took, queued=job.waited, entries=entries)
        answer: dict[str, Any] = {"status": "success"}
        if job.warnings:
            answer["warnings"] = job.warnings
        answer["data"] = {"resultType": kind, "result": result, "stats": stats, **extra}
        return orjson.dumps(answer)


def _thinned(entries: list[Any], interval: int) -> list[Any]:
    kept: list[Any] = []
    for entry in entries:
        if not kept or abs(entry.ts - kept[-1].ts) >= interval:
            kept.append(entry)
    return kept
