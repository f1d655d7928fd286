"""Every kind of fault does what it says, and ends."""

import asyncio
import random
import time
from typing import Any

import httpx
import pytest

from pytake.sandbox.faults import KINDS, Faults, Latency, Timeout, UnknownFault
from tests.support.waiting import wait_until_async
from tests.unit.sandbox.conftest import SUPPORT, TOKEN, WABA, Setup


async def number(sandbox: Setup) -> dict[str, Any]:
    return (await sandbox.api.get(f"/meta/v23.0/{SUPPORT}", headers=TOKEN)).json()


async def test_a_fault_ends_by_itself(sandbox: Setup) -> None:
    await sandbox.fault("quality_drop", seconds=1.5, rating="RED")
    assert (await number(sandbox))["quality_rating"] == "RED"
    await wait_until_async(lambda: not sandbox.box.faults.active(), 10, "the fault to end")

    async def green() -> bool:
        return (await number(sandbox))["quality_rating"] == "GREEN"

    await wait_until_async(green, 10, "the rating to recover")
    await wait_until_async(lambda: len(sandbox.receiver.changes("phone_number_quality_update")) == 4, 15, "webhooks")
    events = [item["value"]["event"] for item in sandbox.receiver.changes("phone_number_quality_update")]
    assert events == ["FLAGGED", "FLAGGED", "UNFLAGGED", "UNFLAGGED"]


async def test_time_is_over_even_before_the_timer_fires() -> None:
    now = [100.0]
    faults = Faults(random.Random(1), clock=lambda: now[0])
    await faults.add("latency", {}, seconds=5)
    now[0] = 106.0
    assert faults.active() == []
    assert faults.first(Latency) is None
    await faults.stop()


async def test_faults_are_listed_and_cleared_by_kind(sandbox: Setup) -> None:
    await sandbox.fault("latency", seconds=60)
    await sandbox.fault("quota")
    listed = (await sandbox.api.get("/sandbox/faults")).json()
    assert [item["kind"] for item in listed["faults"]] == ["latency", "quota"]
    assert set(listed["kinds"]) == set(KINDS)
    assert all(kind["help"] for kind in listed["kinds"].values())
    assert (await sandbox.api.delete("/sandbox/faults/latency")).json() == {"cleared": 1}
    assert (await sandbox.api.delete("/sandbox/faults")).json() == {"cleared": 1}


@pytest.mark.parametrize(
    ("kind", "params", "status", "says"),
    [
        ("nonsense", {}, 404, "there are:"),
        ("latency", {"hours": 3}, 422, "hours"),
        ("latency", {"seconds": -1}, 422, "seconds"),
        ("expired_token", {"instance": "nobody"}, 404, "support"),
    ],
)
async def test_wrong_faults_are_refused_with_the_reason(
    sandbox: Setup, kind: str, params: dict[str, Any], status: int, says: str
) -> None:
    answer = (
        await sandbox.fault(kind, **params)
        if "seconds" not in params
        else await sandbox.api.post("/sandbox/faults", json={"kind": kind, "params": params})
    )
    assert answer.status_code == status
    assert says in answer.json()["detail"]
    assert (await sandbox.api.delete("/sandbox/faults/nonsense")).status_code == 404


async def test_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(UnknownFault, match="webhook_silence"):
        await Faults(random.Random(1)).add("x")


@pytest.mark.parametrize(
    ("kind", "params", "status", "code"),
    [
        ("error_rate", {"ratio": 1, "status": 503, "code": 131016}, 503, 131016),
        ("expired_token", {}, 401, 190),
        ("rate_limit", {}, 429, 130429),
        ("rate_limit", {"scope": "pair"}, 429, 131056),
        ("account_block", {}, 403, 131031),
        ("account_block", {"code": 368}, 403, 368),
    ],
)
async def test_sends_are_refused(sandbox: Setup, kind: str, params: dict[str, Any], status: int, code: int) -> None:
    await sandbox.fault(kind, **params)
    answer = await sandbox.send()
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert not sandbox.box.world.sent
    await sandbox.api.delete("/sandbox/faults")
    assert (await sandbox.send()).status_code == 200


async def test_a_fault_of_one_number_leaves_the_other_alone(sandbox: Setup) -> None:
    await sandbox.fault("expired_token", instance="sales")
    assert (await sandbox.send()).status_code == 200


async def test_latency_is_added(sandbox: Setup) -> None:
    await sandbox.api.post("/sandbox/faults", json={"kind": "latency", "params": {"seconds": 0.2}})
    started = asyncio.get_running_loop().time()
    await sandbox.send()
    assert asyncio.get_running_loop().time() - started >= 0.2


