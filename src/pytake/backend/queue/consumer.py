"""The loop that reads a queue, runs its jobs, keeps their leases alive, and decides what becomes of failures."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from redis.exceptions import RedisError, ResponseError

from pytake.backend.queue.failures import Postpone, is_outage
from pytake.backend.queue.streams import Job, Streams
from pytake.telemetry.catalog import QUEUE_JOB_DURATION, QUEUE_JOBS
from pytake.telemetry.labels import JobOutcome, Queue
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
MAX_OUTAGE_PAUSE = 5.0
BLOCK = 1.0
CANCEL_TIMEOUT = 3.0

Handler = Callable[[Job], Awaitable[JobOutcome]]
"""Does a job and says what became of it: DONE or DUPLICATE. Raises to have it tried again."""


@dataclass(frozen=True)
class ConsumerLimits:
    """How a consumer works; seconds throughout."""

    concurrency: int = 16
    lease: float = 30.0
    timeout: float = 100.0
    attempts: int = 5
    backoff: float = 1.0


class Consumer:
    """Works on one queue under one consumer name until :meth:`stop`."""

    def __init__(self, streams: Streams, queue: Queue, name: str, handler: Handler, limits: ConsumerLimits) -> None:
        self.streams = streams
        self.queue = queue
        self.name = name
        self.handler = handler
        self.limits = limits
        self._running: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._room = asyncio.Event()
        self._finished = False

    async def run(self) -> None:
        """Read and work until stopped; Redis being away is waited out."""
        keeper = asyncio.create_task(self._keep_alive(), name=f"keep-{self.queue}")
        pause = 0.1
        try:
            while not self._stopping.is_set():
                try:
                    await self._round()
                    pause = 0.1
                except (RedisError, OSError) as error:
                    await self._redis_away(error, pause)
                    pause = min(pause * 2, MAX_OUTAGE_PAUSE)
            await self._finish()
        finally:
            self._finished = True
            rest = {keeper, *self._running.values()}
            for task in rest:
                task.cancel()
            await asyncio.wait(rest, timeout=CANCEL_TIMEOUT)

    def stop(self) -> None:
        """Take no new jobs; :meth:`run` returns when those under work are done."""
        self._stopping.set()
        self._room.set()

    async def _round(self) -> None:
        free = self.limits.concurrency - len(self._running)
        if free <= 0:
            self._room.clear()
            await self._room.wait()
            return
        for job in await self._taken_over(free):
            QUEUE_JOBS.inc(queue=self.queue, outcome=JobOutcome.RECLAIMED)
            log.warning("job_taken_over", queue=self.queue.value, job_id=job.id, deliveries=job.deliveries)
            self._start(job)
        free = self.limits.concurrency - len(self._running)
        if free > 0:
            for job in await self.streams.read(self.queue, self.name, count=free, block=BLOCK):
                self._start(job)

    _next_takeover = 0.0

    async def _taken_over(self, count: int) -> list[Job]:
        now = time.monotonic()
        if now < self._next_takeover:
            return []
        self._next_takeover = now + min(1.0, self.limits.lease / 3)
        jobs = await self.streams.take_over(self.queue, self.name, idle=self.limits.lease, count=count)
        return [job for job in jobs if job.id not in self._running]

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._work(job), name=f"job-{job.id}")
        self._running[job.id] = task
        task.add_done_callback(lambda _: self._ended(job.id))

    def _ended(self, job_id: str) -> None:
        self._running.pop(job_id, None)
        self._room.set()

    async def _work(self, job: Job) -> None:
        if job.deliveries > self.limits.attempts * 2:
            await self._settle(job, None, RuntimeError(f"given to a worker {job.deliveries} times without an end"))
            return
        pause = 0.2
        while True:
            started = time.perf_counter()
            try:
                async with asyncio.timeout(self.limits.timeout):
                    outcome = await self.handler(job)
            except Exception as error:
                if is_outage(error):  # nobody's fault: the job stays ours and does not age
                    log.warning(
                        "job_waits_for_dependency", queue=self.queue.value, job_id=job.id, error=repr(error)[:300]
                    )
                    if self._stopping.is_set():
                        return  # left pending: another worker takes it over
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, MAX_OUTAGE_PAUSE)
                    continue
                await self._settle(job, None, error)
                return
            finally:
                QUEUE_JOB_DURATION.observe(time.perf_counter() - started, queue=self.queue)
            await self._settle(job, outcome, None)
            return

    async def _settle(self, job: Job, outcome: JobOutcome | None, error: Exception | None) -> None:
        """Tell Redis; while it is away, wait: a job whose end is not recorded is done again, which is harmless."""
        while True:
            try:
                await self._settle_once(job, outcome, error)
                return
            except (RedisError, OSError) as fault:
                if self._stopping.is_set():
                    return
                log.warning("job_end_not_recorded", job_id=job.id, error=repr(fault)[:300])
                await asyncio.sleep(0.5)

    async def _settle_once(self, job: Job, outcome: JobOutcome | None, error: Exception | None) -> None:
        if error is None:
            await self.streams.done(job)
            QUEUE_JOBS.inc(queue=self.queue, outcome=outcome or JobOutcome.DONE)
        elif isinstance(error, Postpone):
            await self.streams.again(job, delay=error.delay, failed=False)
        elif job.attempt + 1 >= self.limits.attempts or job.deliveries > self.limits.attempts * 2:
            await self.streams.bury(job, f"{type(error).__name__}: {error}")
            QUEUE_JOBS.inc(queue=self.queue, outcome=JobOutcome.DEAD_LETTER)
            log.error("job_dead", queue=self.queue.value, job_id=job.id, error=f"{type(error).__name__}: {error}"[:500])
        else:
            await self.streams.again(job, delay=self.limits.backoff * 2**job.attempt, failed=True)
            QUEUE_JOBS.inc(queue=self.queue, outcome=JobOutcome.RETRIED)
            log.warning(
                "job_failed", queue=self.queue.value, job_id=job.id, attempt=job.attempt + 1, error=repr(error)[:500]
            )

    async def _keep_alive(self) -> None:
        """Heartbeats for jobs under work, and the delayed jobs whose time has come."""
        beat = min(1.0, self.limits.lease / 3)
        last = 0.0
        while not self._finished:  # a cancellation may be lost in a client library
            with suppress(RedisError, OSError):
                await self.streams.move_due(self.queue)
                if time.monotonic() - last >= self.limits.lease / 3:
                    last = time.monotonic()
                    await self.streams.keep(self.queue, self.name, list(self._running))
            await asyncio.sleep(min(beat, 0.25))

    async def _redis_away(self, error: Exception, pause: float) -> None:
        if isinstance(error, ResponseError) and "NOGROUP" in str(error):
            with suppress(RedisError, OSError):
                await self.streams.create_groups([self.queue])
            return
        log.error("queue_unreachable", queue=self.queue.value, error=repr(error)[:300])
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause)

    async def _finish(self) -> None:
        if self._running:
            log.info("waiting_for_jobs", queue=self.queue.value, jobs=len(self._running))
            await asyncio.wait(set(self._running.values()))
