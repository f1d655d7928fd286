"""Relations: SQL over a query's view of the store, whatever is promoted, compacted or still in memory."""

# ruff: noqa: S608 - SQL is what this module makes; literals go through fields.literal, names through identifier

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from pytake.embedded.loki.batch import pc
from pytake.embedded.loki.rowsource import Labels, Needs, StreamMatcher
from pytake.embedded.loki.store import ids
from pytake.embedded.loki.store.enrich import BASE_COLUMNS
from pytake.embedded.loki.store.fields import identifier, literal, select
from pytake.embedded.loki.store.manifest import Segment
from pytake.embedded.loki.store.store import Store, View
from pytake.embedded.loki.streams import predicate

EMPTY = (
    "SELECT NULL::BIGINT AS ts, NULL::INTEGER AS sid, NULL::VARCHAR AS line, NULL::VARCHAR AS meta, "
    "NULL::VARCHAR AS detected_level, NULL::BOOLEAN AS json_ok"
)


@dataclass(slots=True)
class ReadStats:
    """What relations covered: counts of segments, rows and bytes (each segment once)."""

    segments: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    rows: int = 0
    line_bytes: int = 0
    disk_bytes: int = 0
    memory_rows: int = 0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is known of all rows of a source, so that the engine need not look at each."""

    has_meta: bool
    all_json: bool
    meta_keys: tuple[str, ...] | None = None

    def may_have(self, label: str) -> bool:
        """Whether structured metadata may hold a label."""
        return self.has_meta and (self.meta_keys is None or label in self.meta_keys)


@dataclass(frozen=True, slots=True)
class Hidden:
    """Rows that a pending delete request hides: SQL condition on a relation's columns."""

    tenant: str
    condition: str


