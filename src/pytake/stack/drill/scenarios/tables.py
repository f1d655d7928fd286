"""A table that is locked: first of all, while little else has gone well that error budgets would count against it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from threading import Event
from typing import Any

from pytake.stack.drill.scenario import Part, scenario
from pytake.stack.drill.scene import Scene


@scenario("the table contacts is locked for some seconds, again and again", "DatabaseSlowQueries", "ApiHighLatency",
          "ApiLatencyBudgetBurnFast", later=("ApiLatencyBudgetBurnSlow",),
          breaks=(Part.API, Part.FLOW, Part.DATABASE), detect=1500)  # fmt: skip
def slow_table(scene: Scene) -> Iterator[None]:
    """Requests for contacts take four seconds and succeed; nobody else asks for anything."""
    ended = Event()

    async def lock() -> None:
        connection = await scene.database()
        while not ended.is_set():
            async with connection.transaction():
                await connection.execute("LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE")
                await asyncio.sleep(4)
            await asyncio.sleep(0.1)
        await connection.close()

    with (
        scene.no_customers(),
        scene.thread(lambda: asyncio.run(lock()), ended),
        scene.requests("/api/v1/contacts", clients=12, pause=0.3),
    ):
        time.sleep(1)
        yield


async def _lock(connection: Any) -> AsyncIterator[None]:
    async with connection.transaction():
        await connection.execute("LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE")
        yield
    await connection.close()


@scenario("the table contacts is locked while agents work",
          "ApiHighErrorRate", "ApiExtremeLatency", "DatabaseQueryErrors", "DatabasePoolSaturated", "DatabasePoolWait",
          later=("ApiErrorBudgetBurnFast", "ApiErrorBudgetBurnSlow"),
          breaks=(Part.API, Part.FLOW, Part.DATABASE), detect=900, settle=20)  # fmt: skip
def locked_table(scene: Scene) -> Iterator[None]:
    """Requests for contacts wait for the lock until they are given up."""
    with scene.in_database(_lock), scene.requests("/api/v1/contacts", clients=40, pause=0.05):
        yield
