"""Raw rows to the columns of a segment: is the line JSON, its level, the promoted keys.

One SQL pass outside the GIL extracts raw texts; what they may still need (a level's spelling, arrays and objects,
numbers as they were written, nested keys) is looked at column by column and only done where a column has such
values.
"""

# ruff: noqa: S608 - SQL is what this module makes; literals go through fields.literal, names through identifier

import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import numpy as np
import orjson
import pyarrow as pa
import re2

from pytake.embedded.loki.batch import Array, Batch, pc
from pytake.embedded.loki.store.fields import (
    JSON_OK,
    NESTED,
    Extractor,
    Path,
    exact,
    identifier,
    label_paths,
    literal,
    nested_paths,
)

FLUSH_ALLOCATOR = "SET allocator_flush_threshold = '8MB'; SET allocator_bulk_deallocation_flush_threshold = '8MB'"
"""Makes the engine give memory back after each task instead of keeping up to 512 MB for the next."""
BASE_COLUMNS = ("ts", "sid", "line", "meta", "detected_level", "json_ok")
LEVEL_KEYS = (
    "level", "LEVEL", "Level", "log.level", "severity", "SEVERITY", "Severity", "SeverityText", "severity_text",
    "lvl", "LVL", "Lvl",
)  # fmt: skip
_LEVELS = {
    "trace": ("trace", "trc"),
    "debug": ("debug", "dbg"),
    "info": ("info", "inf", "information", "informational", "notice"),
    "warn": ("warn", "wrn", "warning"),
    "error": ("error", "err", "eror"),
    "critical": ("critical", "crit"),
    "fatal": ("fatal", "panic", "emergency", "emerg", "alert"),
}
_NAMES = {alias: level for level, aliases in _LEVELS.items() for alias in aliases}
_KEYWORDS = ("critical", "fatal", "error", "err:", "exception", "warn", "info", "debug", "trace")
_KEYWORD_LEVELS = {"err:": "error", "exception": "error"}
_LOGFMT = r"(?:^|[\s,\[])(?:level|lvl|severity|LEVEL|Level|Severity)\s*=\s*\"?([A-Za-z]+)"


def normal_level(value: str) -> str:
    """A level's value in Loki's spelling; unknown words become ``unknown``."""
    return _NAMES.get(value.strip().lower(), "unknown")


def line_level(line: str, labels: Mapping[str, str]) -> str:
    """The level of one line, as the pass below finds it for many."""
    for name in ("detected_level", *(key.replace(".", "_") for key in LEVEL_KEYS)):
        if name in labels:
            return normal_level(labels[name])
    if line.startswith("{"):
        try:
            parsed = orjson.loads(line)
        except orjson.JSONDecodeError:
            parsed = {}
        found = next((parsed[key] for key in LEVEL_KEYS if isinstance(parsed.get(key), str)), None)
        if found is not None:
            return normal_level(found)
    elif match := re2.search(_LOGFMT, line):
        return normal_level(match.group(1))
    low = line[:400].lower()
    word = next((word for word in _KEYWORDS if word in low), "unknown")
    return _KEYWORD_LEVELS.get(word, word)


def _keyword() -> str:
    cases = " ".join(
        f"WHEN contains(lower(left(line, 400)), {literal(word)}) THEN {literal(_KEYWORD_LEVELS.get(word, word))}"
        for word in _KEYWORDS
    )
    return f"CASE {cases} ELSE 'unknown' END"


def _meta_level() -> str:
    keys = ("detected_level", *(key.replace(".", "_") for key in LEVEL_KEYS))
    values = ", ".join(f"""json_extract_string(meta, '$."{key}"')""" for key in dict.fromkeys(keys))
    number = "TRY_CAST(json_extract_string(meta, '$.severity_number') AS INTEGER)"
    steps = ((4, "trace"), (8, "debug"), (12, "info"), (16, "warn"), (20, "error"), (24, "fatal"))
    cases = " ".join(f"WHEN {number} <= {top} THEN '{level}'" for top, level in steps)
    return f"CASE WHEN meta IS NOT NULL THEN coalesce({values}, CASE {cases} END) END"


