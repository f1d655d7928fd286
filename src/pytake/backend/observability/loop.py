"""How late the event loop is: the first sign that a process has too much to do."""

import asyncio
import time

from pytake.telemetry.catalog import EVENT_LOOP_LAG

INTERVAL = 0.5


async def watch_loop() -> None:
    """Measure until cancelled."""
    while True:
        due = time.perf_counter() + INTERVAL
        await asyncio.sleep(INTERVAL)
        EVENT_LOOP_LAG.observe(max(0.0, time.perf_counter() - due))
