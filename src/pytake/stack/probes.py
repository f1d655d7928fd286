"""Readiness: what a component must answer before those that need it are started."""

import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg  # type: ignore[import-untyped]  # it has none
import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pytake.stack.layout import Stack

PROBE_SECONDS = 3.0

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Probes speak plain HTTP: a context without certificates, since loading those costs 20 ms of CPU a client."""

Probe = Callable[["Stack", int], Awaitable[str | None]]
"""Asks the component on a port; None when it is ready, else what it answered."""


@dataclass(frozen=True)
class Http:
    """Ready when GET ``path`` answers 200; with ``metric``, when that sample of the answer is 1."""

    path: str
    metric: str | None = None

    async def __call__(self, stack: Stack, port: int) -> str | None:
        """Ask once."""
        url = f"http://127.0.0.1:{port}{self.path}"
        try:
            async with httpx.AsyncClient(timeout=PROBE_SECONDS, trust_env=False, verify=NO_TLS) as client:
                answer = await client.get(url)
        except httpx.HTTPError as error:
            return f"{self.path}: {type(error).__name__}"
        if answer.status_code != 200:
            return f"{self.path}: {answer.status_code} {answer.text[:120].strip()}"
        if self.metric and not re.search(rf"^{self.metric}(\{{[^}}]*\}})? 1$", answer.text, re.MULTILINE):
            return f"{self.path}: {self.metric} is not 1"
        return None


def _words(error: BaseException) -> str:
    """What an error says; a timeout says nothing but its name."""
    return str(error) or type(error).__name__


async def postgres_query(stack: Stack, port: int) -> str | None:
    """Ready when a query as superuser is answered."""
    try:
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=port,
            user="postgres",
            password=stack.settings.pytake_postgres_admin_password.get_secret_value(),
            database="postgres",
            timeout=PROBE_SECONDS,
            ssl=False,
        )
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return f"connect: {_words(error)}"
    try:
        await connection.fetchval("SELECT 1", timeout=PROBE_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return f"SELECT 1: {_words(error)}"
    finally:
        await connection.close(timeout=PROBE_SECONDS)
    return None


async def redis_ping(stack: Stack, port: int) -> str | None:
    """Ready when PING is answered (while Redis loads its file it answers LOADING)."""
    client = Redis(
        host="127.0.0.1",
        port=port,
        password=stack.settings.pytake_redis_password.get_secret_value(),
        socket_timeout=PROBE_SECONDS,
        socket_connect_timeout=PROBE_SECONDS,
    )
    try:
        await client.ping()
    except (OSError, RedisError) as error:
        return f"PING: {_words(error)}"
    finally:
        await client.aclose()
    return None
