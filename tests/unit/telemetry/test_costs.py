"""Costs: dated tables, subsets of tokens, and None for what is unknown."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytake.telemetry.costs import AiUsage, Rates, RatesError, ai_cost, load_rates, message_cost, use_rates
from pytake.telemetry.labels import PriceCategory, PriceType

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("country", "category", "type", "day", "cost"),
    [
        ("BR", "utility", "regular", date(2026, 11, 1), "0.0068"),
        ("br", "marketing", "regular", date(2025, 7, 1), "0.0625"),
        ("MX", "marketing", "regular", date(2025, 9, 30), "0.0436"),
        ("MX", "marketing", "regular", date(2025, 10, 1), "0.0305"),
        ("MX", "utility", "regular", date(2026, 5, 1), "0.0085"),
        ("US", "utility", "regular", date(2025, 12, 31), "0.0040"),
        ("US", "utility", "regular", date(2026, 1, 1), "0.0034"),
        ("IN", "authentication_international", "regular", date(2026, 11, 1), "0.0280"),
        ("ZW", "utility", "regular", date(2025, 9, 1), "0.0077"),
        ("ZW", "utility", "regular", date(2025, 11, 1), "0.0040"),
        ("BR", "service", "regular", date(2026, 9, 30), "0"),
        ("BR", "service", "regular", date(2026, 10, 1), "0.0068"),
        ("BR", "utility", "free_customer_service", date(2026, 11, 1), "0"),
        ("BR", "marketing", "free_entry_point", date(2026, 11, 1), "0"),
        ("BR", "service", "free_customer_service", date(2026, 11, 1), "0"),
        ("UA", "utility", "regular", date(2026, 9, 30), "0.0212"),
    ],
)
def test_messages_are_priced_by_country_category_and_day(
    country: str, category: str, type: str, day: date, cost: str
) -> None:
    assert message_cost(country, category, type, day) == Decimal(cost)


@pytest.mark.parametrize(
    ("country", "category", "day"),
    [
        ("BR", "utility", date(2025, 6, 30)),  # before charges by the message
        ("QQ", "utility", date(2026, 11, 1)),
        ("", "utility", date(2026, 11, 1)),
        ("BR", "referral_conversion", date(2026, 11, 1)),
        ("BR", "authentication_international", date(2026, 11, 1)),
        ("UA", "utility", date(2026, 10, 1)),  # left its region for a rate that is not in the table
    ],
)
def test_what_has_no_rate_is_none(country: str, category: str, day: date) -> None:
    assert message_cost(country, category, "regular", day) is None


def test_the_day_is_utcs() -> None:
    late = datetime.fromisoformat("2025-12-31T22:00:00-05:00")
    assert message_cost("US", "utility", "regular", late) == Decimal("0.0034")


@given(st.sampled_from(sorted(load_rates()._market)), st.sampled_from(PriceCategory), st.sampled_from(PriceType),
       st.dates(date(2025, 7, 1), date(2027, 1, 1)))  # fmt: skip
def test_prices_are_small_and_never_negative(country: str, category: str, type: str, day: date) -> None:
    cost = message_cost(country, category, type, day)
    assert cost is None or 0 <= cost < Decimal("0.2")


def test_every_country_is_in_one_market() -> None:
    import yaml

    text = (Path(__file__).parents[3] / "src/pytake/telemetry/whatsapp_rates.yaml").read_text(encoding="utf-8")
    codes = [code for codes in yaml.safe_load(text)["markets"].values() for code in codes]
    assert len(codes) == len(set(codes))
    assert all(len(code) == 2 and code.isupper() for code in codes)


@pytest.fixture
def own_rates(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "rates.yaml"
    yield path
    use_rates(None)


def test_an_operators_own_file_is_used(own_rates: Path) -> None:
    own_rates.write_text("markets: {brazil: [BR]}\ntables: [{from: 2026-01-01, rates: {brazil: {utility: 0.5}}}]\n")
    use_rates(own_rates)
    assert message_cost("BR", "utility", "regular", NOW) == Decimal("0.5")
    assert message_cost("AR", "utility", "regular", NOW) is None


@pytest.mark.parametrize(
    "text", ["", "[]", "markets: {}", "{", "markets: {}\ntables: [{from: soon, rates: {}}]",
             "markets: {b: [BR]}\ntables: [{from: 2026-01-01, rates: {b: {utility: cheap}}}]"],
)  # fmt: skip
def test_a_bad_file_is_refused_by_name(text: str) -> None:
    with pytest.raises(RatesError, match=r"mine\.yaml"):
        Rates(text, "mine.yaml")


# --- AI -----------------------------------------------------------------------------------------------------------
def test_cached_tokens_are_part_of_the_input() -> None:
    plain = ai_cost("gpt-4o-mini", AiUsage(1000, 0), NOW)
    cached = ai_cost("gpt-4o-mini", AiUsage(1000, 0, cached=1000), NOW)
    assert plain is not None
    assert cached is not None
    assert Decimal(0) < cached < plain
    assert ai_cost("gpt-4o-mini", AiUsage(1000, 0, cached=5000), NOW) == cached


def test_reasoning_tokens_are_part_of_the_output() -> None:
    assert ai_cost("gpt-4o-mini", AiUsage(0, 500), NOW) == ai_cost("gpt-4o-mini", AiUsage(0, 500, reasoning=400), NOW)


def test_a_dated_model_name_is_known_and_an_unknown_one_is_none() -> None:
    assert ai_cost("gpt-4o-mini-2024-07-18", AiUsage(1000, 100), NOW) == Decimal("0.00021")
    assert ai_cost("gpt-77-imaginary", AiUsage(1000, 100), NOW) is None
    assert ai_cost("", AiUsage(1, 1), NOW) is None


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_costs_grow_with_tokens(input: int, output: int, cached: int) -> None:
    cost = ai_cost("gpt-4o-mini", AiUsage(input, output, cached), NOW)
    more = ai_cost("gpt-4o-mini", AiUsage(input + 1000, output + 1, cached), NOW)
    assert cost is not None
    assert more is not None
    assert 0 <= cost < more
