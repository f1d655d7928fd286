"""Faults that can be injected, with their parameters, and the list of those in force.

Each kind is one pydantic model: its fields are the parameters, its docstring says what it does. Faults end by
:meth:`Faults.clear` or by themselves after their ``seconds``.
"""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pytake.sandbox.meta_errors import FaultOf

Share = Field(1.0, gt=0, le=1, description="Share of the calls or events it hits, 0 to 1.")


class Api(StrEnum):
    """Which of the two APIs a fault hits."""

    META = "meta"
    OPENAI = "openai"


class Fault(BaseModel):
    """A fault without parameters of its own."""

    model_config = ConfigDict(extra="forbid")
    instance: str | None = Field(None, description="Only this number (its slug); all numbers when unset.")


class CallFault(Fault):
    """A fault of API calls."""

    api: Api = Field(Api.META, description="The API it hits.")
    operation: str | None = Field(None, description="Only this operation, for example send; all when unset.")
    ratio: float = Share


class Latency(CallFault):
    """API calls take longer."""

    seconds: float = Field(2.0, ge=0, le=600, description="Added to each call.")
    jitter: float = Field(0.0, ge=0, le=600, description="Up to so much more, evenly spread.")


class ErrorRate(CallFault):
    """API calls answer with an error of the server."""

    ratio: float = Field(0.5, gt=0, le=1, description="Share of the calls that fail.")
    status: int = Field(500, ge=400, le=599, description="HTTP status of the answer.")
    code: int = Field(131000, description="Meta's error code in the answer.")


class Timeout(CallFault):
    """API calls get no answer; with ``after_accept`` the message has been sent all the same (a send in doubt)."""

    hold: float = Field(60.0, gt=0, le=600, description="Seconds until the connection is dropped.")
    after_accept: bool = Field(False, description="Accept the message before falling silent.")


class ConnectionReset(CallFault):
    """Connections are reset; with ``after_accept`` the message has been sent all the same (a send in doubt)."""

    after_accept: bool = Field(False, description="Accept the message before the reset.")


class ExpiredToken(Fault):
    """The access token has expired: every Graph API call answers 401 with code 190."""


class TokenExpiring(Fault):
    """The access token works, and expires soon."""

    days: float = Field(3.0, gt=0, le=60, description="Days that it has left.")


class RateLimit(CallFault):
    """Calls are refused: 130429 (number), 131056 (pair) or 80007 (app); OpenAI answers 429 rate_limit_exceeded."""

    scope: Literal["number", "pair", "app"] = Field("number", description="Which of Meta's limits is hit.")
    retry_after: float | None = Field(None, ge=0, description="Seconds in the retry-after header, if any.")


class Quota(Fault):
    """OpenAI answers 429 insufficient_quota: the account has run dry."""

    ratio: float = Share


class QualityDrop(Fault):
    """The number's quality rating falls (phone number fields and a quality webhook)."""

    rating: Literal["YELLOW", "RED"] = Field("RED", description="The rating it falls to.")


class TemplatePause(Fault):
    """A template is paused or disabled: webhook, list, and sends fail with 132015 or 132016."""

    template: str = Field("order_update", description="Name of the template.")
    state: Literal["PAUSED", "DISABLED", "REJECTED", "FLAGGED"] = Field("PAUSED", description="Its state.")


class AccountBlock(Fault):
    """Meta locks the account: webhook ``account_update``, sends answer 131031."""

    code: Literal[131031, 368, 131042] = Field(131031, description="The error code of sends.")


class MessagingLimit(Fault):
    """The portfolio's messaging limit falls to ``tier``; templates to more customers than that fail with 131048."""

    tier: Literal["TIER_50", "TIER_250", "TIER_2K", "TIER_10K", "TIER_100K"] = Field("TIER_250", description="Limit.")


