"""Faults of single WhatsApp numbers: each has one of its own, so that they run side by side."""

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import httpx

from pytake.stack.drill.scenario import Part, scenario
from pytake.stack.drill.scene import Scene

FLOW = (Part.FLOW, Part.META)


@scenario("the access token of a number has expired", "WhatsAppTokenExpired", uses=FLOW, detect=200)
def expired_token(scene: Scene) -> Iterator[None]:
    """Meta answers 401, code 190."""
    with scene.fault("expired_token", instance="token"):
        yield


@scenario("the access token of a number expires soon", "WhatsAppTokenExpiresSoon", uses=FLOW, detect=900)
def expiring_token(scene: Scene) -> Iterator[None]:
    """In three days."""
    with scene.fault("token_expiring", instance="expiring", days=3):
        yield


@scenario("Meta locks an account", "WhatsAppAccountBlocked", uses=FLOW, detect=200)
def blocked_account(scene: Scene) -> Iterator[None]:
    """Webhook account_update and code 131031."""
    with scene.fault("account_block", instance="blocked"):
        yield


@scenario("the quality rating of a number falls", "WhatsAppQualityDropped", uses=FLOW, detect=300)
def quality_drop(scene: Scene) -> Iterator[None]:
    """To RED."""
    with scene.fault("quality_drop", instance="quality", rating="RED"):
        yield


@scenario("Meta refuses sends over the rate", "WhatsAppRateLimited", uses=FLOW, detect=900)
def rate_limited(scene: Scene) -> Iterator[None]:
    """130429 for half of the sends of one number."""
    with scene.fault("rate_limit", instance="paced", ratio=0.5):
        yield


@scenario("somebody else's webhooks", "WhatsAppWebhookBadSignature", uses=FLOW, detect=300)
def bad_signatures(scene: Scene) -> Iterator[None]:
    """Well-formed and wrongly signed."""
    with scene.fault("invalid_signatures", per_minute=240):
        yield


@scenario("webhooks that cannot be worked on", "QueueDeadLetters", uses=FLOW, detect=600)
def poison(scene: Scene) -> Iterator[None]:
    """Dead letters; removed by whoever has looked at them, here by deleting the stream."""
    with scene.fault("poison_webhooks", per_minute=60):
        yield
    scene.wait(lambda: scene.value("max(queue_depth)") == 0, 30)  # jobs are tried again before they are dead
    for key in scene.redis.scan_iter("pytake:dead:*"):
        scene.redis.delete(key)


@scenario("recipients cannot be reached", "WhatsAppFailuresRecipient", uses=FLOW, detect=2700)
def failures_recipient(scene: Scene) -> Iterator[None]:
    """The codes that are the recipients'."""
    with (
        scene.fault("delivery_collapse", instance="recipient", cause="recipient", ratio=0.7),
        templates_to(scene, "recipient"),
    ):
        yield


@scenario("sends by our fault fail", "WhatsAppFailuresOurs", uses=FLOW, detect=1200)
def failures_ours(scene: Scene) -> Iterator[None]:
    """The codes that are ours, for a part of one number's messages."""
    with scene.fault("delivery_collapse", instance="ours", cause="ours", ratio=0.25), templates_to(scene, "ours"):
        yield


@scenario("messages of a number take long to arrive", "WhatsAppDeliverySlow", uses=FLOW, detect=1800, settle=30)
def slow_delivery(scene: Scene) -> Iterator[None]:
    """Five minutes from acceptance to delivery."""
    with (
        scene.fault("slow_delivery", instance="slow", seconds=max(20, 300 / scene.factor)),
        templates_to(scene, "slow"),
    ):
        yield


@scenario("webhooks of a number come late", "WhatsAppWebhookDelayed", uses=FLOW, detect=1800, settle=30)
def late_webhooks(scene: Scene) -> Iterator[None]:
    """Each is held back for up to ten minutes."""
    with scene.fault("reordering", instance="late", spread=max(60, 600 / scene.factor)), templates_to(scene, "late"):
        yield


@scenario("webhooks of a number silently stop", "WhatsAppWebhookSilence", uses=FLOW, detect=1500)
def silence(scene: Scene) -> Iterator[None]:
    """No webhook of the number comes any more, while we go on sending with it."""
    with scene.fault("webhook_silence", instance="silent", lose=True), templates_to(scene, "silent"):
        yield


@scenario("sends of a number get no answer", "WhatsAppSendsInDoubt", uses=FLOW, detect=1500)
def doubtful_sends(scene: Scene) -> Iterator[None]:
    """The connection is reset, and no status tells what became of them."""
    with (
        scene.fault("connection_reset", instance="doubt", operation="send", ratio=0.9),
        scene.fault("webhook_silence", instance="doubt", lose=True),
        templates_to(scene, "doubt", pause=1.0),
    ):
        yield


@scenario("a number nears its messaging limit", "WhatsAppMessagingLimitNear", uses=FLOW, detect=900)
def near_limit(scene: Scene) -> Iterator[None]:
    """The limit falls to fifty users a day; templates to more than forty are sent."""
    with (
        scene.fault("messaging_limit", instance="limited", tier="TIER_50"),
        templates_to(scene, "limited", 44, pause=0.3),
    ):
        yield


@scenario("webhooks that are too large", "WhatsAppWebhookRejected", uses=(Part.API,), detect=400)
def large_webhooks(scene: Scene) -> Iterator[None]:
    """Four megabytes; what comes is refused before it is read."""
    body = b" " * 4_000_000
    with scene.requests("/webhooks/whatsapp", method="POST", clients=1, pause=0.5, content=body):
        yield


@scenario("Meta bills a category that has no price", "WhatsAppUnpricedMessages", uses=FLOW, detect=900)
def unpriced_messages(scene: Scene) -> Iterator[None]:
    """In the status webhooks of one number."""
    with scene.fault("unknown_pricing", instance="plain"), templates_to(scene, "plain"):
        yield


@scenario("Meta pauses a template", "WhatsAppTemplateUnavailable", uses=FLOW, detect=300)
def paused_template(scene: Scene) -> Iterator[None]:
    """PAUSED."""
    with scene.fault("template_pause"):
        yield


def templates_to(scene: Scene, slug: str, most: int = 10**9, pause: float = 1.5) -> Any:
    """Templates from that number to one customer after another, ``most`` at most."""
    ended, numbers = threading.Event(), itertools.count(1)
    headers = {"X-API-Key": scene.arena.env["PYTAKE_ADMIN_API_KEY"]}

    def send() -> None:
        with httpx.Client(base_url=scene.url("pytake-api"), headers=headers, timeout=10, trust_env=False) as client:
            for number in itertools.takewhile(lambda n: n <= most and not ended.is_set(), numbers):
                body = {"instance": slug, "to": f"+1555{sum(map(ord, slug)) % 1000:03d}{number % 5000:04d}",
                        "message": {"type": "template", "name": "appointment_reminder", "language": "en",
                                    "parameters": ["Ada", "Monday"]}}  # fmt: skip
                with scene.tolerated():
                    client.post("/api/v1/messages", json=body)
                ended.wait(pause)

    return scene.thread(send, ended)
