"""Query parameters and numbers as Loki reads and writes them."""

import math

import pytest

from pytake.embedded.loki.api.params import (
    SECOND,
    bounds,
    duration_text,
    forward,
    number_text,
    parse_limit,
    parse_step,
    parse_time,
    range_params,
    seconds,
)
from pytake.embedded.loki.errors import RequestError

NOW = 1_700_000_000 * SECOND


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1700000000", NOW),
        ("1700000000000000001", NOW + 1),
        ("1700000000.5", NOW + SECOND // 2),
        ("1700000000.123456789", NOW + 123456789),
        ("1.7e9", NOW),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T22:13:20.000000001Z", NOW + 1),
        ("2023-11-15T00:13:20+02:00", NOW),
    ],
)
def test_times(text: str, ns: int) -> None:
    assert parse_time(text) == ns


@pytest.mark.parametrize("text", ["x", "2023-99-14T22:13:20Z", "1.2.3", "inf"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(RequestError):
        parse_time(text)


def test_bounds() -> None:
    assert bounds({}, NOW, 10) == (NOW - 10, NOW)
    assert bounds({"since": ["1m"]}, NOW, 10) == (NOW - 60 * SECOND, NOW)
    assert bounds({"since": ["1m"], "end": [str(NOW + 5 * SECOND)]}, NOW, 10)[0] == NOW - 60 * SECOND
    assert bounds({"since": ["1m"], "start": [str(NOW - 1)]}, NOW, 10)[0] == NOW - 1


def test_steps_and_limits() -> None:
    assert parse_step("15") == 15 * SECOND
    assert parse_step("0.5") == SECOND // 2
    assert parse_step("5m") == 300 * SECOND
    with pytest.raises(RequestError, match="to a valid duration"):
        parse_step("5 apples")
    assert parse_limit({}, 100, 5000) == 100
    with pytest.raises(RequestError, match="invalid syntax"):
        parse_limit({"limit": ["x"]}, 100, 5000)
    with pytest.raises(RequestError, match="positive"):
        parse_limit({"limit": ["-1"]}, 100, 5000)
    assert forward({"direction": ["FORWARD"]})


def test_default_step_gives_about_250_points() -> None:
    assert range_params({"query": ["x"]}, NOW).step == 15 * SECOND
    with pytest.raises(RequestError, match="interval"):
        range_params({"query": ["x"], "interval": ["-1"]}, NOW)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (0.1, "0.1"),
        (1e21, "1000000000000000000000"),
        (1e-7, "0.0000001"),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (-2.5, "-2.5"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number_text(value) == text


def test_sample_times_and_durations() -> None:
    assert seconds(NOW) == 1_700_000_000
    assert seconds(NOW + 123_456_789) == 1_700_000_000.123
    assert duration_text(30 * 86400 + 3600) == "30d1h"
    assert duration_text(0) == "0s"
