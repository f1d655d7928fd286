"""The delivery cohort: every accepted message gets one final outcome, once."""

from datetime import datetime, timedelta

from sqlalchemy import select, update

from pytake.backend.clock import now
from pytake.backend.database.models import Delivery, Message
from pytake.backend.database.session import Sessions
from pytake.backend.effects import Effects
from pytake.telemetry import catalog
from pytake.telemetry.labels import Cause, DeliveryOutcome, MessageStatus

_ARRIVED = (MessageStatus.DELIVERED, MessageStatus.READ)


def note_outcome(delivery: Delivery, message: Message, state: MessageStatus, at: datetime, effects: Effects) -> None:
    """Set the outcome if the message has none yet (``read`` implies delivered, which may be skipped)."""
    slug = message.instance
    if state in _ARRIVED and delivery.delivered_at is None:
        delivery.delivered_at = at
        seconds = max(0.0, (at - delivery.accepted_at).total_seconds())
        effects.count(lambda: catalog.DELIVERY_SECONDS.observe(seconds, whatsapp_instance=slug))
    if delivery.outcome is not None:
        return
    if state in _ARRIVED:
        delivery.outcome, delivery.cause = DeliveryOutcome.DELIVERED, Cause.NONE
    elif state is MessageStatus.FAILED:
        delivery.outcome, delivery.cause = DeliveryOutcome.FAILED, message.error_cause or Cause.META
    else:
        return
    delivery.outcome_at = at
    _count(delivery.outcome, delivery.cause, slug, effects)


async def expire(sessions: Sessions, window: float, *, limit: int = 500) -> int:
    """Give messages that were accepted more than ``window`` seconds ago and never arrived their outcome."""
    effects = Effects()
    async with sessions() as session:
        due = (
            select(Delivery.message_id)
            .where(Delivery.outcome.is_(None), Delivery.accepted_at < now() - timedelta(seconds=window))
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        statement = (
            update(Delivery)
            .where(Delivery.message_id.in_(due))
            .values(outcome=DeliveryOutcome.EXPIRED, outcome_at=now(), cause=Cause.RECIPIENT)
            .returning(Delivery.instance)
            .execution_options(synchronize_session=False)
        )
        slugs = (await session.scalars(statement)).all()
        await session.commit()
    for slug in slugs:
        _count(DeliveryOutcome.EXPIRED, Cause.RECIPIENT, slug, effects)
    await effects.run()
    return len(slugs)


def _count(outcome: DeliveryOutcome, cause: Cause, slug: str, effects: Effects) -> None:
    effects.count(lambda: catalog.DELIVERY.inc(outcome=outcome, cause=cause, whatsapp_instance=slug))