class WebhookSilence(Fault):
    """Webhooks silently stop; they come when it ends, unless ``lose``."""

    lose: bool = Field(False, description="Drop the webhooks instead of keeping them back.")


class Duplicates(Fault):
    """Webhooks are delivered more than once."""

    ratio: float = Field(0.5, gt=0, le=1, description="Share of the webhooks that come again.")
    copies: int = Field(1, ge=1, le=20, description="How many times more.")


class Reordering(Fault):
    """Webhooks arrive in another order: each is held back for a random time."""

    ratio: float = Share
    spread: float = Field(5.0, gt=0, le=600, description="Longest time a webhook is held back, seconds.")


class DeliveryCollapse(Fault):
    """Accepted messages fail, with codes of the party that is to blame."""

    ratio: float = Field(0.6, gt=0, le=1, description="Share of accepted messages that fail.")
    cause: FaultOf = Field(FaultOf.META, description="Whose fault: picks the codes.")
    code: int | None = Field(None, description="This code instead of one of the cause's.")


class Undelivered(Fault):
    """Messages stay at sent: never delivered, never failed."""

    ratio: float = Share


class SlowDelivery(Fault):
    """Messages reach their recipients late."""

    seconds: float = Field(180.0, gt=0, le=86400, description="Added to the time until delivery, at any speed.")
    ratio: float = Share


class OpenaiOutage(Fault):
    """Every OpenAI call fails."""

    status: int = Field(503, ge=500, le=599, description="HTTP status of the answer.")
    ratio: float = Share


class OpenaiLatency(Fault):
    """OpenAI answers slowly."""

    seconds: float = Field(20.0, ge=0, le=600, description="Added to each answer.")
    ratio: float = Share


class UnknownModel(Fault):
    """Answers name a model that no price table knows."""

    model: str = Field("gpt-unheard-of", max_length=80, description="The model in the answers.")
    ratio: float = Share


class UnknownPricing(Fault):
    """Status webhooks name a pricing category that no rate table knows."""

    category: str = Field("category_of_tomorrow", max_length=80, description="The category in the webhooks.")
    ratio: float = Share


class CostSurge(Fault):
    """Answers use far more tokens."""

    factor: float = Field(20.0, gt=1, le=10_000, description="Multiplies the token counts.")


class PoisonWebhooks(Fault):
    """Webhooks with a right signature whose contents cannot be worked on."""

    per_minute: float = Field(30.0, gt=0, le=60_000, description="How many a minute.")


class InvalidSignatures(Fault):
    """Webhooks that somebody else signed: well-formed, wrong signature."""

    per_minute: float = Field(60.0, gt=0, le=60_000, description="How many a minute.")


class TrafficBurst(Fault):
    """More customers write."""

    per_minute: float = Field(600.0, gt=0, le=60_000, description="Added to the set rate, not following the day.")


KINDS: dict[str, type[Fault]] = {
    "latency": Latency,
    "error_rate": ErrorRate,
    "timeout": Timeout,
    "connection_reset": ConnectionReset,
    "expired_token": ExpiredToken,
    "token_expiring": TokenExpiring,
    "rate_limit": RateLimit,
    "quota": Quota,
    "quality_drop": QualityDrop,
    "template_pause": TemplatePause,
    "account_block": AccountBlock,
    "messaging_limit": MessagingLimit,
    "webhook_silence": WebhookSilence,
    "duplicates": Duplicates,
    "reordering": Reordering,
    "delivery_collapse": DeliveryCollapse,
    "undelivered": Undelivered,
    "slow_delivery": SlowDelivery,
    "openai_outage": OpenaiOutage,
    "openai_latency": OpenaiLatency,
    "unknown_model": UnknownModel,
    "unknown_pricing": UnknownPricing,
    "cost_surge": CostSurge,
    "poison_webhooks": PoisonWebhooks,
    "invalid_signatures": InvalidSignatures,
    "traffic_burst": TrafficBurst,
}
F = TypeVar("F", bound=Fault)
Listener = Callable[["ActiveFault", bool], Awaitable[None]]


