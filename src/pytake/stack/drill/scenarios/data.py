"""PostgreSQL and Redis under strain."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from threading import Event
from typing import Any

from redis.exceptions import RedisError

from pytake.backend.auth.keys import PREFIX
from pytake.stack.drill.scenario import Part, scenario
from pytake.stack.drill.scene import Scene

FILLER_BYTES = 100_000_000


@scenario("Redis is nearly full", "RedisMemoryHigh", uses=(Part.REDIS,), detect=400)
def redis_memory(scene: Scene) -> Iterator[None]:
    """A hundred megabytes of something, and a limit just above what is used."""
    redis, key = scene.redis, "drill:filler"
    for _ in range(FILLER_BYTES // 1_000_000):
        redis.rpush(key, b"x" * 1_000_000)
    time.sleep(2)  # until the buffers that carried it are gone
    redis.config_set("maxmemory", int(redis.info("memory")["used_memory"] * 1.06))
    redis.config_set("maxmemory-policy", "noeviction")
    try:
        yield
    finally:
        redis.config_set("maxmemory", 0)
        redis.config_set("maxmemory-policy", "volatile-lru")
        redis.unlink(key)


@scenario("Redis stalls again and again", "RedisSlow", uses=(Part.FLOW,), detect=600)
def slow_redis(scene: Scene) -> Iterator[None]:
    """All commands wait for 0.2 s, three times in a second."""
    ended = Event()

    def pause() -> None:
        redis = scene.redis
        while not ended.wait(0.1):
            with suppress(RedisError):
                redis.client_pause(200, all=True)
                redis.ping()

    with scene.thread(pause, ended):
        yield


@scenario("keys that no cache knows", "CacheHitRatioLow", uses=(Part.API, Part.REDIS), detect=1500)
def cold_cache(scene: Scene) -> Iterator[None]:
    """Requests with API keys that do not exist: each is looked for in the cache, in vain."""

    def unknown() -> dict[str, str]:
        return {"X-API-Key": f"{PREFIX}{uuid.uuid4().hex}"}

    with scene.requests("/api/v1/me", clients=3, pause=0.05, fresh_headers=unknown):
        yield


@scenario("PostgreSQL runs out of connections", "PostgresConnectionsHigh", uses=(Part.DATABASE,), detect=400)
def many_connections(scene: Scene) -> Iterator[None]:
    """Idle connections up to nine tenths of the limit."""
    with scene.background_loop() as loop:

        async def open_all() -> list[Any]:
            first = await scene.database()
            limit = await first.fetchval("SELECT current_setting('max_connections')::int")
            used = await first.fetchval("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
            return [first, *[await scene.database() for _ in range(int(limit * 0.86) - int(used))]]

        opened = asyncio.run_coroutine_threadsafe(open_all(), loop).result(60)
        try:
            yield
        finally:
            for connection in opened:
                asyncio.run_coroutine_threadsafe(connection.close(), loop).result(10)


async def _idle_transaction(connection: Any) -> AsyncIterator[None]:
    async with connection.transaction():
        await connection.fetchval("SELECT count(*) FROM contacts")
        yield
    await connection.close()


@scenario("a transaction is left open", "PostgresLongTransaction", uses=(Part.DATABASE,), detect=600)
def open_transaction(scene: Scene) -> Iterator[None]:
    """Idle in transaction for more than five minutes."""
    with scene.in_database(_idle_transaction):
        yield


@scenario("two transactions wait for each other", "PostgresDeadlocks", uses=(Part.DATABASE,), detect=200)
def deadlock(scene: Scene) -> Iterator[None]:
    """PostgreSQL ends one of them."""

    async def collide() -> None:
        first, second = await scene.database(), await scene.database()
        await first.execute("CREATE TABLE IF NOT EXISTS drill_lock (id int PRIMARY KEY)")
        await first.execute("INSERT INTO drill_lock VALUES (1), (2) ON CONFLICT DO NOTHING")
        for connection, row in ((first, 1), (second, 2)):
            await connection.execute("BEGIN")
            await connection.execute("UPDATE drill_lock SET id = id WHERE id = $1", row)
        await asyncio.gather(
            first.execute("UPDATE drill_lock SET id = id WHERE id = 2"),
            second.execute("UPDATE drill_lock SET id = id WHERE id = 1"),
            return_exceptions=True,
        )
        for connection in (first, second):
            await connection.execute("ROLLBACK")
        await first.execute("DROP TABLE drill_lock")
        await asyncio.gather(first.close(), second.close())

    asyncio.run(collide())
    yield


async def _scans(connection: Any) -> AsyncIterator[None]:
    """Whole scans of a table in a database of its own, so that nobody else's reads count with them."""
    await connection.execute("CREATE DATABASE drill_cold")
    try:
        yield
    finally:
        await connection.execute("DROP DATABASE drill_cold WITH (FORCE)")
        await connection.close()


@scenario("PostgreSQL reads tables larger than its cache", "PostgresCacheRatioLow", uses=(Part.DATABASE,), detect=1500)
def cold_database(scene: Scene) -> Iterator[None]:
    """A table of 64 MB in a database of its own is scanned again and again."""
    ended = Event()

    async def scan() -> None:
        connection = await scene.database("drill_cold")
        await connection.execute("CREATE TABLE big AS SELECT repeat(md5(n::text), 60) FROM generate_series(1, 32000) n")
        while not ended.is_set():
            await connection.fetchval("SELECT count(*) FROM big")
            await asyncio.sleep(0.3)
        await connection.close()

    with scene.in_database(_scans), scene.thread(lambda: asyncio.run(scan()), ended):
        yield
