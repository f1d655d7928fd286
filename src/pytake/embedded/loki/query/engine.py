"""The query engine: cursors on one DuckDB with a memory cap, a time cap and cancellation for each query."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.settings import Settings
from pytake.embedded.loki.store.enrich import FLUSH_ALLOCATOR
from pytake.embedded.loki.store.source import Hidden, ReadStats, ViewSource
from pytake.embedded.loki.store.store import Store

PORTION = 20_000
CANCELED = "The request was cancelled by the client."


class QueryCanceledError(RequestError):
    """The client left, or the server stops."""

    def __init__(self) -> None:
        super().__init__(499, CANCELED)


class QueryTimeoutError(RequestError):
    """The query ran longer than ``query_timeout``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            504,
            "request timed out, decrease the duration of the request or add more label matchers (prefer exact match "
            f"over regex match) to reduce the amount of data processed (query_timeout is {seconds:g}s)",
        )


class QueryMemoryError(RequestError):
    """The query needs more memory than a query may have."""

    def __init__(self, limit: str) -> None:
        super().__init__(
            400,
            f"the query would use more than {limit} of memory, consider adding more specific stream selectors, "
            "reducing the time range or grouping by fewer labels",
        )


@dataclass(slots=True)
class Running:
    """One query while it runs: its cursor, its clock, what it read."""

    cursor: duckdb.DuckDBPyConnection
    timeout: float
    memory: str
    began: float = field(default_factory=time.monotonic)
    canceled: bool = False
    timed_out: bool = False
    statements: list[str] = field(default_factory=list)
    max_rows: int = 0
    """Rows that one statement may hand to Python; 0 is no limit."""
    too_many: Callable[[], Exception] | None = None
    """The error when there are more."""

    def cancel(self) -> None:
        """Stop the query from another thread."""
        self.canceled = True
        self.cursor.interrupt()

    def expire(self) -> None:
        """Stop the query because its time is over."""
        self.timed_out = True
        self.cursor.interrupt()

    def check(self) -> None:
        """Raise when the query was stopped."""
        if self.canceled:
            raise QueryCanceledError
        if self.timed_out or time.monotonic() - self.began > self.timeout:
            raise QueryTimeoutError(self.timeout)

    def execute(self, sql: str) -> "CheckedCursor":
        """One SELECT, run when it is read; then the query's own error is raised when it was stopped or is too big."""
        self.check()
        self.statements.append(sql)
        return CheckedCursor(self, sql)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the engine's errors into a query's."""
        try:
            yield
        except duckdb.InterruptException:
            self.check()
            raise QueryCanceledError from None
        except duckdb.OutOfMemoryException:
            raise QueryMemoryError(self.memory) from None


class CheckedCursor:
    """The cursor that the LogQL package reads from."""

    def __init__(self, running: Running, sql: str) -> None:
        self._running, self._sql = running, sql
        self._ran = False
        self._rows = 0

    def fetchmany(self, size: int = 1) -> list[Any]:
        """The next rows, an empty list at the end."""
        running = self._running
        running.check()
        with running.translated():
            if not self._ran:
                self._ran = True
                running.cursor.execute(self._sql)
            rows = running.cursor.fetchmany(min(size, PORTION))
        self._count(len(rows))
        return rows

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        found: list[Any] = []
        while rows := self.fetchmany(PORTION):
            found += rows
        return found

    def to_arrow_table(self) -> Any:
        """All rows, as an Arrow table."""
        running = self._running
        running.check()
        with running.translated():
            reader = running.cursor.sql(self._sql).to_arrow_reader(PORTION)
            batches = []
            for batch in reader:
                running.check()
                self._count(len(batch))
                batches.append(batch)
            return pa.Table.from_batches(batches, reader.schema)

    def _count(self, rows: int) -> None:
        running = self._running
        self._rows += rows
        if 0 < running.max_rows < self._rows and running.too_many is not None:
            raise running.too_many()


class Engine:
    """Opens queries on the store."""

    def __init__(
        self, store: Store, settings: Settings, hidden: Callable[[Sequence[str]], Sequence[Hidden]] = lambda _: ()
    ) -> None:
        self._store, self._settings, self._hidden = store, settings, hidden
        self._engine = duckdb.connect(
            ":memory:",
            config={
                "threads": 2,
                "memory_limit": settings.query_memory,
                "temp_directory": str(store.temp_directory),
                "max_temp_directory_size": "2GB",
                "enable_external_file_cache": False,
                "preserve_insertion_order": False,
            },
        )
        self._engine.execute(f"SET parquet_metadata_cache = true; {FLUSH_ALLOCATOR}")
        self._lock = threading.Lock()

    def close(self) -> None:
        """Release the engine."""
        self._engine.close()

    @contextmanager
    def query(
        self, tenants: Sequence[str], start: int, end: int, on_start: Callable[[Running], None] = lambda _: None
    ) -> Iterator[tuple[ViewSource, Running]]:
        """A source and a runner for one query over ``[start, end)``; ``on_start`` gets the handle to cancel it."""
        timeout = min(self._settings.limits_of(tenant).query_timeout for tenant in tenants)
        with self._lock:
            cursor = self._engine.cursor()
        running = Running(cursor, timeout, self._settings.query_memory)
        timer = threading.Timer(timeout, running.expire)
        timer.daemon = True
        timer.start()
        try:
            on_start(running)
            with self._store.view(tenants, start, end) as view:
                source = ViewSource(self._store, tenants, view, cursor, self._hidden(tenants))
                try:
                    yield source, running
                except duckdb.Error as error:
                    bad = self._store.examine(view.segments)
                    if bad:
                        raise DamagedError(bad) from error
                    raise
                for tenant in tenants:
                    self._store.promoter(tenant).asked(source.asked)
        finally:
            timer.cancel()
            cursor.close()


class DamagedError(Exception):
    """A query met segments that cannot be read; they are set aside now, so the query may be tried again."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        super().__init__(f"set aside damaged segments: {', '.join(names)}")


