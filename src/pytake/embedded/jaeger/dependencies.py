"""Which service calls which: counted when a segment is written, so that a query only adds up.

A call is a span whose parent is a span of another service. Nearly always both lie in the same segment; the spans whose
parent was not there are kept as *open* and looked up in the other parts when a query asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pytake.embedded.jaeger import hashing
from pytake.embedded.jaeger.columns import ERROR, Columns
from pytake.embedded.jaeger.index import Index, Ints

MINUTE_US = 60_000_000


@dataclass(slots=True)
class Calls:
    """Counts by (minute, caller, callee), and the spans whose caller is elsewhere.

    ``caller`` and ``callee`` are numbers of :func:`services` of the part's operations.
    """

    minute: Ints
    caller: Ints
    callee: Ints
    count: Ints
    errors: Ints
    open_parent: Ints
    open_trace: Ints
    open_callee: Ints
    open_minute: Ints
    open_error: Ints
    NAMES: ClassVar[tuple[str, ...]] = (
        "minute", "caller", "callee", "count", "errors",
        "open_parent", "open_trace", "open_callee", "open_minute", "open_error",
    )  # fmt: skip

    def arrays(self) -> dict[str, Ints]:
        """The arrays by name."""
        return {name: getattr(self, name) for name in self.NAMES}

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return sum(array.nbytes for array in self.arrays().values())


def services(index_ops: Sequence[tuple[str, str, int, int]] | Index) -> list[str]:
    """The services of a part, sorted: what ``caller`` and ``callee`` point into."""
    ops = index_ops.ops if isinstance(index_ops, Index) else index_ops
    return sorted({op[0] for op in ops})


def summarise(columns: Columns, index: Index) -> Calls:
    """Count the calls among arranged columns."""
    names = services(index)
    of_op = np.array([names.index(op.service) for op in index.ops], np.int64)
    failed = np.array([op.status == ERROR for op in index.ops], bool)
    service, error = of_op[columns.op], failed[columns.op]
    trace = index.trace_of(np.arange(len(columns))).astype(np.uint64)
    identity = hashing.mix(columns.span_id + trace * np.uint64(0x9E3779B97F4A7C15))
    wanted = hashing.mix(columns.parent_id + trace * np.uint64(0x9E3779B97F4A7C15))
    order = np.argsort(identity)
    at = np.searchsorted(identity[order], wanted).clip(0, len(order) - 1)
    parent = order[at]
    child = columns.parent_id != 0
    found = child & (identity[parent] == wanted)
    minute = columns.start // 1000 // MINUTE_US
    calls = np.flatnonzero(found & (service[parent] != service))
    size = len(names)
    code = (minute[calls] * size + service[parent[calls]]) * size + service[calls]
    unique, inverse = np.unique(code, return_inverse=True)
    pending = np.flatnonzero(child & ~found)
    return Calls(
        minute=unique // size // size, caller=unique // size % size, callee=unique % size,
        count=np.bincount(inverse, minlength=len(unique)),
        errors=np.bincount(inverse, weights=error[calls], minlength=len(unique)).astype(np.int64),
        open_parent=columns.parent_id[pending], open_trace=trace[pending].astype(np.int64),
        open_callee=service[pending], open_minute=minute[pending], open_error=error[pending],
    )  # fmt: skip
