"""What log and metric queries share: streams of a selector, rows of sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytake.embedded.loki.logql import ast
from pytake.embedded.loki.rowsource import Col, RowSource, StreamMatcher

COLUMNS = f"r.{Col.TS}, r.{Col.SID}, r.{Col.LINE}, r.{Col.META}, r.{Col.LEVEL}"
PAGE = 2048
"""Rows a statement fetches where SQL cannot say exactly which lines stay."""
Streams = Mapping[int, Mapping[str, str]]


def rows_of(sources: Sequence[str]) -> str:
    """SQL of the rows of all sources."""
    return " UNION ALL ".join(f"SELECT {COLUMNS} {source}" for source in sources)


def streams_of(source: RowSource, matchers: Sequence[ast.Matcher], start: int, end: int) -> Streams:
    """The streams of a selector that may have rows of `start <= ts < end`."""
    return source.streams([StreamMatcher(m.name, m.op.value, m.value) for m in matchers], start, end)
