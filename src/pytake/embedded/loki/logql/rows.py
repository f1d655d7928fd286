"""What a query answers with, and what it needs beside `rowsource.RowSource`: somebody who runs its SQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

Labels = tuple[tuple[str, str], ...]
"""A label set: pairs sorted by name, values never empty."""


class Cursor(Protocol):
    """A DuckDB cursor, or something that looks like one."""

    def fetchmany(self, size: int = 1) -> list[Any]:
        """The next rows, an empty list at the end."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        ...

    def to_arrow_table(self) -> Any:
        """All rows, as an Arrow table; instead of the other two."""
        ...


Execute = Callable[[str], Cursor]
"""Runs one SELECT; constants are in the text already. Called from the thread that called the query, one statement at a
time, each read to its end or abandoned before the next; what it raises (cancelled, too big, too slow) goes through."""


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
    max_python_rows: int = 5_000_000
    """Rows that one query may take through the Python evaluator before it is refused."""
