"""What AI calls and WhatsApp messages cost, by dated price tables. Unknown means None, never 0.

AI prices come from the ``genai-prices`` package; WhatsApp's rates from ``whatsapp_rates.yaml`` beside this file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml
from genai_prices import Usage, calc_price


@dataclass(frozen=True)
class AiUsage:
    """Tokens of one call; ``cached`` is part of ``input``, ``reasoning`` of ``output``."""

    input: int
    output: int
    cached: int = 0
    reasoning: int = 0


def ai_cost(model: str, usage: AiUsage, at: datetime | None = None, *, provider: str = "openai") -> Decimal | None:
    """Return the price of one call in US dollars at the time ``at``; None for a model without a price."""
    cached = min(usage.cached, usage.input)
    tokens = Usage(input_tokens=usage.input, cache_read_tokens=cached or None, output_tokens=usage.output)
    try:
        found = calc_price(tokens, model, provider_id=provider, genai_request_timestamp=at)
    except LookupError:
        return None
    return found.total_price


@lru_cache(maxsize=1)
def _rates() -> Mapping[str, Any]:
    text = files("pytake.telemetry").joinpath("whatsapp_rates.yaml").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = yaml.safe_load(text)
    return loaded


def message_cost(country: str, category: str, type: str, at: datetime | date) -> Decimal | None:
    """Return the price of one delivered message in US dollars.

    ``country`` is the recipient's (ISO 3166 alpha-2), ``category`` and ``type`` are Meta's ``pricing.category`` and
    ``pricing.type``. Free types and service messages cost 0; None where the table has no rate.
    """
    if type in ("free_customer_service", "free_entry_point") or category == "service":
        return Decimal(0)
    day = at.date() if isinstance(at, datetime) else at
    tables = [table for table in _rates()["tables"] if table["from"] <= day]
    if not tables:
        return None
    table = max(tables, key=lambda one: one["from"])
    market = _rates()["markets"].get(country.upper())
    rate = table["rates"].get(market, {}).get(category) if market else None
    return Decimal(str(rate)) if rate is not None else None
