"""What a delivered message costs: counted once, when it has arrived and Meta has said how it is priced."""

from datetime import datetime
from decimal import Decimal

import phonenumbers
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pytake.backend.database.models import Contact, Conversation, Cost, Delivery, Message
from pytake.backend.effects import Effects
from pytake.backend.ids import new_id
from pytake.telemetry import catalog
from pytake.telemetry.costs import message_cost
from pytake.telemetry.labels import PriceCategory, PriceType, Spender
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)


def country_of(wa_id: str | None, user_id: str | None) -> str:
    """ISO code of a recipient's country, from the number or the user id's prefix; ``ZZ`` when unknown."""
    if wa_id:
        try:
            parsed = phonenumbers.parse(f"+{wa_id}")
            return phonenumbers.region_code_for_number(parsed) or phonenumbers.region_code_for_country_code(
                parsed.country_code or 0
            )
        except phonenumbers.NumberParseException:
            return "ZZ"
    prefix = (user_id or "").split(".", 1)[0]
    return prefix if len(prefix) == 2 and prefix.isalpha() else "ZZ"


def _member(enum: type[PriceCategory] | type[PriceType], value: object) -> PriceCategory | PriceType:
    try:
        return enum(str(value))
    except ValueError:
        return enum.OTHER


async def charge(session: AsyncSession, delivery: Delivery, message: Message, at: datetime, effects: Effects) -> None:
    """Record the cost of a delivered message, once."""
    if delivery.costed or delivery.delivered_at is None or delivery.pricing is None:
        return
    delivery.costed = True
    pricing = delivery.pricing
    category, kind = _member(PriceCategory, pricing.get("category")), _member(PriceType, pricing.get("type", "regular"))
    conversation = await session.get(Conversation, message.conversation_id)
    contact = await session.get(Contact, conversation.contact_id) if conversation else None
    country = country_of(contact.wa_id, contact.user_id) if contact else "ZZ"
    price = Decimal(0) if pricing.get("billable") is False else message_cost(country, category, kind, at)
    row = insert(Cost).values(
        id=new_id(),
        spender=Spender.WHATSAPP,
        instance=message.instance,
        message_id=message.id,
        item=category,
        usd=price,
    )
    if await session.scalar(row.on_conflict_do_nothing().returning(Cost.id)) is None:
        return
    slug = message.instance
    if price is None:
        effects.count(lambda: catalog.WHATSAPP_UNPRICED.inc(category=PriceCategory(category), whatsapp_instance=slug))
    else:
        amount = float(price)
        effects.count(lambda: catalog.WHATSAPP_COST.inc(amount, category=category, type=kind, whatsapp_instance=slug))
        if amount:
            effects.count(lambda: _note(message, category, kind, amount))


def _note(message: Message, category: PriceCategory | PriceType, kind: PriceCategory | PriceType, usd: float) -> None:
    log.info(
        "message_charged",
        whatsapp_instance=message.instance,
        conversation_id=str(message.conversation_id),
        message_id=str(message.id),
        category=category.value,
        type=kind.value,
        cost_usd=usd,
    )
