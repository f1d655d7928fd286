"""Webhook events about the account, its numbers and templates: kept as they came, and applied to what we know."""

import hashlib
import re
from typing import Any

import orjson
from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pytake.backend.clock import from_unix
from pytake.backend.contacts.identity import clean
from pytake.backend.database.models import Instance, PlatformEvent, Template
from pytake.backend.ids import new_id
from pytake.backend.instances.state import limit_of, quality_of
from pytake.backend.messages.inbound import storable
from pytake.backend.resources import Resources
from pytake.backend.webhooks.events import WebhookEvent
from pytake.telemetry.labels import AccountState, QualityRating, TemplateState, WebhookField, WebhookOutcome
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
_DIGITS = re.compile(r"\D")


def digest(event: WebhookEvent) -> str:
    """The same event, however often Meta sends it, has the same digest."""
    key = [event.field.value, event.raw_field, event.waba_id, event.phone_number_id, event.time, event.data]
    return hashlib.sha256(orjson.dumps(key, option=orjson.OPT_SORT_KEYS)).hexdigest()


async def apply_platform_event(resources: Resources, event: WebhookEvent) -> WebhookOutcome:
    """Keep the event and apply it, once."""
    async with resources.sessions() as session:
        row = insert(PlatformEvent).values(
            id=new_id(),
            digest=digest(event),
            field=clean(event.raw_field, 64) or event.field.value,
            waba_id=event.waba_id[:64],
            value=storable(event.data),
            at=from_unix(event.time) if event.time and 0 < event.time < 10**10 else None,
        )
        if await session.scalar(row.on_conflict_do_nothing().returning(PlatformEvent.id)) is None:
            return WebhookOutcome.DUPLICATE
        outcome = await _apply(session, resources, event)
        await session.commit()
    log.warning("platform_event", field=event.field.value, event_name=_name(event), outcome=outcome.value)
    return outcome


def _name(event: WebhookEvent) -> str | None:
    return clean(event.data.get("event") or event.data.get("new_quality_score"), 64)


async def _apply(session: AsyncSession, resources: Resources, event: WebhookEvent) -> WebhookOutcome:
    match event.field:
        case WebhookField.TEMPLATE_STATUS | WebhookField.TEMPLATE_QUALITY:
            return await _template(session, event)
        case WebhookField.PHONE_NUMBER_QUALITY | WebhookField.BUSINESS_CAPABILITY_UPDATE:
            return await _limits(session, resources, event)
        case WebhookField.ACCOUNT_UPDATE | WebhookField.ACCOUNT_REVIEW_UPDATE | WebhookField.ACCOUNT_ALERTS:
            return await _account(session, event)
        case WebhookField.ERRORS:
            log.error("meta_reports_error", code=event.data.get("code"), waba_id=event.waba_id)
            return WebhookOutcome.PROCESSED
        case _:
            return WebhookOutcome.IGNORED


_TEMPLATE_STATES = {
    "APPROVED": TemplateState.APPROVED,
    "PENDING": TemplateState.PENDING,
    "IN_APPEAL": TemplateState.PENDING,
    "REJECTED": TemplateState.REJECTED,
    "PAUSED": TemplateState.PAUSED,
    "DISABLED": TemplateState.DISABLED,
    "FLAGGED": TemplateState.FLAGGED,
    "REINSTATED": TemplateState.APPROVED,
    "UNPAUSED": TemplateState.APPROVED,
}


def template_state(value: object) -> TemplateState:
    """Meta's word for a template's state as ours."""
    return _TEMPLATE_STATES.get(str(value).upper(), TemplateState.OTHER)


async def _template(session: AsyncSession, event: WebhookEvent) -> WebhookOutcome:
    name = clean(event.data.get("message_template_name"), 512)
    language = clean(event.data.get("message_template_language"), 20)
    if name is None or language is None:
        return WebhookOutcome.IGNORED
    if event.field is WebhookField.TEMPLATE_STATUS:
        change: dict[str, Any] = {
            "state": template_state(event.data.get("event")),
            "reason": clean(event.data.get("reason"), 200),
        }
    else:
        change = {"quality": quality_of(event.data.get("new_quality_score"))}
    first = {"state": TemplateState.OTHER, "quality": QualityRating.UNKNOWN} | change
    row = insert(Template).values(waba_id=event.waba_id, name=name, language=language, **first)
    key = [Template.waba_id, Template.name, Template.language]
    await session.execute(row.on_conflict_do_update(index_elements=key, set_=change | {"updated_at": func.now()}))
    return WebhookOutcome.PROCESSED


async def _limits(session: AsyncSession, resources: Resources, event: WebhookEvent) -> WebhookOutcome:
    data = event.data
    words = (
        data.get("max_daily_conversations_per_business")
        or data.get("max_daily_conversation_per_phone")
        or data.get("current_limit")
    )
    limit, unlimited = limit_of(words)
    change: dict[str, Any] = {}
    if limit is not None or unlimited:
        change = {"messaging_limit": limit, "messaging_unlimited": unlimited}
    if str(data.get("event")).upper() == "FLAGGED":
        change["quality"] = QualityRating.RED
    if not change:
        return WebhookOutcome.IGNORED
    condition = [Instance.waba_id == event.waba_id]
    if event.field is WebhookField.PHONE_NUMBER_QUALITY:
        condition.append(_number_is(data.get("display_phone_number")))
    await session.execute(update(Instance).where(*condition).values(**change))
    return WebhookOutcome.PROCESSED


def _number_is(number: object) -> Any:
    """The number, however it is written."""
    return func.regexp_replace(Instance.display_phone_number, r"\D", "", "g") == _DIGITS.sub("", str(number))


async def _account(session: AsyncSession, event: WebhookEvent) -> WebhookOutcome:
    words = str(event.data.get("event") or event.data.get("decision") or event.data.get("alert_type")).upper()
    ban = str((event.data.get("ban_info") or {}).get("waba_ban_state", "")).upper()
    state = None
    if ban == "DISABLE" or words == "ACCOUNT_DELETED":
        state = AccountState.BANNED
    elif ban == "SCHEDULE_FOR_DISABLE" or words in ("ACCOUNT_RESTRICTION", "ACCOUNT_VIOLATION", "REJECTED"):
        state = AccountState.RESTRICTED
    elif ban == "REINSTATE" or words in ("VERIFIED_ACCOUNT", "APPROVED"):
        state = AccountState.ACTIVE
    if state is None:
        return WebhookOutcome.IGNORED
    await session.execute(update(Instance).where(Instance.waba_id == event.waba_id).values(account_state=state))
    return WebhookOutcome.PROCESSED
