"""/api/v1: who may, pages, problems, sending."""

import asyncio
import uuid

import pytest

from pytake.backend.auth.keys import Role
from tests.support import meta
from tests.unit.backend.fakes import graph_error

ADMIN, AGENT, READER = "admin-key-0123456789", "agent-key-0123456789", "readonly-key-0123456789"


@pytest.fixture
async def conversation(api, worker, until):
    """A conversation that the model has answered."""
    await api.webhook(meta.text("hello"))
    [row] = await until("select * from conversations where first_response_at is not null and due_at is null")
    return row


async def test_who_may_what(api) -> None:
    assert (await api.client.get("/api/v1/me")).status_code == 401
    wrong = await api.get("/api/v1/me", key="nonsense")
    assert wrong.status_code == 401
    assert wrong.headers["content-type"] == "application/problem+json"
    assert wrong.json() == {
        "type": "urn:pytake:problem:unauthorized",
        "title": "Unauthorized",
        "status": 401,
        "detail": "the API key is not valid",
        "instance": "/api/v1/me",
    }
    for key, role in ((READER, "readonly"), (AGENT, "agent"), (ADMIN, "admin")):
        assert (await api.get("/api/v1/me", key=key)).json()["role"] == role
    bearer = await api.client.get("/api/v1/me", headers={"authorization": f"Bearer {AGENT}"})
    assert bearer.json()["role"] == "agent"
    assert (await api.post("/api/v1/messages", {}, key=READER)).status_code == 403
    assert (await api.get("/api/v1/api-keys", key=AGENT)).status_code == 403
    assert Role.ADMIN.includes(Role.AGENT)
    assert not Role.READONLY.includes(Role.AGENT)


async def test_keys_are_made_used_and_revoked_at_once(api, rows) -> None:
    made = await api.post("/api/v1/api-keys", {"name": "shop", "role": "readonly"}, key=ADMIN)
    assert made.status_code == 201
    key = made.json()["key"]
    for _ in range(2):
        assert (await api.get("/api/v1/me", key=key)).json()["name"] == "shop"
    stored = await rows("select key_hash, last_used_at from api_keys")
    assert key not in str(stored)
    assert stored[0].last_used_at is not None
    listed = (await api.get("/api/v1/api-keys", key=ADMIN)).json()["items"]
    assert "key" not in listed[0]
    path = f"/api/v1/api-keys/{made.json()['id']}"
    assert (await api.client.delete(path, headers={"x-api-key": ADMIN})).status_code == 204
    assert (await api.get("/api/v1/me", key=key)).status_code == 401
    assert (await api.client.delete(path, headers={"x-api-key": ADMIN})).status_code == 404


async def test_instances_do_not_show_credentials(api) -> None:
    answer = await api.get("/api/v1/instances")
    assert [one["slug"] for one in answer.json()["items"]] == ["sales", "support"]
    assert "token-support" not in answer.text
    assert (await api.get("/api/v1/instances/support")).json()["phone_number_id"] == meta.NUMBER["phone_number_id"]
    assert (await api.get("/api/v1/instances/none")).status_code == 404
    assert (await api.get("/api/v1/instances/%00")).status_code == 422


