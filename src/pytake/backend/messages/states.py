"""States of a message. Webhooks come late, twice, in any order: a state is entered once and the highest one shows."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pytake.backend.database.models import Message, MessageEvent
from pytake.backend.effects import Effects
from pytake.telemetry import catalog
from pytake.telemetry.labels import Direction, MessageStatus

# `failed` stands below `delivered`: Meta may deliver after it reported a failure, and then the message has arrived.
RANK = {
    MessageStatus.QUEUED: 0,
    MessageStatus.IN_DOUBT: 1,
    MessageStatus.ACCEPTED: 2,
    MessageStatus.SENT: 3,
    MessageStatus.FAILED: 4,
    MessageStatus.DELIVERED: 5,
    MessageStatus.READ: 6,
    MessageStatus.RECEIVED: 7,
}


def higher(current: str, new: MessageStatus) -> MessageStatus:
    """The state that shows after ``new`` was entered."""
    return max(MessageStatus(current), new, key=RANK.__getitem__)


async def enter(
    session: AsyncSession,
    message: Message,
    status: MessageStatus,
    at: datetime,
    effects: Effects,
    *,
    error_code: int | None = None,
) -> bool:
    """Note that the message entered a state; false when it had been there before (a duplicate)."""
    statement = (
        insert(MessageEvent)
        .values(message_id=message.id, status=status, at=at, error_code=error_code)
        .on_conflict_do_nothing()
        .returning(MessageEvent.status)
    )
    if await session.scalar(statement) is None:
        return False
    message.status = higher(message.status, status)
    direction, slug = Direction(message.direction), message.instance
    effects.count(lambda: catalog.MESSAGES.inc(direction=direction, status=status, whatsapp_instance=slug))
    return True


def describe(message: Message) -> dict[str, Any]:
    """What the inbox shows of a message."""
    return {
        "id": str(message.id),
        "conversation_id": str(message.conversation_id),
        "direction": str(message.direction),
        "author": message.author,
        "type": message.type,
        "text": message.text,
        "status": str(message.status),
        "error_code": message.error_code,
        "sent_at": message.sent_at,
    }


def opaque_data(message_id: UUID, traceparent: str | None) -> str:
    """``biz_opaque_callback_data``: our message's id and the trace that sent it (under Meta's 512 characters)."""
    return f"pytake1;{message_id};{traceparent or ''}"


def read_opaque(value: str | None) -> tuple[UUID | None, str | None]:
    """The message id and traceparent that a status brings back; ``None`` for what is not ours."""
    parts = (value or "").split(";")
    if len(parts) != 3 or parts[0] != "pytake1":
        return None, None
    try:
        return UUID(parts[1]), parts[2] or None
    except ValueError:
        return None, None
