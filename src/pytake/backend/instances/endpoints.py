"""``/api/v1/instances``: the WhatsApp numbers and their templates."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from pytake.backend.auth.dependencies import Reader
from pytake.backend.database.models import Instance, Template
from pytake.backend.problems import Problem, responses
from pytake.backend.resources import Resources, ResourcesDep
from pytake.backend.schemas import SlugPath
from pytake.telemetry.labels import AccountState, QualityRating, TemplateState

router = APIRouter(prefix="/instances", tags=["instances"])


class InstanceRead(BaseModel):
    """A WhatsApp number; its credentials are never shown."""

    model_config = ConfigDict(from_attributes=True)

    slug: str
    phone_number_id: str
    waba_id: str
    display_phone_number: str
    enabled: bool
    quality: QualityRating
    account_state: AccountState
    messaging_limit: int | None = Field(description="Unique users in 24 h; null when unknown or unlimited.")
    messaging_unlimited: bool
    throughput: str | None
    token_expires_at: datetime | None
    last_webhook_at: datetime | None = Field(description="About when the last webhook came.")
    polled_at: datetime | None = Field(description="When the Graph API was last asked.")


class InstanceList(BaseModel):
    """All numbers (there are few: no pages)."""

    items: list[InstanceRead]


class TemplateRead(BaseModel):
    """A message template."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    language: str
    state: TemplateState
    quality: QualityRating
    category: str | None
    reason: str | None
    updated_at: datetime


class TemplateList(BaseModel):
    """The templates of a number's account."""

    items: list[TemplateRead]


@router.get("", responses=responses(401, 503))
async def list_instances(_: Reader, resources: ResourcesDep) -> InstanceList:
    """List the WhatsApp numbers."""
    async with resources.sessions() as session:
        rows = (await session.scalars(select(Instance).order_by(Instance.slug))).all()
    return InstanceList(items=[InstanceRead.model_validate(row) for row in rows])


async def load_instance(resources: Resources, slug: str) -> Instance:
    """The number's row, or a 404 problem."""
    async with resources.sessions() as session:
        row = await session.get(Instance, slug)
    if row is None:
        raise Problem(404, f"no number is called {slug}")
    return row


@router.get("/{slug}", responses=responses(401, 404, 422, 503))
async def get_instance(_: Reader, resources: ResourcesDep, slug: SlugPath) -> InstanceRead:
    """Show one number."""
    return InstanceRead.model_validate(await load_instance(resources, slug))


@router.get("/{slug}/templates", responses=responses(401, 404, 422, 503))
async def list_templates(_: Reader, resources: ResourcesDep, slug: SlugPath) -> TemplateList:
    """List the templates of the number's account."""
    instance = await load_instance(resources, slug)
    query = select(Template).where(Template.waba_id == instance.waba_id).order_by(Template.name, Template.language)
    async with resources.sessions() as session:
        rows = (await session.scalars(query.limit(1000))).all()
    return TemplateList(items=[TemplateRead.model_validate(row) for row in rows])