class ViewSource:
    """A :class:`~pytake.embedded.loki.rowsource.RowSource` over one view, for one query's cursor."""

    def __init__(
        self,
        store: Store,
        tenants: Sequence[str],
        view: View,
        cursor: duckdb.DuckDBPyConnection,
        hidden: Sequence[Hidden] = (),
    ) -> None:
        self._store, self._tenants, self._view, self._cursor = store, tenants, view, cursor
        self._hidden = " AND ".join(f"NOT ({item.condition})" for item in hidden)
        self._tables: list[tuple[str, pa.Table]] = []
        for index, table in enumerate(view.tables):
            cursor.register(f"hot_{index}", table)
            self._tables.append((f"hot_{index}", table))
        self._lists = 0
        self._candidates: dict[tuple[str, str], list[tuple[int, int]] | None] = {}
        self.stats = ReadStats()
        self.asked: set[str] = set()

    def streams(self, matchers: Sequence[StreamMatcher], start_ns: int, end_ns: int) -> dict[int, Labels]:
        """See :class:`~pytake.embedded.loki.rowsource.RowSource`; several tenants get ``__tenant_id__``."""
        found: dict[int, Labels] = {}
        many = len(self._tenants) > 1
        rest = [matcher for matcher in matchers if not (many and matcher.name == "__tenant_id__")]
        tests = [predicate(matcher) for matcher in matchers if many and matcher.name == "__tenant_id__"]
        for tenant in self._tenants:
            if not all(test(tenant) for test in tests):
                continue
            live = self._store.live_sids(tenant, start_ns, end_ns)
            for stream in self._store.streams.select(tenant, rest):
                if stream.sid in live:
                    found[stream.sid] = {**stream.labels, "__tenant_id__": tenant} if many else stream.labels
        return found

    def relation(self, sids: Sequence[int] | None, start_ns: int, end_ns: int, needs: Needs) -> str:
        """See :class:`~pytake.embedded.loki.rowsource.RowSource`."""
        labels = sorted(needs.json_labels)
        self.asked.update(labels)
        parts = [
            self._files(group, ranges, sids, (start_ns, end_ns), labels, needs)
            for group, ranges in self._groups(sids, start_ns, end_ns, needs)
        ]
        for name, table in self._tables:
            self.stats.memory_rows = max(self.stats.memory_rows, sum(len(item) for _, item in self._tables))
            where = self._where(sids, start_ns, end_ns)
            promoted = [column for column in table.column_names if column.startswith("j_")]
            shape = _Shape(table.column("meta").null_count < len(table), bool(pc.all(table.column("json_ok")).as_py()))
            parts.append(self._part(name, promoted, where, labels, needs, shape))
        if not parts:
            parts = [self._part(f"({EMPTY})", [], "false", labels, needs, _Shape(has_meta=True, all_json=False))]
        return "(" + " UNION ALL ".join(parts) + ")"

    def _groups(
        self, sids: Sequence[int] | None, start: int, end: int, needs: Needs
    ) -> Iterable[tuple[list[Segment], list[tuple[int, int]] | None]]:
        """Segments to read: those with the same columns together, those that the id filter narrowed with ranges."""
        wanted = None if sids is None else frozenset(sids)
        whole: dict[tuple[Any, ...], list[Segment]] = {}
        for item in self._view.segments:
            if item.end < start or item.start >= end:
                continue
            if wanted is not None and wanted.isdisjoint(sid for sid, _, _ in item.sids):
                continue
            ranges = self._narrowed(item, needs.needles)
            if ranges is not None and not any(low < end and high >= start for low, high in ranges):
                self.stats.skipped.add(item.name)
                continue
            self._count(item)
            if ranges is None:
                held = [name for name in needs.meta_labels if _shape_of(item).may_have(name)]
                whole.setdefault((item.columns, item.has_meta, item.all_json, *held), []).append(item)
            else:
                yield [item], ranges
        for group in whole.values():
            yield group, None

    def _narrowed(self, item: Segment, needles: Sequence[str]) -> list[tuple[int, int]] | None:
        for needle in needles:
            key = (item.name, needle)
            if key not in self._candidates:
                self._candidates[key] = ids.candidates(self._store.path(item.name), needle)
            if self._candidates[key] is not None:
                return self._candidates[key]
        return None

    def _count(self, item: Segment) -> None:
        if item.name not in self.stats.segments:
            self.stats.segments.add(item.name)
            self.stats.rows += item.rows
            self.stats.line_bytes += item.line_bytes
            self.stats.disk_bytes += item.size

    def _files(
        self,
        group: list[Segment],
        ranges: list[tuple[int, int]] | None,
        sids: Sequence[int] | None,
        span: tuple[int, int],
        labels: Sequence[str],
        needs: Needs,
    ) -> str:
        names = ", ".join(literal(str(self._store.path(item.name))) for item in group)
        start = span[0] if any(item.start < span[0] for item in group) else None
        end = span[1] if any(item.end >= span[1] for item in group) else None
        held = {sid for item in group for sid, _, _ in item.sids}
        where = self._where(None if sids is None or held <= set(sids) else sids, start, end)
        if ranges is not None:
            where += " AND (" + " OR ".join(f"ts BETWEEN {low} AND {high}" for low, high in ranges) + ")"
        promoted = [f"j_{label}" for label in group[0].columns]
        shape = _shape_of(group[0])
        return self._part(f"read_parquet([{names}])", promoted, where, labels, needs, shape)

    def _where(self, sids: Sequence[int] | None, start: int | None, end: int | None) -> str:
        terms = ["true"]
        if start is not None:
            terms.append(f"ts >= {start}")
        if end is not None:
            terms.append(f"ts < {end}")
        if sids is not None:
            terms.append(f"sid IN {self._sid_list(sids)}")
        if self._hidden:
            terms.append(self._hidden)
        return " AND ".join(terms)

    def _sid_list(self, sids: Sequence[int]) -> str:
        if len(sids) <= 200:
            return "(" + ", ".join(map(str, sids or [-1])) + ")"
        self._lists += 1
        name = f"sids_{self._lists}"
        self._cursor.register(name, pa.table({"sid": pa.array(list(sids), pa.int32())}))
        return f"(SELECT sid FROM {name})"

    def _part(
        self,
        source: str,
        promoted: Sequence[str],
        where: str,
        labels: Sequence[str],
        needs: Needs,
        shape: "_Shape",
    ) -> str:
        paths: Mapping[str, Any] = {}
        for tenant in self._tenants:
            paths = {**paths, **self._store.promoter(tenant).paths}
        stored = [label for label in labels if f"j_{label}" in promoted]
        missing = [label for label in labels if f"j_{label}" not in promoted]
        columns = [*BASE_COLUMNS, *(f"j_{label}" for label in stored)]
        inner = select(f"(SELECT * FROM {source} WHERE {where})", columns, missing, paths)
        known = {} if shape.has_meta else {"meta": "NULL::VARCHAR AS meta"}
        if shape.all_json:
            known["json_ok"] = "true AS json_ok"
        base = [known.get(name, name) for name in BASE_COLUMNS]
        ordered = ", ".join([*base, *(identifier(f"j_{label}") for label in labels)])
        metas = "".join(
            f", {_meta_value(label) if shape.may_have(label) else 'NULL::VARCHAR'} AS {identifier('m_' + label)}"
            for label in sorted(needs.meta_labels)
        )
        return f"(SELECT {ordered}{metas} FROM ({inner}))"


def _shape_of(item: Segment) -> _Shape:
    return _Shape(item.has_meta, item.all_json, item.meta_keys)


def _meta_value(label: str) -> str:
    path = '$."' + label.replace('"', "") + '"'
    return f"CASE WHEN meta IS NOT NULL THEN json_extract_string(meta, {literal(path)}) END"
