"""Handing a queued message to the Graph API. ADR 002 gives the reasons; the states of a send are

``queued`` -> ``sending`` (recorded before the request) -> ``accepted`` | ``failed`` (Meta refused)
                          -> ``queued`` again (known not to have been sent)
                          -> ``in_doubt`` (nobody knows) -> ``accepted`` by a status webhook, or
                                                            ``unsettled``: a human decides
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from pytake.backend.clock import now
from pytake.backend.conversations.lifecycle import hand_over
from pytake.backend.database.models import Contact, Conversation, Instance, Message, Send
from pytake.backend.effects import Effects
from pytake.backend.instances.registry import InstanceConfig
from pytake.backend.messages.acceptance import accept
from pytake.backend.messages.states import describe, enter, opaque_data
from pytake.backend.queue.failures import Postpone, through_outages
from pytake.backend.queue.spans import job_span
from pytake.backend.resources import Resources
from pytake.backend.whatsapp.client import GraphError, InDoubt, NotReached, Recipient, Refused
from pytake.backend.whatsapp.codes import Retry
from pytake.backend.whatsapp.pacing import Pacer
from pytake.telemetry import catalog
from pytake.telemetry.labels import AccountState, Cause, HandoverReason, MessageStatus, SocketMessage
from pytake.telemetry.logging import get_logger
from pytake.telemetry.metrics import state_set
from pytake.telemetry.tracing import SpanKind, extract, inject

log = get_logger(__name__)
LONGEST_WAIT = 3.0
"""Seconds that a job waits for its moment; longer waits go back into the queue."""
GIVE_UP = timedelta(hours=1)
"""A message that could not be sent for this long has failed: nobody wants yesterday's answer."""


@dataclass(frozen=True)
class Attempt:
    """What one attempt needs, read in one transaction with the mark ``sending``."""

    message_id: UUID
    number: int
    recipient: Recipient
    content: dict[str, Any]
    traceparent: str | None


def graph_content(message: Message) -> dict[str, Any]:
    """The message in the Graph API's form."""
    if message.type == "template":
        return {"type": "template", "template": message.content or {}}
    return {"type": "text", "text": {"body": message.text or "", "preview_url": False}}


async def send_message(resources: Resources, pacer: Pacer, message_id: UUID) -> None:
    """Send one queued message, unless it was taken before; raises :class:`Postpone` when it has to wait."""
    async with resources.sessions() as session:
        row = await _open_row(session, message_id)
        if row is None:
            return
        message, send, contact = row
        instance = resources.registry.instances.get(message.instance)
        if send.state == "sending":
            await _doubt(session, resources, message, send, "a worker ended between the request and its answer")
            return
        if send.not_before is not None and send.not_before > now():
            raise Postpone((send.not_before - now()).total_seconds(), "not before its time")
        traceparent = message.traceparent
    if instance is None:
        await _fail(resources, message_id, None, Cause.OURS, "the number is not in the instances file any more")
        return
    with job_span(
        "send message",
        kind=SpanKind.PRODUCER,
        attributes={
            "messaging.system": "whatsapp",
            "pytake.instance": instance.slug,
            "pytake.message.id": str(message_id),
        },
        context=extract({"traceparent": traceparent}) if traceparent else None,
    ):
        waits = await pacer.reserve(instance.slug, str(contact.id), rate=instance.rate_per_second, longest=LONGEST_WAIT)
        if not waits.reserved:
            raise Postpone(waits.longest, "our send limits")
        await asyncio.sleep(waits.longest)
        attempt = await _begin(resources, message_id)
        if attempt is not None:
            await _attempt(resources, pacer, instance, contact.id, attempt)


async def _open_row(
    session: AsyncSession, message_id: UUID, states: tuple[str, ...] = ("queued", "sending")
) -> tuple[Message, Send, Contact] | None:
    query = (
        select(Message, Send, Contact)
        .join(Send, Send.message_id == Message.id)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .join(Contact, Contact.id == Conversation.contact_id)
        .where(Message.id == message_id, Send.state.in_(states))
        .with_for_update(of=(Send, Message))
    )
    row = (await session.execute(query)).one_or_none()
    return (row[0], row[1], row[2]) if row else None


