"""What a job may raise, and which failures are an outage of ours rather than the job's fault."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg  # type: ignore[import-untyped] # it ships no types
from redis.exceptions import BusyLoadingError, ConnectionError, ReadOnlyError, TimeoutError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_POSTGRES_AWAY = (
    asyncpg.exceptions.PostgresConnectionError,
    asyncpg.exceptions.CannotConnectNowError,
    asyncpg.exceptions.AdminShutdownError,
    asyncpg.exceptions.CrashShutdownError,
    asyncpg.exceptions.TooManyConnectionsError,
    asyncpg.exceptions.InternalClientError,
    asyncpg.exceptions.InterfaceError,
    OSError,
)
_RETRY_SOON = (asyncpg.exceptions.DeadlockDetectedError, asyncpg.exceptions.SerializationError)


T = TypeVar("T")


class Postpone(Exception):  # noqa: N818 (says when, it is no error)
    """Not now: try this job again in ``delay`` seconds. Does not count as a failure."""

    def __init__(self, delay: float, reason: str) -> None:
        super().__init__(reason)
        self.delay = delay


def is_outage(error: BaseException) -> bool:
    """Whether PostgreSQL or Redis was away: wait and do the same job again."""
    if isinstance(error, (ConnectionError, TimeoutError, BusyLoadingError, ReadOnlyError, PoolTimeoutError)):
        return True
    if isinstance(error, (OperationalError, InterfaceError)):
        return True
    if isinstance(error, DBAPIError):
        cause: BaseException | None = error.orig
        while cause is not None:
            if isinstance(cause, (*_POSTGRES_AWAY, *_RETRY_SOON)):
                return True
            cause = cause.__cause__
        return error.connection_invalidated
    return isinstance(error, (*_POSTGRES_AWAY[:-1], ConnectionRefusedError, ConnectionResetError))


async def through_outages(step: Callable[[], Awaitable[T]], *, pause: float = 0.2, longest: float = 2.0) -> T:
    """Do ``step`` again until the stores are back: for what must be recorded while we still know it.

    Ends with the job's own time limit, not by itself.
    """
    while True:
        try:
            return await step()
        except Exception as error:
            if not is_outage(error):
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, longest)
