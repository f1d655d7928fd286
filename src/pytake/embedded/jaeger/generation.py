"""What the store is made of: its options, its parts, and the generations that are on their way to disk."""

import fcntl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple, Protocol

from pytake.embedded.jaeger import segment, wal
from pytake.embedded.jaeger.columns import Columns, Decoded, Op, concat, from_requests
from pytake.embedded.jaeger.index import Bools, HotPart, Index, TraceTable
from pytake.telemetry.logging import get_logger

log = get_logger("pytake.jaeger")


class OverloadedError(Exception):
    """More is coming in than can be indexed: the sender shall wait ``retry_seconds`` and send again."""

    retry_seconds = 1.0


class StoreClosedError(Exception):
    """The server is stopping."""


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Sizes and times; ``0`` switches a retention off."""

    segment_spans: int = 65_536
    segment_bytes: int = 48 * 2**20
    segment_seconds: float = 3600.0
    pending_bytes: int = 32 * 2**20
    waiting_generations: int = 2
    index_seconds: float = 1.0
    retention_seconds: float = 0.0
    retention_bytes: int = 0
    cache_bytes: int = segment.CACHE_BYTES


class Part(Protocol):
    """A piece of the store that can be searched: :class:`HotPart` or :class:`Segment`."""

    first_us: int
    last_us: int

    @property
    def ops(self) -> list[Op]: ...  # noqa: D102 (a protocol's members are described where they are implemented)
    def traces(self) -> TraceTable: ...  # noqa: D102
    def load(self) -> Index: ...  # noqa: D102
    def exact(self, pair: int) -> Bools | None: ...  # noqa: D102
    def blocks(self, pair: int) -> Bools: ...  # noqa: D102
    def spans(self, first: int, last: int) -> list[bytes]: ...  # noqa: D102


@dataclass(slots=True)
class Request:
    """A request that waits for the log."""

    body: bytes
    spans: int
    decoded: Decoded | None
    done: Callable[[Exception | None], None]


class Indexing(NamedTuple):
    """A request on its way from the log to memory."""

    generation: "Generation"
    body: bytes
    spans: int
    decoded: Decoded | None


@dataclass(slots=True)
class Generation:
    """Spans that become one segment together."""

    log: wal.WriteAheadLog
    opened: float
    spans: int = 0
    parts: list[HotPart] = field(default_factory=list)
    closed_at: float | None = None
    unindexed: int = 0
    """Requests on their way to disk or to ``parts``: while there are any, the generation cannot become a segment."""

    @property
    def number(self) -> int:
        """Name of its log and its segment."""
        return self.log.number


def columns_of(bodies: list[bytes], decoded: Sequence[Decoded | None] = ()) -> Columns | None:
    """Columns of requests; one that cannot be decoded (it was checked, so a fault of ours) is logged and left out."""
    try:
        return from_requests(bodies, decoded)
    except Exception as error:
        if len(bodies) == 1:
            log.error("trace_request_not_indexed", bytes=len(bodies[0]), error=repr(error))
            return None
    good = [columns for body in bodies if (columns := columns_of([body])) is not None]
    return concat(good) if good else None


def hold(directory: Path) -> TextIOWrapper:
    """Keep other servers out of the directory until the file is closed. Raises ``OSError`` when one is there."""
    file = (directory / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise OSError(error.errno, f"another server uses {directory}; stop it or choose another directory") from error
    return file
