"""Answers that need no lines: labels, series, index statistics and volumes, from the stream map and the manifest."""

# ruff: noqa: S608 - SQL is what this module makes; literals go through fields.literal, names through identifier

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pytake.embedded.loki import logql
from pytake.embedded.loki.api.params import SECOND
from pytake.embedded.loki.batch import pc
from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.query.engine import Running
from pytake.embedded.loki.rowsource import Needs, StreamMatcher
from pytake.embedded.loki.store.manifest import Segment
from pytake.embedded.loki.store.source import ViewSource
from pytake.embedded.loki.store.store import Store
from pytake.embedded.loki.streams import Stream


def parse_selector(query: str) -> list[StreamMatcher]:
    """The matchers of a selector; empty or ``{}`` is none. Raises 400 on anything else."""
    if query.strip() in ("", "{}"):
        return []
    try:
        expr = logql.parse(query)
    except logql.LogQLError as error:
        raise RequestError(error.status, str(error)) from error
    if not isinstance(expr, logql.LogQuery) or expr.stages:
        raise RequestError(400, "only label matchers are supported")
    return [StreamMatcher(item.name, str(item.op), item.value) for item in expr.matchers]


class Index:
    """Looks at streams and segments of tenants within a time range."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def streams(self, tenants: Sequence[str], matchers: Sequence[StreamMatcher], start: int, end: int) -> list[Stream]:
        """Streams that match and have rows in the range."""
        found = []
        for tenant in tenants:
            live = self._store.live_sids(tenant, start, end)
            found += [stream for stream in self._store.streams.select(tenant, matchers) if stream.sid in live]
        return found

    def label_names(self, tenants: Sequence[str], query: str, start: int, end: int) -> list[str]:
        """Sorted names of labels."""
        names = {name for stream in self.streams(tenants, parse_selector(query), start, end) for name in stream.labels}
        if len(tenants) > 1:
            names.add("__tenant_id__")
        return sorted(names)

    def label_values(self, tenants: Sequence[str], name: str, query: str, start: int, end: int) -> list[str]:
        """Sorted values of a label."""
        if name == "__tenant_id__" and len(tenants) > 1:
            return sorted(tenants)
        streams = self.streams(tenants, parse_selector(query), start, end)
        return sorted({stream.labels[name] for stream in streams if name in stream.labels})

    def series(self, tenants: Sequence[str], selectors: Sequence[str], start: int, end: int) -> list[dict[str, str]]:
        """Label sets of the streams that one of the selectors names."""
        found: dict[int, dict[str, str]] = {}
        for selector in selectors:
            for stream in self.streams(tenants, parse_selector(selector), start, end):
                many = {"__tenant_id__": stream.tenant} if len(tenants) > 1 else {}
                found[stream.sid] = {**stream.labels, **many}
        return list(found.values())

    def _shares(
        self, tenants: Sequence[str], sids: set[int], start: int, end: int
    ) -> Iterable[tuple[int, float, float]]:
        """Rows and bytes of each stream in each segment and in memory, as far as the range covers it.

        Of a segment that the range covers in part only times and streams are read; its bytes are estimated.
        """
        with self._store.view(tenants, start, end) as view:
            for item in view.segments:
                if start <= item.start and item.end < end:
                    yield from ((sid, rows, size) for sid, rows, size in item.sids if sid in sids)
                elif not sids.isdisjoint(sid for sid, _, _ in item.sids):
                    counts = self._partly(item, start, end)
                    yield from (
                        (sid, counts[sid], size / rows * counts[sid])
                        for sid, rows, size in item.sids
                        if sid in sids and sid in counts
                    )
            for table in view.tables:
                stamps, owners = table.column("ts").to_numpy(), table.column("sid").to_numpy()
                inside = (stamps >= start) & (stamps < end)
                lengths = pc.binary_length(table.column("line")).to_numpy()[inside]
                sizes = np.bincount(owners[inside], weights=lengths)
                rows_of = np.bincount(owners[inside])
                yield from (
                    (sid, int(rows_of[sid]), float(sizes[sid]))
                    for sid in np.flatnonzero(rows_of).tolist()
                    if sid in sids
                )

    def _partly(self, item: Segment, start: int, end: int) -> dict[int, int]:
        """Rows of each stream within a range."""
        table = pq.read_table(
            str(self._store.path(item.name)), columns=["ts", "sid"], filters=[("ts", ">=", start), ("ts", "<", end)]
        )
        owners, counts = np.unique(table.column("sid").to_numpy(), return_counts=True)
        return dict(zip(owners.tolist(), counts.tolist(), strict=True))

    def stats(self, tenants: Sequence[str], query: str, start: int, end: int) -> dict[str, int]:
        """``index/stats``: streams, chunks, entries, bytes."""
        sids = {stream.sid for stream in self.streams(tenants, parse_selector(query), start, end)}
        seen: set[int] = set()
        chunks, entries, size = 0, 0.0, 0.0
        for sid, rows, volume in self._shares(tenants, sids, start, end):
            seen.add(sid)
            chunks, entries, size = chunks + 1, entries + rows, size + volume
        return {"streams": len(seen), "chunks": chunks, "entries": round(entries), "bytes": round(size)}

    def volume(
        self, tenants: Sequence[str], query: str, start: int, end: int, ask: "VolumeAsk"
    ) -> list[tuple[dict[str, str], int]]:
        """``index/volume``: bytes by series or label, largest first."""
        names = self._volume_names(tenants, query, start, end, ask)
        totals: dict[tuple[tuple[str, str], ...], float] = defaultdict(float)
        for sid, _, size in self._shares(tenants, set(names), start, end):
            for name in names[sid]:
                totals[name] += size
        ordered = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
        return [(dict(name), round(size)) for name, size in ordered[: ask.limit]]

    def _volume_names(
        self, tenants: Sequence[str], query: str, start: int, end: int, ask: "VolumeAsk"
    ) -> dict[int, list[tuple[tuple[str, str], ...]]]:
        matchers = parse_selector(query)
        wanted = ask.target_labels or [item.name for item in matchers if item.op in ("=", "=~")]
        names: dict[int, list[tuple[tuple[str, str], ...]]] = {}
        for stream in self.streams(tenants, matchers, start, end):
            labels = (
                {name: stream.labels[name] for name in wanted if name in stream.labels} if wanted else stream.labels
            )
            if ask.by_labels:
                names[stream.sid] = [((name, ""),) for name in labels]
            else:
                names[stream.sid] = [tuple(sorted(labels.items()))]
        return names

    def volume_range(
        self,
        source: ViewSource,
        running: Running,
        tenants: Sequence[str],
        query: str,
        start: int,
        end: int,
        step: int,
        ask: "VolumeAsk",
    ) -> list[tuple[dict[str, str], list[tuple[int, int]]]]:
        """``index/volume_range``: bytes of each step (rows counted, bytes by the stream's mean)."""
        names = self._volume_names(tenants, query, start, end, ask)
        rows: dict[int, float] = defaultdict(float)
        sizes: dict[int, float] = defaultdict(float)
        for sid, count, size in self._shares(tenants, set(names), start, end):
            rows[sid] += count
            sizes[sid] += size
        relation = source.relation(sorted(names), start, end, Needs())
        sql = f"SELECT sid, (ts - {start}) // {step} AS bucket, count(*) FROM {relation} GROUP BY ALL"
        totals: dict[tuple[tuple[str, str], ...], dict[int, float]] = defaultdict(lambda: defaultdict(float))
        for sid, bucket, count in running.execute(sql).fetchall():
            mean = sizes[sid] / rows[sid] if rows[sid] else 0.0
            for name in names.get(sid, ()):
                totals[name][bucket] += count * mean
        ordered = sorted(totals.items(), key=lambda item: (-sum(item[1].values()), item[0]))[: ask.limit]
        return [
            (
                dict(name),
                [(start + (bucket + 1) * step - SECOND, round(size)) for bucket, size in sorted(buckets.items())],
            )
            for name, buckets in ordered
        ]

    def detected_labels(self, tenants: Sequence[str], query: str, start: int, end: int) -> list[dict[str, Any]]:
        """Labels whose values are worth showing: not ids, with their number of values."""
        values: dict[str, set[str]] = defaultdict(set)
        for stream in self.streams(tenants, parse_selector(query), start, end):
            for name, value in stream.labels.items():
                values[name].add(value)
        return [{"label": name, "cardinality": len(found)} for name, found in sorted(values.items())]


class VolumeAsk:
    """Parameters of the volume endpoints."""

    def __init__(self, limit: int, target_labels: list[str], *, by_labels: bool) -> None:
        self.limit, self.target_labels, self.by_labels = limit, target_labels, by_labels
