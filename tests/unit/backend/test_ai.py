"""Answers of the model: when, with what, and what happens when there is none."""

import asyncio

import pytest
from fastapi.responses import JSONResponse
from sqlalchemy import update

from pytake.backend.ai.answering import PATIENCE
from pytake.backend.ai.breaker import Breaker
from pytake.backend.ai.client import AiClient
from pytake.backend.ai.errors import AiQuotaExhausted, AiRejected, AiUnavailable
from pytake.backend.ai.history import asks_for_human, build, estimate_tokens
from pytake.backend.clock import now
from pytake.backend.database.models import Conversation, Cost, Message
from pytake.telemetry import catalog
from pytake.telemetry.labels import ApiStatus, Dependency, Direction, HandoverReason, MessageStatus, TokenType
from tests.support import meta
from tests.unit.backend.conftest import value
from tests.unit.backend.fakes import chat_answer, openai_error

MODEL = "gpt-4o-mini"


def requests(status: ApiStatus) -> float:
    return value(catalog.AI_REQUESTS, model=MODEL, operation="chat", status=status)


@pytest.fixture
async def client(settings):
    made = AiClient(settings)
    yield made
    await made.close()


TURNS = [{"role": "user", "content": "hi"}]


async def test_an_answer_with_its_tokens_cost_and_headroom(client, remote) -> None:
    tokens = {kind: value(catalog.AI_TOKENS, model=MODEL, type=kind) for kind in TokenType}
    cost, count = value(catalog.AI_COST, model=MODEL), requests(ApiStatus.SUCCESS)
    answer = await client.answer(TURNS)
    assert (answer.text, answer.hand_over, answer.model) == ("Good day", None, "gpt-4o-mini-2024-07-18")
    grown = {kind: value(catalog.AI_TOKENS, model=MODEL, type=kind) - tokens[kind] for kind in TokenType}
    assert grown == {TokenType.INPUT: 100, TokenType.CACHED: 40, TokenType.OUTPUT: 20, TokenType.REASONING: 5}
    assert answer.usd is not None
    assert value(catalog.AI_COST, model=MODEL) == pytest.approx(cost + float(answer.usd))
    assert requests(ApiStatus.SUCCESS) == count + 1
    assert value(catalog.AI_HEADROOM, model=MODEL, resource="requests") == 0.75
    assert value(catalog.AI_HEADROOM, model=MODEL, resource="tokens") == 0.9


async def test_an_unknown_model_is_counted_apart(client, remote) -> None:
    before, cost = value(catalog.AI_UNPRICED, model=MODEL), value(catalog.AI_COST, model=MODEL)
    remote.chat_replies = [lambda _: chat_answer("x", model="brand-new-9")]
    assert (await client.answer(TURNS)).usd is None
    assert value(catalog.AI_UNPRICED, model=MODEL) == before + 1
    assert value(catalog.AI_COST, model=MODEL) == cost


async def test_an_outage_is_tried_again_and_counted(client, remote) -> None:
    retries, errors = value(catalog.AI_RETRIES, model=MODEL), requests(ApiStatus.SERVER_ERROR)
    remote.chat_replies = [lambda _: openai_error(503)]
    assert (await client.answer(TURNS)).text == "Good day"
    assert value(catalog.AI_RETRIES, model=MODEL) == retries + 1
    assert requests(ApiStatus.SERVER_ERROR) == errors + 1


async def test_a_rate_limit_is_not_an_exhausted_quota(client, remote) -> None:
    remote.chat_replies = [lambda _: openai_error(429, "rate_limit_exceeded", **{"retry-after": "0.1"})] * 2
    with pytest.raises(AiUnavailable) as limited:
        await client.answer(TURNS)
    assert limited.value.status is ApiStatus.RATE_LIMITED
    remote.chat_replies = [lambda _: openai_error(429, "insufficient_quota")] * 2
    with pytest.raises(AiQuotaExhausted):
        await client.answer(TURNS)
    assert len(remote.chat_replies) == 1, "an exhausted quota is not tried again"


