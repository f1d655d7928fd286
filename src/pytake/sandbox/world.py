"""What Meta would know: the numbers, their templates and standing, and every message it accepted.

The ledger of accepted messages is complete for the life of the process: the tests count in it that nobody was
answered twice.
"""

import time
from collections import OrderedDict, deque
from dataclasses import asdict, dataclass, field
from typing import Any

from pytake.sandbox.payloads import Json
from pytake.sandbox.settings import Instance, SandboxSettings
from pytake.telemetry.catalog import SANDBOX_MESSAGES
from pytake.telemetry.labels import Direction

LEDGER = 200_000
WINDOW = 86400.0


@dataclass
class Sent:
    """A message that the business sent and we accepted. ``states`` are the states told by webhook, with times."""

    wamid: str
    instance: str
    recipient: str
    type: str
    text: str
    opaque: str | None
    template: str | None
    category: str
    accepted_at: float
    answers: str | None = None
    states: list[tuple[str, float]] = field(default_factory=list)


@dataclass
class Received:
    """A message that a customer wrote."""

    wamid: str
    instance: str
    sender: str
    text: str
    at: float


@dataclass
class Standing:
    """How a number stands with Meta."""

    quality: str = "GREEN"
    tier: str = "TIER_2K"


class World:
    """All state but the webhooks on their way and the faults."""

    def __init__(self, settings: SandboxSettings):
        self.instances: dict[str, Instance] = {number.slug: number for number in settings.instances()}
        self.by_phone_id = {number.phone_number_id: number for number in self.instances.values()}
        self.standing = {slug: Standing() for slug in self.instances}
        self.templates: dict[str, dict[str, Json]] = {
            number.waba_id: default_templates(settings.oncall_template) for number in self.instances.values()
        }
        self.sent: OrderedDict[str, Sent] = OrderedDict()
        self.received: deque[Received] = deque(maxlen=LEDGER)
        self.read_marks: deque[str] = deque(maxlen=LEDGER)
        self._last_inbound: dict[tuple[str, str], Received] = {}
        self._reached: dict[tuple[str, str], float] = {}
        self.started = time.time()

    def accept(self, sent: Sent) -> None:
        """Record an accepted message; it answers the recipient's last message when there is one."""
        SANDBOX_MESSAGES.inc(direction=Direction.OUTBOUND, whatsapp_instance=sent.instance)
        last = self._last_inbound.get((sent.instance, sent.recipient))
        sent.answers = last.wamid if last else None
        self.sent[sent.wamid] = sent
        if sent.template is not None and not self.in_window(sent.instance, sent.recipient, known_only=False):
            self._reached[self.instances[sent.instance].waba_id, sent.recipient] = sent.accepted_at
        while len(self.sent) > LEDGER:
            self.sent.popitem(last=False)

    def receive(self, received: Received) -> None:
        """Record a customer's message: it opens the 24-hour window."""
        SANDBOX_MESSAGES.inc(direction=Direction.INBOUND, whatsapp_instance=received.instance)
        self.received.append(received)
        self._last_inbound[received.instance, received.sender] = received

    def in_window(self, instance: str, recipient: str, *, known_only: bool = True) -> bool:
        """Whether free text may go to the recipient.

        With ``known_only`` somebody who never wrote here counts as inside: tests play Meta's part themselves, and a
        restart forgets who wrote.
        """
        last = self._last_inbound.get((instance, recipient))
        return known_only if last is None else time.time() - last.at < WINDOW

    def business_initiated(self, waba_id: str) -> int:
        """Unique customers that templates reached outside the window in the last 24 hours."""
        since = time.time() - WINDOW
        return sum(1 for (waba, _), at in self._reached.items() if waba == waba_id and at >= since)

    def reached(self, waba_id: str, recipient: str) -> bool:
        """Whether the recipient is one of those."""
        return self._reached.get((waba_id, recipient), 0.0) >= time.time() - WINDOW

    def template(self, waba_id: str, name: str, language: str) -> Json | None:
        """The template in this language, or None."""
        return self.templates.get(waba_id, {}).get(f"{name}/{language}")

    def named_templates(self, name: str) -> list[tuple[str, Json]]:
        """(account, template) of every language a template has."""
        return [
            (waba, template)
            for waba, templates in self.templates.items()
            for template in templates.values()
            if template["name"] == name
        ]

    def messages(
        self, direction: str, *, customer: str | None, instance: str | None, limit: int
    ) -> list[dict[str, Any]]:
        """The newest messages of the ledger, oldest first."""
        if direction == "outbound":
            rows = [
                asdict(row)
                for row in self.sent.values()
                if customer in (None, row.recipient) and instance in (None, row.instance)
            ]
        else:
            rows = [
                asdict(item)
                for item in self.received
                if customer in (None, item.sender) and instance in (None, item.instance)
            ]
        return rows[-limit:]


def default_templates(oncall: str) -> dict[str, Json]:
    """The approved templates of an account, by ``name/language``."""
    rows = (
        ("order_update", "UTILITY", "Hello {{1}}, your order {{2}} is on its way."),
        ("appointment_reminder", "UTILITY", "Hello {{1}}, we expect you on {{2}}."),
        ("promo_weekly", "MARKETING", "This week only: {{1}}."),
        ("login_code", "AUTHENTICATION", "{{1}} is your code."),
        ("hello_world", "UTILITY", "Hello World"),
        (oncall, "UTILITY", None),
    )
    templates: dict[str, Json] = {}
    for index, (name, category, body) in enumerate(rows):
        for offset, language in enumerate(("en", "en_US", "pt_BR", "es")):
            templates[f"{name}/{language}"] = {
                "id": str(1689556908129000 + index * 10 + offset),
                "name": name,
                "language": language,
                "status": "APPROVED",
                "category": category,
                "quality_score": {"score": "GREEN"},
                "components": [{"type": "BODY", "text": body or "{{*}}"}],
            }
    return templates


def parameter_count(template: Json) -> int | None:
    """How many body parameters a template takes; None when it takes any number."""
    body = str(template["components"][0]["text"])
    return None if "{{*}}" in body else body.count("{{")
