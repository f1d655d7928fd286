"""The queues: nothing is lost, nothing is done for ever."""

import asyncio

import pytest
from redis.asyncio import Redis
from sqlalchemy.exc import IntegrityError, OperationalError

from pytake.backend.queue.consumer import Consumer, ConsumerLimits
from pytake.backend.queue.failures import Postpone, is_outage
from pytake.backend.queue.streams import Streams, dead_name
from pytake.telemetry import catalog
from pytake.telemetry.labels import JobOutcome, Queue
from tests.support.waiting import wait_until_async
from tests.unit.backend.conftest import value

LIMITS = ConsumerLimits(concurrency=4, lease=0.4, timeout=5, attempts=3, backoff=0.02)
QUEUE = Queue.OUTBOUND


@pytest.fixture
async def streams(empty_redis):
    async with Redis.from_url(empty_redis, protocol=2) as client:
        made = Streams(client)
        await made.create_groups([QUEUE])
        await made.create_groups([QUEUE])
        yield made


def outcome(result: JobOutcome) -> float:
    return value(catalog.QUEUE_JOBS, queue=QUEUE, outcome=result)


class Working:
    """A consumer at work for the time of a block."""

    def __init__(self, streams, handler, name="one", limits=LIMITS) -> None:
        self.consumer = Consumer(streams, QUEUE, name, handler, limits)

    async def __aenter__(self):
        self.task = asyncio.create_task(self.consumer.run())
        return self

    async def __aexit__(self, *_):
        self.consumer.stop()
        await self.task


async def empty(streams) -> None:
    await wait_until_async(lambda: _is_empty(streams), 20, "an empty queue")


async def _is_empty(streams) -> bool:
    return (await streams.depth(QUEUE))[0] == 0


async def test_a_job_of_a_dead_worker_is_taken_over(streams) -> None:
    before = outcome(JobOutcome.RECLAIMED)
    await streams.add(QUEUE, [{"n": "1"}])
    [job] = await streams.read(QUEUE, "dead", count=1, block=0.1)
    done = []

    async def handler(found):
        done.append(found.id)
        return JobOutcome.DONE

    async with Working(streams, handler):
        await empty(streams)
    assert done == [job.id]
    assert outcome(JobOutcome.RECLAIMED) == before + 1


async def test_a_slow_job_keeps_its_lease(streams) -> None:
    started = []

    async def slow(job):
        started.append(job.id)
        await asyncio.sleep(1.2)  # three leases
        return JobOutcome.DONE

    await streams.add(QUEUE, [{"n": "1"}])
    async with Working(streams, slow), Working(streams, slow, "two"):
        await empty(streams)
    assert len(started) == 1


async def test_a_poison_job_ends_among_the_dead_letters_with_its_reason(streams) -> None:
    tried = []

    async def broken(job):
        tried.append(job.attempt)
        raise ValueError("cannot be read")

    await streams.add(QUEUE, [{"n": "1"}])
    async with Working(streams, broken):
        await empty(streams)
    assert tried == [0, 1, 2]
    [dead] = await streams.dead(QUEUE)
    assert dead.fields["reason"] == "ValueError: cannot be read"
    assert dead.fields["n"] == "1"
    assert (await streams.depth(QUEUE))[2] == 1


async def test_a_dead_letter_is_revived(streams) -> None:
    mended = asyncio.Event()

    async def handler(job):
        if not mended.is_set():
            raise ValueError
        return JobOutcome.DONE

    await streams.add(QUEUE, [{"n": "1"}])
    async with Working(streams, handler):
        await empty(streams)
        mended.set()
        [dead] = await streams.dead(QUEUE)
        assert await streams.revive(QUEUE, dead.id)
        assert not await streams.revive(QUEUE, dead.id)
        await empty(streams)
    assert await streams.dead(QUEUE) == []


async def test_postponing_is_no_failure(streams) -> None:
    tried = []

    async def later(job):
        tried.append(job.attempt)
        if len(tried) < 6:
            raise Postpone(0.01, "not yet")
        return JobOutcome.DONE

    await streams.add(QUEUE, [{"text": 'quotes " and ümläut \\ 🙂'}])
    async with Working(streams, later):
        await empty(streams)
    assert tried == [0] * 6


async def test_an_outage_is_waited_out_with_the_job_in_hand(streams) -> None:
    tried = []

    async def handler(job):
        tried.append(job.attempt)
        if len(tried) < 3:
            raise ConnectionRefusedError("PostgreSQL")
        return JobOutcome.DONE

    await streams.add(QUEUE, [{"n": "1"}])
    async with Working(streams, handler):
        await empty(streams)
    assert tried == [0, 0, 0]


async def test_a_job_that_kills_its_workers_is_given_up(streams) -> None:
    await streams.add(QUEUE, [{"n": "1"}])
    [job] = await streams.read(QUEUE, "w0", count=1, block=0.1)
    for number in range(7):
        await streams.take_over(QUEUE, f"w{number}", idle=0, count=1)

    async def handler(_):
        raise AssertionError("must not be tried again")

    async with Working(streams, handler):
        await empty(streams)
    [dead] = await streams.dead(QUEUE)
    assert "without an end" in dead.fields["reason"]
    assert dead.fields["job_id"] == job.id


async def test_stopping_finishes_what_is_under_work(streams) -> None:
    done = []

    async def handler(job):
        await asyncio.sleep(0.3)
        done.append(job.id)
        return JobOutcome.DONE

    await streams.add(QUEUE, [{"n": str(n)} for n in range(4)])
    working = Working(streams, handler)
    async with working:
        await wait_until_async(lambda: len(working.consumer._running) == 4, 5, "four jobs")
    assert len(done) == 4
    assert await _is_empty(streams)


async def test_the_group_is_made_again_when_redis_lost_it(streams, redis_url) -> None:
    done = asyncio.Event()

    async def handler(job):
        done.set()
        return JobOutcome.DONE

    async with Working(streams, handler):
        await asyncio.sleep(0.05)
        await streams.client.flushall()
        await wait_until_async(lambda: streams.client.exists("pytake:outbound"), 5, "the stream")
        await streams.add(QUEUE, [{"n": "1"}])
        await asyncio.wait_for(done.wait(), 5)


async def test_depth_and_age(streams) -> None:
    assert await streams.depth(QUEUE) == (0, 0.0, 0)
    await streams.add(QUEUE, [{"n": "1"}, {"n": "2"}])
    await streams.add_later(QUEUE, {"n": "3"}, delay=60)
    await asyncio.sleep(0.05)
    depth, age, dead = await streams.depth(QUEUE)
    assert (depth, dead) == (3, 0)
    assert age >= 0.05
    assert await streams.client.exists(dead_name(QUEUE)) == 0


async def test_names_of_workers_that_are_gone_are_forgotten(streams) -> None:
    await streams.add(QUEUE, [{"n": "1"}])
    [job] = await streams.read(QUEUE, "gone", count=1, block=0.1)
    assert await streams.forget_consumers(QUEUE, idle=0) == 0
    await streams.done(job)
    await asyncio.sleep(0.01)
    assert await streams.forget_consumers(QUEUE, idle=0) == 1


def test_what_is_an_outage() -> None:
    assert is_outage(OperationalError("select", {}, Exception()))
    assert not is_outage(IntegrityError("insert", {}, Exception()))
    assert not is_outage(ValueError())
    assert not is_outage(FileNotFoundError())