@pytest.mark.parametrize(("status", "label"), [(400, ApiStatus.CLIENT_ERROR), (401, ApiStatus.AUTH_ERROR)])
async def test_a_wrong_request_is_not_tried_again(client, remote, status: int, label: ApiStatus) -> None:
    remote.chat_replies = [lambda _: openai_error(status)] * 2
    with pytest.raises(AiRejected) as rejected:
        await client.answer(TURNS)
    assert rejected.value.status is label
    assert len(remote.chats) == 1


async def test_nonsense_is_an_invalid_response(settings, remote, subtests) -> None:
    client = AiClient(settings, breaker=Breaker(100, 1))
    for body in ({}, {"choices": []}, {"choices": None}, ["x"], "text"):
        with subtests.test(body=body):
            remote.chat_replies = [lambda _, body=body: JSONResponse(body)] * 2
            with pytest.raises(AiUnavailable) as nonsense:
                await client.answer(TURNS)
            assert nonsense.value.status is ApiStatus.INVALID_RESPONSE
    await client.close()


async def test_a_time_out(settings, remote) -> None:
    client = AiClient(settings.model_copy(update={"openai_timeout": 0.1, "openai_attempts": 1}))
    remote.chat_delay = 0.5
    with pytest.raises(AiUnavailable) as late:
        await client.answer(TURNS)
    assert late.value.status is ApiStatus.TIMEOUT
    await client.close()


async def test_the_breaker_opens_after_outages_and_lets_one_through_later(settings, remote) -> None:
    breaker = Breaker(2, 0.3)
    client = AiClient(settings.model_copy(update={"openai_attempts": 1}), breaker=breaker)
    remote.chat_replies = [lambda _: openai_error(500)] * 2
    for _ in range(2):
        with pytest.raises(AiUnavailable):
            await client.answer(TURNS)
    assert value(catalog.CIRCUIT_OPEN, dependency=Dependency.OPENAI_API) == 1
    with pytest.raises(AiUnavailable) as refused:
        await client.answer(TURNS)
    assert refused.value.status is ApiStatus.CIRCUIT_OPEN
    assert len(remote.chats) == 2
    await asyncio.sleep(0.35)
    assert (await client.answer(TURNS)).text == "Good day"
    assert value(catalog.CIRCUIT_OPEN, dependency=Dependency.OPENAI_API) == 0
    await client.close()


async def test_rejected_requests_do_not_open_the_breaker(settings, remote) -> None:
    client = AiClient(settings, breaker=Breaker(2, 30))
    remote.chat_replies = [lambda _: openai_error(400)] * 4
    for _ in range(4):
        with pytest.raises(AiRejected):
            await client.answer(TURNS)
    assert (await client.answer(TURNS)).text == "Good day"
    await client.close()


async def handed_over(until):
    [conversation] = await until("select * from conversations where responder = 'human'")
    return conversation.handover_reason


async def test_the_customer_asks_for_a_human(api, worker, remote, until) -> None:
    before = value(catalog.HANDOVERS, reason=HandoverReason.REQUESTED)
    await api.webhook(meta.text("Quero falar com um atendente!"))
    assert await handed_over(until) == "requested"
    assert remote.chats == []
    assert value(catalog.HANDOVERS, reason=HandoverReason.REQUESTED) == before + 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [('{"kind": "requested"}', "requested"), ('{"reason": "x"}', "ai_decided"), ("not json", "ai_decided")],
)
async def test_the_model_hands_over(api, worker, remote, until, arguments: str, reason: str) -> None:
    tool = {"name": "hand_over_to_human", "arguments": arguments}
    remote.chat_replies = [lambda _: chat_answer(None, tool=tool)]
    await api.webhook(meta.text("complicated"))
    assert await handed_over(until) == reason
    assert remote.sent == []


async def test_an_empty_answer_is_a_hand_over(api, worker, remote, until) -> None:
    remote.chat_replies = [lambda _: chat_answer("  ")]
    await api.webhook(meta.text("hm"))
    assert await handed_over(until) == "ai_decided"


async def test_an_exhausted_quota_goes_to_a_human_at_once(api, worker, remote, until) -> None:
    remote.chat_replies = [lambda _: openai_error(429, "insufficient_quota")]
    await api.webhook(meta.text("hi"))
    assert await handed_over(until) == "ai_failed"


