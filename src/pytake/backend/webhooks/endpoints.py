"""``/webhooks/whatsapp``: Meta's handshake, and the receiver that hands over before it acknowledges."""

import hmac
import time
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import ValidationError
from redis.exceptions import RedisError

from pytake.backend.problems import Problem, responses
from pytake.backend.resources import Resources, ResourcesDep
from pytake.backend.webhooks.events import WebhookEvent, split
from pytake.backend.webhooks.last import LastWebhooks
from pytake.backend.webhooks.payload import explain, parse_webhook
from pytake.backend.webhooks.signature import matching_secrets
from pytake.telemetry import catalog
from pytake.telemetry.labels import Queue, WebhookField, WebhookOutcome
from pytake.telemetry.logging import get_logger
from pytake.telemetry.tracing import inject

log = get_logger(__name__)
router = APIRouter(prefix="/webhooks", tags=["webhooks"])


def _refuse(outcome: WebhookOutcome, status: int, detail: str, headers: dict[str, str] | None = None) -> Problem:
    catalog.WEBHOOK_EVENTS.inc(field=WebhookField.REQUEST, outcome=outcome)
    return Problem(status, detail, kind=f"webhook-{outcome.value.replace('_', '-')}", headers=headers)


@router.get(
    "/whatsapp",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **responses(403, 422)},
)
async def handshake(
    resources: ResourcesDep,
    mode: Annotated[str, Query(alias="hub.mode", max_length=64)] = "",
    token: Annotated[str, Query(alias="hub.verify_token", max_length=512)] = "",
    challenge: Annotated[str, Query(alias="hub.challenge", max_length=512, pattern=r"^[\x20-\x7e]*$")] = "",
) -> PlainTextResponse:
    """Answer Meta's verification of the webhook with its challenge when the verify token is right."""
    expected = resources.settings.meta_verify_token.get_secret_value()
    right = bool(expected) and hmac.compare_digest(expected.encode(), token.encode("utf-8", "replace"))
    if mode != "subscribe" or not right:
        raise Problem(403, "hub.mode or hub.verify_token is wrong", kind="webhook-handshake")
    return PlainTextResponse(challenge, headers={"x-content-type-options": "nosniff"})


async def read_capped(request: Request, limit: int) -> bytes | None:
    """The raw body, or ``None`` as soon as it is known to be longer than ``limit`` bytes."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        return None
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


@router.post(
    "/whatsapp",
    status_code=200,
    responses={
        200: {"description": "Every event of the body is in the queue", "content": {"application/json": {}}},
        **responses(400, 401, 413, 503),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}}},
            "description": "Meta's webhook body, signed with X-Hub-Signature-256.",
        },
        "parameters": [
            {
                "name": "X-Hub-Signature-256",
                "in": "header",
                "required": True,
                "schema": {"type": "string", "pattern": "^sha256=[0-9a-f]{64}$"},
                "description": "HMAC-SHA256 of the raw body with the app secret.",
            }
        ],
    },
)
async def receive(request: Request, resources: ResourcesDep) -> Response:
    """Check signature and form, put every event into the queue, answer 200.

    503 means that the queue did not take them: Meta sends them again, so nothing that was acknowledged is lost.
    """
    body = await read_capped(request, resources.settings.webhook_max_bytes)
    if body is None:
        raise _refuse(
            WebhookOutcome.TOO_LARGE,
            413,
            f"the body is longer than {resources.settings.webhook_max_bytes} bytes",
            {"connection": "close"},
        )
    secrets = matching_secrets(resources.secrets, body, request.headers.get("x-hub-signature-256"))
    if not secrets:
        raise _refuse(WebhookOutcome.INVALID_SIGNATURE, 401, "X-Hub-Signature-256 is missing or wrong")
    try:
        events = split(parse_webhook(body))
    except ValidationError as error:
        raise _refuse(WebhookOutcome.INVALID_PAYLOAD, 400, explain(error)) from None
    ours = [event for event in events if _is_ours(resources, event, secrets)]
    await _hand_over(resources, request.app.state.last_webhooks, ours)
    return Response(b'{"status":"accepted"}', media_type="application/json")


def _is_ours(resources: Resources, event: WebhookEvent, secrets: frozenset[str]) -> bool:
    """Whether the event is for a number of ours, and its body was signed with that number's app secret."""
    registry = resources.registry
    if event.phone_number_id is None:
        instances = registry.by_account(event.waba_id)
    else:
        instance = registry.by_number(event.phone_number_id)
        instances = [instance] if instance else []
    if not instances:
        catalog.WEBHOOK_EVENTS.inc(field=event.field, outcome=WebhookOutcome.UNKNOWN_INSTANCE)
        log.warning("webhook_unknown_instance", field=event.field.value)
        return False
    if not any(registry.secret_of(one) in secrets for one in instances):
        catalog.WEBHOOK_EVENTS.inc(field=event.field, outcome=WebhookOutcome.INVALID_SIGNATURE)
        log.warning("webhook_signed_by_other_app", field=event.field.value, whatsapp_instance=instances[0].slug)
        return False
    return True


async def _hand_over(resources: Resources, last: LastWebhooks, events: list[WebhookEvent]) -> None:
    if not events:
        return
    context = inject({})
    trace = {"traceparent": context["traceparent"]} if "traceparent" in context else {}
    try:
        await resources.streams.add(Queue.WEBHOOKS, [event.to_fields() | trace for event in events])
    except (RedisError, OSError) as error:
        for event in events:
            catalog.WEBHOOK_EVENTS.inc(field=event.field, outcome=WebhookOutcome.QUEUE_UNAVAILABLE)
        log.error("webhook_not_queued", error=repr(error)[:300], events=len(events))
        raise Problem(
            503, "the queue does not take the events; send them again", kind="queue", headers={"retry-after": "5"}
        ) from error
    now = time.time()
    for event in events:
        catalog.WEBHOOK_EVENTS.inc(field=event.field, outcome=WebhookOutcome.ACCEPTED)
        if event.time is not None:
            catalog.WEBHOOK_AGE.observe(max(0.0, now - event.time), field=event.field)
        _count_for_instances(resources, last, event)


def _count_for_instances(resources: Resources, last: LastWebhooks, event: WebhookEvent) -> None:
    if event.phone_number_id is None:
        slugs = [one.slug for one in resources.registry.by_account(event.waba_id)]
    else:
        instance = resources.registry.by_number(event.phone_number_id)
        slugs = [instance.slug] if instance else []
    for slug in slugs:
        last.note(slug)
        catalog.WEBHOOK_RECEIVED.inc(whatsapp_instance=slug)
