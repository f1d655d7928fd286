"""The chat API as the ``openai`` client sees it."""

import json

import openai
import pytest

from pytake.sandbox.answers import CACHE_FROM, language_of
from tests.unit.sandbox.conftest import KEY, Setup


def client_of(sandbox: Setup) -> openai.AsyncOpenAI:
    base = "http://sandbox.test/openai/v1"
    return openai.AsyncOpenAI(api_key="sk-x", base_url=base, http_client=sandbox.api, max_retries=0)


async def ask(
    sandbox: Setup, text: str = "Hello, where is my order?", **more: object
) -> openai.types.chat.ChatCompletion:
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": text}]
    return await client_of(sandbox).chat.completions.create(model="gpt-4o-mini", messages=messages, **more)


async def test_an_answer_with_usage(sandbox: Setup) -> None:
    answer = await ask(sandbox)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 5
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.prompt_tokens_details.cached_tokens == 0


async def test_a_stream_ends_with_usage(sandbox: Setup) -> None:
    stream = await ask(sandbox, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert len(text) > 20
    assert chunks[-1].usage.completion_tokens > 5
    assert not chunks[-1].choices
    plain = [chunk async for chunk in await ask(sandbox, stream=True)]
    assert plain[-1].usage is None


async def test_a_long_known_beginning_is_cached(sandbox: Setup) -> None:
    text = "word " * 1500
    first, second = await ask(sandbox, text), await ask(sandbox, text)
    assert first.usage.prompt_tokens_details.cached_tokens == 0
    cached = second.usage.prompt_tokens_details.cached_tokens
    assert CACHE_FROM <= cached <= second.usage.prompt_tokens
    assert cached % 128 == 0


async def test_who_asks_for_a_person_is_handed_over_by_tool(sandbox: Setup) -> None:
    function = {"name": "hand_over_to_human", "parameters": {"type": "object", "properties": {}}}
    tools = [{"type": "function", "function": function}]
    answer = await ask(sandbox, "I want to talk to a human", tools=tools)
    assert answer.choices[0].message.tool_calls[0].function.name == "hand_over_to_human"
    assert answer.choices[0].finish_reason == "tool_calls"
    assert (await ask(sandbox, tools=tools)).choices[0].finish_reason == "stop"


async def test_rate_limit_headers_count_down(sandbox: Setup) -> None:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
    first = await sandbox.api.post("/openai/v1/chat/completions", json=body, headers=KEY)
    second = await sandbox.api.post("/openai/v1/chat/completions", json=body, headers=KEY)
    left = [int(item.headers["x-ratelimit-remaining-requests"]) for item in (first, second)]
    assert left[1] < left[0] < int(first.headers["x-ratelimit-limit-requests"])


async def test_errors_have_types_that_the_client_tells_apart(sandbox: Setup) -> None:
    await sandbox.fault("rate_limit", api="openai", retry_after=1)
    with pytest.raises(openai.RateLimitError) as limited:
        await ask(sandbox)
    assert limited.value.code == "rate_limit_exceeded"
    await sandbox.fault("quota")
    with pytest.raises(openai.RateLimitError) as broke:
        await ask(sandbox)
    assert broke.value.code == "insufficient_quota"
    await sandbox.fault("openai_outage")
    with pytest.raises(openai.InternalServerError):
        await ask(sandbox)
    await sandbox.api.delete("/sandbox/faults")
    with pytest.raises(openai.NotFoundError):
        await client_of(sandbox).models.retrieve("no-model")
    assert "gpt-4o-mini" in [model.id async for model in client_of(sandbox).models.list()]


async def test_a_key_is_needed(sandbox: Setup) -> None:
    answer = await sandbox.api.get("/openai/v1/models")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"messages": []}', json.dumps({"messages": [1]}).encode()])
async def test_wrong_bodies_are_400(sandbox: Setup, body: bytes) -> None:
    answer = await sandbox.api.post("/openai/v1/chat/completions", content=body, headers=KEY)
    assert answer.status_code == 400


async def test_cost_surge_and_unknown_model(sandbox: Setup) -> None:
    usual = await ask(sandbox)
    await sandbox.fault("cost_surge", factor=100)
    await sandbox.fault("unknown_model", model="gpt-99")
    dear = await ask(sandbox)
    assert dear.usage.prompt_tokens == usual.usage.prompt_tokens * 100
    assert dear.model == "gpt-99"


@pytest.mark.parametrize(
    ("text", "language"),
    [("Olá, onde está meu pedido?", "pt"), ("Hallo, wann kommt die Bestellung?", "de"), ("xyzzy", "en"), ("متى", "ar")],
)
def test_languages_are_told_apart(text: str, language: str) -> None:
    assert language_of(text) == language
