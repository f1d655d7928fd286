"""Opening, answering, handing over and closing conversations."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pytake.backend.database.models import Contact, Conversation
from pytake.backend.effects import Effects
from pytake.backend.realtime.events import Publisher
from pytake.telemetry import catalog
from pytake.telemetry.labels import ConversationState, HandoverReason, Responder, SocketMessage
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
WINDOW = timedelta(hours=24)


async def open_conversation(
    session: AsyncSession, contact: Contact, *, responder: Responder, at: datetime, effects: Effects
) -> Conversation:
    """The contact's conversation that is not closed, locked; a new one when there is none.

    The contact's row is locked by the caller, so two of these cannot race.
    """
    query = (
        select(Conversation)
        .where(Conversation.contact_id == contact.id, Conversation.state != ConversationState.CLOSED)
        .with_for_update()
    )
    found = await session.scalar(query)
    if found is not None:
        return found
    conversation = Conversation(
        instance=contact.instance,
        contact_id=contact.id,
        state=ConversationState.OPEN,
        responder=responder,
        opened_at=at,
        answered_seq=0,
        ai_failures=0,
    )
    session.add(conversation)
    await session.flush()
    slug = contact.instance
    effects.count(lambda: catalog.CONVERSATIONS_OPENED.inc(whatsapp_instance=slug))
    return conversation


def hand_over(conversation: Conversation, reason: HandoverReason, effects: Effects, publisher: Publisher) -> None:
    """A human takes over: the model does not answer this conversation any more."""
    if conversation.responder == Responder.HUMAN:
        return
    conversation.responder = Responder.HUMAN
    conversation.state = ConversationState.PENDING
    conversation.handover_reason = reason
    effects.count(lambda: catalog.HANDOVERS.inc(reason=reason))
    effects.tell(lambda: publish_conversation(publisher, conversation))
    log.info("conversation_handed_over", conversation_id=str(conversation.id), reason=reason.value)


def describe(conversation: Conversation) -> dict[str, Any]:
    """What the inbox shows."""
    return {
        "id": str(conversation.id),
        "contact_id": str(conversation.contact_id),
        "state": str(conversation.state),
        "responder": str(conversation.responder),
        "handover_reason": conversation.handover_reason,
        "window_expires_at": conversation.window_expires_at,
        "last_message_at": conversation.last_message_at,
    }


async def publish_conversation(publisher: Publisher, conversation: Conversation) -> None:
    """Tell the inbox that a conversation changed."""
    await publisher.publish(SocketMessage.CONVERSATION, describe(conversation), instance=conversation.instance)