async def test_after_failed_answers_a_human_takes_over(api, worker, remote, until, resources, monkeypatch) -> None:
    monkeypatch.setattr("pytake.backend.ai.answering.PATIENCE", 1)
    assert PATIENCE > 1
    remote.chat_replies = [lambda _: openai_error(500)] * 5
    await api.webhook(meta.text("hi"))
    assert await handed_over(until) == "ai_failed"


async def test_the_budget_of_the_day(api, worker, remote, until, resources) -> None:
    resources.settings.ai_budget_usd_per_day = 0.0001
    async with resources.sessions() as session:
        session.add(Cost(spender="ai", instance="support", item="m", usd=1))
        await session.commit()
    await api.webhook(meta.text("hi"))
    assert await handed_over(until) == "budget"
    assert remote.chats == []


async def test_outside_the_window_nothing_is_sent(api, worker, remote, until, resources) -> None:
    await api.webhook(meta.text("hi", at=now().timestamp() - 25 * 3600))
    assert await handed_over(until) == "ai_decided"
    assert remote.sent == []


async def test_a_person_who_takes_over_meanwhile_is_not_talked_over(api, worker, remote, until, resources) -> None:
    remote.chat_delay = 0.5
    await api.webhook(meta.text("hi"))
    await until("select 1 from conversations where lease_owner is not null")
    async with resources.sessions() as session:
        await session.execute(update(Conversation).values(responder="human"))
        await session.commit()
    await until("select 1 from costs where spender = 'ai'")
    await until("select 1 from conversations where due_at is null and lease_owner is null")
    assert remote.sent == []


async def test_messages_that_come_while_the_model_thinks_are_answered_too(api, worker, remote, until) -> None:
    remote.chat_delay = 0.4
    await api.webhook(meta.text("first", at=now().timestamp() - 5))
    await until("select 1 from conversations where lease_owner is not null")
    await api.webhook(meta.text("second"))
    await until("select 1 from messages where author = 'ai' and status = 'accepted' having count(*) = 2")
    contents = [turn["content"] for turn in remote.chats[1]["messages"]]
    assert contents[1:] == ["first", "Good day", "second"] or contents[1:] == ["first", "second", "Good day"]


async def test_the_first_response_is_timed(api, worker, until) -> None:
    before = catalog.FIRST_RESPONSE.labels(responder="ai").read(14)
    await api.webhook(meta.text("hi", at=now().timestamp() - 60))
    await until("select 1 from conversations where first_response_at is not null")
    after = catalog.FIRST_RESPONSE.labels(responder="ai").read(14)
    assert sum(after[:13]) == sum(before[:13]) + 1
    assert 55 < after[13] - before[13] < 90


def message(text: str, direction: Direction = Direction.INBOUND, **more) -> Message:
    return Message(text=text, direction=direction, type="text", status=MessageStatus.RECEIVED, sent_at=now(), **more)


def test_the_history_fits_and_keeps_the_newest() -> None:
    messages = [message(f"{number} " + "x" * 300) for number in range(50)]
    turns = build("prompt", messages, 1000)
    assert turns[0] == {"role": "system", "content": "prompt"}
    assert turns[-1]["content"].startswith("49 ")
    assert sum(estimate_tokens(turn["content"]) for turn in turns) <= 1000
    assert 5 < len(turns) < 12


def test_one_huge_message_is_cut_and_failed_ones_are_left_out() -> None:
    failed = Message(text="never seen", direction=Direction.OUTBOUND, type="text", status=MessageStatus.FAILED)
    turns = build("p", [failed, message("y" * 100_000)], 500)
    assert len(turns) == 2
    assert len(turns[1]["content"]) == 1000
    picture = Message(text=None, direction=Direction.INBOUND, type="image", status=MessageStatus.RECEIVED)
    assert build("p", [picture], 500)[1]["content"] == "[image]"


def test_who_asks_for_a_human() -> None:
    words = frozenset({"human", "atendente"})
    assert asks_for_human("HUMAN!", words)
    assert asks_for_human("um atendente, por favor", words)
    assert not asks_for_human("humanity", words)
    assert not asks_for_human("I read in a long book of many pages about how the human mind works today", words)
