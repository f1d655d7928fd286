"""OpenAI's chat completions and model list, under ``/openai/v1``."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from pytake.sandbox import answers
from pytake.sandbox import faults as fl
from pytake.sandbox.context import Sandbox, SandboxDep
from pytake.sandbox.limits import LIMIT_REQUESTS

router = APIRouter(prefix="/openai/v1", tags=["openai"])
MODELS = ("gpt-4o-mini", "gpt-4o", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini")
_CHAT = "chat"


class OpenAIError(Exception):
    """Answer this call with an error of OpenAI's form."""

    def __init__(
        self, status: int, kind: str, message: str, code: str | None = None, *, headers: dict[str, str] | None = None
    ):
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.code = code
        self.headers = headers or {}

    def response(self) -> JSONResponse:
        """The HTTP response."""
        error = {"message": str(self), "type": self.kind, "param": None, "code": self.code}
        return JSONResponse({"error": error}, self.status, headers=self.headers)


def _check_key(box: Sandbox, request: Request) -> None:
    header = request.headers.get("authorization", "")
    key = header[7:].strip() if header.lower().startswith("bearer ") else ""
    expected = box.settings.openai_api_key
    if not key or (expected is not None and not secrets.compare_digest(key, expected.get_secret_value())):
        raise OpenAIError(401, "invalid_request_error", "Incorrect API key provided.", "invalid_api_key")


async def _enter(box: Sandbox, request: Request, operation: str) -> None:
    await box.before_call(fl.Api.OPENAI, operation, None)
    slow = box.faults.first(fl.OpenaiLatency)
    if slow is not None and operation == _CHAT:
        await asyncio.sleep(slow.seconds)
    outage = box.faults.first(fl.OpenaiOutage)
    if outage is not None:
        raise OpenAIError(outage.status, "server_error", "The server is currently overloaded.")
    error = box.call_fault(fl.ErrorRate, fl.Api.OPENAI, operation, None)
    if error is not None:
        raise OpenAIError(error.status, "server_error", "The server had an error while processing your request.")
    _check_key(box, request)  # a server that is out does not look at keys
    if operation != _CHAT:
        return
    if box.faults.first(fl.Quota):
        message = "You exceeded your current quota, please check your plan and billing details."
        raise OpenAIError(429, "insufficient_quota", message, "insufficient_quota")
    limited = box.call_fault(fl.RateLimit, fl.Api.OPENAI, operation, None)
    if limited is not None:
        headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-limit-requests": str(LIMIT_REQUESTS)}
        if limited.retry_after is not None:
            headers["retry-after"] = str(limited.retry_after)
        message = "Rate limit reached for requests per min."
        raise OpenAIError(429, "requests", message, "rate_limit_exceeded", headers=headers)


@router.get("/models")
async def models(box: SandboxDep, request: Request) -> dict[str, Any]:
    """The models there are."""
    await _enter(box, request, "models")
    names = dict.fromkeys((box.settings.openai_model, *MODELS))
    return {"object": "list", "data": [_model(name) for name in names]}


@router.get("/models/{model}")
async def model(box: SandboxDep, request: Request, model: str) -> dict[str, Any]:
    """One model."""
    await _enter(box, request, "models")
    if model not in (box.settings.openai_model, *MODELS):
        raise _no_model(model)
    return _model(model)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1735689600, "owned_by": "openai"}


def _no_model(name: str) -> OpenAIError:
    message = f"The model `{name}` does not exist or you do not have access to it."
    return OpenAIError(404, "invalid_request_error", message, "model_not_found")


