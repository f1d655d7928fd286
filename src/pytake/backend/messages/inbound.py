"""A customer's message: stored once, its conversation opened, an answer asked for."""

from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pytake.backend.clock import from_unix, now
from pytake.backend.contacts.identity import Identity, clean, find_or_create
from pytake.backend.conversations.lifecycle import WINDOW, open_conversation, publish_conversation
from pytake.backend.database.models import Contact, Conversation, Message
from pytake.backend.effects import Effects
from pytake.backend.ids import new_id
from pytake.backend.instances.registry import InstanceConfig
from pytake.backend.messages.states import describe, enter
from pytake.backend.queue.jobs import conversation_job
from pytake.backend.resources import Resources
from pytake.backend.webhooks.events import WebhookEvent
from pytake.backend.webhooks.payload import InboundMessage
from pytake.telemetry.labels import Direction, JobOutcome, MessageStatus, Queue, Responder, SocketMessage
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
MAX_TEXT = 16_384
SILENT_TYPES = frozenset({"reaction", "system", "unsupported", "unknown", "ephemeral", "request_welcome", "errors"})
"""Types that nobody expects an answer to."""


def text_of(message: dict[str, Any]) -> str | None:
    """The words of a message, whatever its type; ``None`` when it has none."""
    kind = str(message.get("type"))
    body = message.get(kind)
    if not isinstance(body, dict):
        return None
    for key in ("body", "text", "caption", "emoji"):
        if isinstance(body.get(key), str):
            return clean(body[key], MAX_TEXT)
    for key in ("button_reply", "list_reply"):
        if isinstance(body.get(key), dict):
            return clean(body[key].get("title"), MAX_TEXT)
    return None


def storable(value: Any) -> Any:
    """JSON that PostgreSQL can store: NUL characters are taken out."""
    return orjson.loads(orjson.dumps(value).replace(b"\\u0000", b""))


async def store_message(resources: Resources, event: WebhookEvent, traceparent: str | None) -> JobOutcome:
    """Store one message. Asking for the answer comes after the commit; if that is lost, the sweeper finds it due."""
    instance = resources.registry.by_number(event.phone_number_id)
    if instance is None:
        raise ValueError(f"no instance has the phone number id {event.phone_number_id}")
    parsed = InboundMessage.model_validate(event.data)
    who = Identity.of_message(event.data, event.contact)
    sent_at = min(from_unix(float(parsed.timestamp)), now())
    effects = Effects()
    async with resources.sessions() as session:
        contact, _ = await find_or_create(session, instance.slug, who, sent_at)
        responder = _first_responder(resources, instance, contact)
        conversation = await open_conversation(session, contact, responder=responder, at=now(), effects=effects)
        message = await _insert(session, conversation, event, parsed, sent_at, traceparent)
        if message is None:
            await session.rollback()
            await _ask_again(resources, session, parsed.id)
            return JobOutcome.DUPLICATE
        await enter(session, message, MessageStatus.RECEIVED, sent_at, effects)
        due = _note_on_conversation(conversation, message, traceparent)
        await session.commit()
    effects.tell(lambda: _tell_inbox(resources, message, conversation))
    if due:
        effects.tell(lambda: resources.streams.add(Queue.OUTBOUND, [conversation_job(conversation.id)]))
    await effects.run()
    log.info(
        "message_received",
        whatsapp_instance=instance.slug,
        conversation_id=str(conversation.id),
        message_id=str(message.id),
        wamid=message.wamid,
        type=message.type,
    )
    return JobOutcome.DONE


async def _ask_again(resources: Resources, session: AsyncSession, wamid: str) -> None:
    """A message that is stored and still due: we may have been killed before we asked for its answer."""
    query = (
        select(Conversation.id)
        .join(Message, Message.conversation_id == Conversation.id)
        .where(
            Message.wamid == wamid,
            Conversation.due_at.is_not(None),
            Conversation.lease_owner.is_(None),
            Conversation.answered_seq < Message.seq,
        )
    )
    conversation_id = await session.scalar(query)
    if conversation_id is not None:
        await resources.streams.add(Queue.OUTBOUND, [conversation_job(conversation_id)])


def _first_responder(resources: Resources, instance: InstanceConfig, contact: Contact) -> Responder:
    settings = resources.settings
    on_call = settings.oncall_number is not None and contact.wa_id == settings.oncall_number.removeprefix("+")
    answers = settings.ai_enabled and instance.ai_enabled and settings.openai_api_key.get_secret_value()
    return Responder.AI if answers and not on_call else Responder.HUMAN


async def _insert(
    session: AsyncSession,
    conversation: Conversation,
    event: WebhookEvent,
    parsed: InboundMessage,
    sent_at: datetime,
    traceparent: str | None,
) -> Message | None:
    text = text_of(event.data)
    known = {"id", "from", "from_user_id", "timestamp", "type", "text" if text else ""}
    rest = {key: value for key, value in event.data.items() if key not in known}
    statement = (
        insert(Message)
        .values(
            id=new_id(),
            conversation_id=conversation.id,
            instance=conversation.instance,
            direction=Direction.INBOUND,
            author="customer",
            type=clean(parsed.type, 32) or "unknown",
            text=text,
            content=storable(rest) or None,
            wamid=parsed.id,
            status=MessageStatus.RECEIVED,
            error_code=parsed.errors[0].code if parsed.errors else None,
            sent_at=sent_at,
            traceparent=traceparent,
        )
        .on_conflict_do_nothing(index_elements=[Message.wamid])
        .returning(Message)
    )
    message: Message | None = await session.scalar(statement)
    return message


def _note_on_conversation(conversation: Conversation, message: Message, traceparent: str | None) -> bool:
    """Move the window, and say whether the model has to answer."""
    window = message.sent_at + WINDOW
    if conversation.window_expires_at is None or conversation.window_expires_at < window:
        conversation.window_expires_at = window
    conversation.last_message_at = now()
    if message.type in SILENT_TYPES:
        return False
    if conversation.first_customer_message_at is None:
        conversation.first_customer_message_at = message.sent_at
    if conversation.responder != Responder.AI:
        return False
    conversation.due_at = now()
    conversation.traceparent = traceparent
    return True


async def _tell_inbox(resources: Resources, message: Message, conversation: Conversation) -> None:
    await resources.publisher.publish(SocketMessage.MESSAGE, describe(message), instance=message.instance)
    await publish_conversation(resources.publisher, conversation)
