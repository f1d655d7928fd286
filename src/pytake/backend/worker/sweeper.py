"""Finds work that lost its job: PostgreSQL says what is to be done, the queue only says it sooner."""

from datetime import timedelta

from sqlalchemy import func, or_, select, update

from pytake.backend.clock import now
from pytake.backend.database.models import Conversation, Send
from pytake.backend.queue.jobs import conversation_job
from pytake.backend.resources import Resources
from pytake.telemetry.labels import ConversationState, Queue
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)


async def sweep(resources: Resources, *, limit: int = 200) -> int:
    """Ask again for conversations that nobody works on and that are due since ``sweep_after`` seconds.

    What is due since the queue's oldest job was appended may only be late: asking again would make the backlog longer.
    """
    late = timedelta(seconds=resources.settings.sweep_after + await resources.streams.backlog(Queue.OUTBOUND))
    overdue = (
        select(Conversation.id)
        .where(
            Conversation.due_at < now() - late,
            or_(Conversation.lease_until.is_(None), Conversation.lease_until < func.now()),
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(Conversation)
        .where(Conversation.id.in_(overdue))
        .values(due_at=now())
        .returning(Conversation.id, Conversation.traceparent)
        .execution_options(synchronize_session=False)
    )
    async with resources.sessions() as session:
        found = (await session.execute(statement)).all()
        await session.commit()
    if found:
        log.warning("work_found_again", conversations=len(found))
        jobs = [conversation_job(conversation_id, traceparent) for conversation_id, traceparent in found]
        await resources.streams.add(Queue.OUTBOUND, jobs)
    return len(found)


async def close_idle(resources: Resources, *, limit: int = 500) -> int:
    """Close conversations that nobody has written in for ``conversation_idle`` seconds and that wait for nothing."""
    idle = timedelta(seconds=resources.settings.conversation_idle)
    unsent = select(Send.message_id).where(
        Send.conversation_id == Conversation.id, Send.state.in_(("queued", "sending", "in_doubt"))
    )
    candidates = (
        select(Conversation.id)
        .where(
            Conversation.state == ConversationState.OPEN,
            Conversation.last_message_at < now() - idle,
            Conversation.due_at.is_(None),
            ~unsent.exists(),
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(Conversation)
        .where(Conversation.id.in_(candidates))
        .values(state=ConversationState.CLOSED, closed_at=now())
        .returning(Conversation.id)
        .execution_options(synchronize_session=False)
    )
    async with resources.sessions() as session:
        closed = (await session.scalars(statement)).all()
        await session.commit()
    return len(closed)
