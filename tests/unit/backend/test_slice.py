"""The whole way of a message: webhook, queue, worker, answer, send, statuses."""

import pytest

from pytake.telemetry import catalog, tracing
from pytake.telemetry.labels import DeliveryOutcome, Direction, MessageStatus
from pytake.telemetry.spans import Policy, Provider
from tests.support import meta
from tests.support.waiting import wait_until_async
from tests.unit.backend.conftest import value


async def test_a_webhook_becomes_an_answer_and_its_delivery(api, worker, remote, until, rows) -> None:
    delivered = {"outcome": DeliveryOutcome.DELIVERED, "cause": "none", "whatsapp_instance": "support"}
    before = value(catalog.DELIVERY, **delivered)
    wamid = meta.new_wamid()
    answer = await api.webhook(meta.text("Where is my order?", wamid=wamid))
    assert answer.status_code == 200

    [sent] = await until("select * from messages where direction = 'outbound' and status = 'accepted'")
    assert sent.text == "Good day"
    assert remote.sent[0]["to"] == meta.CUSTOMER
    assert remote.chats[0]["messages"][-1] == {"role": "user", "content": "Where is my order?"}
    assert remote.read == [wamid]

    opaque = remote.sent[0]["biz_opaque_callback_data"]
    for state in ("delivered", "sent", "read", "delivered"):
        pricing = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "service"}
        await api.webhook(meta.status(sent.wamid, state, opaque=opaque, pricing=pricing if state == "sent" else None))
    await until("select 1 from messages where id = :id and status = 'read'", id=sent.id)
    await until("select 1 from deliveries where outcome = 'delivered' and costed")
    states = {row.status for row in await rows("select status from message_events where message_id = :id", id=sent.id)}
    assert states == {"queued", "accepted", "sent", "delivered", "read"}
    assert value(catalog.DELIVERY, **delivered) == before + 1
    assert value(catalog.MESSAGES, direction=Direction.OUTBOUND, status=MessageStatus.READ, whatsapp_instance="support")


@pytest.fixture
def spans():
    """Every span that ends, all sampled."""
    found = []
    tracing.set_provider(Provider(Policy(ratio=1.0), found.append))
    yield found
    tracing.set_provider(None)


def named(spans, start: str):
    return [one for one in spans if one.name.startswith(start)]


async def test_one_trace_from_the_webhook_to_the_delivery(spans, api, worker, remote, until) -> None:
    await api.webhook(meta.text("hello"))
    [message] = await until("select * from messages where author = 'ai' and status = 'accepted'")
    opaque = remote.sent[0]["biz_opaque_callback_data"]
    await api.webhook(meta.status(message.wamid, "delivered", opaque=opaque))
    await until("select 1 from messages where status = 'delivered'")
    await wait_until_async(lambda: named(spans, "process statuses"), 20, "the status's span")
    parts = (
        "POST /webhooks",
        "process messages",
        "work on conversation",
        "chat gpt-4o-mini",
        "send message",
        "process statuses",
    )
    firsts = {part: named(spans, part)[0] for part in parts}
    traces = {part: one.local.trace_id for part, one in firsts.items()}
    assert len(set(traces.values())) == 1, traces
    assert remote.chats[0]["traceparent"].split("-")[1] == f"{traces['chat gpt-4o-mini']:032x}"
    chat = firsts["chat gpt-4o-mini"].attributes
    assert chat["gen_ai.operation.name"] == "chat"
    assert chat["gen_ai.response.model"] == "gpt-4o-mini-2024-07-18"
    assert chat["gen_ai.usage.input_tokens"] == 100
    [link] = firsts["process statuses"].links
    assert link.context.trace_id == named(spans, "POST /webhooks")[1].local.trace_id
    assert named(spans, "POST")[-1].kind.name in ("SERVER", "CLIENT")
    assert any("INSERT" in one.name.upper() or "insert" in str(one.attributes).lower() for one in spans)


async def test_waiting_is_no_error_in_a_trace(spans, api, worker, remote, until, monkeypatch) -> None:
    monkeypatch.setattr("pytake.backend.messages.statuses.PATIENCE", 0.5)
    await api.webhook(meta.status("wamid.unknown", "sent"))
    await wait_until_async(lambda: len(named(spans, "process statuses")) == 2, 20, "two looks at the status")
    first, second = named(spans, "process statuses")
    assert first.attributes["pytake.postponed"]
    assert first.status is None
    assert second.status is None