def _slow_level(*, has_meta: bool) -> str:
    """The level's text where the key ``level`` does not give it."""
    others = ", ".join(f"json_extract_string(line, '$.\"{key}\"')" for key in LEVEL_KEYS)
    nested = 'json_extract_string(line, \'$."log"."level"\')'
    logfmt = f"nullif(regexp_extract(line, {literal(_LOGFMT)}, 1), '')"
    given = f"{_meta_level()}, hint" if has_meta else "hint"
    return (
        f"CASE WHEN coalesce({given}, v) IS NOT NULL THEN coalesce({given}, v) ELSE "
        f"coalesce(CASE WHEN json_ok THEN coalesce({others}, {nested}) "
        f"WHEN contains(line, '=') THEN {logfmt} END, {_keyword()}) END"
    )


_META_WITHOUT_LEVEL = (
    "CASE WHEN contains(meta, '\"detected_level\"') THEN "
    "nullif(json_merge_patch(meta, '{\"detected_level\":null}')::VARCHAR, '{}') ELSE meta END AS meta"
)
_SUSPICIOUS = r"^[\[{]|^-?[0-9]+\.[0-9]"


def _column(label: str) -> str:
    return "j_" + label.replace('"', "")


def _normal(column: Array) -> Array:
    encoded = _encoded(column)
    names = pa.array([normal_level(value) for value in encoded.dictionary.to_pylist()], pa.string())
    return names.take(encoded.indices)


def _encoded(column: Array) -> Array:
    return column.combine_chunks().dictionary_encode()


def _suspicious(values: Array) -> bool:
    """Whether a column may hold arrays, objects, or numbers that were written otherwise."""
    return bool(pc.any(pc.match_substring_regex(values, _SUSPICIOUS)).as_py())


