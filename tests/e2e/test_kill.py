"""``kill -9`` of everything, at every step and under load: nothing acknowledged is lost, nobody is answered twice.

The sandbox is never killed: it is the outside world, and its ledger is the proof. Every customer writes one message, so
each must find exactly one answer there; or none, when a person was asked to look because nobody can know whether a
send that was begun has reached Meta (that, too, only for a worker killed in that very moment).
"""

import json
import random
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.actions import idle, status_of
from tests.e2e.crashing import NEVER_SENT, STEPS
from tests.e2e.load import Load
from tests.e2e.stack import Stack
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("kill"), pytest.mark.timeout(300)]
GRACE = 5


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A deployment whose stores keep what they acknowledged over ``kill -9``."""
    running = Stack(tmp_path_factory.mktemp("fragile"), durable=True, PYTAKE_IN_DOUBT_GRACE=str(GRACE))
    try:
        running.start()
        yield running
    finally:
        running.stop()


def settled(stack: Stack) -> bool:
    """Whether nothing is waiting any more: no job, no due conversation, no send that is not settled."""
    open_sends = stack.count("SELECT count(*) FROM sends WHERE state IN ('queued', 'sending', 'in_doubt')")
    due = stack.count("SELECT count(*) FROM conversations WHERE due_at IS NOT NULL OR lease_owner IS NOT NULL")
    jobs = stack.queue_length("webhooks") + stack.queue_length("outbound")
    assert (open_sends, due, jobs) == (0, 0, 0)
    return True


def verify(stack: Stack, load: Load, *, unanswered: int) -> None:
    """Nothing lost, nothing twice; at most ``unanswered`` customers wait for a person instead of an answer."""
    assert load.acknowledged == set(load.sent), "everything was acknowledged in the end"
    wait_until(lambda: settled(stack), 150, "everything to be settled", every=0.2)
    stored = {row[0] for row in stack.sql("SELECT wamid FROM messages WHERE direction = 'inbound'")}
    lost = {customer for customer, wamid in load.sent.items() if wamid not in stored}
    assert not lost, f"{len(lost)} acknowledged messages are not stored"
    ledger = Counter(stack.control("GET", "/state")["answers"])
    twice = {customer: ledger[customer] for customer in load.sent if ledger[customer] > 1}
    assert not twice, f"answered more than once: {twice}"
    silent = [customer for customer in load.sent if ledger[customer] == 0]
    query = "SELECT k.wa_id, c.responder, c.handover_reason FROM conversations c JOIN contacts k ON k.id = c.contact_id"
    handed_over = {row[0]: row[1:] for row in stack.sql(query)}
    wrong = {
        customer: handed_over[customer] for customer in silent if handed_over[customer] != ["human", "send_in_doubt"]
    }
    assert not wrong, f"without an answer and without a person: {wrong}"
    assert len(silent) <= unanswered, f"{len(silent)} of {len(load.sent)} customers wait for a person"
    assert not stack.sql("SELECT 1 FROM messages WHERE direction = 'outbound' AND status IN ('queued') LIMIT 1")


def no_normal_worker(stack: Stack) -> None:
    for worker in stack.workers:
        worker.stop()


def test_a_worker_dies_at_every_step_of_its_work(fragile: Stack) -> None:
    """One worker a step, all at once; each takes what the dead ones left and dies at its own step."""
    no_normal_worker(fragile)
    doomed = {step: fragile.start_worker(crash_at=step, wait=False) for step in STEPS}
    with Load(fragile, rate=3) as load:
        wait_until(
            lambda: not [step for step, worker in doomed.items() if worker.running],
            120,
            "every worker to die at its step",
            every=0.2,
        )
        other = {step: worker.tail() for step, worker in doomed.items() if worker.stop() != -9}
        assert not other, other
    fragile.start_worker()
    verify(fragile, load, unanswered=len(STEPS))  # a killed worker has other jobs in hand, some just being sent


def test_api_worker_redis_and_postgresql_die_under_load(fragile: Stack) -> None:
    with Load(fragile, rate=40, quota=0) as load:
        for kill in (fragile.kill_workers, fragile.kill_api, fragile.kill_redis, fragile.kill_postgres):
            before = len(load.acknowledged)
            load.allow(30)
            wait_until(lambda before=before: len(load.acknowledged) >= before + 10, 30, "traffic")
            kill()
    assert load.refusals, "Meta had to send some of them again"
    verify(fragile, load, unanswered=len(load.sent) // 10)


def test_a_send_in_doubt_is_settled_by_its_status_before_anything_is_sent_again(fragile: Stack) -> None:
    """The worker dies after Meta's acceptance, its statuses are late: until they come the send stays in doubt."""
    no_normal_worker(fragile)
    doomed = fragile.start_worker(crash_at="send_answered")
    with Load(fragile, rate=10, quota=0) as load, fragile.fault("webhook_silence"):
        customer = load.write()
        wait_until(lambda: not doomed.running, 60, "the worker to die")
        fragile.start_worker()
        wait_until(lambda: status_of(fragile, customer, "in_doubt"), 60, "the doubt")
        idle(fragile)
        assert len(fragile.sent_to(customer)) == 1
        assert fragile.metrics("worker").sum("whatsapp_sends_in_doubt") >= 0
    arrived = lambda: status_of(fragile, customer, "delivered") or status_of(fragile, customer, "read")  # noqa: E731
    wait_until(arrived, 20, "the status that settles it")
    (sent,) = fragile.sent_to(customer)
    query = (
        f"SELECT s.state, m.wamid FROM sends s JOIN messages m ON m.id = s.message_id WHERE m.wamid = '{sent['wamid']}'"
    )
    assert fragile.sql(query) == [["accepted", sent["wamid"]]]
    verify(fragile, load, unanswered=0)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_worker_dies_at_one_step(fragile: Stack, step: str) -> None:
    """The same as above a step at a time, at its first and at a later passage, with one job of a kind in hand.

    A person may have to look at one customer: the worker's other consumer may be killed while it begins a send.
    """
    for passage in (1, 3):
        no_normal_worker(fragile)
        doomed = fragile.start_worker(crash_at=step, crash_after=passage, PYTAKE_WORKER_CONCURRENCY="1")
        with Load(fragile, rate=5) as load:
            wait_until(lambda doomed=doomed: not doomed.running, 60, f"the worker to die: {STEPS[step].matters}")
        assert doomed.stop() == -9
        fragile.start_worker()
        verify(fragile, load, unanswered=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_everything_dies_at_random_moments(fragile: Stack, seed: int) -> None:
    """Two minutes of load, a kill every few seconds."""
    rng = random.Random(seed)
    kills = [fragile.kill_workers, fragile.kill_api, fragile.kill_redis, fragile.kill_postgres]
    with Load(fragile, rate=20) as load:
        until = time.monotonic() + 100
        while time.monotonic() < until:
            time.sleep(rng.uniform(0.5, 4.0))
            rng.choice(kills)()
    verify(fragile, load, unanswered=len(load.sent) // 10)


def test_steps_cover_the_job_from_queue_to_acknowledgement() -> None:
    assert json.dumps(list(STEPS)) == json.dumps(list(dict.fromkeys(STEPS)))
    assert set(STEPS) >= NEVER_SENT
