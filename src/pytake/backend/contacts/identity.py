"""Who wrote: contacts are found by business-scoped user id first, by phone number second.

Phone numbers change hands and may be hidden, so a number alone never makes two people one: when a known number comes
with another user id, it has moved, and the earlier contact keeps it as ``former_wa_id``.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pytake.backend.database.models import Contact
from pytake.backend.ids import new_id

_PHONE = re.compile(r"^\d{5,20}$")


def clean(value: object, limit: int) -> str | None:
    """Text that PostgreSQL can store: no NUL characters, cut to ``limit``; ``None`` for nothing."""
    if not isinstance(value, str):
        return None
    return value.replace("\x00", "").strip()[:limit] or None


@dataclass(frozen=True)
class Identity:
    """What an event says about the customer; at least one of ``user_id`` and ``wa_id`` is there."""

    user_id: str | None
    wa_id: str | None
    name: str | None = None
    username: str | None = None

    @classmethod
    def of_message(cls, message: dict[str, Any], contact: dict[str, Any] | None) -> "Identity":
        """Read ``messages[]`` and its ``contacts[]`` entry; raises ``ValueError`` when nobody is named."""
        contact = contact or {}
        profile = contact.get("profile") or {}
        wa_id = clean(contact.get("wa_id") or message.get("from"), 32)
        user_id = clean(contact.get("user_id") or message.get("from_user_id"), 150)
        if wa_id is not None and not _PHONE.match(wa_id):  # a user id in the place of the number
            wa_id, user_id = None, user_id or wa_id
        if wa_id is None and user_id is None:
            raise ValueError("the message names no sender: neither a phone number nor a user id")
        return cls(user_id, wa_id, clean(profile.get("name"), 256), clean(profile.get("username"), 256))

    @classmethod
    def of_address(cls, address: str) -> "Identity":
        """A phone number (digits, a plus before them) or a user id (``BR.…``), as a client of ours writes it."""
        digits = address.removeprefix("+")
        return cls(None, digits) if _PHONE.match(digits) else cls(address, None)


async def find_or_create(
    session: AsyncSession, instance: str, who: Identity, seen_at: datetime | None
) -> tuple[Contact, bool]:
    """The contact, locked until the end of the transaction, and whether it is new."""
    for _ in range(3):
        found = await _locked(session, instance, who)
        contact = _choose(found, who)
        if contact is not None:
            _learn(contact, found, who, seen_at)
            await session.flush()
            return contact, False
        for other in found:  # the number has moved to somebody else
            other.wa_id, other.former_wa_id = None, other.wa_id
        await session.flush()
        created = await _create(session, instance, who, seen_at)
        if created is not None:
            return created, True
    raise RuntimeError("a contact could be neither found nor created")


async def _locked(session: AsyncSession, instance: str, who: Identity) -> list[Contact]:
    known = [Contact.user_id == who.user_id] if who.user_id else []
    known += [Contact.wa_id == who.wa_id] if who.wa_id else []
    query = select(Contact).where(Contact.instance == instance, or_(*known)).order_by(Contact.id).with_for_update()
    return list((await session.scalars(query)).all())


def _choose(found: list[Contact], who: Identity) -> Contact | None:
    by_user = next((one for one in found if who.user_id and one.user_id == who.user_id), None)
    if by_user is not None:
        return by_user
    return next((one for one in found if not (one.user_id and who.user_id)), None)


def _learn(contact: Contact, found: list[Contact], who: Identity, seen_at: datetime | None) -> None:
    for other in found:
        if other is not contact and other.wa_id == who.wa_id:
            other.wa_id, other.former_wa_id = None, other.wa_id
    contact.user_id = contact.user_id or who.user_id
    contact.wa_id = who.wa_id or contact.wa_id
    contact.name = who.name or contact.name
    contact.username = who.username or contact.username
    if seen_at is not None and (contact.last_seen_at is None or contact.last_seen_at < seen_at):
        contact.last_seen_at = seen_at


async def _create(session: AsyncSession, instance: str, who: Identity, seen_at: datetime | None) -> Contact | None:
    statement = (
        insert(Contact)
        .values(
            id=new_id(),
            instance=instance,
            user_id=who.user_id,
            wa_id=who.wa_id,
            name=who.name,
            username=who.username,
            last_seen_at=seen_at,
        )
        .on_conflict_do_nothing()
        .returning(Contact.id)
    )
    contact_id: UUID | None = await session.scalar(statement)
    return await session.get(Contact, contact_id) if contact_id else None
