"""One answer of the model: retries with jitter, circuit breaker, span, tokens, cost, rate-limit headroom."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import openai
import orjson
from openai.types.chat import ChatCompletion
from opentelemetry.trace import Span
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pytake.backend.ai.breaker import Breaker
from pytake.backend.ai.errors import AiError, AiUnavailable, sort_out
from pytake.backend.ai.history import Turn
from pytake.backend.clock import now
from pytake.backend.settings import Settings
from pytake.backend.tls import client_context
from pytake.telemetry import catalog
from pytake.telemetry.costs import AiUsage, ai_cost
from pytake.telemetry.labels import AiOperation, ApiStatus, HandoverReason, RateLimitResource, TokenType
from pytake.telemetry.logging import get_logger
from pytake.telemetry.metrics import configure_label
from pytake.telemetry.tracing import SpanKind, inject, span

log = get_logger(__name__)
HANDOVER_TOOL = "hand_over_to_human"
LONGEST_RETRY_AFTER = 8.0
_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": HANDOVER_TOOL,
        "description": "Let a person of the business answer this customer.",
        "parameters": {
            "type": "object",
            "properties": {
                "kind": {"type": "string", "enum": ["requested", "cannot_help"]},
                "reason": {"type": "string"},
            },
            "required": ["reason"],
        },
    },
}


@dataclass(frozen=True)
class Answer:
    """What the model said: a text for the customer, or that a human has to take over."""

    text: str | None
    hand_over: HandoverReason | None
    model: str
    usage: AiUsage
    usd: Decimal | None


class AiClient:
    """Asks the model."""

    def __init__(self, settings: Settings, *, breaker: Breaker | None = None) -> None:
        self.settings = settings
        self.model = settings.openai_model
        configure_label("model", [self.model])
        self.breaker = breaker or Breaker(settings.ai_breaker_threshold, settings.ai_breaker_seconds)
        self._client = openai.AsyncOpenAI(
            api_key=settings.openai_api_key.get_secret_value() or "unset",
            base_url=str(settings.openai_base_url),
            timeout=settings.openai_timeout,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(verify=client_context()),
        )
        self._server = urlsplit(str(settings.openai_base_url)).hostname or ""

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()

    async def answer(self, turns: list[Turn]) -> Answer:
        """The model's answer to a conversation; raises an :class:`AiError`."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(AiUnavailable),
            stop=stop_after_attempt(self.settings.openai_attempts),
            wait=_wait,
            before_sleep=self._note_retry,
            reraise=True,
        )
        return await retrying(self._once, turns)

    def _note_retry(self, state: RetryCallState) -> None:
        catalog.AI_RETRIES.inc(model=self.model)
        error = state.outcome.exception() if state.outcome else None
        log.warning("ai_retry", attempt=state.attempt_number, error=str(error)[:200])

    async def _once(self, turns: list[Turn]) -> Answer:
        attributes = {
            "gen_ai.operation.name": AiOperation.CHAT.value,
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": self.model,
            "gen_ai.request.max_tokens": self.settings.openai_max_output_tokens,
            "server.address": self._server,
        }
        status = ApiStatus.SUCCESS
        started = time.perf_counter()
        with span(f"chat {self.model}", kind=SpanKind.CLIENT, attributes=attributes) as current:
            try:
                async with self.breaker.guard():
                    answer = await self._call(turns, current)
            except AiError as error:
                status = error.status
                current.set_attribute("error.type", status.value)
                raise
            finally:
                catalog.AI_REQUESTS.inc(model=self.model, operation=AiOperation.CHAT, status=status)
                if status is not ApiStatus.CIRCUIT_OPEN:
                    elapsed = time.perf_counter() - started
                    catalog.AI_DURATION.observe(elapsed, model=self.model, operation=AiOperation.CHAT)
        return answer

    async def _call(self, turns: list[Turn], current: Span) -> Answer:
        try:
            raw = await self._client.chat.completions.with_raw_response.create(
                model=self.model,
                messages=turns,  # type: ignore[arg-type] # the same dictionaries, which the library types one by one
                max_completion_tokens=self.settings.openai_max_output_tokens,
                tools=[_TOOL],  # type: ignore[list-item] # as above
                extra_headers=dict(inject({})),
            )
            completion = raw.parse()
        except openai.OpenAIError as error:
            raise sort_out(error) from error
        except (ValueError, TypeError) as error:
            raise AiUnavailable(ApiStatus.INVALID_RESPONSE, f"{type(error).__name__}: {error}"[:300]) from error
        self._headroom(raw.headers)
        return self._read(completion, current)

    def _headroom(self, headers: Mapping[str, str]) -> None:
        for resource in RateLimitResource:
            left = headers.get(f"x-ratelimit-remaining-{resource.value}", "")
            limit = headers.get(f"x-ratelimit-limit-{resource.value}", "")
            if left.isdigit() and limit.isdigit() and int(limit) > 0:
                catalog.AI_HEADROOM.set(int(left) / int(limit), model=self.model, resource=resource)

    def _read(self, completion: ChatCompletion, current: Span) -> Answer:
        if not isinstance(completion, ChatCompletion) or not completion.choices:
            raise AiUnavailable(ApiStatus.INVALID_RESPONSE, "an answer without choices")
        choice = completion.choices[0]
        usage = _usage(completion)
        usd = ai_cost(completion.model, usage, now())
        self._count(usage, usd)
        current.set_attribute("gen_ai.response.model", completion.model)
        current.set_attribute("gen_ai.response.id", completion.id)
        current.set_attribute("gen_ai.response.finish_reasons", [str(choice.finish_reason)])
        current.set_attribute("gen_ai.usage.input_tokens", usage.input)
        current.set_attribute("gen_ai.usage.output_tokens", usage.output)
        text = (choice.message.content or "").strip() or None
        reason = _handover(choice.message.tool_calls)
        if text is None and reason is None:
            reason = HandoverReason.AI_DECIDED
        return Answer(text, reason, completion.model, usage, usd)

    def _count(self, usage: AiUsage, usd: Decimal | None) -> None:
        counts = {
            TokenType.INPUT: usage.input,
            TokenType.CACHED: usage.cached,
            TokenType.OUTPUT: usage.output,
            TokenType.REASONING: usage.reasoning,
        }
        for kind, amount in counts.items():
            catalog.AI_TOKENS.inc(amount, model=self.model, type=kind)
        if usd is None:
            catalog.AI_UNPRICED.inc(model=self.model)
        else:
            catalog.AI_COST.inc(float(usd), model=self.model)


def _wait(state: RetryCallState) -> float:
    """Exponential with full jitter, at least what the provider asks for (within reason)."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, AiError) and error.retry_after else 0.0
    return max(wait_random_exponential(multiplier=0.5, max=8)(state), min(asked, LONGEST_RETRY_AFTER))


def _usage(completion: ChatCompletion) -> AiUsage:
    usage = completion.usage
    if usage is None:
        return AiUsage(0, 0)
    prompt, output = usage.prompt_tokens_details, usage.completion_tokens_details
    return AiUsage(
        input=usage.prompt_tokens,
        output=usage.completion_tokens,
        cached=(prompt.cached_tokens or 0) if prompt else 0,
        reasoning=(output.reasoning_tokens or 0) if output else 0,
    )


def _handover(calls: Any) -> HandoverReason | None:
    for call in calls or []:
        function = getattr(call, "function", None)
        if function is None or function.name != HANDOVER_TOOL:
            continue
        try:
            arguments = orjson.loads(function.arguments or "{}")
        except orjson.JSONDecodeError:
            arguments = {}
        asked = isinstance(arguments, dict) and arguments.get("kind") == "requested"
        return HandoverReason.REQUESTED if asked else HandoverReason.AI_DECIDED
    return None
