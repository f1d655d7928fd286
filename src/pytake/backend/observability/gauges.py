"""Gauges that are read, not counted: queues, conversations, users, numbers, templates, sends in doubt."""

import math
from datetime import timedelta

from sqlalchemy import distinct, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pytake.backend.clock import now
from pytake.backend.database.models import Contact, Conversation, Instance, Message, Send, Template
from pytake.backend.resources import Resources
from pytake.telemetry import catalog
from pytake.telemetry.labels import (
    AccountState,
    ConversationState,
    Direction,
    QualityRating,
    Queue,
    Spender,
    TemplateState,
    Window,
)
from pytake.telemetry.metrics import configure_label, state_set

WINDOWS = {
    Window.MINUTES_5: timedelta(minutes=5),
    Window.HOURS_1: timedelta(hours=1),
    Window.HOURS_24: timedelta(hours=24),
    Window.DAYS_7: timedelta(days=7),
}
QUEUES = (Queue.WEBHOOKS, Queue.OUTBOUND)


async def read_queues(resources: Resources) -> None:
    """Depth, age and dead letters of each queue."""
    for queue in QUEUES:
        depth, age, dead = await resources.streams.depth(queue)
        catalog.QUEUE_DEPTH.set(depth, queue=queue)
        catalog.QUEUE_OLDEST.set(age, queue=queue)
        catalog.QUEUE_DEAD.set(dead, queue=queue)


async def read_database(resources: Resources) -> None:
    """What PostgreSQL knows of the business."""
    if resources.settings.ai_budget_usd_per_day:
        catalog.BUDGET.set(resources.settings.ai_budget_usd_per_day, spender=Spender.AI)
    async with resources.sessions() as session:
        await _conversations(session, resources)
        await _users(session)
        await _sends(session, resources)
        await _instances(session, resources)
        await _templates(session)


async def _conversations(session: AsyncSession, resources: Resources) -> None:
    query = (
        select(Conversation.instance, Conversation.state, func.count())
        .where(Conversation.state != ConversationState.CLOSED)
        .group_by(Conversation.instance, Conversation.state)
    )
    found = {(slug, state): count for slug, state, count in (await session.execute(query)).all()}
    for slug in resources.registry.instances:
        for state in (ConversationState.OPEN, ConversationState.PENDING):
            catalog.CONVERSATIONS.set(found.get((slug, state), 0), state=state, whatsapp_instance=slug)


async def _users(session: AsyncSession) -> None:
    present = now()
    columns = [func.count().filter(Contact.last_seen_at >= present - span) for span in WINDOWS.values()]
    query = select(*columns).where(Contact.last_seen_at >= present - max(WINDOWS.values()))
    counts = (await session.execute(query)).one()
    for window, count in zip(WINDOWS, counts, strict=True):
        catalog.USERS_ACTIVE.set(count, window=window)


async def _sends(session: AsyncSession, resources: Resources) -> None:
    """Sends in doubt, and the users that we wrote to first (they count against the messaging limit)."""
    doubts = select(Send.instance, func.count()).where(Send.state == "in_doubt").group_by(Send.instance)
    in_doubt = {row[0]: row[1] for row in await session.execute(doubts)}
    written = (
        select(Message.instance, func.count(distinct(Conversation.contact_id)))
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(
            Message.direction == Direction.OUTBOUND,
            Message.type == "template",
            Message.created_at >= now() - timedelta(hours=24),
        )
        .group_by(Message.instance)
    )
    used = {row[0]: row[1] for row in await session.execute(written)}
    for slug in resources.registry.instances:
        catalog.SENDS_IN_DOUBT.set(in_doubt.get(slug, 0), whatsapp_instance=slug)
        catalog.MESSAGING_LIMIT_USED.set(used.get(slug, 0), whatsapp_instance=slug)


async def _instances(session: AsyncSession, resources: Resources) -> None:
    for row in await session.scalars(select(Instance)):
        if row.slug not in resources.registry.instances:
            continue
        labels = {"whatsapp_instance": row.slug}
        state_set(catalog.QUALITY, QualityRating, row.quality, label="rating", **labels)
        state_set(catalog.ACCOUNT_STATE, AccountState, row.account_state, **labels)
        if row.messaging_unlimited:
            catalog.MESSAGING_LIMIT.set(math.inf, **labels)
        elif row.messaging_limit is not None:
            catalog.MESSAGING_LIMIT.set(row.messaging_limit, **labels)
        if row.token_expires_at is not None:
            catalog.TOKEN_EXPIRY.set(row.token_expires_at.timestamp(), **labels)
        elif row.polled_at is not None:
            catalog.TOKEN_EXPIRY.set(math.inf, **labels)


async def _templates(session: AsyncSession) -> None:
    rows = (await session.execute(select(Template.name, Template.language, Template.state).limit(200))).all()
    names = [f"{name}:{language}" for name, language, _ in rows]
    configure_label("template", names)
    for name, (_, _, state) in zip(names, rows, strict=True):
        state_set(catalog.TEMPLATE_STATE, TemplateState, state, template=name)
