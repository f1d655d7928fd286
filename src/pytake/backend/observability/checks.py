"""What the health check looks at."""

import asyncio
import time
from typing import Any

import httpx
import psutil
from sqlalchemy import text

from pytake.backend.observability.gauges import QUEUES
from pytake.backend.resources import Resources
from pytake.backend.whatsapp.client import GraphError
from pytake.telemetry.health import Degraded, HealthRegistry
from pytake.telemetry.labels import Dependency, WhatsAppOperation

REMOTE_PAUSE = 30.0
"""Seconds between two questions to a remote API: its management calls are limited, and probes come every few seconds."""


class Remembered:
    """A check of a remote API that asks at most every :data:`REMOTE_PAUSE` seconds and repeats its last answer."""

    def __init__(self, check: Any, pause: float = REMOTE_PAUSE) -> None:
        self._check = check
        self._pause = pause
        self._at = -pause
        self._answer: Any = None
        self._error: Exception | None = None

    async def __call__(self) -> Any:
        """Answer, or raise the last error again."""
        if time.monotonic() - self._at >= self._pause:
            try:
                self._answer, self._error = await self._check(), None
            except Exception as error:
                self._answer, self._error = None, error
            self._at = time.monotonic()
        if self._error is not None:
            raise self._error
        return self._answer


def build_health(resources: Resources) -> HealthRegistry:
    """The checks of an API process. Critical is what a webhook needs: Redis; the rest degrades."""
    settings = resources.settings

    async def postgresql() -> None:
        async with resources.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def redis() -> None:
        await resources.redis.ping()

    async def whatsapp() -> dict[str, Any]:
        instance = next(iter(resources.registry), None)
        if instance is None:
            raise Degraded("no WhatsApp number is configured (PYTAKE_INSTANCES_FILE)")
        try:
            await resources.graph.phone_number(instance, WhatsAppOperation.HEALTH)
        except GraphError as error:
            raise RuntimeError(str(error)) from error
        return {"whatsapp_instance": instance.slug}

    async def openai() -> dict[str, Any]:
        key = settings.openai_api_key.get_secret_value()
        if not key:
            raise Degraded("no key is configured (PYTAKE_OPENAI_API_KEY): humans answer")
        url = f"{str(settings.openai_base_url).rstrip('/')}/models/{settings.openai_model}"
        try:
            response = await resources.http.get(url, headers={"authorization": f"Bearer {key}"}, timeout=4.0)
        except httpx.HTTPError as error:
            raise RuntimeError(f"{type(error).__name__}: {error}") from error
        if not response.is_success:
            raise RuntimeError(f"HTTP {response.status_code}")
        return {"model": settings.openai_model}

    async def memory() -> dict[str, Any]:
        found = psutil.virtual_memory()
        free = found.available / found.total
        if free < settings.memory_min_free_ratio:
            raise RuntimeError(f"{free:.1%} of memory is free")
        return {"free_ratio": round(free, 3)}

    async def disk() -> dict[str, Any]:
        path = settings.data_dir if settings.data_dir.exists() else "."
        found = await asyncio.to_thread(psutil.disk_usage, str(path))
        free = found.free / found.total
        if free < settings.disk_min_free_ratio:
            raise RuntimeError(f"{free:.1%} of the disk is free")
        return {"free_ratio": round(free, 3)}

    async def queue() -> dict[str, Any]:
        found = {}
        for name in QUEUES:
            depth, age, dead = await resources.streams.depth(name)
            found[name.value] = {"depth": depth, "oldest_seconds": round(age, 1), "dead_letters": dead}
        worst = max(float(one["oldest_seconds"]) for one in found.values())
        if worst > settings.queue_max_age:
            raise Degraded(f"the oldest job waits since {worst:.0f} s; is a worker running?")
        return found

    registry = HealthRegistry(ttl=2.0)
    registry.register(Dependency.POSTGRESQL, postgresql, critical=True, timeout=3.0, degraded_after=1.0)
    registry.register(Dependency.REDIS, redis, critical=True, timeout=3.0, degraded_after=0.5)
    registry.register(Dependency.WHATSAPP_API, Remembered(whatsapp), critical=False, timeout=5.0)
    registry.register(Dependency.OPENAI_API, Remembered(openai), critical=False, timeout=5.0)
    registry.register(Dependency.MEMORY, memory, critical=False)
    registry.register(Dependency.DISK, disk, critical=False)
    registry.register(Dependency.QUEUE, queue, critical=False, timeout=3.0)
    return registry
