"""Status webhooks of our messages: state, delivery cohort, cost, and the settling of sends in doubt."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pytake.backend.clock import from_unix, now
from pytake.backend.database.models import Delivery, Message, Send
from pytake.backend.effects import Effects
from pytake.backend.messages.acceptance import accept
from pytake.backend.messages.costs import charge
from pytake.backend.messages.delivery import note_outcome
from pytake.backend.messages.states import describe, enter, read_opaque
from pytake.backend.queue.failures import Postpone
from pytake.backend.queue.streams import Job
from pytake.backend.resources import Resources
from pytake.backend.webhooks.events import WebhookEvent
from pytake.backend.webhooks.payload import Status
from pytake.backend.whatsapp.codes import meaning
from pytake.telemetry import catalog
from pytake.telemetry.labels import MessageStatus, SocketMessage, WebhookOutcome
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
KNOWN = {
    "sent": MessageStatus.SENT,
    "delivered": MessageStatus.DELIVERED,
    "read": MessageStatus.READ,
    "played": MessageStatus.READ,
    "failed": MessageStatus.FAILED,
}
PATIENCE = 15.0
"""Seconds that a status waits for the message it is about: our own record of the acceptance may be a moment behind."""


async def apply_status(resources: Resources, event: WebhookEvent, job: Job) -> WebhookOutcome:
    """Apply one status; raises :class:`Postpone` while its message may still be on the way into the database."""
    status = Status.model_validate(event.data)
    state = KNOWN.get(status.status)
    if state is None:
        return WebhookOutcome.IGNORED
    at = min(from_unix(float(status.timestamp)), now())
    effects = Effects()
    async with resources.sessions() as session:
        found = await _find(session, resources, event, status)
        if found is None:
            return _unknown(job, status)
        message, send = found
        if message.wamid is not None and message.wamid != status.id:
            log.error("message_sent_twice", message_id=str(message.id), wamid=message.wamid, other_wamid=status.id)
            return WebhookOutcome.IGNORED
        new = await _apply(session, message, send, status, state, at, effects)
        await session.commit()
    if not new:
        return WebhookOutcome.DUPLICATE
    effects.tell(
        lambda: resources.publisher.publish(SocketMessage.STATUS, describe(message), instance=message.instance)
    )
    await effects.run()
    log.info(
        "message_status",
        whatsapp_instance=message.instance,
        conversation_id=str(message.conversation_id),
        message_id=str(message.id),
        wamid=message.wamid,
        status=state.value,
        error_code=status.errors[0].code if status.errors else None,
    )
    return WebhookOutcome.PROCESSED


def _unknown(job: Job, status: Status) -> WebhookOutcome:
    if now().timestamp() - job.enqueued_at < PATIENCE:
        raise Postpone(1.0, f"no message has the id {status.id} yet")
    log.warning("status_of_unknown_message", wamid=status.id, status=status.status)
    return WebhookOutcome.IGNORED


async def _find(
    session: AsyncSession, resources: Resources, event: WebhookEvent, status: Status
) -> tuple[Message, Send] | None:
    """The message by Meta's id, else by our own id that the status brings back (it may be the first to know)."""
    instance = resources.registry.by_number(event.phone_number_id)
    if instance is None:
        return None
    ours: UUID | None = read_opaque(status.biz_opaque_callback_data)[0]
    for condition in (Message.wamid == status.id, Message.id == ours):
        query = (
            select(Message, Send)
            .join(Send, Send.message_id == Message.id)
            .where(condition, Message.instance == instance.slug)
            .with_for_update()
        )
        row = (await session.execute(query)).one_or_none()
        if row is not None:
            return row[0], row[1]
        if ours is None:
            break
    return None


async def _apply(
    session: AsyncSession,
    message: Message,
    send: Send,
    status: Status,
    state: MessageStatus,
    at: datetime,
    effects: Effects,
) -> bool:
    if send.state != "accepted":
        log.info("send_settled_by_status", message_id=str(message.id), was=send.state, wamid=status.id)
        await accept(session, message, send, wamid=status.id, at=send.attempt_at or at, effects=effects)
    code = status.errors[0].code if status.errors else None
    if not await enter(session, message, state, at, effects, error_code=code):
        return False
    if state is MessageStatus.FAILED:
        _note_failure(message, code, effects)
    delivery = await session.get(Delivery, message.id, with_for_update=True)
    assert delivery is not None, "acceptance made it"
    if status.pricing is not None:
        delivery.pricing = status.pricing.model_dump(exclude_none=True)
    note_outcome(delivery, message, state, at, effects)
    await charge(session, delivery, message, at, effects)
    return True


def _note_failure(message: Message, code: int | None, effects: Effects) -> None:
    cause = meaning(code or 0).cause if code is not None else meaning(131000).cause
    message.error_code, message.error_cause = code, cause
    slug, text = message.instance, str(code) if code is not None else "none"
    effects.count(lambda: catalog.MESSAGE_FAILURES.inc(code=text, cause=cause, whatsapp_instance=slug))
