"""Sends: what is tried again, what is not, and sends in doubt (ADR 002)."""

import asyncio

import pytest
from fastapi.responses import JSONResponse, PlainTextResponse
from sqlalchemy import update

from pytake.backend.database.models import Send
from pytake.backend.messages import sending
from pytake.backend.messages.sending import give_up_doubts
from pytake.backend.settings import Settings
from pytake.backend.whatsapp.codes import Retry, meaning
from pytake.telemetry import catalog
from pytake.telemetry.labels import ApiStatus, Cause, HandoverReason
from tests.support import meta
from tests.unit.backend.conftest import value
from tests.unit.backend.fakes import graph_error

SEND = "select * from sends where state = :state"


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Second tries come at once: the delays are arithmetic, tested below."""
    again = sending._queue_again

    async def soon(resources, attempt, delay, error, **more):
        await again(resources, attempt, min(delay, 0.05), error, **more)

    monkeypatch.setattr(sending, "_queue_again", soon)


async def test_metas_fault_is_tried_again(api, worker, remote, until) -> None:
    remote.send_replies = [lambda _: graph_error(131000, 500), lambda _: graph_error(2, 503)]
    await api.webhook(meta.text())
    [send] = await until(SEND, state="accepted")
    assert send.attempt == 3
    assert len(remote.sent) == 1


async def test_a_refusal_for_good_fails_and_a_human_is_asked(api, worker, remote, until, rows) -> None:
    labels = {"code": "131026", "cause": Cause.RECIPIENT, "whatsapp_instance": "support"}
    before = value(catalog.MESSAGE_FAILURES, **labels)
    remote.send_replies = [lambda _: graph_error(131026)]
    await api.webhook(meta.text())
    await until(SEND, state="failed")
    [conversation] = await until("select * from conversations where responder = 'human'")
    assert (conversation.state, conversation.handover_reason) == ("pending", "ai_failed")
    assert value(catalog.MESSAGE_FAILURES, **labels) == before + 1
    assert await rows("select 1 from deliveries") == []
    assert len(remote.sent) == 0


async def test_an_expired_token_shows_and_the_message_waits(api, worker, remote, until) -> None:
    remote.send_replies = [lambda _: graph_error(190, 401)]
    await api.webhook(meta.text())
    await until("select * from instances where slug = 'support' and account_state = 'token_expired'")
    await until(SEND, state="accepted")
    assert value(catalog.WHATSAPP_API_REQUESTS, operation="send_text", status="auth_error", whatsapp_instance="support")


@pytest.mark.parametrize(
    "reply",
    [
        lambda _: PlainTextResponse("Bad Gateway", 502),
        lambda _: PlainTextResponse("ok"),
        lambda _: JSONResponse({"messages": []}),
    ],
    ids=["gateway", "no-json", "no-id"],
)
async def test_an_answer_that_says_nothing_is_a_doubt_and_never_sent_again(
    api, worker, remote, until, rows, reply
) -> None:
    """Then a status webhook comes: it was sent after all."""
    worker.resources.settings.in_doubt_grace = 60
    remote.send_replies = [reply]
    await api.webhook(meta.text())
    [send] = await until(SEND, state="in_doubt")
    await asyncio.sleep(0.5)  # the time in which a wrong second try would come
    assert remote.sent == []
    [message] = await rows("select * from messages where id = :id", id=send.message_id)
    assert message.status == "in_doubt"
    opaque = f"pytake1;{send.message_id};"
    await api.webhook(meta.status("wamid.LATE", "delivered", opaque=opaque))
    await until(SEND, state="accepted")
    [message] = await until("select * from messages where status = 'delivered'")
    assert message.wamid == "wamid.LATE"
    [delivery] = await rows("select * from deliveries")
    assert delivery.outcome == "delivered"
    assert remote.sent == []


async def test_a_doubt_that_nothing_settles_goes_to_a_human_and_can_still_be_settled(
    api, worker, remote, until, rows
) -> None:
    before = value(catalog.HANDOVERS, reason=HandoverReason.SEND_IN_DOUBT)
    remote.send_replies = [lambda _: PlainTextResponse("", 504)]
    await api.webhook(meta.text())
    [send] = await until(SEND, state="unsettled")
    [conversation] = await until("select * from conversations where responder = 'human'")
    assert conversation.handover_reason == "send_in_doubt"
    assert value(catalog.HANDOVERS, reason=HandoverReason.SEND_IN_DOUBT) == before + 1
    assert remote.sent == []
    await api.webhook(meta.status("wamid.VERYLATE", "sent", opaque=f"pytake1;{send.message_id};"))
    await until(SEND, state="accepted")


async def test_a_time_out_is_a_doubt(api, worker, remote, until) -> None:
    worker.resources.settings.in_doubt_grace = 60
    remote.send_replies = [lambda _: _blocking()]
    await api.webhook(meta.text())
    [send] = await until(SEND, state="in_doubt")
    assert "ReadTimeout" in send.last_error


def _blocking() -> PlainTextResponse:
    class Never(PlainTextResponse):
        async def __call__(self, scope, receive, send) -> None:
            await asyncio.sleep(1.5)

    return Never("")


async def test_a_worker_killed_during_the_request_leaves_a_doubt(api, worker, remote, until, rows, resources) -> None:
    """What the next worker finds is `sending`: it may have been sent, so it is not sent again."""
    resources.settings.in_doubt_grace = 60
    await api.webhook(meta.text("first"))
    [send] = await until(SEND, state="accepted")
    async with resources.sessions() as session:
        await session.execute(update(Send).values(state="sending", attempt_at=None))
        await session.commit()
    await api.webhook(meta.text("second"))
    [doubt] = await until(SEND, state="in_doubt")
    assert doubt.message_id == send.message_id
    await until(SEND, state="accepted")
    assert len(remote.sent) == 2


async def test_no_connection_is_no_doubt(api, worker, remote, until, resources) -> None:
    right = resources.graph.base_url
    resources.graph.base_url = "http://127.0.0.1:9/meta/v23.0"
    await api.webhook(meta.text())
    [send] = await until("select * from sends where state = 'queued' and attempt > 0")
    assert "ConnectError" in send.last_error
    resources.graph.base_url = right
    await until(SEND, state="accepted")


async def test_two_messages_keep_their_order(api, worker, remote, until) -> None:
    await api.webhook(meta.text("hello"))
    [conversation] = await until("select * from conversations where answered_seq > 0")
    remote.send_replies = [lambda _: graph_error(131000, 500)]
    for number in range(3):
        path = f"/api/v1/conversations/{conversation.id}/messages"
        answer = await api.post(path, {"type": "text", "text": f"number {number}"})
        assert answer.status_code == 202, answer.text
    await until("select 1 from sends where state = 'accepted' having count(*) = 4")
    assert [body["text"]["body"] for body in remote.sent][-3:] == ["number 0", "number 1", "number 2"]


async def test_giving_up_waits_for_the_grace(resources, api, worker, remote, until) -> None:
    resources.settings.in_doubt_grace = 60
    remote.send_replies = [lambda _: PlainTextResponse("", 504)]
    await api.webhook(meta.text())
    await until(SEND, state="in_doubt")
    assert await give_up_doubts(resources, 60) == 0
    assert await give_up_doubts(resources, 0) == 1


def test_meaning_of_codes() -> None:
    assert meaning(131056).retry is Retry.PAIR_LIMIT
    assert meaning(130429).retry is Retry.NUMBER_LIMIT
    assert meaning(131026).cause is Cause.RECIPIENT
    assert meaning(131042).cause is Cause.ACCOUNT
    assert meaning(131000).cause is Cause.META
    assert meaning(132001).cause is Cause.OURS
    assert meaning(200).status is ApiStatus.AUTH_ERROR
    assert meaning(987654) == meaning(132000)


async def test_the_longest_wait_is_shorter_than_the_lease(settings: Settings) -> None:
    assert Settings(_env_file=None).job_lease > sending.LONGEST_WAIT
