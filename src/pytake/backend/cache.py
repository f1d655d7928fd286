"""A small cache in Redis, shared by the processes. Redis being away is a miss, never an error."""

from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pytake.telemetry.catalog import CACHE_OPERATIONS
from pytake.telemetry.labels import CacheOperation, CacheResult

PREFIX = "pytake:cache:"


class Cache:
    """JSON values with a time to live."""

    def __init__(self, client: Redis) -> None:
        self.client = client

    async def get(self, key: str) -> Any:
        """The value, or ``None`` (also for a value that cannot be read)."""
        try:
            raw = await self.client.get(PREFIX + key)
            value = orjson.loads(raw) if raw is not None else None
        except (RedisError, OSError, orjson.JSONDecodeError):
            CACHE_OPERATIONS.inc(operation=CacheOperation.GET, result=CacheResult.ERROR)
            return None
        found = CacheResult.MISS if value is None else CacheResult.HIT
        CACHE_OPERATIONS.inc(operation=CacheOperation.GET, result=found)
        return value

    async def set(self, key: str, value: Any, *, seconds: float) -> None:
        """Keep a value for ``seconds``."""
        try:
            await self.client.set(PREFIX + key, orjson.dumps(value), px=int(seconds * 1000))
        except (RedisError, OSError):
            CACHE_OPERATIONS.inc(operation=CacheOperation.SET, result=CacheResult.ERROR)
        else:
            CACHE_OPERATIONS.inc(operation=CacheOperation.SET, result=CacheResult.OK)

    async def delete(self, key: str) -> None:
        """Forget a value."""
        try:
            await self.client.delete(PREFIX + key)
        except (RedisError, OSError):
            CACHE_OPERATIONS.inc(operation=CacheOperation.DELETE, result=CacheResult.ERROR)
        else:
            CACHE_OPERATIONS.inc(operation=CacheOperation.DELETE, result=CacheResult.OK)
