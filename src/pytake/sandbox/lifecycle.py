"""What becomes of an accepted message: its statuses, their delays, codes and prices."""

import random
import time
import uuid
from collections.abc import Callable

from pytake.sandbox import faults as fl
from pytake.sandbox import payloads
from pytake.sandbox.delivery import Delivery, Webhook
from pytake.sandbox.meta_errors import WEBHOOK_CODES, webhook_error
from pytake.sandbox.payloads import Json
from pytake.sandbox.world import Sent, World

READ_SHARE = 0.75
OFFLINE_SHARE = 0.04
UNREACHABLE_SHARE = 0.002


class Lifecycle:
    """Plans the status webhooks of each accepted message."""

    def __init__(self, world: World, delivery: Delivery, faults: fl.Faults, rng: random.Random, speed: float):
        self._world = world
        self._delivery = delivery
        self._faults = faults
        self._rng = rng
        self._speed = speed
        self.on_delivered: Callable[[Sent, float], None] | None = None
        """Called with each message that will reach its customer and the seconds until then."""

    def begin(self, sent: Sent) -> None:
        """Plan everything that will be told about ``sent``."""
        code = self._failure(sent)
        at = self._delay(0.35, 0.5)
        if code is not None:
            self._tell(sent, "failed", at, errors=[webhook_error(code)])
            return
        conversation = self._conversation(sent)
        pricing = self._pricing(sent)
        self._tell(sent, "sent", at, pricing=pricing, conversation=conversation)
        if self._faults.first(fl.Undelivered, sent.instance):
            return
        offline = self._rng.random() < OFFLINE_SHARE
        at += self._delay(90.0 if offline else 0.9, 0.8)
        if slow := self._faults.first(fl.SlowDelivery, sent.instance):
            at += slow.seconds
        self._tell(sent, "delivered", at, pricing=pricing, conversation=conversation)
        read_at = at + self._delay(8.0, 0.9)
        if self._rng.random() < READ_SHARE:
            self._tell(sent, "read", read_at)
        if self.on_delivered is not None:
            self.on_delivered(sent, read_at)

    def _failure(self, sent: Sent) -> int | None:
        """The code this message will fail with, or None."""
        collapse = self._faults.first(fl.DeliveryCollapse, sent.instance)
        if collapse is not None:
            return collapse.code or self._rng.choice(WEBHOOK_CODES[collapse.cause])
        if sent.template is None and not self._world.in_window(sent.instance, sent.recipient):
            return 131047
        return 131026 if self._rng.random() < UNREACHABLE_SHARE else None

    def _tell(
        self,
        sent: Sent,
        state: str,
        delay: float,
        *,
        pricing: Json | None = None,
        conversation: Json | None = None,
        errors: list[Json] | None = None,
    ) -> None:
        at = time.time() + delay
        sent.states.append((state, at))
        number = self._world.instances[sent.instance]
        payload = payloads.status(
            number,
            state,
            wamid=sent.wamid,
            recipient=sent.recipient,
            at=at,
            opaque=sent.opaque,
            pricing=pricing,
            conversation=conversation,
            errors=errors,
        )
        self._delivery.post(Webhook(payload, sent.instance, "status", sent.wamid), delay)

    def _pricing(self, sent: Sent) -> Json:
        """Per-message pricing: free inside the window (service, and utility since July 2025)."""
        if strange := self._faults.first(fl.UnknownPricing, sent.instance):
            return {"billable": True, "pricing_model": "PMP", "type": "regular", "category": strange.category}
        inside = self._world.in_window(sent.instance, sent.recipient, known_only=False)
        free = sent.template is None or (sent.category == "utility" and inside)
        return {
            "billable": not free,
            "pricing_model": "PMP",
            "type": "free_customer_service" if free else "regular",
            "category": sent.category,
        }

    def _conversation(self, sent: Sent) -> Json:
        """A conversation id that stays the same for a customer and a day."""
        day = int(sent.accepted_at // 86400)
        ident = uuid.uuid5(uuid.NAMESPACE_OID, f"{sent.instance}/{sent.recipient}/{sent.category}/{day}").hex
        return {
            "id": ident,
            "expiration_timestamp": str((day + 1) * 86400),
            "origin": {"type": sent.category},
        }

    def _delay(self, median: float, spread: float) -> float:
        """A log-normal delay in seconds, divided by the speed."""
        return self._rng.lognormvariate(0.0, spread) * median / self._speed
