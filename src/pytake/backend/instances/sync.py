"""Keeps the database's rows of our numbers: from the instances file at the start, from the Graph API by the clock."""

from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from pytake.backend.clock import from_unix, now
from pytake.backend.contacts.identity import clean
from pytake.backend.database.models import Instance, Template
from pytake.backend.instances.registry import InstanceConfig
from pytake.backend.instances.state import limit_of, quality_of
from pytake.backend.resources import Resources
from pytake.backend.webhooks.account import template_state
from pytake.backend.whatsapp.client import GraphError, Refused
from pytake.backend.whatsapp.codes import Retry
from pytake.telemetry.labels import AccountState, WhatsAppOperation
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)


async def store_instances(resources: Resources) -> None:
    """Make the rows of the configured numbers; numbers that left the file are switched off, not deleted."""
    async with resources.sessions() as session:
        for one in resources.registry:
            known = {
                "phone_number_id": one.phone_number_id,
                "waba_id": one.waba_id,
                "display_phone_number": one.display_phone_number,
                "enabled": True,
            }
            row = insert(Instance).values(slug=one.slug, **known)
            changed = known | {"updated_at": func.now()}
            await session.execute(row.on_conflict_do_update(index_elements=[Instance.slug], set_=changed))
        gone = update(Instance).where(Instance.slug.not_in(resources.registry.instances)).values(enabled=False)
        await session.execute(gone)
        await session.commit()


async def poll_numbers(resources: Resources, *, only_expired: bool = False) -> None:
    """Ask the Graph API for quality, limit and token expiry of each number; one that fails does not stop the rest."""
    async with resources.sessions() as session:
        states = {row.slug: row.account_state for row in await session.scalars(select(Instance))}
    for one in resources.registry:
        expired = states.get(one.slug) == AccountState.TOKEN_EXPIRED
        if only_expired and not expired:
            continue
        try:
            change = await _look(resources, one, expired=expired)
        except GraphError as error:
            log.warning("number_poll_failed", whatsapp_instance=one.slug, error=str(error)[:200])
            if not (isinstance(error, Refused) and error.meaning.retry is Retry.ACCOUNT):
                continue
            change = {"account_state": AccountState.TOKEN_EXPIRED}
        async with resources.sessions() as session:
            await session.execute(update(Instance).where(Instance.slug == one.slug).values(**change))
            await session.commit()


async def _look(resources: Resources, one: InstanceConfig, *, expired: bool) -> dict[str, Any]:
    number = await resources.graph.phone_number(one, WhatsAppOperation.PHONE_NUMBER)
    expiry = await resources.graph.token_expiry(one)
    words = number.whatsapp_business_manager_messaging_limit or number.messaging_limit_tier
    limit, unlimited = limit_of(words)
    change: dict[str, Any] = {
        "throughput": clean((number.throughput or {}).get("level"), 32),
        "token_expires_at": from_unix(expiry) if expiry else None,
        "polled_at": now(),
    }
    if number.quality_rating is not None:
        change["quality"] = quality_of(number.quality_rating)
    if limit is not None or unlimited:
        change |= {"messaging_limit": limit, "messaging_unlimited": unlimited}
    if str(number.status).upper() in ("BANNED", "FLAGGED", "RESTRICTED"):
        banned = str(number.status).upper() == "BANNED"
        change["account_state"] = AccountState.BANNED if banned else AccountState.RESTRICTED
    elif expired:
        change["account_state"] = AccountState.ACTIVE
    return change


async def poll_templates(resources: Resources) -> None:
    """Take over the review state of each account's templates."""
    seen: set[str] = set()
    for one in resources.registry:
        if one.waba_id in seen:
            continue
        seen.add(one.waba_id)
        try:
            rows = await resources.graph.templates(one)
        except GraphError as error:
            log.warning("template_poll_failed", whatsapp_instance=one.slug, error=str(error)[:200])
            continue
        async with resources.sessions() as session:
            for row in rows:
                state = {
                    "state": template_state(row.status),
                    "quality": quality_of((row.quality_score or {}).get("score")),
                    "category": clean(row.category, 40),
                }
                statement = insert(Template).values(
                    waba_id=one.waba_id, name=row.name[:512], language=row.language[:20], **state
                )
                key = [Template.waba_id, Template.name, Template.language]
                changed = state | {"updated_at": func.now()}
                await session.execute(statement.on_conflict_do_update(index_elements=key, set_=changed))
            await session.commit()
