"""Queueing a message of ours: the row, its state and its place in the outbox, in one transaction."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from pytake.backend.clock import now
from pytake.backend.database.models import Conversation, Message, Send
from pytake.backend.effects import Effects
from pytake.backend.messages.states import describe, enter
from pytake.backend.resources import Resources
from pytake.telemetry.labels import Direction, MessageStatus, SocketMessage
from pytake.telemetry.tracing import inject


async def queue_message(
    session: AsyncSession,
    resources: Resources,
    conversation: Conversation,
    effects: Effects,
    *,
    author: str,
    text: str | None = None,
    template: dict[str, Any] | None = None,
    in_reply_to: UUID | None = None,
    idempotency_key: str | None = None,
) -> Message:
    """Add an outbound text or template (in the Graph API's form). The caller commits and sets ``due_at``."""
    at = now()
    message = Message(
        conversation_id=conversation.id,
        instance=conversation.instance,
        direction=Direction.OUTBOUND,
        author=author,
        type="template" if template is not None else "text",
        text=text,
        content=template,
        status=MessageStatus.QUEUED,
        in_reply_to=in_reply_to,
        idempotency_key=idempotency_key,
        sent_at=at,
        created_at=at,
        traceparent=inject({}).get("traceparent"),
    )
    session.add(message)
    await session.flush()
    session.add(
        Send(message_id=message.id, conversation_id=conversation.id, instance=conversation.instance, state="queued")
    )
    await session.flush()
    await enter(session, message, MessageStatus.QUEUED, at, effects)
    conversation.last_message_at = at
    effects.tell(
        lambda: resources.publisher.publish(SocketMessage.MESSAGE, describe(message), instance=message.instance)
    )
    return message