async def test_pages(api, worker, until) -> None:
    for number in range(5):
        await api.webhook(meta.text("hi", wa_id=f"55119876543{number:02}"))
    await until("select 1 from contacts having count(*) = 5")
    seen, cursor, pages = [], None, 0
    while True:
        page = (await api.get("/api/v1/contacts", limit=2, **({"cursor": cursor} if cursor else {}))).json()
        seen += [one["wa_id"] for one in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1
        if cursor is None:
            break
    assert pages == 3
    assert len(set(seen)) == 5
    for bad in ("%", "AAAA", "a" * 65):
        assert (await api.get("/api/v1/contacts", cursor=bad)).status_code == 422
    assert (await api.get("/api/v1/contacts", limit=0)).status_code == 422
    assert len((await api.get("/api/v1/contacts", wa_id="5511987654300")).json()["items"]) == 1


async def test_reading_a_conversation(api, conversation) -> None:
    found = (await api.get("/api/v1/conversations", state="open", instance="support")).json()["items"]
    assert [one["id"] for one in found] == [str(conversation.id)]
    messages = (await api.get(f"/api/v1/conversations/{conversation.id}/messages")).json()["items"]
    assert [one["author"] for one in messages] == ["ai", "customer"]
    detail = (await api.get(f"/api/v1/messages/{messages[0]['id']}")).json()
    assert [one["status"] for one in detail["history"]] == ["queued", "accepted"]
    contact = (await api.get(f"/api/v1/contacts/{conversation.contact_id}")).json()
    assert contact["wa_id"] == meta.CUSTOMER
    for path in ("contacts", "conversations", "messages"):
        assert (await api.get(f"/api/v1/{path}/{uuid.uuid4()}")).status_code == 404
        assert (await api.get(f"/api/v1/{path}/7")).status_code == 422


async def test_a_person_writes_and_takes_over(api, conversation, remote, until) -> None:
    path = f"/api/v1/conversations/{conversation.id}/messages"
    body = {"type": "text", "text": "This is Bia. How can I help?"}
    first = await api.post(path, body, **{"idempotency-key": "abc"})
    again = await api.post(path, body, **{"idempotency-key": "abc"})
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    await until("select 1 from messages where author = 'human' and status = 'accepted'")
    assert [one["text"]["body"] for one in remote.sent] == ["Good day", "This is Bia. How can I help?"]
    after = (await api.get(f"/api/v1/conversations/{conversation.id}")).json()
    assert (after["responder"], after["handover_reason"], after["state"]) == ("human", "agent", "open")
    await api.webhook(meta.text("thanks"))
    await until("select 1 from messages where text = 'thanks'")
    assert len(remote.chats) == 1, "the model is out"
    back = await api.client.patch(
        f"/api/v1/conversations/{conversation.id}", json={"responder": "ai"}, headers={"x-api-key": AGENT}
    )
    assert back.json()["responder"] == "ai"


async def test_the_24_hours_and_templates(api, worker, remote, until) -> None:
    body = {"instance": "support", "to": "+4915112345678", "message": {"type": "text", "text": "hi"}}
    closed = await api.post("/api/v1/messages", body)
    assert closed.status_code == 409
    assert closed.json()["type"] == "urn:pytake:problem:window-closed"
    body["message"] = {"type": "template", "name": "hello_world", "language": "en_US", "parameters": ["Ana"]}
    assert (await api.post("/api/v1/messages", body)).status_code == 202
    await until("select 1 from messages where type = 'template' and status = 'accepted'")
    [sent] = remote.sent
    assert sent["to"] == "4915112345678"
    assert sent["template"] == {
        "name": "hello_world",
        "language": {"code": "en_US"},
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ana"}]}],
    }
    assert (await api.post("/api/v1/messages", body | {"instance": "none"})).status_code == 404


WRONG_BODIES = (
    {},
    [],
    {"type": "text"},
    {"type": "text", "text": ""},
    {"type": "text", "text": "a\x00b"},
    {"type": "text", "text": "x" * 4097},
    {"type": "video"},
    {"type": "text", "text": "x", "more": 1},
    {"type": "template", "name": "Bad Name", "language": "en"},
)


async def test_bodies_of_wrong_form(api, subtests) -> None:
    for body in WRONG_BODIES:
        with subtests.test(body=body):
            answer = await api.post(f"/api/v1/conversations/{uuid.uuid4()}/messages", body)
            assert answer.status_code == 422
            assert answer.json()["errors"]


async def test_a_closed_conversation_takes_no_messages(api, conversation) -> None:
    path = f"/api/v1/conversations/{conversation.id}"
    changed = await api.client.patch(path, json={"state": "closed"}, headers={"x-api-key": AGENT})
    assert changed.json()["closed_at"]
    answer = await api.post(f"{path}/messages", {"type": "text", "text": "x"})
    assert answer.json()["type"] == "urn:pytake:problem:conversation-closed"


async def test_a_failed_message_shows_its_code(api, conversation, remote, until) -> None:
    remote.send_replies = [lambda _: graph_error(131026)]
    path = f"/api/v1/conversations/{conversation.id}/messages"
    sent = (await api.post(path, {"type": "text", "text": "x"})).json()
    await until("select 1 from messages where id = :id and status = 'failed'", id=sent["id"])
    detail = (await api.get(f"/api/v1/messages/{sent['id']}")).json()
    assert (detail["error_code"], detail["error_cause"]) == (131026, "recipient")


async def test_dead_letters(api, resources) -> None:
    from pytake.backend.queue.streams import Job
    from pytake.telemetry.labels import Queue

    await resources.streams.bury(Job(Queue.WEBHOOKS, "1-1", {"event": "x"}), "ValueError: why")
    [dead] = (await api.get("/api/v1/dead-letters/webhooks", key=ADMIN)).json()["items"]
    assert (dead["reason"], dead["job"]) == ("ValueError: why", {"event": "x"})
    path = f"/api/v1/dead-letters/webhooks/{dead['id']}/revive"
    assert (await api.post(path, None, key=ADMIN)).status_code == 204
    assert (await api.post(path, None, key=ADMIN)).status_code == 404
    assert (await resources.streams.depth(Queue.WEBHOOKS))[0] == 1


async def test_a_large_body_is_refused_whoever_sends_it(api, settings) -> None:
    answer = await api.post("/api/v1/messages", {"x": "y" * settings.request_max_bytes})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_database_that_is_down_is_a_503(api, monkeypatch) -> None:
    from sqlalchemy.exc import OperationalError

    async def down(*_, **__):
        raise OperationalError("select", {}, ConnectionRefusedError())

    monkeypatch.setattr("sqlalchemy.ext.asyncio.AsyncSession.scalars", down)
    answer = await api.get("/api/v1/contacts")
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:pytake:problem:outage"


async def test_openapi_tells_of_the_problems(api) -> None:
    document = (await api.client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert "ProblemDocument" in document["components"]["schemas"]
    for path, operations in document["paths"].items():
        if path.startswith("/api/v1"):
            for operation in operations.values():
                assert "application/problem+json" in operation["responses"]["401"]["content"], path
    await asyncio.sleep(0)
