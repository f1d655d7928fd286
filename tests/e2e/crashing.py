"""A worker that kills itself (SIGKILL) at one step of its work: ``python -m tests.e2e.crashing``.

``PYTAKE_TEST_CRASH_AT`` names the step, ``PYTAKE_TEST_CRASH_AFTER`` how many times the step is passed before (1: the
first time kills). Production code knows nothing of this: the steps are wrapped from outside, and a step whose function
does not exist any more fails loudly.
"""

import asyncio
import importlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """``target`` is ``module:attribute`` or ``module:Class.method``; the crash comes before or after its call."""

    target: str
    after: bool
    matters: str


STEPS = {
    "webhook_taken": Step(
        "pytake.backend.webhooks.processing:_dispatch", False, "the webhook was read from the queue, nothing done"
    ),
    "message_stored": Step(
        "pytake.backend.messages.inbound:Effects.run", False, "the message is committed, nobody was told"
    ),
    "answer_asked": Step(
        "pytake.backend.webhooks.processing:_dispatch", True, "the answer is asked for, the webhook not acknowledged"
    ),
    "webhook_done": Step("pytake.backend.queue.streams:Streams.done", True, "a job is acknowledged and removed"),
    "conversation_leased": Step(
        "pytake.backend.conversations.work:ConversationWork._take", True, "the conversation's lease is taken"
    ),
    "answer_generated": Step(
        "pytake.backend.ai.answering:Answering._keep", False, "the model has answered, nothing is stored"
    ),
    "answer_queued": Step("pytake.backend.ai.answering:Answering._keep", True, "the answer is stored and queued"),
    "send_reserved": Step(
        "pytake.backend.messages.sending:_begin", False, "the send has its moment, nothing is recorded"
    ),
    "send_begun": Step(
        "pytake.backend.messages.sending:_begin", True, "the send is recorded as under way, no request was made"
    ),
    "send_answered": Step(
        "pytake.backend.whatsapp.client:GraphClient.send", True, "Meta has accepted, nothing is recorded"
    ),
    "send_recorded": Step(
        "pytake.backend.messages.sending:_accepted", True, "the acceptance is committed, the job not done"
    ),
    "conversation_released": Step(
        "pytake.backend.conversations.work:ConversationWork._release", True, "the lease is back, the job not done"
    ),
    "status_taken": Step("pytake.backend.webhooks.processing:apply_status", False, "a status was read, nothing done"),
    "status_stored": Step(
        "pytake.backend.webhooks.processing:apply_status", True, "a status is committed, not acknowledged"
    ),
}
"""Every step of the worker's job, in order. The tests run through all of them."""

NEVER_SENT = {"send_begun"}
"""After these nobody can know that Meta got nothing: a person has to look, because sending again might be twice."""


def _crash() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(step: Step, after: int) -> None:
    """Wrap the step's function so that its ``after``-th call kills the process."""
    module_name, _, path = step.target.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module_name)
    for part in owners:
        owner = getattr(owner, part)
    original: Callable[..., Any] = getattr(owner, name)
    assert asyncio.iscoroutinefunction(original), f"{step.target} is not a coroutine function any more"
    left = after

    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if not step.after:
            left -= 1
            if left <= 0:
                _crash()
        answer = await original(*args, **kwargs)
        if step.after:
            left -= 1
            if left <= 0:
                _crash()
        return answer

    setattr(owner, name, wrapped)


def main() -> int:
    """Arm the step, then run the worker as ever."""
    arm(STEPS[os.environ["PYTAKE_TEST_CRASH_AT"]], int(os.environ.get("PYTAKE_TEST_CRASH_AFTER", "1")))
    from pytake.backend.worker.main import main as worker

    return worker([])


if __name__ == "__main__":
    sys.exit(main())
