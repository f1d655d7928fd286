"""Waiting with a deadline instead of sleeping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    predicate: Callable[[], T], timeout: float = 10.0, what: str = "the condition", *, every: float = 0.02
) -> T:
    """Call ``predicate`` until it answers something true and return that; exceptions of it count as 'not yet'.

    Fails with ``what``, the last answer and the last exception after ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            answer = predicate()
            if answer:
                return answer
            last = answer
        except Exception as error:
            last = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout} s for {what}; last: {last!r}")
        time.sleep(every)


async def wait_until_async(
    predicate: Callable[[], Awaitable[T] | T],
    timeout: float = 10.0,  # noqa: ASYNC109 (the deadline must name what was waited for)
    what: str = "the condition",
    *,
    every: float = 0.02,
) -> T:
    """:func:`wait_until` for coroutines: the event loop goes on meanwhile."""
    deadline = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            answer = predicate()
            value: T = await answer if inspect.isawaitable(answer) else answer
            if value:
                return value
            last = value
        except Exception as error:
            last = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout} s for {what}; last: {last!r}")
        await asyncio.sleep(every)
