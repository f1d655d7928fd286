"""What AI calls and WhatsApp messages cost, by dated price tables. Unknown means None, never 0.

AI prices come from the ``genai-prices`` package, WhatsApp's rates from ``whatsapp_rates.yaml`` beside this file (or the
one in ``PYTAKE_WHATSAPP_RATES_FILE``), which says how operators keep it up to date.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from genai_prices import Usage, calc_price

FREE_TYPES = frozenset({"free_customer_service", "free_entry_point"})


@dataclass(frozen=True)
class AiUsage:
    """Tokens of one call; ``cached`` is part of ``input``, ``reasoning`` of ``output``."""

    input: int
    output: int
    cached: int = 0
    reasoning: int = 0


def ai_cost(model: str, usage: AiUsage, at: datetime | None = None, *, provider: str = "openai") -> Decimal | None:
    """Return the price of one call in US dollars, by the table at the time ``at`` (now); None when there is none.

    ``model`` is the response's, not the request's. Cached tokens are priced as such, the rest of the input fully;
    reasoning tokens are output and priced with it.
    """
    cached = max(0, min(usage.cached, usage.input))
    tokens = Usage(input_tokens=usage.input, cache_read_tokens=cached, output_tokens=usage.output)
    try:
        found = calc_price(tokens, model, provider_id=provider, genai_request_timestamp=at)
    except (LookupError, ValueError):
        return None
    return found.total_price


class RatesError(ValueError):
    """The rate file cannot be used; says where it is wrong."""


@dataclass(frozen=True)
class _Table:
    start: date
    service: str | None
    moved: Mapping[str, str]
    rates: Mapping[str, Mapping[str, Decimal]]


class Rates:
    """WhatsApp's rates over time: each table holds what changed on its day."""

    def __init__(self, text: str, source: str = "whatsapp_rates.yaml") -> None:
        """Read a rate file's ``text``; raise :class:`RatesError` when it is not one."""
        try:
            loaded = yaml.safe_load(text)
            self._market = {code: market for market, codes in loaded["markets"].items() for code in codes}
            self._tables = sorted(map(_table, loaded["tables"]), key=lambda table: table.start, reverse=True)
        except (yaml.YAMLError, ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as fault:
            raise RatesError(
                f"{source} is not a rate file: {fault!r}; compare it with the one in pytake.telemetry"
            ) from fault

    def rate(self, country: str, category: str, day: date) -> Decimal | None:
        """Return the price of a message of ``category`` to ``country`` on ``day``; None when unknown."""
        tables = [table for table in self._tables if table.start <= day]
        if category == "service":
            rule = next((table.service for table in tables if table.service), None)
            if rule == "free":
                return Decimal(0)
            category = "utility" if rule == "as utility" else category
        country = country.upper()
        market = next((table.moved[country] for table in tables if country in table.moved), self._market.get(country))
        found = (table.rates.get(market or "", {}).get(category) for table in tables)
        return next((rate for rate in found if rate is not None), None)


def _table(loaded: Mapping[str, Any]) -> _Table:
    rates = {
        market: {category: Decimal(str(rate)) for category, rate in by_category.items()}
        for market, by_category in loaded["rates"].items()
    }
    if not isinstance(loaded["from"], date):
        raise ValueError(f"'from' is a date, as in 2026-10-01; got {loaded['from']!r}")
    return _Table(loaded["from"], loaded.get("service"), loaded.get("moved", {}), rates)


@lru_cache(maxsize=4)
def load_rates(path: Path | None = None) -> Rates:
    """Return the rates in the file ``path``, by default those of the package; raise :class:`RatesError` or OSError."""
    if path is not None:
        return Rates(path.read_text(encoding="utf-8"), str(path))
    return Rates(files("pytake.telemetry").joinpath("whatsapp_rates.yaml").read_text(encoding="utf-8"))


_file: Path | None = None


def use_rates(path: Path | None) -> None:
    """Price by the file ``path`` from now on (None: the package's); :mod:`~pytake.telemetry.setup` calls it."""
    global _file  # noqa: PLW0603 (one table a process)
    load_rates(path)
    _file = path


def message_cost(country: str, category: str, type: str, at: datetime | date) -> Decimal | None:
    """Return the price of one delivered message in US dollars, 0 for what Meta calls free, None when unknown.

    ``country`` is the recipient's (ISO 3166 alpha-2); ``category`` and ``type`` are ``pricing.category`` and
    ``pricing.type`` of the status webhook; ``at`` is when the message was delivered.
    """
    if type in FREE_TYPES:
        return Decimal(0)
    day = at.astimezone(UTC).date() if isinstance(at, datetime) else at
    return load_rates(_file).rate(country, category, day)
