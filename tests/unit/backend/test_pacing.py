"""Our own send limits."""

import time

import pytest

from pytake.backend.whatsapp.pacing import Pacer


@pytest.fixture
def pacer(resources):
    return Pacer(resources.redis, resources.settings)


async def test_a_burst_to_one_customer_then_one_in_six_seconds(pacer, resources) -> None:
    other = Pacer(resources.redis, resources.settings)  # another worker
    for number in range(45):
        waits = await (pacer if number % 2 else other).reserve("support", "ana", rate=None, longest=3)
        assert waits.pair == 0
    refused = await other.reserve("support", "ana", rate=None, longest=3)
    assert not refused.reserved
    assert refused.pair == pytest.approx(6, abs=1.5)
    again = await pacer.reserve("support", "ana", rate=None, longest=10)
    assert again.reserved
    assert again.pair == pytest.approx(refused.pair, abs=1)
    assert (await pacer.reserve("support", "bia", rate=None, longest=3)).pair == 0


async def test_a_numbers_rate_is_shared_and_other_numbers_have_their_own(pacer) -> None:
    for number in range(10):
        await pacer.reserve("support", f"customer {number}", rate=10, longest=60)
    waits = [(await pacer.reserve("support", f"more {n}", rate=10, longest=60)).number for n in range(20)]
    assert waits == sorted(waits)
    assert 1.0 < waits[-1] <= 2.0
    assert (await pacer.reserve("sales", "x", rate=10, longest=0)).number == 0


async def test_a_refused_moment_is_not_used_up(pacer) -> None:
    for _ in range(45):
        await pacer.reserve("support", "ana", rate=None, longest=3)
    first = await pacer.reserve("support", "ana", rate=None, longest=3)
    for _ in range(5):
        last = await pacer.reserve("support", "ana", rate=None, longest=3)
    assert last.pair <= first.pair


async def test_meta_says_too_fast(pacer) -> None:
    await pacer.block("support", "ana", 0.2)
    assert not (await pacer.reserve("support", "ana", rate=None, longest=0)).reserved
    assert (await pacer.reserve("support", "bia", rate=None, longest=0)).reserved
    await pacer.block("support", None, 30)
    assert (await pacer.reserve("support", "bia", rate=None, longest=0)).number == pytest.approx(30, abs=2)
    assert time.time() > 0
