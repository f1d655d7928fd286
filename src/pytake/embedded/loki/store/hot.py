"""Rows in memory: acknowledged, in the write-ahead log, and not yet in a segment.

Rows arrive as raw batches and are enriched (columns of a segment) in larger portions: by the flusher as they pile
up, or by the first query that wants to see them.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from pytake.embedded.loki.batch import Batch

Enrich = Callable[[str, Sequence[Batch], tuple[str, ...]], pa.Table]
Choose = Callable[[str, Sequence[Batch]], tuple[str, ...]]


@dataclass(slots=True)
class TenantRows:
    """One tenant's rows of one generation."""

    tenant: str
    raw: list[Batch] = field(default_factory=list)
    raw_rows: int = 0
    tables: list[pa.Table] = field(default_factory=list)
    labels: tuple[str, ...] | None = None
    start: int = 2**63 - 1
    end: int = -(2**63)
    sids: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def enriched(self, enrich: Enrich, choose: Choose) -> list[pa.Table]:
        """All rows so far as tables; enriches what is still raw."""
        with self.lock:
            raw = self.raw[: len(self.raw)]
            if raw:
                if self.labels is None:
                    self.labels = choose(self.tenant, raw)
                table = enrich(self.tenant, raw, self.labels)
                self.tables = [pa.concat_tables([*self.tables, table])]
                del self.raw[: len(raw)]
                self.raw_rows -= sum(map(len, raw))
            return self.tables


class Generation:
    """The rows that will make the next segments: everything of a range of log sequences."""

    def __init__(self, born: float) -> None:
        self.tenants: dict[str, TenantRows] = {}
        self.rows = 0
        self.nbytes = 0
        self.last_seq = 0
        self.born = born

    def add(self, tenant: str, batch: Batch, span: tuple[int, int], sids: set[int], seq: int) -> None:
        """Take a batch; called in the order of the log, with the store's lock held."""
        home = self.tenants.get(tenant)
        if home is None:
            home = self.tenants[tenant] = TenantRows(tenant)
        home.raw.append(batch)
        home.raw_rows += len(batch)
        home.start = min(home.start, span[0])
        home.end = max(home.end, span[1])
        home.sids |= sids
        self.rows += len(batch)
        self.nbytes += batch.nbytes
        self.last_seq = seq
