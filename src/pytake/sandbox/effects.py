"""What a fault changes beyond single calls: standing, templates, account webhooks; and puts right at its end."""

import random

from pytake.sandbox import faults as fl
from pytake.sandbox import payloads
from pytake.sandbox.delivery import Delivery, Webhook
from pytake.sandbox.payloads import Json
from pytake.sandbox.settings import Instance
from pytake.sandbox.world import Standing, World
from pytake.telemetry.catalog import SANDBOX_FAULT_ACTIVE
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)


class Effects:
    """Listens to faults that begin and end."""

    def __init__(self, world: World, delivery: Delivery, rng: random.Random):
        self._world = world
        self._delivery = delivery
        self._rng = rng

    async def __call__(self, active: fl.ActiveFault, begins: bool) -> None:
        """Apply or undo a fault."""
        log.info("fault_begins" if begins else "fault_ends", fault=active.kind, fault_id=active.id)
        SANDBOX_FAULT_ACTIVE.set(1.0 if begins else 0.0, fault=active.kind)
        match active.fault:
            case fl.QualityDrop() as fault:
                self._quality(fault, begins)
            case fl.TemplatePause() as fault:
                self._template(fault, begins)
            case fl.AccountBlock() as fault:
                self._account(fault, begins)
            case fl.MessagingLimit() as fault:
                self._limit(fault, begins)
            case fl.WebhookSilence() if not begins:
                self._delivery.release()
            case _:
                pass

    def _numbers(self, fault: fl.Fault) -> list[Instance]:
        return [item for item in self._world.instances.values() if fault.instance in (None, item.slug)]

    def _post(self, number: Instance, payload: Json) -> None:
        self._delivery.post(Webhook(payload, number.slug, "account"))

    def _quality(self, fault: fl.QualityDrop, begins: bool) -> None:
        for number in self._numbers(fault):
            standing = self._world.standing[number.slug]
            standing.quality = fault.rating if begins else Standing().quality
            self._post(number, payloads.phone_quality(number, "FLAGGED" if begins else "UNFLAGGED", standing.tier))

    def _template(self, fault: fl.TemplatePause, begins: bool) -> None:
        for waba_id, template in self._world.named_templates(fault.template):
            numbers = [item for item in self._numbers(fault) if item.waba_id == waba_id]
            if not numbers:
                continue
            old, new = ("GREEN", "RED") if begins else ("RED", "GREEN")
            template["status"] = fault.state if begins else "APPROVED"
            template["quality_score"] = {"score": new}
            self._post(numbers[0], payloads.template_status(waba_id, template, str(template["status"])))
            self._post(numbers[0], payloads.template_quality(waba_id, template, old, new))

    def _account(self, fault: fl.AccountBlock, begins: bool) -> None:
        for number in self._numbers(fault):
            state = "DISABLE" if begins else "REINSTATE"
            self._post(number, payloads.account_update(number, "DISABLED_UPDATE", state))
            if begins:
                self._post(number, payloads.account_alert(number, "ACCOUNT_DISABLED", "Sending is blocked."))

    def _limit(self, fault: fl.MessagingLimit, begins: bool) -> None:
        told: set[str] = set()
        for number in self._numbers(fault):
            tier = fault.tier if begins else Standing().tier
            self._world.standing[number.slug].tier = tier
            if number.waba_id not in told:
                told.add(number.waba_id)
                self._post(number, payloads.capability(number.waba_id, tier))
