"""Durable queues: a Redis Stream with a consumer group, a sorted set of delayed jobs, a stream of dead letters.

A job is removed from the stream only when its work is done (acknowledged and deleted together), so the length of the
stream is the depth of the queue, and whatever a killed worker was doing is taken over after its lease.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from pytake.backend.ids import new_id
from pytake.telemetry.labels import Queue

GROUP = "workers"
PREFIX = "pytake:"
Fields = Mapping[str, str]

# KEYS: delayed set, stream. ARGV: now, limit. Moves what is due; a script: a crash in between must not lose a job.
_MOVE_DUE = """
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, job in ipairs(due) do
  local fields = cjson.decode(job)
  local flat = {}
  for k, v in pairs(fields) do flat[#flat + 1] = k; flat[#flat + 1] = v end
  redis.call('XADD', KEYS[2], '*', unpack(flat))
  redis.call('ZREM', KEYS[1], job)
end
return #due
"""


def stream_name(queue: Queue) -> str:
    """Redis key of a queue's stream."""
    return f"{PREFIX}{queue.value}"


def delayed_name(queue: Queue) -> str:
    """Redis key of a queue's delayed jobs (score: Unix time when due)."""
    return f"{PREFIX}delayed:{queue.value}"


def dead_name(queue: Queue) -> str:
    """Redis key of a queue's dead letters."""
    return f"{PREFIX}dead:{queue.value}"


@dataclass(frozen=True)
class Job:
    """One entry of a queue. ``attempt`` counts failures so far, ``deliveries`` how often a worker was given it."""

    queue: Queue
    id: str
    fields: dict[str, str] = field(default_factory=dict)
    deliveries: int = 1

    @property
    def attempt(self) -> int:
        """Failures so far."""
        return int(self.fields.get("attempt", "0"))

    @property
    def enqueued_at(self) -> float:
        """Unix time at which the first entry of this job was made."""
        first = self.fields.get("first_id", self.id)
        return int(first.split("-", 1)[0]) / 1000


def _decode(raw: Mapping[bytes, bytes]) -> dict[str, str]:
    return {key.decode(): value.decode("utf-8", "replace") for key, value in raw.items()}


class Streams:
    """The queues of one Redis. ``client`` decodes nothing (bytes in, bytes out)."""

    def __init__(self, client: Redis) -> None:
        self.client: Any = client  # redis-py types an answer as the union over all protocols
        self._move_due = client.register_script(_MOVE_DUE)

    async def create_groups(self, queues: Sequence[Queue]) -> None:
        """Make the consumer groups where they are not there (also after Redis lost its data)."""
        for queue in queues:
            try:
                await self.client.xgroup_create(stream_name(queue), GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def add(self, queue: Queue, jobs: Sequence[Fields]) -> None:
        """Append jobs, all or none (one MULTI); returns when Redis has them."""
        if len(jobs) == 1:
            await self.client.xadd(stream_name(queue), dict(jobs[0]))
            return
        async with self.client.pipeline(transaction=True) as pipe:
            for fields in jobs:
                pipe.xadd(stream_name(queue), dict(fields))
            await pipe.execute()

    async def read(self, queue: Queue, consumer: str, *, count: int, block: float) -> list[Job]:
        """New jobs for ``consumer``, waiting up to ``block`` seconds for the first."""
        answer = await self.client.xreadgroup(
            GROUP, consumer, {stream_name(queue): ">"}, count=count, block=max(1, int(block * 1000))
        )
        if not answer:
            return []
        streams = answer.items() if isinstance(answer, dict) else answer
        jobs: list[Job] = []
        for _, entries in streams:
            flat = entries[0] if entries and isinstance(entries[0], list) else entries
            jobs += [Job(queue, entry_id.decode(), _decode(fields)) for entry_id, fields in flat]
        return jobs

    async def take_over(self, queue: Queue, consumer: str, *, idle: float, count: int) -> list[Job]:
        """Jobs that some worker was given ``idle`` seconds ago and neither finished nor kept alive."""
        stream = stream_name(queue)
        answer = await self.client.xautoclaim(stream, GROUP, consumer, int(idle * 1000), "0-0", count=count)
        entries = [(entry_id.decode(), _decode(fields)) for entry_id, fields in answer[1] if fields]
        if not entries:
            return []
        deliveries: dict[str, int] = {}
        for row in await self.client.xpending_range(stream, GROUP, entries[0][0], entries[-1][0], count * 4, consumer):
            deliveries[row["message_id"].decode()] = int(row["times_delivered"])
        return [Job(queue, entry_id, fields, deliveries.get(entry_id, 2)) for entry_id, fields in entries]

    async def keep(self, queue: Queue, consumer: str, ids: Sequence[str]) -> None:
        """Heartbeat: jobs under work are not idle."""
        if ids:
            await self.client.xclaim(stream_name(queue), GROUP, consumer, 0, list(ids), justid=True)

    async def done(self, job: Job) -> None:
        """Acknowledge and delete."""
        async with self.client.pipeline(transaction=True) as pipe:
            pipe.xack(stream_name(job.queue), GROUP, job.id)
            pipe.xdel(stream_name(job.queue), job.id)
            await pipe.execute()

    async def again(self, job: Job, *, delay: float, failed: bool) -> None:
        """Put the job back, due in ``delay`` seconds, in one step with its acknowledgement."""
        fields = job.fields | {"first_id": job.fields.get("first_id", job.id)}
        if failed:
            fields["attempt"] = str(job.attempt + 1)
        async with self.client.pipeline(transaction=True) as pipe:
            self._delay(pipe, job.queue, fields, delay)
            pipe.xack(stream_name(job.queue), GROUP, job.id)
            pipe.xdel(stream_name(job.queue), job.id)
            await pipe.execute()

    async def add_later(self, queue: Queue, fields: Fields, *, delay: float) -> None:
        """Add a job that becomes visible in ``delay`` seconds."""
        async with self.client.pipeline(transaction=True) as pipe:
            self._delay(pipe, queue, dict(fields), delay)
            await pipe.execute()

    @staticmethod
    def _delay(pipe: Any, queue: Queue, fields: dict[str, str], delay: float) -> None:
        member = orjson.dumps(fields | {"delayed": str(new_id())})
        pipe.zadd(delayed_name(queue), {member: time.time() + delay})

    async def move_due(self, queue: Queue, *, limit: int = 100) -> int:
        """Move delayed jobs whose time has come into the stream; returns how many."""
        moved = await self._move_due(keys=[delayed_name(queue), stream_name(queue)], args=[time.time(), limit])
        return int(moved)

    async def bury(self, job: Job, reason: str) -> None:
        """Move a job to the dead letters, with the reason."""
        fields = job.fields | {"reason": reason[:1000], "job_id": job.id, "died_at": f"{time.time():.3f}"}
        async with self.client.pipeline(transaction=True) as pipe:
            pipe.xadd(dead_name(job.queue), fields, maxlen=10_000, approximate=True)
            pipe.xack(stream_name(job.queue), GROUP, job.id)
            pipe.xdel(stream_name(job.queue), job.id)
            await pipe.execute()

    async def dead(self, queue: Queue, *, count: int = 100) -> list[Job]:
        """The newest dead letters."""
        entries = await self.client.xrevrange(dead_name(queue), count=count)
        return [Job(queue, entry_id.decode(), _decode(fields)) for entry_id, fields in entries]

    async def revive(self, queue: Queue, dead_id: str) -> bool:
        """Move a dead letter back into its queue; false when it is not there."""
        entries = await self.client.xrange(dead_name(queue), dead_id, dead_id)
        if not entries:
            return False
        dropped = {"reason", "job_id", "died_at", "attempt", "first_id", "delayed"}
        fields = {key: value for key, value in _decode(entries[0][1]).items() if key not in dropped}
        async with self.client.pipeline(transaction=True) as pipe:
            pipe.xadd(stream_name(queue), fields)
            pipe.xdel(dead_name(queue), dead_id)
            await pipe.execute()
        return True

    async def forget_consumers(self, queue: Queue, *, idle: float) -> int:
        """Remove the names of workers that are gone: no job is theirs, and nothing was heard for ``idle`` seconds."""
        gone = 0
        for row in await self.client.xinfo_consumers(stream_name(queue), GROUP):
            if row["pending"] == 0 and row["idle"] > idle * 1000:
                await self.client.xgroup_delconsumer(stream_name(queue), GROUP, row["name"])
                gone += 1
        return gone

    async def backlog(self, queue: Queue) -> float:
        """How far the workers are behind: seconds since the first entry that is not done was appended; 0: none is."""
        first = await self.client.xrange(stream_name(queue), count=1)
        return max(0.0, time.time() - int(first[0][0].split(b"-", 1)[0]) / 1000) if first else 0.0

    async def depth(self, queue: Queue) -> tuple[int, float, int]:
        """Jobs not done (delayed ones included), age in seconds of the oldest, dead letters."""
        async with self.client.pipeline(transaction=False) as pipe:
            pipe.xlen(stream_name(queue))
            pipe.zcard(delayed_name(queue))
            pipe.xrange(stream_name(queue), count=1)
            pipe.xlen(dead_name(queue))
            length, delayed, first, dead = await pipe.execute()
        age = 0.0
        if first:
            job = Job(queue, first[0][0].decode(), _decode(first[0][1]))
            age = max(0.0, time.time() - job.enqueued_at)
        return int(length) + int(delayed), age, int(dead)
