"""Pages by cursor: ids sort by time, so a cursor is the last id of the page before."""

import base64
import binascii
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from pytake.backend.problems import Problem

T = TypeVar("T", bound=BaseModel)

LimitQuery = Annotated[int, Query(ge=1, le=200, description="Most items of a page.")]
CursorQuery = Annotated[
    str | None,
    Query(
        max_length=64,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="`next_cursor` of the page before; leave out for the first.",
    ),
]


class Page(BaseModel, Generic[T]):
    """A page, newest first."""

    items: list[T]
    next_cursor: str | None = Field(None, description="Ask for the next page with it; null on the last page.")


def encode(last: UUID) -> str:
    """The cursor after ``last``."""
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def decode(cursor: str) -> UUID:
    """The id in a cursor; a 422 problem for what is none."""
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        raise Problem(422, "cursor: not one that a page gave", kind="cursor") from None


async def page(
    session: AsyncSession,
    query: Select[Any],
    key: InstrumentedAttribute[UUID],
    model: type[T],
    limit: int,
    cursor: str | None,
) -> Page[T]:
    """Run a query as one page of ``model``s, newest id first."""
    if cursor is not None:
        query = query.where(key < decode(cursor))
    rows = list((await session.scalars(query.order_by(key.desc()).limit(limit + 1))).all())
    more = len(rows) > limit
    rows = rows[:limit]
    following = encode(getattr(rows[-1], key.key)) if more else None
    return Page(items=[model.model_validate(row) for row in rows], next_cursor=following)
