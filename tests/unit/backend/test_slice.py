"""The whole way of a message: webhook, queue, worker, answer, send, statuses."""

from pytake.telemetry import catalog
from pytake.telemetry.labels import DeliveryOutcome, Direction, MessageStatus
from tests.support import meta
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
