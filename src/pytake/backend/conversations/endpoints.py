"""``/api/v1/conversations``."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from pytake.backend.auth.dependencies import Agent, Reader
from pytake.backend.clock import now
from pytake.backend.conversations.lifecycle import hand_over, publish_conversation
from pytake.backend.database.models import Conversation
from pytake.backend.effects import Effects
from pytake.backend.pagination import CursorQuery, LimitQuery, Page, page
from pytake.backend.problems import Problem, responses
from pytake.backend.resources import ResourcesDep
from pytake.backend.schemas import Slug
from pytake.telemetry.labels import ConversationState, HandoverReason, Responder

router = APIRouter(prefix="/conversations", tags=["conversations"])


class ConversationRead(BaseModel):
    """An exchange with a customer."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    instance: str
    contact_id: UUID
    state: ConversationState = Field(description="pending: waits for a human.")
    responder: Responder = Field(description="Who answers.")
    handover_reason: str | None
    opened_at: datetime
    closed_at: datetime | None
    last_message_at: datetime | None
    window_expires_at: datetime | None = Field(description="Texts may be sent until then, afterwards only templates.")
    first_response_at: datetime | None


class ConversationChange(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    state: ConversationState | None = None
    responder: Responder | None = None


@router.get("", responses=responses(401, 422, 503))
async def list_conversations(
    _: Reader,
    resources: ResourcesDep,
    instance: Annotated[Slug | None, Query(description="Only of this number.")] = None,
    state: Annotated[ConversationState | None, Query(description="Only in this state.")] = None,
    responder: Annotated[Responder | None, Query(description="Only answered by this one.")] = None,
    contact_id: Annotated[UUID | None, Query(description="Only with this contact.")] = None,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[ConversationRead]:
    """List conversations, newest first."""
    query = select(Conversation)
    given = {
        Conversation.instance: instance,
        Conversation.state: state,
        Conversation.responder: responder,
        Conversation.contact_id: contact_id,
    }
    for column, value in given.items():
        if value is not None:
            query = query.where(column == value)
    async with resources.sessions() as session:
        return await page(session, query, Conversation.id, ConversationRead, limit, cursor)


async def load(session: AsyncSession, conversation_id: UUID, *, lock: bool = False) -> Conversation:
    """The conversation, or a 404 problem."""
    row = await session.get(Conversation, conversation_id, with_for_update=lock)
    if row is None:
        raise Problem(404, "no conversation has this id")
    return row


@router.get("/{conversation_id}", responses=responses(401, 404, 422, 503))
async def get_conversation(_: Reader, resources: ResourcesDep, conversation_id: UUID) -> ConversationRead:
    """Show one conversation."""
    async with resources.sessions() as session:
        return ConversationRead.model_validate(await load(session, conversation_id))


@router.patch("/{conversation_id}", responses=responses(400, 401, 403, 404, 409, 413, 422, 503))
async def change_conversation(
    _: Agent, resources: ResourcesDep, conversation_id: UUID, body: ConversationChange
) -> ConversationRead:
    """Close, reopen or mark a conversation, take it over from the model or give it back."""
    effects = Effects()
    async with resources.sessions() as session:
        conversation = await load(session, conversation_id, lock=True)
        if body.responder is Responder.HUMAN:
            hand_over(conversation, HandoverReason.AGENT, effects, resources.publisher)
            conversation.state = ConversationState.OPEN if body.state is None else conversation.state
        elif body.responder is Responder.AI:
            conversation.responder, conversation.handover_reason = Responder.AI, None
            if conversation.state == ConversationState.PENDING:
                conversation.state = ConversationState.OPEN
        if body.state is not None:
            conversation.state = body.state
            conversation.closed_at = now() if body.state is ConversationState.CLOSED else None
        try:
            await session.commit()
        except IntegrityError:
            raise Problem(
                409, "the contact has a newer conversation that is not closed", kind="conversation-open"
            ) from None
    await effects.run()
    await publish_conversation(resources.publisher, conversation)
    return ConversationRead.model_validate(conversation)
