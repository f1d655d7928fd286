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
"""Seconds between two questions to a remote API: its management calls are limited, and probes come often."""


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


class Checks:
    """The checks of an API process."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.settings = resources.settings

    async def postgresql(self) -> None:
        """A statement is answered."""
        async with self.resources.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def redis(self) -> None:
        """PING is answered."""
        await self.resources.redis.ping()

    async def whatsapp(self) -> dict[str, Any]:
        """The Graph API knows our first number."""
        instance = next(iter(self.resources.registry), None)
        if instance is None:
            raise Degraded("no WhatsApp number is configured (PYTAKE_INSTANCES_FILE)")
        try:
            await self.resources.graph.phone_number(instance, WhatsAppOperation.HEALTH)
        except GraphError as error:
            raise RuntimeError(str(error)) from error
        return {"whatsapp_instance": instance.slug}

    async def openai(self) -> dict[str, Any]:
        """The provider knows our model (this call costs nothing)."""
        key = self.settings.openai_api_key.get_secret_value()
        if not key:
            raise Degraded("no key is configured (PYTAKE_OPENAI_API_KEY): humans answer")
        url = f"{str(self.settings.openai_base_url).rstrip('/')}/models/{self.settings.openai_model}"
        try:
            headers = {"authorization": f"Bearer {key}"}
            response = await self.resources.http.get(url, headers=headers, timeout=4.0)
        except httpx.HTTPError as error:
            raise RuntimeError(f"{type(error).__name__}: {error}") from error
        if not response.is_success:
            raise RuntimeError(f"HTTP {response.status_code}")
        return {"model": self.settings.openai_model}

    async def memory(self) -> dict[str, Any]:
        """Enough memory is free on the host."""
        found = psutil.virtual_memory()
        return _enough("memory", found.available / found.total, self.settings.memory_min_free_ratio)

    async def disk(self) -> dict[str, Any]:
        """Enough of the data's disk is free."""
        path = self.settings.data_dir if self.settings.data_dir.exists() else "."
        found = await asyncio.to_thread(psutil.disk_usage, str(path))
        return _enough("the disk", found.free / found.total, self.settings.disk_min_free_ratio)

    async def queue(self) -> dict[str, Any]:
        """Jobs are being done."""
        found: dict[str, Any] = {}
        worst = 0.0
        for name in QUEUES:
            depth, age, dead = await self.resources.streams.depth(name)
            found[name.value] = {"depth": depth, "oldest_seconds": round(age, 1), "dead_letters": dead}
            worst = max(worst, age)
        if worst > self.settings.queue_max_age:
            raise Degraded(f"the oldest job waits since {worst:.0f} s; is a worker running?")
        return found


def _enough(what: str, free: float, least: float) -> dict[str, Any]:
    if free < least:
        raise RuntimeError(f"{free:.1%} of {what} is free, less than {least:.1%}")
    return {"free_ratio": round(free, 3)}


def build_worker_health(resources: Resources) -> HealthRegistry:
    """The registry of a worker: its own view of the stores, kept fresh without anybody asking."""
    checks = Checks(resources)
    registry = HealthRegistry(ttl=2.0, refresh=5.0)
    registry.register(Dependency.POSTGRESQL, checks.postgresql, critical=True, timeout=3.0, degraded_after=1.0)
    registry.register(Dependency.REDIS, checks.redis, critical=True, timeout=3.0, degraded_after=0.5)
    return registry


def build_health(resources: Resources) -> HealthRegistry:
    """The registry of an API process. The stores are critical; the rest degrades: webhooks are taken without it."""
    checks = Checks(resources)
    registry = HealthRegistry(ttl=2.0)
    registry.register(Dependency.POSTGRESQL, checks.postgresql, critical=True, timeout=3.0, degraded_after=1.0)
    registry.register(Dependency.REDIS, checks.redis, critical=True, timeout=3.0, degraded_after=0.5)
    registry.register(Dependency.WHATSAPP_API, Remembered(checks.whatsapp), critical=False, timeout=5.0)
    registry.register(Dependency.OPENAI_API, Remembered(checks.openai), critical=False, timeout=5.0)
    registry.register(Dependency.MEMORY, checks.memory, critical=False)
    registry.register(Dependency.DISK, checks.disk, critical=False)
    registry.register(Dependency.QUEUE, checks.queue, critical=False, timeout=3.0)
    return registry
