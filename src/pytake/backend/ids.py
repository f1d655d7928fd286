"""Identifiers that sort by time (UUID version 7, RFC 9562), so that a primary key is also the order of a page."""

import os
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def new_id() -> UUID:
    """A version-7 UUID; ids of one process strictly increase."""
    global _last  # noqa: PLW0603 (one monotonic clock a process is the point)
    with _lock:
        ticks = max(time.time_ns() * 4096 // 1_000_000, _last + 1)  # 1/4096 ms
        _last = ticks
    milliseconds, fraction = divmod(ticks, 4096)
    random_bits = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    return UUID(int=(milliseconds << 80) | (7 << 76) | (fraction << 64) | (2 << 62) | random_bits)
