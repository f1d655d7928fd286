"""``/api/v1/me`` and ``/api/v1/api-keys``."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, update

from pytake.backend.auth.dependencies import Admin, Reader
from pytake.backend.auth.keys import Role, forget, hash_key, new_key
from pytake.backend.clock import now
from pytake.backend.database.models import ApiKey
from pytake.backend.pagination import CursorQuery, LimitQuery, Page, page
from pytake.backend.problems import Problem, responses
from pytake.backend.resources import ResourcesDep
from pytake.backend.schemas import Line

router = APIRouter(tags=["access"])


class Me(BaseModel):
    """Whose key the request carried."""

    id: str
    name: str
    role: Role


class ApiKeyRead(BaseModel):
    """An API key, without the key."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    role: Role
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class ApiKeyCreate(BaseModel):
    """What a new key is for."""

    name: Annotated[Line, Field(max_length=100)]
    role: Role


class ApiKeyCreated(ApiKeyRead):
    """The new key; it is shown this once."""

    key: str


@router.get("/me", responses=responses(401, 503))
async def me(principal: Reader) -> Me:
    """Tell whose key the request carries and what it may do."""
    return Me(id=principal.id, name=principal.name, role=principal.role)


@router.get("/api-keys", responses=responses(401, 403, 422, 503))
async def list_api_keys(
    _: Admin, resources: ResourcesDep, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> Page[ApiKeyRead]:
    """List API keys, newest first (those of the settings are not among them)."""
    async with resources.sessions() as session:
        return await page(session, select(ApiKey), ApiKey.id, ApiKeyRead, limit, cursor)


@router.post("/api-keys", status_code=201, responses=responses(400, 401, 403, 413, 422, 503))
async def create_api_key(_: Admin, resources: ResourcesDep, body: ApiKeyCreate) -> ApiKeyCreated:
    """Create an API key. The answer is the only place where it is shown."""
    key = new_key()
    row = ApiKey(name=body.name, role=body.role, key_hash=hash_key(key), created_at=now())
    async with resources.sessions() as session:
        session.add(row)
        await session.commit()
    return ApiKeyCreated(**ApiKeyRead.model_validate(row).model_dump(), key=key)


@router.delete("/api-keys/{key_id}", status_code=204, responses=responses(401, 403, 404, 422, 503))
async def revoke_api_key(_: Admin, resources: ResourcesDep, key_id: UUID) -> Response:
    """Revoke an API key: it ends at once."""
    statement = (
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=now())
        .returning(ApiKey.key_hash)
    )
    async with resources.sessions() as session:
        hashed = await session.scalar(statement)
        await session.commit()
    if hashed is None:
        raise Problem(404, "no API key in use has this id")
    await forget(resources, hashed)
    return Response(status_code=204)
