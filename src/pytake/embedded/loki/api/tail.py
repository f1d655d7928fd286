"""``/loki/api/v1/tail``: new lines of a query over a WebSocket."""

import asyncio
from collections import deque
from typing import Any

import orjson

from pytake.embedded.loki import logql
from pytake.embedded.loki.api.http import Receive, Send
from pytake.embedded.loki.batch import Batch
from pytake.embedded.loki.store.enrich import line_level
from pytake.embedded.loki.streams import Streams
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)

BUFFERED = 10_000
MAX_TAILS = 10
PERIOD = 0.2


class Tail:
    """One client: what matched and was not sent yet; the oldest is dropped when the client is slow."""

    def __init__(self, tenants: tuple[str, ...], query: Any, streams: Streams, *, levels: bool) -> None:
        self._levels = levels
        self.tenants, self._query, self._streams = tenants, query, streams
        self._process = logql.compile_pipeline(query)
        self._cache: dict[int, Any] = {}
        self.waiting: deque[Any] = deque()
        self.dropped: deque[Any] = deque(maxlen=100)
        self.wake = asyncio.Event()

    def _labels(self, sid: int) -> Any:
        if sid not in self._cache:
            stream = self._streams.get(sid)
            fits = logql.matches(self._query.matchers, stream.labels)
            self._cache[sid] = stream.labels if fits else None
        return self._cache[sid]

    def offer(self, batch: Batch) -> None:
        """Take the lines of a batch that match."""
        wanted = {sid for sid in set(batch.sid.to_pylist()) if self._labels(sid) is not None}
        if not wanted:
            return
        metas = [None] * len(batch) if batch.meta is None else batch.meta.to_pylist()
        for ts, sid, line, meta in zip(
            batch.ts.to_pylist(), batch.sid.to_pylist(), batch.line.to_pylist(), metas, strict=True
        ):
            if sid not in wanted:
                continue
            labels = self._labels(sid)
            pairs = orjson.loads(meta) if meta else {}
            if self._levels:
                pairs["detected_level"] = line_level(line, {**labels, **pairs})
            entry = self._process.process(ts, line, labels, pairs)
            if entry is not None:
                self.add(entry)

    def add(self, entry: Any) -> None:
        """Queue a line."""
        if len(self.waiting) >= BUFFERED:
            self.dropped.append(self.waiting.popleft())
        self.waiting.append(entry)
        self.wake.set()


class Tails:
    """All clients that follow queries."""

    def __init__(self) -> None:
        self._tails: dict[Tail, None] = {}

    def publish(self, tenant: str, batch: Batch) -> None:
        """Offer a stored batch to everybody who follows the tenant."""
        for tail in self._tails:
            if tenant not in tail.tenants:
                continue
            try:
                tail.offer(batch)
            except Exception:
                log.exception("tail_failed")

    def __len__(self) -> int:
        return len(self._tails)

    async def serve(
        self, tail: Tail, history: list[Any], receive: Receive, send: Send, *, delay: float, limit: int
    ) -> None:
        """Send ``history``, then what comes, until the client leaves."""
        self._tails[tail] = None
        gone = asyncio.ensure_future(_gone(receive))
        try:
            for entry in history:
                tail.add(entry)
            while not gone.done():
                waiter = asyncio.ensure_future(tail.wake.wait())
                await asyncio.wait({gone, waiter}, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                waiter.cancel()
                if gone.done() or not tail.waiting:
                    continue
                await asyncio.sleep(max(PERIOD / 10, delay))
                await send({"type": "websocket.send", "text": self._message(tail, limit)})
        finally:
            self._tails.pop(tail, None)
            gone.cancel()

    @staticmethod
    def _message(tail: Tail, limit: int) -> str:
        entries = [tail.waiting.popleft() for _ in range(min(len(tail.waiting), max(limit, 1)))]
        dropped = [{"labels": dict(item.labels()), "timestamp": str(item.ts)} for item in tail.dropped]
        tail.dropped.clear()
        if not tail.waiting:
            tail.wake.clear()
        message: dict[str, Any] = {"streams": group_entries(sorted(entries, key=lambda entry: entry.ts))}
        if dropped:
            message["dropped_entries"] = dropped
        return orjson.dumps(message).decode()


async def _gone(receive: Receive) -> None:
    while True:
        if (await receive())["type"] == "websocket.disconnect":
            return


def group_entries(entries: list[Any], *, categorize: bool = False) -> list[dict[str, Any]]:
    """Entries as Loki's list of streams; ``categorize`` leaves parsed labels and metadata beside each line."""
    groups: dict[Any, list[Any]] = {}
    merged: dict[Any, Any] = {}
    for entry in entries:
        if categorize:
            key = entry.stream
            extra = {}
            if entry.metadata:
                extra["structuredMetadata"] = dict(entry.metadata)
            if entry.parsed:
                extra["parsed"] = dict(entry.parsed)
            value: list[Any] = [str(entry.ts), entry.line, extra]
        else:
            parts = (entry.stream, entry.metadata, entry.parsed)
            key = merged.get(parts)
            if key is None:
                key = merged[parts] = entry.labels()
            value = [str(entry.ts), entry.line]
        groups.setdefault(key, []).append(value)
    return [{"stream": dict(key), "values": values} for key, values in groups.items()]
