"""Status webhooks: late, twice, in any order."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import update

from pytake.backend.clock import now
from pytake.backend.database.models import Delivery
from pytake.backend.messages.costs import country_of
from pytake.backend.messages.delivery import expire
from pytake.backend.messages.states import opaque_data, read_opaque
from pytake.telemetry import catalog
from pytake.telemetry.labels import Cause, DeliveryOutcome, PriceCategory, WebhookField, WebhookOutcome
from tests.support import meta
from tests.support.waiting import wait_until_async
from tests.unit.backend.conftest import value

REGULAR = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "marketing"}


@pytest.fixture
async def sent(api, worker, until):
    """An answer that the Graph API has accepted."""
    await api.webhook(meta.text("hello"))
    [message] = await until("select * from messages where status = 'accepted'")
    return message


def delivery(outcome: DeliveryOutcome, cause: Cause) -> float:
    return value(catalog.DELIVERY, outcome=outcome, cause=cause, whatsapp_instance="support")


async def test_read_first_counts_as_delivered_and_nothing_goes_back(api, sent, until, rows) -> None:
    before = delivery(DeliveryOutcome.DELIVERED, Cause.NONE)
    for state in ("read", "sent", "delivered", "read"):
        await api.webhook(meta.status(sent.wamid, state))
    await until("select 1 from message_events where message_id = :id having count(*) = 5", id=sent.id)
    [message] = await rows("select * from messages where id = :id", id=sent.id)
    assert message.status == "read"
    assert delivery(DeliveryOutcome.DELIVERED, Cause.NONE) == before + 1


async def test_delivered_may_follow_failed_and_the_cohort_keeps_its_first_outcome(api, sent, until, rows) -> None:
    before = delivery(DeliveryOutcome.FAILED, Cause.RECIPIENT)
    failures = {"code": "131026", "cause": Cause.RECIPIENT, "whatsapp_instance": "support"}
    failed_before = value(catalog.MESSAGE_FAILURES, **failures)
    await api.webhook(meta.status(sent.wamid, "failed", code=131026))
    [message] = await until("select * from messages where id = :id and status = 'failed'", id=sent.id)
    assert (message.error_code, message.error_cause) == (131026, "recipient")
    await api.webhook(meta.status(sent.wamid, "delivered"))
    await until("select 1 from messages where id = :id and status = 'delivered'", id=sent.id)
    [row] = await rows("select * from deliveries where message_id = :id", id=sent.id)
    assert row.outcome == "failed"
    assert row.delivered_at is not None
    assert delivery(DeliveryOutcome.FAILED, Cause.RECIPIENT) == before + 1
    assert value(catalog.MESSAGE_FAILURES, **failures) == failed_before + 1


async def test_a_duplicate_status_is_counted_as_one(api, sent, until) -> None:
    labels = {"field": WebhookField.STATUSES, "outcome": WebhookOutcome.DUPLICATE}
    before = value(catalog.WEBHOOK_EVENTS, **labels)
    for _ in range(3):
        await api.webhook(meta.status(sent.wamid, "sent"))
    await wait_until_async(lambda: value(catalog.WEBHOOK_EVENTS, **labels) == before + 2, 20, "two duplicates")


async def test_the_cost_is_counted_once_at_delivery(api, sent, until, rows) -> None:
    labels = {"category": "marketing", "type": "regular", "whatsapp_instance": "support"}
    before = value(catalog.WHATSAPP_COST, **labels)
    await api.webhook(meta.status(sent.wamid, "sent", pricing=REGULAR))
    await until("select 1 from messages where id = :id and status = 'sent'", id=sent.id)
    assert value(catalog.WHATSAPP_COST, **labels) == before
    for state in ("delivered", "read"):
        await api.webhook(meta.status(sent.wamid, state, pricing=REGULAR))
    await until("select 1 from messages where id = :id and status = 'read'", id=sent.id)
    [cost] = await rows("select * from costs where spender = 'whatsapp'")
    assert value(catalog.WHATSAPP_COST, **labels) == pytest.approx(before + float(cost.usd))
    assert cost.usd > 0


async def test_a_message_without_a_rate_counts_apart(api, sent, until) -> None:
    labels = {"category": PriceCategory.OTHER, "whatsapp_instance": "support"}
    before = value(catalog.WHATSAPP_UNPRICED, **labels)
    await api.webhook(meta.status(sent.wamid, "delivered", pricing=REGULAR | {"category": "brand_new"}))
    await until("select 1 from costs where spender = 'whatsapp' and usd is null")
    assert value(catalog.WHATSAPP_UNPRICED, **labels) == before + 1


async def test_a_message_that_never_arrives_expires_once(api, sent, resources, until) -> None:
    before = delivery(DeliveryOutcome.EXPIRED, Cause.RECIPIENT)
    assert await expire(resources.sessions, 3600) == 0
    async with resources.sessions() as session:
        await session.execute(update(Delivery).values(accepted_at=now() - timedelta(hours=2)))
        await session.commit()
    assert await expire(resources.sessions, 3600) == 1
    assert await expire(resources.sessions, 3600) == 0
    await api.webhook(meta.status(sent.wamid, "delivered"))
    await until("select 1 from messages where id = :id and status = 'delivered'", id=sent.id)
    assert delivery(DeliveryOutcome.EXPIRED, Cause.RECIPIENT) == before + 1


async def test_a_status_of_somebody_elses_message_is_let_go(api, worker, monkeypatch) -> None:
    monkeypatch.setattr("pytake.backend.messages.statuses.PATIENCE", 0.0)
    labels = {"field": WebhookField.STATUSES, "outcome": WebhookOutcome.IGNORED}
    before = value(catalog.WEBHOOK_EVENTS, **labels)
    await api.webhook(meta.status("wamid.unknown", "sent"))
    await wait_until_async(
        lambda: value(catalog.WEBHOOK_EVENTS, **labels) == before + 1, 20, "the status to be ignored"
    )


async def test_our_id_of_another_number_settles_nothing(api, sent, until, rows, monkeypatch) -> None:
    monkeypatch.setattr("pytake.backend.messages.statuses.PATIENCE", 0.0)
    number = {"phone_number_id": "106540352242933", "display_phone_number": "1"}
    payload = meta.status("wamid.foreign", "read", opaque=opaque_data(sent.id, None), number=number)
    body, _ = meta.encode(payload)
    signed = {"x-hub-signature-256": meta.signature(body, "sales-secret")}
    await api.client.post("/webhooks/whatsapp", content=body, headers=signed)
    await api.webhook(meta.status(sent.wamid, "sent"))
    [message] = await until("select * from messages where id = :id and status = 'sent'", id=sent.id)
    assert message.wamid == sent.wamid


def test_opaque_data_survives_and_strangers_are_refused() -> None:
    message_id = "01890000-0000-7000-8000-000000000000"
    data = opaque_data(UUID(message_id), "00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    assert len(data) < 512
    assert str(read_opaque(data)[0]) == message_id
    for strange in (None, "", "x", "pytake1;nonsense;", "pytake1;;;", "other;" + message_id + ";"):
        assert read_opaque(strange) == (None, None)


def test_countries() -> None:
    assert country_of("5511987654321", None) == "BR"
    assert country_of("4915112345678", None) == "DE"
    assert country_of(None, "IN.123") == "IN"
    assert country_of("999", None) == country_of(None, "weird") == "ZZ"