class UnknownFault(ValueError):  # noqa: N818 (named like UnsupportedQuery and PortTaken)
    """No fault has this name; the message lists those that exist."""

    def __init__(self, kind: str):
        super().__init__(f"no fault is called {kind!r}; there are: {', '.join(KINDS)}")


@dataclass
class ActiveFault:
    """A fault in force: ``until`` is Unix time, None when it has to be cleared by hand."""

    id: int
    kind: str
    fault: Fault
    since: float
    until: float | None

    def as_dict(self) -> dict[str, Any]:
        """What ``GET /sandbox/faults`` shows of it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "params": self.fault.model_dump(exclude_none=True),
            "since": self.since,
            "until": self.until,
        }


class Faults:
    """The faults in force. ``listener`` is told when one starts (True) and ends (False)."""

    def __init__(self, rng: random.Random, clock: Callable[[], float] = time.time):
        self._rng = rng
        self._clock = clock
        self._active: dict[int, ActiveFault] = {}
        self._ids = itertools.count(1)
        self._timers: set[asyncio.Task[None]] = set()
        self.listener: Listener | None = None

    async def add(self, kind: str, params: dict[str, Any] | None = None, seconds: float | None = None) -> ActiveFault:
        """Put a fault in force, for ``seconds`` or until cleared.

        Raises:
            UnknownFault: there is no such kind.
            pydantic.ValidationError: a parameter is unknown or not valid.
        """
        if kind not in KINDS:
            raise UnknownFault(kind)
        fault = KINDS[kind].model_validate(params or {})
        now = self._clock()
        active = ActiveFault(next(self._ids), kind, fault, now, now + seconds if seconds else None)
        self._active[active.id] = active
        if seconds:
            timer = asyncio.create_task(self._expire(active.id, seconds))
            self._timers.add(timer)
            timer.add_done_callback(self._timers.discard)
        await self._tell(active, True)
        return active

    async def clear(self, kind: str | None = None) -> int:
        """End all faults, or all of one kind; returns how many ended.

        Raises:
            UnknownFault: there is no such kind.
        """
        if kind is not None and kind not in KINDS:
            raise UnknownFault(kind)
        gone = [fault for fault in self._active.values() if kind in (None, fault.kind)]
        for fault in gone:
            await self._end(fault.id)
        return len(gone)

    async def end(self, number: int) -> int:
        """End the fault with that id; returns how many ended (0 when it is over already)."""
        found = number in self._active
        if found:
            await self._end(number)
        return int(found)

    def active(self) -> list[ActiveFault]:
        """The faults in force, oldest first; those whose time is over are gone even before their timer fires."""
        now = self._clock()
        return [fault for fault in self._active.values() if fault.until is None or fault.until > now]

    def all(self, kind: type[F], instance: str | None = None) -> list[F]:
        """Faults of this kind that concern ``instance``."""
        return [
            active.fault
            for active in self.active()
            if isinstance(active.fault, kind) and active.fault.instance in (None, instance)
        ]

    def first(self, kind: type[F], instance: str | None = None) -> F | None:
        """The newest fault of this kind that concerns ``instance``, and whose ``ratio`` (if any) hits this time."""
        for fault in reversed(self.all(kind, instance)):
            if self._rng.random() < getattr(fault, "ratio", 1.0):
                return fault
        return None

    async def stop(self) -> None:
        """Cancel the timers (at shutdown)."""
        for timer in list(self._timers):
            timer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await timer

    async def _expire(self, fault_id: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._end(fault_id)

    async def _end(self, fault_id: int) -> None:
        active = self._active.pop(fault_id, None)
        if active is not None:
            await self._tell(active, False)

    async def _tell(self, active: ActiveFault, begins: bool) -> None:
        if self.listener is not None:
            await self.listener(active, begins)