@pytest.mark.parametrize(("after", "accepted"), [(True, 1), (False, 0)])
async def test_a_timeout_before_or_after_the_message_was_accepted(sandbox: Setup, after: bool, accepted: int) -> None:
    await sandbox.fault("timeout", hold=0.1, after_accept=after)
    assert (await sandbox.send()).status_code == 504
    assert len(sandbox.box.world.sent) == accepted


async def test_collapse_fails_with_codes_of_the_cause(sandbox: Setup) -> None:
    await sandbox.fault("delivery_collapse", ratio=1, cause="recipient")
    await sandbox.send()
    await wait_until_async(sandbox.receiver.statuses, 3, "a status")
    (status,) = sandbox.receiver.statuses()
    assert status["status"] == "failed"
    assert status["errors"][0]["code"] in (131026, 131049, 130472)
    assert set(status["errors"][0]) == {"code", "title", "message", "error_data", "href"}


async def test_undelivered_messages_stay_at_sent(sandbox: Setup) -> None:
    await sandbox.fault("undelivered")
    await sandbox.send()
    await wait_until_async(sandbox.receiver.statuses, 3, "a status")
    (sent,) = sandbox.box.world.sent.values()
    assert [state for state, _ in sent.states] == ["sent"]


async def test_template_pause_is_told_and_refuses_sends(sandbox: Setup) -> None:
    await sandbox.fault("template_pause", template="hello_world")
    template = {"name": "hello_world", "language": {"code": "en_US"}}
    assert (await sandbox.send(type="template", template=template)).json()["error"]["code"] == 132015
    listed = (await sandbox.api.get(f"/meta/v23.0/{WABA}/message_templates", headers=TOKEN)).json()["data"]
    assert {row["status"] for row in listed if row["name"] == "hello_world"} == {"PAUSED"}
    await sandbox.api.delete("/sandbox/faults/template_pause")
    assert (await sandbox.send(type="template", template=template)).status_code == 200
    await wait_until_async(lambda: len(sandbox.receiver.changes("message_template_status_update")) == 8, 3, "webhooks")
    values = [item["value"] for item in sandbox.receiver.changes("message_template_status_update")]
    assert sorted(value["event"] for value in values) == ["APPROVED"] * 4 + ["PAUSED"] * 4


async def test_messaging_limit_refuses_more_customers(sandbox: Setup) -> None:
    await sandbox.fault("messaging_limit", tier="TIER_50")
    template = {"name": "hello_world", "language": {"code": "en"}}
    answers = [await sandbox.send(to=f"155501{index:05d}", type="template", template=template) for index in range(51)]
    assert [item.status_code for item in answers] == [200] * 50 + [429]
    assert answers[-1].json()["error"]["code"] == 131048
    assert (await sandbox.send(to="15550100000", type="template", template=template)).status_code == 200
    await wait_until_async(lambda: sandbox.receiver.changes("business_capability_update"), 3, "a webhook")


async def test_account_block_is_told(sandbox: Setup) -> None:
    await sandbox.fault("account_block", instance="support")
    await wait_until_async(lambda: sandbox.receiver.changes("account_update"), 3, "a webhook")
    value = sandbox.receiver.changes("account_update")[0]["value"]
    assert value["ban_info"]["waba_ban_state"] == "DISABLE"
    assert (await number(sandbox))["status"] == "BANNED"


async def test_silence_keeps_webhooks_back_and_lets_them_go(sandbox: Setup) -> None:
    await sandbox.fault("webhook_silence")
    await sandbox.send()
    await wait_until_async(lambda: sandbox.box.delivery.waiting and not sandbox.box.delivery._due, 5, "held webhooks")
    assert not sandbox.receiver.requests
    await sandbox.api.delete("/sandbox/faults/webhook_silence")
    await wait_until_async(lambda: len(sandbox.receiver.statuses()) >= 2, 3, "the held webhooks")


async def test_silence_may_lose_them(sandbox: Setup) -> None:
    await sandbox.fault("webhook_silence", lose=True)
    await sandbox.api.post("/sandbox/messages", json={"text": "hello?"})
    await wait_until_async(lambda: sandbox.box.delivery.counts["lost_in_silence"], 3, "the loss")
    assert sandbox.box.delivery.waiting == 0


async def test_duplicates_come_again_with_the_same_bytes(sandbox: Setup) -> None:
    await sandbox.fault("duplicates", ratio=1, copies=2)
    await sandbox.api.post("/sandbox/messages", json={"text": "once"})
    await wait_until_async(lambda: len(sandbox.receiver.requests) == 3, 3, "three deliveries")
    assert len({item.content for item in sandbox.receiver.requests}) == 1
    await wait_until_async(lambda: sandbox.box.delivery.waiting == 0, 3, "nothing more to come")
    assert len(sandbox.receiver.requests) == 3