class Enricher:
    """Runs the pass on a small engine of its own, so that no query can take its memory."""

    def __init__(self, temp_directory: str) -> None:
        self._lock = threading.Lock()
        config: dict[str, Any] = {"threads": 1, "memory_limit": "96MB", "temp_directory": temp_directory}
        self._engine = duckdb.connect(":memory:", config=config)
        self._engine.execute(FLUSH_ALLOCATOR)

    def close(self) -> None:
        """Release the engine."""
        self._engine.close()

    def run(
        self,
        batches: Sequence[Batch],
        labels: Sequence[str],
        known: Mapping[str, tuple[Path, ...]],
        *,
        levels: bool,
        hints: Mapping[int, str],
    ) -> pa.Table:
        """One table for ``batches``; ``hints`` are levels that a stream's labels give."""
        raw = raw_table(batches, hints)
        has_meta = raw.column("meta").null_count < len(raw)
        with self._lock:
            found = self._extract(raw, labels, known)
            columns: dict[str, Any] = {name: raw.column(name) for name in ("ts", "sid", "line", "meta")}
            if has_meta:
                columns["meta"] = self._select(f"SELECT {_META_WITHOUT_LEVEL} FROM rows", raw.select(["meta"])).column(
                    "meta"
                )
            columns["detected_level"] = pa.nulls(len(raw), pa.string())
            if levels:
                columns["detected_level"] = self._level(raw, found, has_meta=has_meta)
            columns["json_ok"] = found.column("json_ok")
            nested = "nested" in found.column_names and bool(pc.any(found.column("nested")).as_py())
            for label in labels:
                columns[_column(label)] = self._value(label, known, raw, found, nested=nested)
        return pa.table(columns)

    def _select(self, sql: str, rows: pa.Table) -> pa.Table:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._engine.register("rows", rows)
            try:
                table: pa.Table = self._engine.sql(sql).to_arrow_table()
            finally:
                self._engine.unregister("rows")
        return table

    def _extract(self, raw: pa.Table, labels: Sequence[str], known: Mapping[str, tuple[Path, ...]]) -> pa.Table:
        """Raw texts of the labels and of the key ``level`` (``v``), and whether lines are JSON.

        When every line looks like an object the check for valid JSON is left to the extraction, which fails on a line
        that is not; only then is it made line by line.
        """
        extractor = Extractor(known)
        wanted = [f"{extractor.slot(('level',))} AS v", "json_ok"]
        for label in labels:
            places = [extractor.slot(path) for path in label_paths(label, known)]
            text = places[0] if len(places) == 1 else f"coalesce({', '.join(places)})"
            wanted.append(f"{text} AS {identifier(_column(label))}")
        inner = f"(SELECT *, {JSON_OK} AS json_ok FROM rows)"
        if any(nested_paths(label, known) for label in labels):
            wanted.append(f"{NESTED} AS nested")
        lines = raw.select(["line"])
        if pc.all(pc.starts_with(raw.column("line"), "{")).as_py():
            quick = "(SELECT line, true AS json_ok FROM rows)"
            source = extractor.source.replace("CASE WHEN json_ok THEN ", "").removesuffix(" END")
            try:
                return self._select(f"SELECT {', '.join(wanted)} FROM (SELECT *, {source} AS e FROM {quick})", lines)
            except duckdb.InvalidInputException:
                pass
        return self._select(f"SELECT {', '.join(wanted)} FROM (SELECT *, {extractor.source} AS e FROM {inner})", lines)

    def _level(self, raw: pa.Table, found: pa.Table, *, has_meta: bool) -> Array:
        level = found.column("v")
        if raw.column("hint").null_count < len(raw) and not has_meta:
            level = pc.coalesce(raw.column("hint"), level)
        if level.null_count or has_meta:
            part = pa.table(
                {
                    "line": raw.column("line"), "meta": raw.column("meta"), "hint": raw.column("hint"),
                    "json_ok": found.column("json_ok"), "v": found.column("v"),
                }
            )  # fmt: skip
            level = self._select(f"SELECT {_slow_level(has_meta=has_meta)} AS v FROM rows", part).column("v")
        return _normal(level)

    def _value(
        self, label: str, known: Mapping[str, tuple[Path, ...]], raw: pa.Table, found: pa.Table, *, nested: bool
    ) -> Array:
        column = found.column(_column(label))
        paths, deeper = label_paths(label, known), nested and bool(nested_paths(label, known))
        if not deeper and len(paths) == 1:
            if not _suspicious(_encoded(column).dictionary):
                return column
            part = pa.table({"line": raw.column("line"), "v": column})
            return self._select(f"SELECT {exact('v', paths[0])} AS v FROM rows", part).column("v")
        extractor = Extractor(known)
        value = extractor.label(label)
        part = pa.table({"line": raw.column("line"), "json_ok": found.column("json_ok")})
        inner = f"(SELECT *, {NESTED} AS nested, {extractor.source} AS e FROM rows)"
        return self._select(f"SELECT {value} AS v FROM {inner}", part).column("v")


def raw_table(batches: Sequence[Batch], hints: Mapping[int, str]) -> pa.Table:
    """The rows of ``batches`` one after the other."""
    sid: Any = pa.chunked_array([batch.sid for batch in batches])
    metas = [pa.nulls(len(batch), pa.string()) if batch.meta is None else batch.meta for batch in batches]
    hint: Any = pa.nulls(len(sid), pa.string())
    if hints:
        values = sid.to_numpy()
        names = np.full(int(values.max()) + 1, None, dtype=object)
        for number, level in hints.items():
            if number < len(names):
                names[number] = level
        hint = pa.array(names[values], pa.string())
    return pa.table(
        {
            "ts": pa.chunked_array([batch.ts for batch in batches]),
            "sid": sid,
            "line": pa.chunked_array([batch.line for batch in batches]),
            "meta": pa.chunked_array(metas, pa.string()),
            "hint": hint,
        }
    )
