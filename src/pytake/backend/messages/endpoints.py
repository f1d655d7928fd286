"""Reading and sending messages."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select

from pytake.backend.auth.dependencies import Agent, Reader
from pytake.backend.conversations.endpoints import load
from pytake.backend.database.models import Message, MessageEvent
from pytake.backend.messages.service import NewMessage, send_in_conversation, send_to_address
from pytake.backend.pagination import CursorQuery, LimitQuery, Page, page
from pytake.backend.problems import Problem, responses
from pytake.backend.resources import ResourcesDep
from pytake.backend.schemas import Line, Slug, Words
from pytake.telemetry.labels import Cause, Direction, MessageStatus

router = APIRouter(tags=["messages"])
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=150,
        pattern=r"^[\x21-\x7e]+$",
        description="Sending twice with the same key sends once and answers 200 the second time.",
    ),
]


class StateRead(BaseModel):
    """A state that the message entered."""

    model_config = ConfigDict(from_attributes=True)

    status: MessageStatus
    at: datetime
    error_code: int | None


class MessageRead(BaseModel):
    """A message of a customer or of ours."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    conversation_id: UUID
    instance: str
    direction: Direction
    author: str = Field(description="customer, ai, human or system.")
    type: str
    text: str | None
    content: dict[str, Any] | None
    wamid: str | None = Field(description="Meta's id; null until the Graph API has taken it.")
    status: MessageStatus = Field(description="The highest state entered.")
    error_code: int | None = Field(description="Meta's code of a failure.")
    error_cause: Cause | None
    sent_at: datetime


class MessageDetail(MessageRead):
    """A message with its state history."""

    history: list[StateRead]


class TextBody(BaseModel):
    """A text; only within 24 hours of the customer's last message."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text"]
    text: Words


class TemplateBody(BaseModel):
    """A template of the account."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["template"]
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,512}$")]
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(_[A-Za-z]{2,4})?$")]
    parameters: list[Annotated[Line, Field(max_length=1024)]] = Field(
        [], max_length=20, description="Of the body, in order."
    )


_SENT_BEFORE: dict[int | str, dict[str, Any]] = {
    200: {"model": MessageRead, "description": "Sent before with the same Idempotency-Key"}
}
MessageBody = Annotated[TextBody | TemplateBody, Field(discriminator="type")]


class AddressedMessage(BaseModel):
    """A message to somebody, with or without a conversation."""

    model_config = ConfigDict(extra="forbid")

    instance: Slug
    to: Annotated[str, StringConstraints(pattern=r"^(\+?\d{7,15}|[A-Z]{2}\.[A-Za-z0-9]{1,140})$")] = Field(
        description="Phone number with country code, or business-scoped user id."
    )
    message: MessageBody


def _new(body: TextBody | TemplateBody) -> NewMessage:
    if isinstance(body, TextBody):
        return NewMessage(text=body.text)
    parameters = [{"type": "text", "text": value} for value in body.parameters]
    components = [{"type": "body", "parameters": parameters}] if parameters else []
    template = {"name": body.name, "language": {"code": body.language}, "components": components}
    return NewMessage(template=template)


@router.get("/conversations/{conversation_id}/messages", responses=responses(401, 404, 422, 503))
async def list_messages(
    _: Reader, resources: ResourcesDep, conversation_id: UUID, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> Page[MessageRead]:
    """List the messages of a conversation, newest first."""
    async with resources.sessions() as session:
        await load(session, conversation_id)
        query = select(Message).where(Message.conversation_id == conversation_id)
        return await page(session, query, Message.id, MessageRead, limit, cursor)


@router.post(
    "/conversations/{conversation_id}/messages",
    status_code=202,
    responses=_SENT_BEFORE | responses(400, 401, 403, 404, 409, 413, 422, 503),
)
async def send_in(
    principal: Agent,
    resources: ResourcesDep,
    response: Response,
    conversation_id: UUID,
    body: MessageBody,
    idempotency_key: IdempotencyKey = None,
) -> MessageRead:
    """Send a text or a template in a conversation. The person who writes takes the conversation over from the model."""
    key = f"{principal.id}:{idempotency_key}" if idempotency_key else None
    message, new = await send_in_conversation(resources, conversation_id, _new(body), key)
    response.status_code = 202 if new else 200
    return MessageRead.model_validate(message)


@router.post(
    "/messages",
    status_code=202,
    responses=_SENT_BEFORE | responses(400, 401, 403, 404, 409, 413, 422, 503),
)
async def send_to(
    principal: Agent,
    resources: ResourcesDep,
    response: Response,
    body: AddressedMessage,
    idempotency_key: IdempotencyKey = None,
) -> MessageRead:
    """Send a message to a phone number or user id; opens a conversation when there is none."""
    key = f"{principal.id}:{idempotency_key}" if idempotency_key else None
    message, new = await send_to_address(resources, body.instance, body.to, _new(body.message), key)
    response.status_code = 202 if new else 200
    return MessageRead.model_validate(message)


@router.get("/messages/{message_id}", responses=responses(401, 404, 422, 503))
async def get_message(_: Reader, resources: ResourcesDep, message_id: UUID) -> MessageDetail:
    """Show one message with its state history, oldest state first."""
    query = select(MessageEvent).where(MessageEvent.message_id == message_id)
    async with resources.sessions() as session:
        message = await session.get(Message, message_id)
        if message is None:
            raise Problem(404, "no message has this id")
        events = (await session.scalars(query.order_by(MessageEvent.at, MessageEvent.recorded_at))).all()
    history = [StateRead.model_validate(event) for event in events]
    return MessageDetail(**MessageRead.model_validate(message).model_dump(), history=history)
