"""What a worker does by the clock. Of several workers one does each task (a lock in Redis that expires)."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from redis.asyncio import Redis

from pytake.backend.queue.failures import is_outage
from pytake.telemetry.logging import get_logger
from pytake.telemetry.tracing import span

log = get_logger(__name__)


@dataclass(frozen=True)
class Task:
    """``run`` every ``interval`` seconds; ``shared``: in one of the workers, else in each."""

    name: str
    interval: float
    run: Callable[[], Awaitable[object]]
    shared: bool = True


class Periodic:
    """Runs tasks until stopped."""

    def __init__(self, client: Redis, owner: str, tasks: list[Task]) -> None:
        self.client = client
        self.owner = owner
        self.tasks = tasks
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """No more rounds."""
        self._stopping.set()

    async def run(self) -> None:
        """Run every task in its own rhythm."""
        await asyncio.gather(*(self._loop(task) for task in self.tasks))

    async def _loop(self, task: Task) -> None:
        pause = random.uniform(0, min(1.0, task.interval))  # noqa: S311 (workers should not march in step)
        while not await self._stopped_within(pause):
            pause = task.interval
            try:
                if not task.shared or await self._mine(task):
                    with span(f"periodic {task.name}"):
                        await task.run()
            except Exception as error:
                note = log.warning if is_outage(error) else log.error
                note("periodic_task_failed", task=task.name, error=f"{type(error).__name__}: {error}"[:300])
                pause = min(5.0, task.interval)

    async def _mine(self, task: Task) -> bool:
        """Whether it is this worker's turn: whoever sets the key first, until shortly before the next turn."""
        key = f"pytake:periodic:{task.name}"
        lasts = max(50, int(task.interval * 900))
        return bool(await self.client.set(key, self.owner, nx=True, px=lasts))

    async def _stopped_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()
