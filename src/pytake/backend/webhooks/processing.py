"""The worker's side of a webhook: each event by its kind, and what became of it."""

from pytake.backend.messages.inbound import store_message
from pytake.backend.messages.states import read_opaque
from pytake.backend.messages.statuses import apply_status
from pytake.backend.queue.spans import job_span
from pytake.backend.queue.streams import Job
from pytake.backend.resources import Resources
from pytake.backend.webhooks.account import apply_platform_event
from pytake.backend.webhooks.events import WebhookEvent
from pytake.telemetry.catalog import WEBHOOK_EVENTS
from pytake.telemetry.labels import JobOutcome, WebhookField, WebhookOutcome
from pytake.telemetry.logging import log_fields
from pytake.telemetry.tracing import extract, link


async def process_webhook(resources: Resources, job: Job) -> JobOutcome:
    """Handle one event of the webhook queue within the trace that it came with."""
    event = WebhookEvent.from_fields(job.fields)
    attributes = {
        "messaging.system": "redis",
        "messaging.operation.name": "process",
        "messaging.destination.name": "pytake:webhooks",
        "messaging.message.id": job.id,
        "pytake.webhook.field": event.field.value,
    }
    # The trace of the send is the status' own; the webhook that brought it is linked.
    origin = _sender(event)
    carrier = {"traceparent": origin} if origin else job.fields
    with (
        job_span(
            f"process {event.field.value}",
            attributes=attributes,
            context=extract(carrier),
            links=link(job.fields) if origin else None,
        ),
        log_fields(job_id=job.id),
    ):
        outcome = await _dispatch(resources, event, job)
    WEBHOOK_EVENTS.inc(field=event.field, outcome=outcome)
    return JobOutcome.DUPLICATE if outcome is WebhookOutcome.DUPLICATE else JobOutcome.DONE


def _sender(event: WebhookEvent) -> str | None:
    if event.field is not WebhookField.STATUSES:
        return None
    value = event.data.get("biz_opaque_callback_data")
    return read_opaque(value)[1] if isinstance(value, str) else None


async def _dispatch(resources: Resources, event: WebhookEvent, job: Job) -> WebhookOutcome:
    match event.field:
        case WebhookField.MESSAGES:
            stored = await store_message(resources, event, job.fields.get("traceparent"))
            return WebhookOutcome.DUPLICATE if stored is JobOutcome.DUPLICATE else WebhookOutcome.PROCESSED
        case WebhookField.STATUSES:
            return await apply_status(resources, event, job)
        case _:
            return await apply_platform_event(resources, event)
