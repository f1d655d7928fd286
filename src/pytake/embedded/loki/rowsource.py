"""Where the LogQL compiler meets the store: what rows look like in SQL, and what may be asked of the store.

A query is compiled once and run over many *relations*: the engine walks time slices (newest first for log queries) and
puts each slice's relation where the compiled SQL says ``FROM``. A relation is SQL text that may stand after ``FROM``
(always parenthesised, so ``FROM {relation} AS r`` works) and has exactly the columns of :class:`Col` plus one VARCHAR
column for each JSON label and each structured-metadata label that was asked for, named by :func:`json_column` and
:func:`meta_column`. Whether such a column is stored ("promoted", chosen by the store from what it sees) or computed
from the line is the relation's business; its meaning is the same.

Time bounds and stream ids are already applied inside the relation; line and label filters are the compiler's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

Labels = Mapping[str, str]


class Col(StrEnum):
    """Columns that every relation has."""

    TS = "ts"
    """BIGINT, nanoseconds since the epoch."""
    SID = "sid"
    """INTEGER stream id; :meth:`RowSource.streams` maps it to the stream's labels."""
    LINE = "line"
    """VARCHAR, never NULL."""
    META = "meta"
    """VARCHAR: structured metadata as a JSON object with sorted keys and string values; NULL when there is none.
    ``detected_level`` is not inside: it is the next column, and belongs to the structured metadata of an answer."""
    LEVEL = "detected_level"
    """VARCHAR: the level the store detected, NULL where detection is off."""
    JSON_OK = "json_ok"
    """BOOLEAN: the whole line parses as a JSON object (what Loki's ``| json`` accepts without ``__error__``)."""


def json_column(label: str) -> str:
    """Name of the column that holds what ``| json`` would extract as ``label`` (before conflicts with stream labels).

    VARCHAR: strings unescaped, numbers and booleans as text, nested keys joined with ``_``; NULL where the key is
    absent, null, an array or an object.
    """
    return "j_" + label


def meta_column(label: str) -> str:
    """Name of the column that holds the structured-metadata value ``label`` (NULL where absent)."""
    return "m_" + label


@dataclass(frozen=True, slots=True)
class Needs:
    """The extra columns a compiled query reads; the relation provides them whether stored or not."""

    json_labels: frozenset[str] = frozenset()
    meta_labels: frozenset[str] = frozenset()
    needles: tuple[str, ...] = ()
    """Substrings that every wanted line contains (from ``|=`` with no ``or``): the store may skip data by them."""


@dataclass(frozen=True, slots=True)
class StreamMatcher:
    """One matcher of a stream selector: ``op`` is ``=``, ``!=``, ``=~`` or ``!~`` (regexes anchored, RE2)."""

    name: str
    op: str
    value: str


class RowSource(Protocol):
    """A tenant's rows."""

    def streams(self, matchers: Sequence[StreamMatcher], start_ns: int, end_ns: int) -> dict[int, Labels]:
        """Streams that satisfy all matchers and may have rows in ``[start_ns, end_ns)``: id to labels."""
        ...

    def relation(self, sids: Sequence[int] | None, start_ns: int, end_ns: int, needs: Needs) -> str:
        """SQL for the rows of these streams (``None``: all) with ``start_ns <= ts < end_ns``."""
        ...
