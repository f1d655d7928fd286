"""A worker: two consumers and the periodic tasks, from start to graceful stop."""

import asyncio
import os
import socket
from contextlib import suppress

from pytake.backend.ai.answering import Answering
from pytake.backend.ai.client import AiClient
from pytake.backend.conversations.work import ConversationWork
from pytake.backend.instances.sync import poll_numbers, poll_templates, store_instances
from pytake.backend.messages.delivery import expire
from pytake.backend.messages.sending import give_up_doubts
from pytake.backend.observability.checks import build_worker_health
from pytake.backend.observability.gauges import QUEUES, read_database, read_queues
from pytake.backend.observability.presets import preset_worker
from pytake.backend.queue.consumer import Consumer, ConsumerLimits
from pytake.backend.queue.failures import is_outage
from pytake.backend.queue.streams import Job
from pytake.backend.resources import Resources
from pytake.backend.settings import Settings
from pytake.backend.webhooks.processing import process_webhook
from pytake.backend.whatsapp.pacing import Pacer
from pytake.backend.worker.periodic import Periodic, Task
from pytake.backend.worker.sweeper import close_idle, sweep
from pytake.telemetry.labels import JobOutcome, Queue
from pytake.telemetry.logging import get_logger
from pytake.telemetry.process import monitor_event_loop

log = get_logger(__name__)
CANCEL_TIMEOUT = 5.0


def consumer_limits(settings: Settings) -> ConsumerLimits:
    """The settings of the consumers."""
    return ConsumerLimits(
        concurrency=settings.worker_concurrency,
        lease=settings.job_lease,
        timeout=settings.job_timeout,
        attempts=settings.job_attempts,
        backoff=settings.job_backoff,
    )


class Worker:
    """Works until :meth:`stop`; then finishes what it is doing, for at most ``stop_timeout`` seconds."""

    def __init__(self, resources: Resources, *, name: str | None = None, ai: AiClient | None = None) -> None:
        self.resources = resources
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        settings = resources.settings
        self.ai = ai or AiClient(settings)
        preset_worker(self.ai.model)
        self.pacer = Pacer(resources.redis, settings)
        self.work = ConversationWork(resources, Answering(resources, self.ai), self.pacer)
        limits = consumer_limits(settings)
        self.consumers = [
            Consumer(resources.streams, Queue.WEBHOOKS, self.name, self._webhook, limits),
            Consumer(resources.streams, Queue.OUTBOUND, self.name, self.work.run, limits),
        ]
        self.periodic = Periodic(resources.redis, self.name, self._tasks())
        self._stopping = asyncio.Event()

    async def _webhook(self, job: Job) -> JobOutcome:
        return await process_webhook(self.resources, job)

    def _tasks(self) -> list[Task]:
        resources, settings = self.resources, self.resources.settings

        async def expire_deliveries() -> None:
            while await expire(resources.sessions, settings.delivery_window):
                pass

        async def forget_consumers() -> None:
            for queue in QUEUES:
                await resources.streams.forget_consumers(queue, idle=3600.0)

        return [
            Task("consumers", 600.0, forget_consumers),
            Task("queues", settings.gauges_interval, lambda: read_queues(resources), shared=False),
            Task("gauges", settings.gauges_interval, lambda: read_database(resources), shared=False),
            Task("sweep", settings.sweep_interval, lambda: sweep(resources)),
            Task(
                "doubts", min(5.0, settings.in_doubt_grace), lambda: give_up_doubts(resources, settings.in_doubt_grace)
            ),
            Task("expire", 30.0, expire_deliveries),
            Task("close", 60.0, lambda: close_idle(resources)),
            Task("numbers", settings.poll_interval, lambda: poll_numbers(resources)),
            Task("tokens", min(60.0, settings.poll_interval), lambda: poll_numbers(resources, only_expired=True)),
            Task("templates", settings.poll_interval, lambda: poll_templates(resources)),
        ]

    def stop(self) -> None:
        """Ask for a graceful stop."""
        self._stopping.set()
        self.periodic.stop()
        for consumer in self.consumers:
            consumer.stop()

    async def run(self) -> None:
        """Wait for the stores, then work until stopped."""
        if not await self._prepared():
            return
        log.info("worker_started", name=self.name, concurrency=self.resources.settings.worker_concurrency)
        tasks = [asyncio.create_task(one.run()) for one in self.consumers]
        tasks.append(asyncio.create_task(self.periodic.run()))
        lag = asyncio.create_task(monitor_event_loop())
        await build_worker_health(self.resources).report()
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not self._stopping.is_set():
                log.error("worker_part_ended", error=repr([t.exception() for t in tasks if t.done()])[:500])
            self.stop()
            await asyncio.wait(tasks, timeout=self.resources.settings.stop_timeout)
        finally:
            for task in (*tasks, stopping, lag):
                task.cancel()
            await asyncio.wait({*tasks, stopping, lag}, timeout=CANCEL_TIMEOUT)
            await self.ai.close()
        log.info("worker_stopped", name=self.name)

    async def _prepared(self) -> bool:
        """Groups and rows that must be there; a store that is down is waited for."""
        while not self._stopping.is_set():
            try:
                await self.resources.streams.create_groups(QUEUES)
                await store_instances(self.resources)
                return True
            except Exception as error:
                if not is_outage(error) and not _tables_missing(error):
                    raise
                log.warning("worker_waits_for_stores", error=f"{type(error).__name__}: {error}"[:300])
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), 1.0)
        return False


def _tables_missing(error: Exception) -> bool:
    return "UndefinedTable" in f"{type(getattr(error, 'orig', error)).__name__}{error}"
