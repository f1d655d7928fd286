"""Posts signed webhooks to the backend: at least once, again with growing pauses until it says 200.

Faults act here: silence, duplicates, reordering. What has not been taken yet can be saved and loaded, so that a
restart of the sandbox loses nothing either.
"""

import asyncio
import contextlib
import heapq
import itertools
import random
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from pytake.sandbox import faults as fl
from pytake.sandbox.payloads import Json, encode, sign
from pytake.sandbox.settings import SandboxSettings
from pytake.telemetry.catalog import SANDBOX_WEBHOOKS
from pytake.telemetry.labels import SandboxWebhook
from pytake.telemetry.logging import get_logger

RETRY_FOR = 7 * 86400.0
PARALLEL = 64
KEEP = 200_000
log = get_logger(__name__)


@dataclass
class Webhook:
    """One webhook on its way. ``kind`` and ``wamid`` say what it is about; ``copies`` are deliveries still to make."""

    payload: Json
    instance: str
    kind: str
    wamid: str = ""
    created: float = field(default_factory=time.time)
    attempts: int = 0
    copies: int = 0
    forged: bool = False
    delayed: bool = False
    raw: str | None = None


class Delivery:
    """A queue ordered by due time and the task that works it."""

    def __init__(self, settings: SandboxSettings, faults: fl.Faults, rng: random.Random, client: httpx.AsyncClient):
        self._settings = settings
        self._faults = faults
        self._rng = rng
        self._client = client
        self._default_secret = settings.app_secret.get_secret_value()
        self._secrets = {number.slug: number.secret or self._default_secret for number in settings.instances()}
        self._due: list[tuple[float, int, Webhook]] = []
        self._order = itertools.count()
        self._wake = asyncio.Event()
        self._flying: dict[asyncio.Task[None], Webhook] = {}
        self._held: list[Webhook] = []
        self._task: asyncio.Task[None] | None = None
        self.counts: Counter[str] = Counter()
        self.acknowledged: dict[str, float] = {}
        """Inbound wamid -> when the backend first said 200 to it (the newest :data:`KEEP`)."""

    def start(self) -> None:
        """Begin to deliver."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop; what is undelivered stays in the queue for :meth:`pending`."""
        tasks = [*self._flying, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await asyncio.sleep(0)  # lets the callbacks put cancelled webhooks back

    def post(self, webhook: Webhook, delay: float = 0.0) -> None:
        """Deliver after ``delay`` seconds."""
        self.counts["created"] += 1
        self._push(webhook, delay)

    def release(self) -> None:
        """Deliver what silence kept back."""
        held, self._held = self._held, []
        for webhook in held:
            self._push(webhook, 0.0)

    @property
    def waiting(self) -> int:
        """Webhooks that the backend has not taken yet."""
        return len(self._due) + len(self._held) + len(self._flying)

    def pending(self) -> list[dict[str, Any]]:
        """What is undelivered, as JSON can hold it."""
        return [asdict(item) for _, _, item in sorted(self._due, key=lambda due: due[:2])] + [
            asdict(item) for item in self._held
        ]

    def load(self, items: list[dict[str, Any]]) -> None:
        """Queue what an earlier run left."""
        for item in items:
            self._push(Webhook(**item), 0.0)

    def _push(self, webhook: Webhook, delay: float) -> None:
        heapq.heappush(self._due, (time.monotonic() + delay, next(self._order), webhook))
        self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            now = time.monotonic()
            while self._due and self._due[0][0] <= now and len(self._flying) < PARALLEL:
                self._launch(heapq.heappop(self._due)[2])
            pause = 3600.0
            if self._due and len(self._flying) < PARALLEL:
                pause = max(0.0, self._due[0][0] - time.monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):  # wait_for may swallow a cancel in Python 3.11
                    await self._wake.wait()

    def _launch(self, webhook: Webhook) -> None:
        if self._kept_back(webhook):
            return
        task = asyncio.create_task(self._attempt(webhook))
        self._flying[task] = webhook
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        webhook = self._flying.pop(task)
        if task.cancelled():
            self._push(webhook, 0.0)
        self._wake.set()

    def _kept_back(self, webhook: Webhook) -> bool:
        """Whether silence or reordering holds this webhook back now."""
        if webhook.forged:
            return False
        silence = self._faults.first(fl.WebhookSilence, webhook.instance)
        if silence is not None:
            if silence.lose:
                self.counts["lost_in_silence"] += 1
                SANDBOX_WEBHOOKS.inc(outcome=SandboxWebhook.LOST)
            else:
                self._held.append(webhook)
            return True
        reorder = None if webhook.delayed else self._faults.first(fl.Reordering, webhook.instance)
        if reorder is not None:
            webhook.delayed = True
            self._push(webhook, self._rng.uniform(0, reorder.spread))
            return True
        return False

    async def _attempt(self, webhook: Webhook) -> None:
        webhook.attempts += 1
        taken = await self._send(webhook)
        if webhook.forged:
            self.counts["forged"] += 1
        elif taken:
            self._taken(webhook)
        else:
            self._retry(webhook)

    async def _send(self, webhook: Webhook) -> bool:
        body = webhook.raw.encode() if webhook.raw is not None else encode(webhook.payload)
        secret = "somebody-else" if webhook.forged else self._secrets.get(webhook.instance, self._default_secret)
        headers = {
            "content-type": "application/json",
            "user-agent": "facebookexternalua",
            "x-hub-signature-256": sign(secret, body),
        }
        try:
            response = await self._client.post(self._settings.target, content=body, headers=headers)
        except httpx.HTTPError as exc:
            self.counts["unreachable"] += 1
            SANDBOX_WEBHOOKS.inc(outcome=SandboxWebhook.UNREACHABLE)
            log.debug("webhook_unreachable", error=type(exc).__name__, attempts=webhook.attempts)
            return False
        self.counts[f"status_{response.status_code}"] += 1
        taken = response.status_code == 200
        outcome = SandboxWebhook.DELIVERED if taken else SandboxWebhook.REFUSED
        SANDBOX_WEBHOOKS.inc(outcome=SandboxWebhook.FORGED if webhook.forged else outcome)
        return taken

    def _taken(self, webhook: Webhook) -> None:
        self.counts["delivered"] += 1
        if webhook.kind == "message":
            self._note_acknowledged(webhook.wamid)
        if webhook.attempts == 1 and webhook.copies == 0:
            double = self._faults.first(fl.Duplicates, webhook.instance)
            webhook.copies = double.copies if double else 0
        elif webhook.copies > 0:
            webhook.copies -= 1
        if webhook.copies > 0:
            self.counts["duplicated"] += 1
            webhook.attempts = max(webhook.attempts, 2)
            self._push(webhook, self._rng.uniform(0.0, 2.0) / self._settings.speed)

    def _note_acknowledged(self, wamid: str) -> None:
        if wamid not in self.acknowledged:
            self.counts["messages_acknowledged"] += 1
        self.acknowledged.setdefault(wamid, time.time())
        if len(self.acknowledged) > KEEP:
            self.acknowledged.pop(next(iter(self.acknowledged)))

    def _retry(self, webhook: Webhook) -> None:
        if webhook.kind == "poison" or time.time() - webhook.created > RETRY_FOR:
            self.counts["given_up"] += 1
            return
        self.counts["retried"] += 1
        pause = min(self._settings.retry_max, self._settings.retry_initial * 2.0 ** min(webhook.attempts - 1, 12))
        self._push(webhook, pause * self._rng.uniform(0.8, 1.2))
