"""``/api/v1/contacts``."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from pytake.backend.auth.dependencies import Reader
from pytake.backend.database.models import Contact
from pytake.backend.pagination import CursorQuery, LimitQuery, Page, page
from pytake.backend.problems import Problem, responses
from pytake.backend.resources import ResourcesDep
from pytake.backend.schemas import Slug

router = APIRouter(prefix="/contacts", tags=["contacts"])


class ContactRead(BaseModel):
    """A customer of one number."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    instance: str
    user_id: str | None = Field(description="Business-scoped user id.")
    wa_id: str | None = Field(description="Phone number, digits only; null when the customer hides it.")
    name: str | None
    username: str | None
    last_seen_at: datetime | None
    created_at: datetime


@router.get("", responses=responses(401, 422, 503))
async def list_contacts(
    _: Reader,
    resources: ResourcesDep,
    instance: Annotated[Slug | None, Query(description="Only of this number.")] = None,
    wa_id: Annotated[str | None, Query(pattern=r"^\d{5,20}$", description="Only with this phone number.")] = None,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[ContactRead]:
    """List contacts, newest first."""
    query = select(Contact)
    if instance is not None:
        query = query.where(Contact.instance == instance)
    if wa_id is not None:
        query = query.where(Contact.wa_id == wa_id)
    async with resources.sessions() as session:
        return await page(session, query, Contact.id, ContactRead, limit, cursor)


@router.get("/{contact_id}", responses=responses(401, 404, 422, 503))
async def get_contact(_: Reader, resources: ResourcesDep, contact_id: UUID) -> ContactRead:
    """Show one contact."""
    async with resources.sessions() as session:
        row = await session.get(Contact, contact_id)
    if row is None:
        raise Problem(404, "no contact has this id")
    return ContactRead.model_validate(row)