async def test_reordering_changes_the_order(sandbox: Setup) -> None:
    await sandbox.fault("reordering", spread=0.3)
    sent = (await sandbox.api.post("/sandbox/messages", json={"count": 20})).json()["wamids"]
    await wait_until_async(lambda: len(sandbox.receiver.messages()) == 20, 5, "all messages")
    arrived = [row["id"] for row in sandbox.receiver.messages()]
    assert sorted(arrived) == sorted(sent)
    assert arrived != sent


async def test_forged_poison_and_burst_are_sent_at_their_rates(sandbox: Setup) -> None:
    await sandbox.fault("invalid_signatures", per_minute=6000)
    await sandbox.fault("poison_webhooks", per_minute=6000)
    await sandbox.fault("traffic_burst", per_minute=6000)
    await wait_until_async(
        lambda: (
            sandbox.box.delivery.counts["forged"] > 5
            and sandbox.box.world.received
            and any("from" not in row for row in sandbox.receiver.messages())
        ),
        5,
        "forged, poison and burst webhooks",
    )


async def test_a_fault_may_hit_one_operation_only(sandbox: Setup) -> None:
    await sandbox.fault("error_rate", ratio=1, operation="phone_number")
    assert (await sandbox.send()).status_code == 200
    assert (await sandbox.api.get(f"/meta/v23.0/{SUPPORT}", headers=TOKEN)).status_code == 500


def test_timeout_of_both_phases_is_one_model() -> None:
    assert Timeout.model_validate({"after_accept": True}).hold == 60


async def test_resets_and_timeouts_reach_a_real_client(running_sandbox: str) -> None:
    """On a real socket: no HTTP answer at all, and the message was accepted all the same."""
    body = {"messaging_product": "whatsapp", "to": "15550100123", "type": "text", "text": {"body": "x"}}
    async with httpx.AsyncClient(base_url=running_sandbox, timeout=5) as client:
        fault = {"kind": "connection_reset", "params": {"after_accept": True}}
        await client.post("/sandbox/faults", json=fault)
        with pytest.raises(httpx.ReadError):
            await client.post(f"/meta/v23.0/{SUPPORT}/messages", json=body, headers=TOKEN)
        await client.delete("/sandbox/faults")
        await client.post("/sandbox/faults", json={"kind": "timeout", "params": {"hold": 0.2}})
        with pytest.raises(httpx.ReadError):
            await client.post(f"/meta/v23.0/{SUPPORT}/messages", json=body, headers=TOKEN)
        await client.delete("/sandbox/faults")
        messages = (await client.get("/sandbox/messages")).json()["messages"]
    assert len(messages) == 1


async def test_a_fault_ends_by_its_number_and_others_of_its_kind_stay(sandbox: Setup) -> None:
    made = [
        (await sandbox.api.post("/sandbox/faults", json={"kind": "latency", "params": {"seconds": n}})).json()["id"]
        for n in (0.1, 0.2)
    ]
    assert (await sandbox.api.delete(f"/sandbox/faults/{made[0]}")).json() == {"cleared": 1}
    assert (await sandbox.api.delete(f"/sandbox/faults/{made[0]}")).json() == {"cleared": 0}
    assert [active.id for active in sandbox.box.faults.active()] == [made[1]]


async def test_a_token_that_expires_soon_still_works(sandbox: Setup) -> None:
    await sandbox.fault("token_expiring", days=2)
    token = TOKEN["authorization"].removeprefix("Bearer ")
    data = (await sandbox.api.get("/meta/v23.0/debug_token", params={"input_token": token}, headers=TOKEN)).json()[
        "data"
    ]
    assert data["is_valid"]
    assert 86_400 < data["expires_at"] - time.time() <= 2 * 86_400


async def test_an_outage_is_seen_without_a_token_too(sandbox: Setup) -> None:
    await sandbox.fault("error_rate", ratio=1.0, status=503)
    await sandbox.fault("openai_outage", status=502)
    assert (await sandbox.api.get("/meta/v23.0/me")).status_code == 503
    assert (await sandbox.api.get("/openai/v1/models")).status_code == 502


async def test_a_strange_category_is_told_in_the_status_and_a_late_delivery_is_late(sandbox: Setup) -> None:
    await sandbox.fault("unknown_pricing", category="tomorrow")
    await sandbox.fault("slow_delivery")
    await sandbox.send()
    await wait_until_async(sandbox.receiver.statuses, 10, "a status")
    assert sandbox.receiver.statuses()[0]["pricing"]["category"] == "tomorrow"
    (sent,) = sandbox.box.world.sent.values()
    planned = dict(sent.states)
    assert planned["delivered"] - planned["sent"] > 180
