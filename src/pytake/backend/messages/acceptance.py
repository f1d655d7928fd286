"""The moment at which it is certain that the Graph API took a message: by its answer, or by a status webhook."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pytake.backend.database.models import Conversation, Delivery, Message, Send
from pytake.backend.effects import Effects
from pytake.backend.messages.states import enter
from pytake.telemetry import catalog
from pytake.telemetry.labels import MessageStatus, Responder


async def accept(
    session: AsyncSession, message: Message, send: Send, *, wamid: str, at: datetime, effects: Effects
) -> None:
    """Record that the message was taken. Harmless to repeat: each part happens once."""
    send.state = "accepted"
    send.in_doubt_since = None
    message.wamid = wamid
    if not await enter(session, message, MessageStatus.ACCEPTED, at, effects):
        return
    delivery = insert(Delivery).values(message_id=message.id, instance=message.instance, accepted_at=at)
    await session.execute(delivery.on_conflict_do_nothing())
    await _note_first_response(session, message, at, effects)


async def _note_first_response(session: AsyncSession, message: Message, at: datetime, effects: Effects) -> None:
    if message.author not in {*Responder}:
        return
    statement = (
        update(Conversation)
        .where(
            Conversation.id == message.conversation_id,
            Conversation.first_response_at.is_(None),
            Conversation.first_customer_message_at.is_not(None),
        )
        .values(first_response_at=at)
        .returning(Conversation.first_customer_message_at)
        .execution_options(synchronize_session=False)
    )
    asked_at = await session.scalar(statement)
    if asked_at is not None:
        responder = Responder(message.author)
        seconds = max(0.0, (at - asked_at).total_seconds())
        effects.count(lambda: catalog.FIRST_RESPONSE.observe(seconds, responder=responder))