async def _begin(resources: Resources, message_id: UUID) -> Attempt | None:
    """Mark the send as under way. Committed before the request: from here on a crash leaves a doubt, never a double."""
    moment = now()

    async def mark() -> Attempt | None:
        async with resources.sessions() as session:
            row = await _open_row(session, message_id)
            if row is None:
                return None
            message, send, contact = row
            if send.state == "queued":
                send.state = "sending"
                send.attempt += 1
                send.attempt_at = moment
            elif send.attempt_at != moment:  # equal: our own mark, whose commit was not answered
                return None
            recipient = Recipient(contact.user_id, contact.wa_id)
            attempt = Attempt(message_id, send.attempt, recipient, graph_content(message), message.traceparent)
            await session.commit()
            return attempt

    return await through_outages(mark)


async def _attempt(
    resources: Resources, pacer: Pacer, instance: InstanceConfig, contact_id: UUID, attempt: Attempt
) -> None:
    carrier = inject({})
    opaque = opaque_data(attempt.message_id, carrier.get("traceparent") or attempt.traceparent)
    try:
        answer = await resources.graph.send(instance, attempt.recipient, attempt.content, opaque=opaque)
    except Refused as error:
        refusal = error
        await through_outages(lambda: _refused(resources, pacer, instance, contact_id, attempt, refusal))
    except NotReached as error:
        unreached = error
        delay = 2.0 * 2 ** min(attempt.number, 5)
        await through_outages(lambda: _queue_again(resources, attempt, delay, unreached))
    except (InDoubt, GraphError) as error:
        doubt = error
        await through_outages(lambda: _answer_missing(resources, attempt, doubt))
    else:
        await through_outages(lambda: _accepted(resources, attempt, answer.wamid))


async def _load(session: AsyncSession, attempt: Attempt) -> tuple[Message, Send] | None:
    """The rows of this attempt, locked; ``None`` when a status webhook or another worker has settled it."""
    query = (
        select(Message, Send)
        .join(Send, Send.message_id == Message.id)
        .where(Message.id == attempt.message_id, Send.attempt == attempt.number)
        .with_for_update()
    )
    row = (await session.execute(query)).one_or_none()
    return (row[0], row[1]) if row else None


async def _accepted(resources: Resources, attempt: Attempt, wamid: str) -> None:
    effects = Effects()
    async with resources.sessions() as session:
        row = await _load(session, attempt)
        if row is None:
            return
        message, send = row
        if message.wamid is not None and message.wamid != wamid:
            log.error("message_sent_twice", message_id=str(message.id), wamid=message.wamid, other_wamid=wamid)
            return
        await accept(session, message, send, wamid=wamid, at=now(), effects=effects)
        await session.commit()
    effects.tell(lambda: _tell(resources, message))
    await effects.run()
    log.info(
        "message_sent",
        whatsapp_instance=message.instance,
        conversation_id=str(message.conversation_id),
        message_id=str(message.id),
        wamid=wamid,
        author=message.author,
    )


async def _refused(
    resources: Resources,
    pacer: Pacer,
    instance: InstanceConfig,
    contact_id: UUID,
    attempt: Attempt,
    error: Refused,
) -> None:
    """Meta answered with an error, so nothing was sent: try again where that makes sense."""
    rule = error.meaning.retry
    log.warning("send_refused", whatsapp_instance=instance.slug, message_id=str(attempt.message_id), code=error.code)
    delay = error.retry_after or 2.0 * 2 ** min(attempt.number, 6)
    if rule is Retry.PAIR_LIMIT:
        delay = float(min(4**attempt.number, 1024))  # Meta's own advice: 4^n seconds
        await pacer.block(instance.slug, str(contact_id), delay)
    elif rule is Retry.NUMBER_LIMIT:
        delay = error.retry_after or float(min(2**attempt.number, 60))
        await pacer.block(instance.slug, None, delay)
    elif rule is Retry.ACCOUNT:
        delay = 60.0
        await _token_refused(resources, instance.slug)
    if rule is Retry.NEVER:
        await _fail(resources, attempt.message_id, error.code, error.cause, str(error), attempt=attempt.number)
    else:
        await _queue_again(resources, attempt, delay, error, code=error.code, cause=error.cause)


async def _token_refused(resources: Resources, slug: str) -> None:
    """Show it at once; the next look at the number (every minute then) takes it back when the token works again."""
    async with resources.sessions() as session:
        await session.execute(
            update(Instance).where(Instance.slug == slug).values(account_state=AccountState.TOKEN_EXPIRED)
        )
        await session.commit()
    state_set(catalog.ACCOUNT_STATE, AccountState, AccountState.TOKEN_EXPIRED, whatsapp_instance=slug)


