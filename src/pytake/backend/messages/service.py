"""Sending on behalf of people and of the system."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from pytake.backend.clock import now
from pytake.backend.contacts.identity import Identity, find_or_create
from pytake.backend.conversations.lifecycle import hand_over, open_conversation, publish_conversation
from pytake.backend.database.models import Conversation, Message
from pytake.backend.effects import Effects
from pytake.backend.messages.outbound import queue_message
from pytake.backend.messages.sending import window_open
from pytake.backend.problems import Problem
from pytake.backend.queue.failures import is_outage
from pytake.backend.queue.jobs import conversation_job
from pytake.backend.resources import Resources
from pytake.telemetry.labels import ConversationState, Direction, HandoverReason, Queue, Responder


@dataclass(frozen=True)
class NewMessage:
    """A text, or a template in the Graph API's form."""

    text: str | None = None
    template: dict[str, Any] | None = None


async def send_in_conversation(
    resources: Resources, conversation_id: UUID, new: NewMessage, key: str | None
) -> tuple[Message, bool]:
    """Queue a person's message; the second value is false when ``key`` was used before (and nothing was queued)."""
    async with resources.sessions() as session:
        conversation = await session.get(Conversation, conversation_id, with_for_update=True)
        if conversation is None:
            raise Problem(404, "no conversation has this id")
        return await _queue(session, resources, conversation, new, key, author="human", effects=Effects())


async def send_to_address(
    resources: Resources, slug: str, to: str, new: NewMessage, key: str | None, *, author: str = "human"
) -> tuple[Message, bool]:
    """The same to a phone number or user id; opens a conversation when there is none."""
    if slug not in resources.registry.instances:
        raise Problem(404, f"no number is called {slug}")
    effects = Effects()
    async with resources.sessions() as session:
        contact, _ = await find_or_create(session, slug, Identity.of_address(to), None)
        conversation = await open_conversation(session, contact, responder=Responder.HUMAN, at=now(), effects=effects)
        return await _queue(session, resources, conversation, new, key, author=author, effects=effects)


async def _queue(
    session: AsyncSession,
    resources: Resources,
    conversation: Conversation,
    new: NewMessage,
    key: str | None,
    *,
    author: str,
    effects: Effects,
) -> tuple[Message, bool]:
    if key is not None:
        known = await session.scalar(select(Message).where(Message.idempotency_key == key))
        if known is not None:
            return known, False
    _check(conversation, new)
    if author == "human":
        await _take_over(session, resources, conversation, effects)
    try:
        message = await queue_message(
            session,
            resources,
            conversation,
            effects,
            author=author,
            text=new.text,
            template=new.template,
            idempotency_key=key,
        )
    except IntegrityError:  # the same key in two conversations at the same moment
        raise Problem(409, "another request uses this Idempotency-Key", kind="idempotency-key") from None
    conversation.due_at = now()
    await session.commit()
    effects.tell(lambda: publish_conversation(resources.publisher, conversation))
    effects.tell(lambda: _wake(resources, conversation.id))
    await effects.run()
    return message, True


def _check(conversation: Conversation, new: NewMessage) -> None:
    if conversation.state == ConversationState.CLOSED:
        raise Problem(409, "the conversation is closed: reopen it first", kind="conversation-closed")
    if new.template is None and not window_open(conversation):
        raise Problem(409, "the customer's 24 hours are over: send a template", kind="window-closed")


async def _take_over(session: AsyncSession, resources: Resources, conversation: Conversation, effects: Effects) -> None:
    """A person writes: the model is out, and what the customer wrote so far is answered."""
    hand_over(conversation, HandoverReason.AGENT, effects, resources.publisher)
    conversation.state = ConversationState.OPEN
    query = select(func.max(Message.seq)).where(
        Message.conversation_id == conversation.id, Message.direction == Direction.INBOUND
    )
    conversation.answered_seq = await session.scalar(query) or conversation.answered_seq


async def _wake(resources: Resources, conversation_id: UUID) -> None:
    """Ask for the work; while Redis is away the sweeper finds it, so the message is not lost."""
    try:
        await resources.streams.add(Queue.OUTBOUND, [conversation_job(conversation_id)])
    except Exception as error:
        if not is_outage(error):
            raise
