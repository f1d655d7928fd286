"""Customers' messages: stored once, given to the right contact and conversation."""

import time

from pytake.backend.messages.inbound import storable, text_of
from pytake.telemetry import catalog
from pytake.telemetry.labels import WebhookField, WebhookOutcome
from tests.support import meta
from tests.support.waiting import wait_until_async
from tests.unit.backend.conftest import value


async def test_a_duplicate_does_nothing_twice(api, worker, remote, until, rows) -> None:
    labels = {"field": WebhookField.MESSAGES, "outcome": WebhookOutcome.DUPLICATE}
    before = value(catalog.WEBHOOK_EVENTS, **labels)
    payload = meta.text("once")
    for _ in range(4):
        await api.webhook(payload)
    await until("select 1 from messages where status = 'accepted'")
    await until("select 1 from conversations where due_at is null")
    await wait_until_async(lambda: value(catalog.WEBHOOK_EVENTS, **labels) == before + 3, 20, "three duplicates")
    assert [row.count for row in await rows("select count(*) from messages where direction = 'inbound'")] == [1]
    assert len(remote.sent) == 1
    assert len(await rows("select 1 from contacts")) == len(await rows("select 1 from conversations")) == 1


async def test_messages_of_one_customer_share_a_conversation(api, worker, until, rows) -> None:
    for number in range(3):
        await api.webhook(meta.text(f"message {number}"))
    await until("select 1 from messages where direction = 'inbound' having count(*) = 3")
    assert len(await rows("select distinct conversation_id from messages")) == 1
    [conversation] = await rows("select * from conversations")
    left = conversation.window_expires_at.timestamp() - time.time()
    assert 86_300 < left <= 86_400


async def test_a_customer_known_by_user_id_alone(api, worker, remote, until) -> None:
    payload = meta.text("hi", wa_id=None, user_id="BR.13491208655302741918")
    await api.webhook(payload)
    await until("select 1 from messages where status = 'accepted'")
    [contact] = await until("select * from contacts")
    assert (contact.user_id, contact.wa_id) == ("BR.13491208655302741918", None)
    assert remote.sent[0]["recipient"] == "BR.13491208655302741918"
    assert "to" not in remote.sent[0]


async def test_the_user_id_joins_the_contact_that_was_known_by_number(api, worker, until, rows) -> None:
    await api.webhook(meta.text("before"))
    await until("select 1 from contacts where user_id is null")
    await api.webhook(meta.text("after", user_id="BR.1", name="Ana Maria"))
    [contact] = await until("select * from contacts where user_id = 'BR.1'")
    assert (contact.wa_id, contact.name) == (meta.CUSTOMER, "Ana Maria")
    assert len(await rows("select 1 from contacts")) == 1


async def test_a_number_that_moved_to_somebody_else_makes_two_people(api, worker, until) -> None:
    await api.webhook(meta.text("mine", user_id="BR.1"))
    await until("select 1 from contacts where user_id = 'BR.1'")
    await api.webhook(meta.text("now mine", user_id="BR.2"))
    [new] = await until("select * from contacts where user_id = 'BR.2'")
    [old] = await until("select * from contacts where user_id = 'BR.1'")
    assert (new.wa_id, old.wa_id, old.former_wa_id) == (meta.CUSTOMER, None, meta.CUSTOMER)


async def test_a_message_after_the_close_opens_a_conversation(api, worker, until, rows) -> None:
    await api.webhook(meta.text("one"))
    [first] = await until("select * from conversations where due_at is null and answered_seq > 0")
    key = "agent-key-0123456789"
    answer = await api.client.patch(
        f"/api/v1/conversations/{first.id}", json={"state": "closed"}, headers={"x-api-key": key}
    )
    assert answer.json()["state"] == "closed"
    await api.webhook(meta.text("two"))
    await until("select 1 from conversations having count(*) = 2")
    reopened = await api.client.patch(
        f"/api/v1/conversations/{first.id}", json={"state": "open"}, headers={"x-api-key": key}
    )
    assert reopened.status_code == 409


async def test_a_reaction_is_stored_and_not_answered(api, worker, remote, until) -> None:
    payload = meta.text()
    message = payload["entry"][0]["changes"][0]["value"]["messages"][0]
    del message["text"]
    message |= {"type": "reaction", "reaction": {"message_id": "wamid.1", "emoji": "👍"}}
    await api.webhook(payload)
    [stored] = await until("select * from messages where type = 'reaction'")
    assert stored.text == "👍"
    [conversation] = await until("select * from conversations")
    assert conversation.due_at is None
    assert remote.chats == []


async def test_hostile_text_is_stored(api, worker, until) -> None:
    payload = meta.text("a\x00b \\u0000 '; drop table messages; -- 🙂", name="\x00\x00")
    payload["entry"][0]["changes"][0]["value"]["messages"][0]["context"] = {"id": "x\x00y", "deep": ["\x00"]}
    await api.webhook(payload)
    [stored] = await until("select * from messages where direction = 'inbound'")
    assert stored.text == "ab \\u0000 '; drop table messages; -- 🙂"
    assert stored.content == {"context": {"id": "xy", "deep": [""]}}


async def test_a_message_from_the_future_is_taken_as_of_now(api, worker, until) -> None:
    await api.webhook(meta.text(at=99_999_999_999))
    [stored] = await until("select * from messages where direction = 'inbound'")
    assert stored.sent_at.timestamp() <= time.time()


def test_words_of_every_type() -> None:
    assert text_of({"type": "image", "image": {"caption": "look"}}) == "look"
    assert text_of({"type": "button", "button": {"text": "Yes"}}) == "Yes"
    reply = {"type": "list_reply", "list_reply": {"title": "Second"}}
    assert text_of({"type": "interactive", "interactive": reply}) == "Second"
    assert text_of({"type": "audio", "audio": {"id": "1"}}) is None
    assert text_of({"type": "text", "text": 7}) is None


def test_storable_leaves_everything_else() -> None:
    value_ = {"a": [1, None, True, {"b\x00": "\x00c"}]}
    assert storable(value_) == {"a": [1, None, True, {"b": "c"}]}
