"""Customers who write at a set rate, follow the hours of a day, and go on talking when they are answered."""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from pytake.sandbox import faults as fl
from pytake.sandbox import payloads
from pytake.sandbox.delivery import Delivery, Webhook
from pytake.sandbox.payloads import Json, new_wamid
from pytake.sandbox.profiles import Customer, follow_up, make_customers, opener
from pytake.sandbox.settings import Instance
from pytake.sandbox.world import Received, Sent, World

TICK = 0.05
MAX_TURNS = 6
OTHER_KINDS = ("image", "audio", "location", "reaction", "unsupported")
OTHER_SHARE = 0.05


def day_factor(at: float) -> float:
    """How busy the hour is against the day's average: lowest at about 4, highest at about 16 o'clock (UTC)."""
    hour = at % 86400 / 3600
    return 1.0 - 0.8 * math.cos((hour - 4.0) / 24.0 * 2 * math.pi)


@dataclass
class _Stream:
    """Random arrivals at a changing rate (events a minute): counts expected events up to the next arrival."""

    rate: Callable[[], float]
    emit: Callable[[], None]
    expected: float = 0.0
    next_at: float = 0.0


class Customers:
    """The customers and everything that reaches the backend without being asked for."""

    def __init__(
        self,
        world: World,
        delivery: Delivery,
        faults: fl.Faults,
        rng: random.Random,
        *,
        count: int,
        rate: float,
        day_curve: bool,
        speed: float,
    ):
        self._world = world
        self._delivery = delivery
        self._faults = faults
        self._rng = rng
        self._day_curve = day_curve
        self._speed = speed
        self.rate = rate
        self.people = make_customers(count, random.Random(rng.random()))  # noqa: S311 (made-up people, not secrets)
        self._by_id = {person.wa_id: person for person in self.people}
        self._turns: dict[tuple[str, str], int] = {}
        self._later: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._streams = [
            _Stream(self.current_rate, self._open_conversation),
            _Stream(lambda: sum(fault.per_minute for fault in faults.all(fl.PoisonWebhooks)), self._poison),
            _Stream(lambda: sum(fault.per_minute for fault in faults.all(fl.InvalidSignatures)), self._forge),
        ]

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Fall silent."""
        tasks = [*self._later, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def current_rate(self) -> float:
        """New conversations a minute now: the set rate by the hour, and bursts."""
        usual = self.rate * (day_factor(time.time()) if self._day_curve else 1.0)
        return usual + sum(fault.per_minute for fault in self._faults.all(fl.TrafficBurst))

    def write(self, number: Instance, sender: str, text: str | None, *, name: str | None = None) -> str:
        """A customer writes to a number; ``text`` None makes it another kind of message. Returns the wamid."""
        person = self._by_id.get(sender)
        wamid = new_wamid(sender)
        at = time.time()
        message = payloads.text_message(text, wamid=wamid, at=at) if text is not None else self._other_kind(wamid, at)
        shown = name or (person.name if person else "Customer")
        payload = payloads.inbound(
            number, message, wa_id=sender, name=shown, user_id=person.user_id if person else None
        )
        self._world.receive(Received(wamid, number.slug, sender, text or "", at))
        self._delivery.post(Webhook(payload, number.slug, "message", wamid))
        return wamid

    def answered(self, sent: Sent, read_after: float) -> None:
        """Perhaps go on talking some seconds after reading an answer."""
        key = (sent.instance, sent.recipient)
        person = self._by_id.get(sent.recipient)
        turns = self._turns.get(key, 0)
        if person is None or sent.template is not None or key not in self._turns:
            return
        if turns >= MAX_TURNS or self._rng.random() > person.patience:
            self._turns.pop(key, None)
            return
        self._turns[key] = turns + 1
        delay = read_after + self._rng.lognormvariate(0.0, 0.6) * 12.0 / self._speed
        task = asyncio.create_task(self._go_on(sent, person, delay))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _go_on(self, sent: Sent, person: Customer, delay: float) -> None:
        await asyncio.sleep(delay)
        self.write(self._world.instances[sent.instance], person.wa_id, follow_up(person, self._rng))

    async def _run(self) -> None:
        last = time.monotonic()
        for stream in self._streams:
            stream.next_at = self._rng.expovariate(1.0)
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            for stream in self._streams:
                stream.expected += stream.rate() / 60.0 * (now - last)
                while stream.expected >= stream.next_at:
                    stream.next_at += self._rng.expovariate(1.0)
                    stream.emit()
            last = now

    def _pick(self) -> tuple[Instance, Customer]:
        numbers = list(self._world.instances.values())
        weights = [2.0**-index for index in range(len(numbers))]
        return self._rng.choices(numbers, weights)[0], self._rng.choice(self.people)

    def _open_conversation(self) -> None:
        number, person = self._pick()
        self._turns[number.slug, person.wa_id] = 1
        text = None if self._rng.random() < OTHER_SHARE else opener(person, self._rng)
        self.write(number, person.wa_id, text)

    def _other_kind(self, wamid: str, at: float) -> Json:
        """A message that is not text."""
        kind = self._rng.choice(OTHER_KINDS)
        media_id = str(self._rng.randrange(10**15))
        contents: dict[str, Json] = {
            "image": {"id": media_id, "mime_type": "image/jpeg", "sha256": "A" * 43 + "=", "caption": "look"},
            "audio": {"id": media_id, "mime_type": "audio/ogg; codecs=opus", "sha256": "A" * 43 + "=", "voice": True},
            "location": {"latitude": -8.05, "longitude": -34.9, "name": "Home"},
            "reaction": {"message_id": new_wamid("0"), "emoji": "👍"},
        }
        message: Json = {"id": wamid, "timestamp": str(int(at)), "type": kind}
        if kind == "unsupported":
            details = {"details": "Message type is currently not supported."}
            message["errors"] = [{"code": 131051, "title": "Message type unknown", "error_data": details}]
        else:
            message[kind] = contents[kind]
        return message

    def _forge(self) -> None:
        """Somebody else's webhook: well-formed, wrong signature; it must change nothing."""
        number, person = self._pick()
        message = payloads.text_message("forged", wamid=new_wamid(person.wa_id), at=time.time())
        payload = payloads.inbound(number, message, wa_id=person.wa_id, name=person.name)
        self._delivery.post(Webhook(payload, number.slug, "forged", forged=True))

    def _poison(self) -> None:
        """A signed webhook whose contents cannot be worked on: its form is right, but nobody wrote the message."""
        number, person = self._pick()
        wamid = new_wamid(person.wa_id)
        message = payloads.text_message("who am I?", wamid=wamid, at=time.time())
        payload = payloads.inbound(number, message, wa_id=person.wa_id, name=person.name)
        value = payload["entry"][0]["changes"][0]["value"]
        del value["contacts"], value["messages"][0]["from"]
        self._delivery.post(Webhook(payload, number.slug, "poison", wamid))
