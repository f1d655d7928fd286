"""A tiny Graph API and OpenAI API in one, for the backend's own tests; it keeps what it was asked."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from tests.support.ports import free_port
from tests.support.serving import serving

Json = dict[str, Any]
Reply = Callable[[Json], Response | None]


def graph_error(code: int, status: int = 400) -> JSONResponse:
    """An error as the Graph API answers it."""
    return JSONResponse({"error": {"code": code, "message": f"error {code}", "type": "OAuthException"}}, status)


class Remote:
    """Answers well unless told otherwise: put replies into ``send_replies`` and ``chat_replies``."""

    def __init__(self) -> None:
        self.sent: list[Json] = []
        self.read: list[str] = []
        self.chats: list[Json] = []
        self.tokens: list[str] = []
        self.send_replies: list[Reply] = []
        self.chat_replies: list[Reply] = []
        self.phone: Json = {"quality_rating": "GREEN", "messaging_limit_tier": "TIER_1K", "status": "CONNECTED"}
        self.templates: list[Json] = []
        self.expires_at = 0
        self.chat_delay = 0.0
        self.answer = "Good day"
        self._numbers = itertools.count(1)
        self.port = free_port()
        self.app = self._build()

    @property
    def meta_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/meta"

    @property
    def openai_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/openai/v1"

    def _build(self) -> FastAPI:
        app = FastAPI()

        @app.post("/meta/v23.0/{number}/messages")
        async def send(number: str, request: Request) -> Response:
            body = await request.json()
            self.tokens.append(request.headers.get("authorization", ""))
            if body.get("status") == "read":
                self.read.append(body["message_id"])
                return JSONResponse({"success": True})
            reply = self.send_replies.pop(0)(body) if self.send_replies else None
            if reply is not None:
                return reply
            self.sent.append(body)
            wamid = f"wamid.OUT{next(self._numbers)}-{id(self)}"
            body["wamid"] = wamid
            return JSONResponse({"messaging_product": "whatsapp", "contacts": [], "messages": [{"id": wamid}]})

        @app.get("/meta/v23.0/debug_token")
        async def debug_token() -> Json:
            return {"data": {"is_valid": True, "expires_at": self.expires_at}}

        @app.get("/meta/v23.0/{account}/message_templates")
        async def templates(account: str) -> Json:
            return {"data": self.templates, "paging": {}}

        @app.get("/meta/v23.0/{number}")
        async def phone(number: str) -> Json:
            return self.phone

        @app.get("/openai/v1/models/{model}")
        async def model(model: str) -> Json:
            return {"id": model}

        @app.post("/openai/v1/chat/completions")
        async def chat(request: Request) -> Response:
            body = await request.json()
            body["traceparent"] = request.headers.get("traceparent")
            self.chats.append(body)
            await asyncio.sleep(self.chat_delay)
            reply = self.chat_replies.pop(0)(body) if self.chat_replies else None
            return reply if reply is not None else chat_answer(self.answer)

        return app

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["Remote"]:
        """Listen for the time of the block."""
        async with serving(self.app, port=self.port):
            yield self


def chat_answer(
    content: str | None, *, model: str = "gpt-4o-mini-2024-07-18", tool: Json | None = None
) -> JSONResponse:
    """A chat completion."""
    message: Json = {"role": "assistant", "content": content}
    if tool is not None:
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": tool}]
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if tool else "stop"}],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 40},
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
    }
    headers = {
        "x-ratelimit-limit-requests": "100",
        "x-ratelimit-remaining-requests": "75",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "900",
    }
    return JSONResponse(body, headers=headers)


def openai_error(status: int, code: str | None = None, **headers: str) -> JSONResponse:
    """An error as OpenAI answers it."""
    error = {"message": f"error {status}", "type": code or "server_error", "code": code, "param": None}
    return JSONResponse({"error": error}, status, headers=headers)
