"""API keys: roles, hashing, and finding out whose key it is."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import or_, select, update

from pytake.backend.clock import now
from pytake.backend.database.models import ApiKey
from pytake.backend.resources import Resources
from pytake.backend.settings import Settings

CACHE_SECONDS = 30.0
PREFIX = "ptk_"
LONGEST_KEY = 512


class Role(StrEnum):
    """What a key may do: read, write messages and conversations, administer. Each includes the ones before it."""

    READONLY = "readonly"
    AGENT = "agent"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do what ``other`` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True)
class Principal:
    """Whose key it is."""

    id: str
    name: str
    role: Role


def new_key() -> str:
    """A key of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """What is stored instead of the key: keys are random, so a fast hash keeps them safe."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def configured_keys(settings: Settings) -> dict[str, Principal]:
    """The keys of the settings, by hash."""
    given = {
        Role.READONLY: settings.readonly_api_key,
        Role.AGENT: settings.agent_api_key,
        Role.ADMIN: settings.admin_api_key,
    }
    return {
        hash_key(secret.get_secret_value()): Principal(f"configured-{role}", f"configured {role} key", role)
        for role, secret in given.items()
        if secret.get_secret_value()
    }


async def find_principal(resources: Resources, key: str) -> Principal | None:
    """Whose key it is: one of the settings', one remembered for a moment, or one of the database's."""
    if not key or len(key) > LONGEST_KEY:
        return None
    hashed = hash_key(key)
    known = configured_keys(resources.settings).get(hashed)
    if known is not None:
        return known
    if not key.startswith(PREFIX):
        return None
    remembered = await resources.cache.get(f"key:{hashed}")
    if isinstance(remembered, dict):
        return Principal(remembered["id"], remembered["name"], Role(remembered["role"])) if remembered else None
    return await _from_database(resources, hashed)


async def _from_database(resources: Resources, hashed: str) -> Principal | None:
    async with resources.sessions() as session:
        row = await session.scalar(select(ApiKey).where(ApiKey.key_hash == hashed, ApiKey.revoked_at.is_(None)))
        if row is None:
            return None
        long_ago = now() - timedelta(minutes=5)
        stale = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < long_ago)
        await session.execute(update(ApiKey).where(ApiKey.id == row.id, stale).values(last_used_at=now()))
        await session.commit()
        principal = Principal(str(row.id), row.name, Role(row.role))
    value = {"id": principal.id, "name": principal.name, "role": principal.role.value}
    await resources.cache.set(f"key:{hashed}", value, seconds=CACHE_SECONDS)
    return principal


async def forget(resources: Resources, hashed: str) -> None:
    """A revoked key ends at once, not when the memory of it does."""
    await resources.cache.delete(f"key:{hashed}")