@router.post("/chat/completions", response_model=None)
async def chat_completions(box: SandboxDep, request: Request) -> Response:
    """Answer the last user message, whole or as a stream of chunks."""
    await _enter(box, request, _CHAT)
    body = await _body(request)
    name = str(body["model"])
    if name not in (box.settings.openai_model, *MODELS):
        raise _no_model(name)
    prompts = [_content(message) for message in body["messages"]]
    users = [_content(item) for item in body["messages"] if item.get("role") == "user"]
    last = users[-1] if users else prompts[-1]
    message, finish = _message(box, body, last)
    usage = _usage(box, prompts, str(message.get("content") or json.dumps(message)), name)
    surge = box.faults.first(fl.CostSurge)
    usage = usage.times(surge.factor) if surge else usage
    unknown = box.faults.first(fl.UnknownModel)
    head = {
        "id": f"chatcmpl-{secrets.token_urlsafe(21)}",
        "created": int(time.time()),
        "model": unknown.model if unknown else name,
        "service_tier": "default",
        "system_fingerprint": "fp_sandbox",
    }
    headers = box.openai_budget.take(usage.prompt + usage.completion) | {
        "x-request-id": f"req_{secrets.token_hex(16)}",
        "openai-processing-ms": "350",
    }
    await asyncio.sleep(box.rng.lognormvariate(0.0, 0.4) * 0.6 / box.settings.speed)
    box.silence(fl.Api.OPENAI, _CHAT, None, after_accept=True)
    if body.get("stream"):
        options = body.get("stream_options") or {}
        chunks = _stream(head, message, finish, usage if options.get("include_usage") else None, box.settings.speed)
        return StreamingResponse(chunks, media_type="text/event-stream", headers=headers)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    answer = head | {"object": "chat.completion", "choices": [choice], "usage": usage.body()}
    return JSONResponse(answer, headers=headers)


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError as exc:
        message = "We could not parse the JSON body of your request."
        raise OpenAIError(400, "invalid_request_error", message) from exc
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not messages or not all(isinstance(item, dict) for item in messages):
        raise OpenAIError(400, "invalid_request_error", "'messages' must be a list of objects that is not empty.")
    if not isinstance(body.get("model"), str):
        raise OpenAIError(400, "invalid_request_error", "you must provide a model parameter")
    return dict(body)


def _content(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def _message(box: Sandbox, body: dict[str, Any], last: str) -> tuple[dict[str, Any], str]:
    """The assistant's message: a tool call when a person is asked for and the caller offers such a tool."""
    tool = _handover_tool(body)
    if tool is not None and answers.wants_human(last):
        arguments = json.dumps({"kind": "requested", "reason": "The customer asks for a person."})
        function = {"name": tool, "arguments": arguments}
        call = {"id": f"call_{secrets.token_urlsafe(18)}", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None}, "tool_calls"
    text = answers.answer(last, box.rng)
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if isinstance(limit, int) and 0 < limit < answers.count_tokens(text):
        return {"role": "assistant", "content": text[: limit * 3], "refusal": None}, "length"
    return {"role": "assistant", "content": text, "refusal": None}, "stop"


def _handover_tool(body: dict[str, Any]) -> str | None:
    for tool in body.get("tools") or []:
        name = str((tool.get("function") or {}).get("name", "")) if isinstance(tool, dict) else ""
        if any(word in name.lower() for word in ("hand", "human", "agent", "escalate")):
            return name
    return None


def _usage(box: Sandbox, prompts: list[str], text: str, model: str) -> answers.Usage:
    prompt = sum(answers.count_tokens(item) + 4 for item in prompts) + 3
    reasoning = 64 if model.startswith(("o", "gpt-5")) else 0
    cached = box.prompt_cache.cached(prompts, prompt)
    return answers.Usage(prompt, cached, answers.count_tokens(text) + reasoning, reasoning)


async def _stream(
    head: dict[str, Any], message: dict[str, Any], finish: str, usage: answers.Usage | None, speed: float
) -> AsyncIterator[bytes]:
    """Server-sent events: role, words, finish reason, usage when it was asked for, [DONE]."""

    def event(delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        chunk = head | {"object": "chat.completion.chunk", "choices": [choice]}
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    yield event({"role": "assistant", "content": ""})
    if message.get("tool_calls"):
        yield event({"tool_calls": [{"index": 0} | message["tool_calls"][0]]})
    for word in str(message.get("content") or "").split(" "):
        await asyncio.sleep(0.02 / speed)
        yield event({"content": word + " "})
    yield event({}, finish)
    if usage is not None:
        last = head | {"object": "chat.completion.chunk", "choices": [], "usage": usage.body()}
        yield b"data: " + json.dumps(last).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"
