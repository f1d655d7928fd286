"""A customer's message: stored once, its conversation opened, an answer asked for."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import bindparam, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from pytake.backend.clock import from_unix, now
from pytake.backend.contacts.identity import Identity, clean, find_or_create
from pytake.backend.conversations.lifecycle import WINDOW, open_conversation
from pytake.backend.database.models import Contact, Conversation, Message
from pytake.backend.effects import Effects
from pytake.backend.ids import new_id
from pytake.backend.instances.registry import InstanceConfig
from pytake.backend.queue.jobs import conversation_job
from pytake.backend.resources import Resources
from pytake.backend.webhooks.events import WebhookEvent
from pytake.backend.webhooks.payload import InboundMessage
from pytake.telemetry import catalog
from pytake.telemetry.labels import (
    ConversationState,
    Direction,
    JobOutcome,
    MessageStatus,
    Queue,
    Responder,
    SocketMessage,
)
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
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, dict):
        return {storable(key): storable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [storable(one) for one in value]
    return value


@dataclass(frozen=True)
class Place:
    """Where a message belongs, as far as storing it needs to know."""

    conversation_id: UUID
    contact_id: UUID
    responder: str


_KEEP = text("""
    WITH messages AS (
        INSERT INTO messages (id, conversation_id, instance, direction, author, type, text, content, wamid, status,
                              error_code, sent_at, traceparent)
        VALUES (:id, :conversation_id, :instance, 'inbound', 'customer', :type, :text, CAST(:content AS jsonb), :wamid,
                'received', :error_code, :sent_at, :traceparent)
        ON CONFLICT (wamid) DO NOTHING
        RETURNING id
    ), event AS (
        INSERT INTO message_events (message_id, status, at) SELECT id, 'received', :sent_at FROM messages
    ), conversation AS (
        UPDATE conversations SET
            last_message_at = now(),
            window_expires_at = greatest(window_expires_at, :window),
            first_customer_message_at = CASE WHEN :speaks THEN coalesce(first_customer_message_at, :sent_at)
                                             ELSE first_customer_message_at END,
            due_at = CASE WHEN :due THEN now() ELSE due_at END,
            traceparent = CASE WHEN :due THEN :traceparent ELSE traceparent END
        WHERE id = :conversation_id AND EXISTS (SELECT 1 FROM messages)
    ), contact AS (
        UPDATE contacts SET last_seen_at = greatest(last_seen_at, :sent_at)
        WHERE id = :contact_id AND EXISTS (SELECT 1 FROM messages)
    )
    SELECT id FROM messages
""")
"""Stores a message with its state, moves the conversation's window and says that it is due: one round trip, because it
happens for every message, and nothing of it when the message is known. (Behind the WITH, ``messages`` is the row that
was inserted.)"""


async def store_message(resources: Resources, event: WebhookEvent, traceparent: str | None) -> JobOutcome:
    """Store one message. Asking for the answer comes after the commit; if that is lost, the sweeper finds it due."""
    instance = resources.registry.by_number(event.phone_number_id)
    if instance is None:
        raise ValueError(f"no instance has the phone number id {event.phone_number_id}")
    parsed = InboundMessage.model_validate(event.data)
    who = Identity.of_message(event.data, event.contact)
    values = _values(event, parsed, traceparent)
    effects = Effects()
    async with resources.sessions() as session:
        place = await _known_place(session, instance.slug, who)
        if place is None:
            place = await _new_place(session, resources, instance, who, effects)
        due = values["speaks"] and place.responder == Responder.AI
        values |= {"conversation_id": place.conversation_id, "contact_id": place.contact_id, "due": due}
        message_id = await session.scalar(_KEEP, values | {"instance": instance.slug})
        if message_id is None:
            await session.rollback()
            await _ask_again(resources, session, parsed.id)
            return JobOutcome.DUPLICATE
        await session.commit()
    catalog.MESSAGES.inc(direction=Direction.INBOUND, status=MessageStatus.RECEIVED, whatsapp_instance=instance.slug)
    if due:
        effects.tell(lambda: resources.streams.add(Queue.OUTBOUND, [conversation_job(place.conversation_id)]))
    effects.tell(lambda: _tell_inbox(resources, instance.slug, values))
    await effects.run()
    log.info(
        "message_received",
        whatsapp_instance=instance.slug,
        conversation_id=str(place.conversation_id),
        message_id=str(message_id),
        wamid=parsed.id,
        type=values["type"],
    )
    return JobOutcome.DONE


def _values(event: WebhookEvent, parsed: InboundMessage, traceparent: str | None) -> dict[str, Any]:
    words = text_of(event.data)
    known = {"id", "from", "from_user_id", "timestamp", "type", "text" if words else ""}
    rest = {key: value for key, value in event.data.items() if key not in known}
    sent_at = min(from_unix(float(parsed.timestamp)), now())
    kind = clean(parsed.type, 32) or "unknown"
    return {
        "id": new_id(),
        "type": kind,
        "text": words,
        "content": orjson.dumps(storable(rest)).decode() if rest else None,
        "wamid": parsed.id,
        "error_code": parsed.errors[0].code if parsed.errors else None,
        "sent_at": sent_at,
        "traceparent": traceparent,
        "window": sent_at + WINDOW,
        "speaks": kind not in SILENT_TYPES,
    }


_PLACE = (
    select(
        Conversation.id,
        Conversation.responder,
        Contact.id,
        Contact.user_id,
        Contact.wa_id,
        Contact.name,
        Contact.username,
    )
    .join(Contact, Contact.id == Conversation.contact_id)
    .where(
        Contact.instance == bindparam("instance"),
        or_(Contact.user_id == bindparam("user_id"), Contact.wa_id == bindparam("wa_id")),
        Conversation.state != ConversationState.CLOSED,
    )
    .with_for_update(of=Conversation)
)
"""Made once: building a statement costs more than PostgreSQL needs to answer it."""


async def _known_place(session: AsyncSession, slug: str, who: Identity) -> Place | None:
    """The usual case in one query: one contact that is known as the event names it, with a conversation. Locks it."""
    named = {"instance": slug, "user_id": who.user_id, "wa_id": who.wa_id}
    rows = (await session.execute(_PLACE, named)).all()
    if len(rows) != 1:
        return None
    conversation_id, responder, contact_id, user_id, wa_id, name, username = rows[0]
    news = (
        (who.user_id or user_id) != user_id
        or (who.wa_id or wa_id) != wa_id
        or (who.name or name) != name
        or (who.username or username) != username
    )
    return None if news else Place(conversation_id, contact_id, responder)


async def _new_place(
    session: AsyncSession, resources: Resources, instance: InstanceConfig, who: Identity, effects: Effects
) -> Place:
    """A contact that is new or has news, or whose conversation is closed."""
    contact, _ = await find_or_create(session, instance.slug, who, None)
    responder = _first_responder(resources, instance, contact)
    conversation = await open_conversation(session, contact, responder=responder, at=now(), effects=effects)
    await session.flush()
    return Place(conversation.id, contact.id, conversation.responder)


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


async def _tell_inbox(resources: Resources, slug: str, values: dict[str, Any]) -> None:
    """Show the message to agents."""
    data = {
        "id": str(values["id"]),
        "conversation_id": str(values["conversation_id"]),
        "direction": Direction.INBOUND.value,
        "author": "customer",
        "type": values["type"],
        "text": values["text"],
        "status": MessageStatus.RECEIVED.value,
        "sent_at": values["sent_at"],
    }
    await resources.publisher.publish(SocketMessage.MESSAGE, data, instance=slug)
