"""Metrics and spans of what a service stores data in: SQLAlchemy engines and their pools, redis clients."""

from typing import Any


def observe_engine(engine: Any) -> None:
    """Count and time each SQL statement of ``engine`` (sync or async) and watch its pool."""
    from pytake.telemetry.hooks_sqlalchemy import measure_engine  # noqa: PLC0415 (not every process has SQLAlchemy loaded)

    measure_engine(engine)


def observe_redis(client: Any) -> None:
    """Count and time each command and pipeline of ``client`` (``redis.asyncio`` or ``redis``)."""
    from pytake.telemetry.hooks_redis import measure_redis  # noqa: PLC0415 (as above)

    measure_redis(client)
