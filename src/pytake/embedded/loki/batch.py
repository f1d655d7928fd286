"""A decoded push: columns of rows, and how many bytes they count for."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

Array = Any
"""A pyarrow array (its stubs know too little of nested ones)."""
pc: Any = import_module("pyarrow.compute")
"""``pyarrow.compute``, untyped for the same reason."""


@dataclass(slots=True)
class StreamRows:
    """The rows of one stream as a request names it, before the stream has an id."""

    labels: dict[str, str]
    ts: Array
    line: Array
    meta: Array | None = None

    def keep(self, mask: Array) -> None:
        """Drop the rows where ``mask`` is false."""
        self.ts = self.ts.filter(mask)
        self.line = self.line.filter(mask)
        if self.meta is not None:
            self.meta = self.meta.filter(mask)

    @property
    def nbytes(self) -> int:
        """Bytes as Loki counts them: lines and structured metadata."""
        size = pc.sum(pc.binary_length(self.line)).as_py() or 0
        if self.meta is not None:
            size += pc.sum(pc.binary_length(self.meta)).as_py() or 0
        return int(size)


@dataclass(slots=True)
class Batch:
    """Rows with stream ids, ready for the hot buffer."""

    ts: Array
    sid: Array
    line: Array
    meta: Array | None
    nbytes: int

    def __len__(self) -> int:
        return len(self.ts)