def statistics(stats: ReadStats, *, seconds: float, queued: float, entries: int) -> dict[str, Any]:
    """Loki's ``stats`` object."""
    lines, size = stats.rows + stats.memory_rows, stats.line_bytes + stats.memory_bytes
    store = {
        "totalChunksRef": len(stats.segments) + len(stats.skipped),
        "totalChunksDownloaded": len(stats.segments),
        "chunksDownloadTime": 0,
        "queryReferencedStructuredMetadata": False,
        "chunk": {
            "headChunkBytes": 0,
            "headChunkLines": 0,
            "decompressedBytes": stats.line_bytes,
            "decompressedLines": stats.rows,
            "compressedBytes": stats.disk_bytes,
            "totalDuplicates": 0,
            "postFilterLines": entries,
        },
    }
    memory = {
        "totalReached": 1,
        "totalChunksMatched": 1 if stats.memory_rows else 0,
        "totalBatches": 1 if stats.memory_rows else 0,
        "totalLinesSent": entries,
        "store": {
            "totalChunksRef": 0,
            "totalChunksDownloaded": 0,
            "chunksDownloadTime": 0,
            "chunk": {
                "headChunkBytes": stats.memory_bytes,
                "headChunkLines": stats.memory_rows,
                "decompressedBytes": 0,
                "decompressedLines": 0,
                "compressedBytes": 0,
                "totalDuplicates": 0,
                "postFilterLines": 0,
            },
        },
    }
    summary = {
        "bytesProcessedPerSecond": int(size / seconds) if seconds else 0,
        "linesProcessedPerSecond": int(lines / seconds) if seconds else 0,
        "totalBytesProcessed": size,
        "totalLinesProcessed": lines,
        "execTime": seconds,
        "queueTime": queued,
        "subqueries": 0,
        "totalEntriesReturned": entries,
        "splits": 0,
        "shards": 0,
        "totalPostFilterLines": entries,
        "totalStructuredMetadataBytesProcessed": 0,
    }
    return {"summary": summary, "querier": {"store": store}, "ingester": memory, "cache": {}, "index": {}}
