"""Ready-made health checks: memory, disk, queues. Each returns details, raises :class:`Degraded` or fails."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from pytake.telemetry.health import Check, Degraded

MEGABYTE = 1 << 20


def disk_check(path: Path, *, degraded_below: int = 2048 * MEGABYTE, failed_below: int = 256 * MEGABYTE) -> Check:
    """Check the free bytes of the file system that ``path`` is on."""

    async def check() -> dict[str, Any]:
        usage = await asyncio.to_thread(shutil.disk_usage, path)
        _judge(usage.free, degraded_below, failed_below, f"free on {path}")
        return {"free_bytes": usage.free, "total_bytes": usage.total}

    return check


def memory_check(*, degraded_below: int = 256 * MEGABYTE, failed_below: int = 64 * MEGABYTE) -> Check:
    """Check the bytes of memory that the machine could still give."""

    async def check() -> dict[str, Any]:
        memory = psutil.virtual_memory()
        _judge(memory.available, degraded_below, failed_below, "of memory available")
        return {"available_bytes": memory.available, "process_bytes": psutil.Process().memory_info().rss}

    return check


def queue_check(
    oldest_seconds: Callable[[], Awaitable[Mapping[str, float]]], *, degraded_after: float, failed_after: float
) -> Check:
    """Check the age of each queue's oldest job that is not done, seconds, as ``oldest_seconds()`` tells it."""

    async def check() -> dict[str, Any]:
        ages = dict(await oldest_seconds())
        queue, age = max(ages.items(), key=lambda item: item[1], default=("", 0.0))
        text = f"the oldest job of {queue} waits for {age:.0f} s"
        if age > failed_after:
            raise RuntimeError(f"{text}; are workers running?")
        if age > degraded_after:
            raise Degraded(text)
        return {"oldest_seconds": ages}

    return check


def _judge(found: int, degraded_below: int, failed_below: int, what: str) -> None:
    text = f"{found // MEGABYTE} MB {what}"
    if found < failed_below:
        raise RuntimeError(text)
    if found < degraded_below:
        raise Degraded(text)
