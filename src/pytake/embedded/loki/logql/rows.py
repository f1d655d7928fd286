"""Where the engine meets the store: the rows a query reads and the rows it answers with.

The store implements `RowStore`. Every `Source` it hands out is something DuckDB can select from, with these columns:

| column      | type     | meaning                                                                                      |
|-------------|----------|----------------------------------------------------------------------------------------------|
| `ts`        | BIGINT   | nanoseconds since 1970, UTC                                                                    |
| `stream_id` | UINTEGER | key into `RowStore.select`                                                                     |
| `line`      | VARCHAR  | the line as it was pushed                                                                      |
| `meta`      | VARCHAR  | structured metadata as JSON object text, keys sorted, values strings, no blanks; NULL if none  |

plus the promoted columns that a source names itself (`json_columns`, `json_valid`, `meta_columns`); all VARCHAR but
`json_valid`, which is BOOLEAN. `logql.flatten_json` says what belongs in them, so that a promoted column and the
`| json` stage never differ. A source without any promotion is answered too, only slower.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pytake.embedded.loki.logql.ast import Matcher

Labels = tuple[tuple[str, str], ...]
"""A label set: pairs sorted by name, values never empty."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table, view or `read_parquet([...])` holding rows between `start` and `end` (ns, both inclusive)."""

    sql: str
    """What stands behind FROM: a quoted name or a table function call."""
    start: int
    end: int
    rows: int = 0
    json_columns: Mapping[str, str] = field(default_factory=dict)
    """Label name as `| json` gives it (sanitised, nested keys joined by `_`) -> column with `flatten_json(line)[name]`,
    NULL where the line has no such label (absent, null, empty text, array) or is not a JSON object."""
    json_valid: str | None = None
    """Column: TRUE where `flatten_json(line)` is not None. Without it the engine parses lines to find errors."""
    json_paths: Mapping[str, tuple[tuple[str, ...], ...]] | None = None
    """Every label name that `| json` can give in this source -> the key paths it comes from (`flatten_json_paths`).
    A name that is missing here is in no row. None: unknown, and names with `_` then cost a Python pass."""
    meta_columns: Mapping[str, str] = field(default_factory=dict)
    """Structured metadata key -> column holding it, NULL where the row has no such key. `meta` still holds it too."""
    meta_keys: frozenset[str] | None = None
    """Every structured metadata key that occurs in this source; None: unknown."""
    stream_ids: frozenset[int] | None = None
    """Every stream that occurs in this source; None: unknown."""


class Cursor(Protocol):
    """A DuckDB cursor, or something that looks like one."""

    def fetchmany(self, size: int = 1) -> list[Any]:
        """The next rows, an empty list at the end."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        ...


class RowStore(Protocol):
    """What the engine asks of the store. Called from one worker thread a query; the store counts, caps and cancels
    (a cancelled or oversized query raises the store's own exception from `execute` or a fetch)."""

    def select(self, matchers: Sequence[Matcher]) -> Mapping[int, Labels]:
        """The streams that match (`logql.matches` decides), by stream id, with their labels."""
        ...

    def sources(self, start: int, end: int, stream_ids: frozenset[int]) -> Sequence[Source]:
        """Sources that may hold rows with `start <= ts <= end` (ns) of these streams, oldest first; they stay readable
        until the query ends, and a row is in exactly one of them."""
        ...

    def execute(self, sql: str) -> Cursor:
        """Run one SELECT; constants are literals in the text already."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the answer. Its stream in the answer is the union of the three label sets, which never overlap."""

    ts: int
    line: str
    stream: Labels
    """Labels of the stored stream, as far as the pipeline left them alone."""
    metadata: Labels = ()
    """Structured metadata (`structuredMetadata` of categorized answers)."""
    parsed: Labels = ()
    """Labels made by the pipeline (`parsed` of categorized answers), `__error__` included."""

    def labels(self) -> Labels:
        """All labels in one sorted set."""
        return tuple(sorted(self.stream + self.metadata + self.parsed))


@dataclass(slots=True)
class Series:
    """One series of a metric answer; points are (ns since 1970, value), oldest first."""

    labels: Labels
    points: list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on one query, from Loki's `limits_config`."""

    max_series: int = 500
    """`max_query_series`; 0 is no limit."""
    max_rows_in_python: int = 5_000_000
    """Rows that one query may take through the Python evaluator before it is refused."""
