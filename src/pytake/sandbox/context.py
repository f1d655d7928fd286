"""The parts of a running sandbox, handed to the routes through ``app.state.sandbox``."""

import asyncio
import random
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from pytake.sandbox import connections
from pytake.sandbox import faults as fl
from pytake.sandbox.answers import PromptCache
from pytake.sandbox.customers import Customers
from pytake.sandbox.delivery import Delivery
from pytake.sandbox.lifecycle import Lifecycle
from pytake.sandbox.limits import Limits, OpenAIBudget
from pytake.sandbox.settings import SandboxSettings
from pytake.sandbox.world import World


class Silence(Exception):  # noqa: N818 (not an error of ours: the connection ends without an answer)
    """End this call without an answer; ``hold`` seconds later, or with a reset at once when it is 0."""

    def __init__(self, hold: float = 0.0):
        super().__init__("the connection ends without an answer")
        self.hold = hold


@dataclass
class Sandbox:
    """Everything that one sandbox consists of."""

    settings: SandboxSettings
    rng: random.Random
    world: World
    faults: fl.Faults
    delivery: Delivery
    lifecycle: Lifecycle
    limits: Limits
    customers: Customers
    openai_budget: OpenAIBudget
    prompt_cache: PromptCache

    def call_fault(self, kind: type[fl.F], api: fl.Api, operation: str, instance: str | None) -> fl.F | None:
        """The newest fault of a call kind that hits this call, its ``ratio`` drawn."""
        for fault in reversed(self.faults.all(kind, instance)):
            call = cast(fl.CallFault, fault)
            if call.api is api and call.operation in (None, operation) and self.rng.random() < call.ratio:
                return fault
        return None

    async def before_call(self, api: fl.Api, operation: str, instance: str | None) -> None:
        """Latency, and silence before anything was done."""
        latency = self.call_fault(fl.Latency, api, operation, instance)
        if latency is not None:
            await asyncio.sleep(latency.seconds + self.rng.uniform(0, latency.jitter))
        self.silence(api, operation, instance, after_accept=False)

    def silence(self, api: fl.Api, operation: str, instance: str | None, *, after_accept: bool) -> None:
        """Raise :class:`Silence` when a timeout or reset fault of this phase hits."""
        timeout = self.call_fault(fl.Timeout, api, operation, instance)
        if timeout is not None and timeout.after_accept is after_accept:
            raise Silence(timeout.hold)
        reset = self.call_fault(fl.ConnectionReset, api, operation, instance)
        if reset is not None and reset.after_accept is after_accept:
            raise Silence


async def end_silently(request: Request, silence: Silence) -> None:
    """Hold the connection as long as the client waits, at most ``hold`` seconds, then reset it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + silence.hold
    # ASGI tells that the client has gone only when it is asked
    while loop.time() < deadline and not await request.is_disconnected():  # noqa: ASYNC110
        await asyncio.sleep(min(0.2, max(0.0, deadline - loop.time())))
    await connections.reset(request)


def _sandbox(request: Request) -> Sandbox:
    return cast(Sandbox, request.app.state.sandbox)


SandboxDep = Annotated[Sandbox, Depends(_sandbox)]