async def _queue_again(
    resources: Resources,
    attempt: Attempt,
    delay: float,
    error: Exception,
    *,
    code: int | None = None,
    cause: Cause = Cause.META,
) -> None:
    """Known not to have been sent: queued again, at most for :data:`GIVE_UP`."""
    async with resources.sessions() as session:
        row = await _load(session, attempt)
        if row is None or row[1].state not in ("sending", "in_doubt"):
            return
        message, send = row
        if now() - message.created_at > GIVE_UP:
            await session.rollback()
            await _fail(resources, attempt.message_id, code, cause, str(error), attempt=attempt.number)
            return
        send.state = "queued"
        send.not_before = now() + timedelta(seconds=delay)
        send.last_error = str(error)[:300]
        await session.commit()
    raise Postpone(delay, f"not sent: {error}")


async def _answer_missing(resources: Resources, attempt: Attempt, error: Exception) -> None:
    async with resources.sessions() as session:
        row = await _load(session, attempt)
        if row is None or row[1].state != "sending":
            return
        await _doubt(session, resources, row[0], row[1], str(error))


async def _doubt(session: AsyncSession, resources: Resources, message: Message, send: Send, reason: str) -> None:
    """Nobody knows whether Meta has it: wait for its status webhook, and never send it again by ourselves."""
    effects = Effects()
    send.state = "in_doubt"
    send.in_doubt_since = now()
    send.last_error = reason[:300]
    await enter(session, message, MessageStatus.IN_DOUBT, now(), effects)
    await session.commit()
    effects.tell(lambda: _tell(resources, message))
    await effects.run()
    log.warning("send_in_doubt", whatsapp_instance=message.instance, message_id=str(message.id), reason=reason[:300])


async def _fail(
    resources: Resources,
    message_id: UUID,
    code: int | None,
    cause: Cause,
    reason: str,
    *,
    attempt: int | None = None,
) -> None:
    """Final: the message was refused. A person is asked to look when it was an answer of the model."""
    effects = Effects()
    async with resources.sessions() as session:
        row = await _open_row(session, message_id, ("queued", "sending", "in_doubt"))
        if row is None or (attempt is not None and row[1].attempt != attempt):
            return
        message, send, _ = row
        send.state = "failed"
        send.last_error = reason[:300]
        message.error_code, message.error_cause = code, cause
        await enter(session, message, MessageStatus.FAILED, now(), effects, error_code=code)
        conversation = await session.get(Conversation, message.conversation_id)
        if message.author == "ai" and conversation is not None:
            hand_over(conversation, HandoverReason.AI_FAILED, effects, resources.publisher)
        await session.commit()
    slug, text = message.instance, str(code) if code is not None else "none"
    effects.count(lambda: catalog.MESSAGE_FAILURES.inc(code=text, cause=cause, whatsapp_instance=slug))
    effects.tell(lambda: _tell(resources, message))
    await effects.run()
    log.error("message_failed", whatsapp_instance=slug, message_id=str(message_id), code=code, cause=cause.value)


async def give_up_doubts(resources: Resources, grace: float) -> int:
    """Sends in doubt that no status has settled within ``grace`` seconds go to a human; they are not sent again.

    A status that comes later still settles them: the state is ``unsettled``, not ``failed``.
    """
    effects = Effects()
    limit: datetime = now() - timedelta(seconds=grace)
    async with resources.sessions() as session:
        query = (
            select(Send, Conversation)
            .join(Conversation, Conversation.id == Send.conversation_id)
            .where(Send.state == "in_doubt", Send.in_doubt_since < limit)
            .limit(100)
            .with_for_update(skip_locked=True)
        )
        rows = (await session.execute(query)).all()
        for send, conversation in rows:
            send.state = "unsettled"
            hand_over(conversation, HandoverReason.SEND_IN_DOUBT, effects, resources.publisher)
            log.error("send_unsettled", message_id=str(send.message_id), whatsapp_instance=send.instance)
        await session.commit()
    await effects.run()
    return len(rows)


def window_open(conversation: Conversation) -> bool:
    """Whether a free-form message is allowed: within 24 hours of the customer's last one."""
    return conversation.window_expires_at is not None and conversation.window_expires_at > now()


async def _tell(resources: Resources, message: Message) -> None:
    await resources.publisher.publish(SocketMessage.STATUS, describe(message), instance=message.instance)
