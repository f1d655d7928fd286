"""A row source on DuckDB tables in memory: the smallest store that keeps the contract."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from pytake.embedded.loki.logql import Cursor, Matcher, flatten_json, matches
from pytake.embedded.loki.logql.ast import MatchOp
from pytake.embedded.loki.logql.reference import Line
from pytake.embedded.loki.rowsource import Needs, StreamMatcher, json_column, meta_column


@lru_cache(maxsize=1)
def _engine() -> duckdb.DuckDBPyConnection:
    """One engine for all sources of a test run: a new one each costs more than most queries."""
    return duckdb.connect(":memory:", config={"threads": 1})


class MemorySource:
    """Lines in one table; every label of every line is a column."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.statements: list[str] = []
        self._ids: dict[tuple[tuple[str, str], ...], int] = {}
        columns: dict[str, list[object]] = {
            name: [] for name in ("ts", "sid", "line", "meta", "detected_level", "json_ok")
        }
        flat = [flatten_json(line.line) for line in lines]
        self.json = sorted({name for labels in flat for name in labels or {}})
        self.meta = sorted({name for line in lines for name in line.metadata})
        extra: dict[str, list[str | None]] = {json_column(name): [] for name in self.json}
        extra |= {meta_column(name): [] for name in self.meta}
        for line, labels in zip(lines, flat, strict=True):
            key = tuple(sorted(line.stream.items()))
            meta = {name: value for name, value in line.metadata.items() if name != "detected_level"}
            columns["ts"].append(line.ts)
            columns["sid"].append(self._ids.setdefault(key, len(self._ids)))
            columns["line"].append(line.line)
            columns["meta"].append(orjson.dumps(meta, option=orjson.OPT_SORT_KEYS).decode() if meta else None)
            columns["detected_level"].append(line.metadata.get("detected_level"))
            columns["json_ok"].append(labels is not None)
            for name in self.json:
                extra[json_column(name)].append((labels or {}).get(name))
            for name in self.meta:
                extra[meta_column(name)].append(line.metadata.get(name))
        types = [pa.int64(), pa.int32(), pa.string(), pa.string(), pa.string(), pa.bool_()]
        arrays = [pa.array(values, kind) for values, kind in zip(columns.values(), types, strict=True)]
        arrays += [pa.array(values, pa.string()) for values in extra.values()]
        self.table = pa.table(arrays, names=[*columns, *extra])
        self.connection = _engine().cursor()
        self.connection.register("lines", self.table)

    def close(self) -> None:
        self.connection.close()

    def streams(self, matchers: Sequence[StreamMatcher], start_ns: int, end_ns: int) -> dict[int, Mapping[str, str]]:
        wanted = [Matcher(m.name, MatchOp(m.op), m.value) for m in matchers]
        return {sid: dict(key) for key, sid in self._ids.items() if matches(wanted, dict(key))}

    def relation(self, sids: Sequence[int] | None, start_ns: int, end_ns: int, needs: Needs) -> str:
        columns = ["ts", "sid", "line", "meta", "detected_level", "json_ok"]
        wanted = [(json_column(name), name in self.json) for name in sorted(needs.json_labels)]
        wanted += [(meta_column(name), name in self.meta) for name in sorted(needs.meta_labels)]
        columns += [f'"{column}"' if known else f'NULL::VARCHAR AS "{column}"' for column, known in wanted]
        inside = f"ts >= {start_ns} AND ts < {end_ns}"
        if sids is not None:
            inside += f" AND sid IN ({', '.join(map(str, sids))})"
        for needle in needs.needles:
            inside += " AND contains(line, '" + needle.replace("'", "''") + "')"
        return f"(SELECT {', '.join(columns)} FROM lines WHERE {inside})"

    def execute(self, sql: str) -> Cursor:
        self.statements.append(sql)
        return MemoryCursor(self.connection, sql)


class MemoryCursor:
    """A statement, run when it is read."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, sql: str) -> None:
        self._connection, self._sql = connection, sql
        self._ran = False

    def fetchmany(self, size: int = 1) -> list[Any]:
        if not self._ran:
            self._connection.execute(self._sql)
        self._ran = True
        return self._connection.fetchmany(size)

    def fetchall(self) -> list[Any]:
        return self._connection.execute(self._sql).fetchall()

    def to_arrow_table(self) -> pa.Table:
        table: pa.Table = self._connection.sql(self._sql).to_arrow_table()
        return table
