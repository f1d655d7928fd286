"""Raw rows to the columns of a segment: is the line JSON, its level, the promoted keys.

One SQL pass outside the GIL extracts raw texts; what they may still need (a level's spelling, arrays and objects, numbers
as they were written, nested keys) is looked at column by column and only done where a column has such values.
"""

import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from pytake.embedded.loki.batch import Array, Batch, pc
from pytake.embedded.loki.store.fields import (
    JSON_OK,
    NESTED,
    Extractor,
    Path,
    exact,
    label_paths,
    literal,
    nested_paths,
)

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


def _raw_level(extractor: Extractor, *, has_meta: bool) -> str:
    first = extractor.slot(("level",))
    others = ", ".join(f"json_extract_string(line, '$.\"{key}\"')" for key in LEVEL_KEYS[1:])
    nested = 'json_extract_string(line, \'$."log"."level"\')'
    logfmt = f"nullif(regexp_extract(line, {literal(_LOGFMT)}, 1), '')"
    rest = (
        f"coalesce(CASE WHEN json_ok THEN coalesce({others}, {nested}) "
        f"WHEN contains(line, '=') THEN {logfmt} END, {_keyword()})"
    )
    given = f"{_meta_level()}, hint, {first}" if has_meta else f"hint, {first}"
    return f"CASE WHEN coalesce({given}) IS NOT NULL THEN coalesce({given}) ELSE {rest} END"


def _normal(column: Array) -> Array:
    encoded = column.combine_chunks().dictionary_encode()
    names = pa.array([normal_level(value) for value in encoded.dictionary.to_pylist()], pa.string())
    return names.take(encoded.indices)


class Enricher:
    """Runs the pass on a small engine of its own, so that no query can take its memory."""

    def __init__(self, temp_directory: str) -> None:
        self._lock = threading.Lock()
        config = {"threads": 1, "memory_limit": "192MB", "temp_directory": temp_directory}
        self._engine = duckdb.connect(":memory:", config=config)

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
        extractor = Extractor(known)
        wanted = [f"{_raw_level(extractor, has_meta=has_meta) if levels else 'NULL::VARCHAR'} AS raw_level", "json_ok"]
        slots = {label: [extractor.slot(path) for path in label_paths(label, known)] for label in labels}
        for label, places in slots.items():
            wanted.append(f"coalesce({', '.join(places)}, NULL) AS {_q(label)}")
        if any(nested_paths(label, known) for label in labels):
            wanted.append(f"{NESTED} AS nested")
        if has_meta:
            wanted.append(_META_WITHOUT_LEVEL)
        inner = f"(SELECT *, {JSON_OK} AS json_ok FROM raw_rows)"
        with self._lock:
            found = self._select(
                f"SELECT {', '.join(wanted)} FROM (SELECT *, {extractor.source} AS e FROM {inner})", raw
            )
            columns: dict[str, Any] = {name: raw.column(name) for name in ("ts", "sid", "line")}
            columns["meta"] = found.column("meta") if has_meta else raw.column("meta")
            level = found.column("raw_level")
            columns["detected_level"] = _normal(level) if levels else level
            columns["json_ok"] = found.column("json_ok")
            nested = "nested" in found.column_names and pc.any(found.column("nested")).as_py()
            for label in labels:
                columns[_q(label).strip('"')] = self._value(label, known, raw, found, nested=bool(nested))
        return pa.table(columns)

    def _select(self, sql: str, raw: pa.Table) -> pa.Table:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._engine.register("raw_rows", raw)
            try:
                table: pa.Table = self._engine.sql(sql).to_arrow_table()
            finally:
                self._engine.unregister("raw_rows")
        return table

    def _value(
        self, label: str, known: Mapping[str, tuple[Path, ...]], raw: pa.Table, found: pa.Table, *, nested: bool
    ) -> Any:
        column = found.column(f"j_{label}")
        paths, further = label_paths(label, known), nested_paths(label, known)
        if not (nested and further) and len(paths) == 1 and not _suspicious(column):
            return column
        part = pa.table({"line": raw.column("line"), "json_ok": found.column("json_ok"), "v": column})
        if len(paths) == 1 and not (nested and further):
            return self._select(f"SELECT {exact('v', paths[0])} AS v FROM raw_rows", part).column("v")
        extractor = Extractor(known)
        value = extractor.label(label)
        inner = f"(SELECT *, {NESTED} AS nested, {extractor.source} AS e FROM raw_rows)"
        return self._select(f"SELECT {value} AS v FROM {inner}", part).column("v")


_META_WITHOUT_LEVEL = (
    "CASE WHEN contains(meta, '\"detected_level\"') THEN "
    "nullif(json_merge_patch(meta, '{\"detected_level\":null}')::VARCHAR, '{}') ELSE meta END AS meta"
)


def _q(label: str) -> str:
    return '"j_' + label.replace('"', "") + '"'


def _suspicious(column: Array) -> bool:
    """Whether a column may hold arrays, objects, or numbers that were written otherwise."""
    return bool(pc.any(pc.match_substring_regex(column, r"^[\[{]|^-?[0-9]+\.[0-9]")).as_py())


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
