"""The receiver: what it takes, what it refuses, and that nothing acknowledged is lost."""

import dataclasses
import json

import httpx
import pytest
from pywa import types as pywa_types
from pywa.client import WhatsApp
from redis.asyncio import Redis

from pytake.backend.app import create_app
from pytake.backend.webhooks.events import split
from pytake.backend.webhooks.last import LastWebhooks
from pytake.backend.webhooks.payload import parse_webhook
from pytake.telemetry import catalog
from pytake.telemetry.labels import Queue, WebhookField, WebhookOutcome
from tests.support import meta
from tests.support.ports import free_port
from tests.unit.backend.conftest import value


async def queued(resources) -> int:
    return (await resources.streams.depth(Queue.WEBHOOKS))[0]


def refused(outcome: WebhookOutcome) -> float:
    return value(catalog.WEBHOOK_EVENTS, field=WebhookField.REQUEST, outcome=outcome)


async def test_handshake(api) -> None:
    right = {"hub.mode": "subscribe", "hub.verify_token": "verify-me", "hub.challenge": "1158201444"}
    answer = await api.client.get("/webhooks/whatsapp", params=right)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    for wrong in ({"hub.verify_token": "x"}, {"hub.mode": "x"}, {"hub.verify_token": "é"}):
        answer = await api.client.get("/webhooks/whatsapp", params=right | wrong)
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await api.client.get("/webhooks/whatsapp")).status_code == 403


async def test_a_signed_event_is_queued_before_the_acknowledgement(api, resources) -> None:
    answer = await api.webhook(meta.text())
    assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})
    assert await queued(resources) == 1
    assert value(catalog.WEBHOOK_LAST, whatsapp_instance="support") > 1e9


async def test_a_wrong_signature_is_refused(api, resources, subtests) -> None:
    body, _ = meta.encode(meta.text())
    for header in ("", "sha256=", "sha256=" + "0" * 64, "sha1=abc", "sha256=é"):
        with subtests.test(header=header):
            before = refused(WebhookOutcome.INVALID_SIGNATURE)
            signed = [(b"x-hub-signature-256", header.encode())]
            answer = await api.client.post("/webhooks/whatsapp", content=body, headers=signed)
            assert answer.status_code == 401
            assert await queued(resources) == 0
            assert refused(WebhookOutcome.INVALID_SIGNATURE) == before + 1


WRONG_BODIES = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"object":"page","entry":[]}',
    b'{"object":"whatsapp_business_account"}',
    b'{"object":"whatsapp_business_account","entry":[]}',
    b'{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":[]}]}]}',
    json.dumps(meta.envelope("messages", {"metadata": {"phone_number_id": 7}})).encode(),
    json.dumps(meta.envelope("messages", meta.messages_value(messages=[{"id": "w"}]))).encode(),
    json.dumps(meta.envelope("messages", meta.messages_value(messages="many"))).encode(),
    json.dumps(meta.status("w", "sent") | {"object": 1}).encode(),
    json.dumps(meta.text()).replace('"timestamp": "', '"timestamp": "-9').encode(),
    json.dumps(meta.text(wamid="a\x00b")).encode(),
)


async def test_a_body_of_wrong_form_is_refused(api, resources, subtests) -> None:
    for body in WRONG_BODIES:
        with subtests.test(body=body):
            before = refused(WebhookOutcome.INVALID_PAYLOAD)
            signed = {"x-hub-signature-256": meta.signature(body)}
            answer = await api.client.post("/webhooks/whatsapp", content=body, headers=signed)
            assert answer.status_code == 400, answer.text
            assert answer.json()["type"] == "urn:pytake:problem:webhook-invalid-payload"
            assert await queued(resources) == 0
            assert refused(WebhookOutcome.INVALID_PAYLOAD) == before + 1


async def test_a_huge_body_is_refused_by_its_length_and_by_its_bytes(api, settings) -> None:
    body = b"x" * (settings.webhook_max_bytes + 1)

    async def chunks():
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    assert (await api.client.post("/webhooks/whatsapp", content=body)).status_code == 413
    assert (await api.client.post("/webhooks/whatsapp", content=chunks())).status_code == 413


async def test_unknown_fields_types_and_numbers_are_no_errors(api, resources) -> None:
    payload = meta.text()
    payload["entry"][0]["changes"][0]["value"]["messages"][0] |= {"new_thing": {"a": [1]}, "type": "hologram"}
    assert (await api.webhook(payload)).status_code == 200
    assert (await api.webhook(meta.envelope("brand_new_field", {"x": 1}))).status_code == 200
    assert await queued(resources) == 2
    stranger = meta.text(number={"phone_number_id": "1", "display_phone_number": "1"})
    assert (await api.webhook(stranger)).status_code == 200
    assert await queued(resources) == 2


async def test_another_apps_secret_does_not_sign_for_this_number(api, resources) -> None:
    """`sales` belongs to an app of its own: `support`'s secret must not write into it."""
    foreign = meta.text(number={"phone_number_id": "106540352242933", "display_phone_number": "1"})
    assert (await api.webhook(foreign)).status_code == 200
    assert await queued(resources) == 0
    body, _ = meta.encode(foreign)
    signed = {"x-hub-signature-256": meta.signature(body, "sales-secret")}
    assert (await api.client.post("/webhooks/whatsapp", content=body, headers=signed)).status_code == 200
    assert await queued(resources) == 1


async def test_without_the_queue_meta_is_told_to_come_again(settings) -> None:
    cut_off = settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})
    app = create_app(cut_off, with_telemetry=False)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            body, headers = meta.encode(meta.text())
            answer = await client.post("/webhooks/whatsapp", content=body, headers=headers)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


async def test_the_events_of_one_body_are_queued_together(api, resources, redis_url) -> None:
    payload = meta.text()
    value_ = payload["entry"][0]["changes"][0]["value"]
    value_["messages"] *= 3
    value_["statuses"] = meta.status("w1", "sent")["entry"][0]["changes"][0]["value"]["statuses"]
    value_["errors"] = [{"code": 131000, "title": "x"}]
    await api.webhook(payload)
    assert await queued(resources) == 5
    async with Redis.from_url(redis_url) as client:
        entries = await client.xrange("pytake:webhooks")
    assert {json.loads(fields[b"event"])["field"] for _, fields in entries} == {"messages", "statuses", "errors"}


@dataclasses.dataclass(frozen=True)
class Read:
    """What matters of an event, by whichever reader."""

    id: str
    who: str | None
    what: str | None


def test_pywa_reads_the_same_from_a_message_and_a_status() -> None:
    """The library is the judge of our reader (see ADR 001)."""
    client = WhatsApp(phone_id=meta.NUMBER["phone_number_id"], token="x", filter_updates=False)
    message, status = meta.text("Olá", user_id="BR.1"), meta.status("wamid.X", "failed", code=131026, opaque="abc")
    status["entry"][0]["changes"][0]["value"]["contacts"] = [{"profile": {"name": "Ana"}, "wa_id": meta.CUSTOMER}]
    theirs = pywa_types.Message.from_update(client=client, update=message)
    [ours] = split(parse_webhook(json.dumps(message).encode()))
    assert Read(theirs.id, theirs.from_user.wa_id, theirs.text) == Read(
        ours.data["id"], ours.data["from"], ours.data["text"]["body"]
    )
    assert theirs.from_user.bsuid == ours.contact["user_id"]
    their_status = pywa_types.MessageStatus.from_update(client=client, update=status)
    [our_status] = split(parse_webhook(json.dumps(status).encode()))
    assert their_status.tracker == our_status.data["biz_opaque_callback_data"] == "abc"
    assert their_status.status.value == our_status.data["status"]
    assert their_status.error.code == our_status.data["errors"][0]["code"]


async def test_the_last_webhook_is_remembered_over_a_restart(api, resources, settings) -> None:
    await api.webhook(meta.text())
    noted = value(catalog.WEBHOOK_LAST, whatsapp_instance="support")
    await api.app.state.last_webhooks.write()
    shown = (await api.get("/api/v1/instances/support")).json()["last_webhook_at"]
    assert shown is not None
    catalog.WEBHOOK_LAST.set(0, whatsapp_instance="support")
    later = LastWebhooks(resources)
    await later._read()
    assert value(catalog.WEBHOOK_LAST, whatsapp_instance="support") == pytest.approx(noted, abs=0.001)
