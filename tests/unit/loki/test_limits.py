"""Limits on pushes, in Loki's codes and words, and what is kept of a push that breaks one."""

import time
from collections.abc import Callable

import pytest

from pytake.embedded.loki.errors import PushError, Reason
from pytake.embedded.loki.limits import Rates, TokenBucket
from pytake.embedded.loki.settings import Limits
from pytake.embedded.loki.streams import Stream
from tests.unit.loki.conftest import SECOND, Kit

NOW = time.time_ns()
MakeKit = Callable[..., Kit]


def refused(error: PushError | None, reason: Reason, status: int, words: str) -> None:
    assert error is not None
    assert error.reason is reason
    assert error.status == status
    assert words in error.text


def test_old_lines_are_refused_the_others_kept(kit: Kit) -> None:
    error = kit.push([(NOW - 8 * 86400 * SECOND, "old"), (NOW, "new")], now=NOW)
    refused(error, Reason.TOO_OLD, 400, "has timestamp too old")
    assert kit.lines() == ["new"]


def test_lines_of_the_future_are_refused(kit: Kit) -> None:
    error = kit.push([(NOW + 660 * SECOND, "future"), (NOW + 500 * SECOND, "soon")], now=NOW)
    refused(error, Reason.TOO_NEW, 400, "has timestamp too new")
    assert kit.lines() == ["soon"]


def test_long_lines_are_refused(make_kit: MakeKit) -> None:
    kit = make_kit(limits=Limits(max_line_size=10))
    error = kit.push([(NOW, "x" * 11), (NOW + 1, "x" * 10)])
    refused(error, Reason.LINE_TOO_LONG, 400, "max entry size '10' bytes exceeded for stream '{job=")
    assert kit.lines() == ["x" * 10]


def test_long_lines_are_cut_where_that_is_asked(make_kit: MakeKit) -> None:
    kit = make_kit(limits=Limits(max_line_size=3, max_line_size_truncate=True))
    assert kit.push([(NOW, "aéé")]) is None
    assert kit.lines() == ["aé"]


def test_too_many_streams(make_kit: MakeKit) -> None:
    kit = make_kit(limits=Limits(max_global_streams_per_user=1))
    assert kit.push([(NOW, "1")], {"job": "a"}) is None
    refused(kit.push([(NOW, "2")], {"job": "b"}), Reason.STREAM_LIMIT, 429, "maximum active stream limit exceeded")
    assert kit.push([(NOW + 1, "3")], {"job": "a"}) is None


def test_structured_metadata_may_be_switched_off(make_kit: MakeKit) -> None:
    kit = make_kit(limits=Limits(allow_structured_metadata=False))
    error = kit.push([(NOW, "with", {"a": "b"}), (NOW + 1, "without")])
    refused(error, Reason.METADATA_DISALLOWED, 400, "this feature is disallowed")
    assert kit.lines() == ["without"]


def test_structured_metadata_has_limits(make_kit: MakeKit) -> None:
    kit = make_kit(limits=Limits(max_structured_metadata_size=30, max_structured_metadata_entries_count=2))
    refused(kit.push([(NOW, "x", {"a": "b" * 40})]), Reason.METADATA_TOO_LARGE, 400, "structured metadata too large")
    pairs = {"a": "1", "b": "2", "c": "3"}
    refused(kit.push([(NOW, "x", pairs)]), Reason.METADATA_TOO_MANY, 400, "too many structured metadata labels")


def test_a_tenant_that_writes_too_fast(make_kit: MakeKit) -> None:
    kit = make_kit(limits=Limits(ingestion_rate_mb=0.001, ingestion_burst_size_mb=0.001))
    with pytest.raises(PushError) as found:
        kit.push([(NOW, "x" * 2000)])
    refused(
        found.value, Reason.RATE_LIMITED, 429, "ingestion rate limit exceeded for user fake (limit: 1048 bytes/sec)"
    )
    assert "'1' lines totaling '2000' bytes" in found.value.text
    assert kit.lines() == []


def test_a_stream_that_writes_too_fast(make_kit: MakeKit) -> None:
    kit = make_kit(limits=Limits(per_stream_rate_limit=100, per_stream_rate_limit_burst=100))
    refused(
        kit.push([(NOW, "x" * 200)]),
        Reason.STREAM_RATE_LIMITED,
        429,
        "Per stream rate limit exceeded (limit: 100B/sec)",
    )


def test_buckets_fill_with_time() -> None:
    bucket = TokenBucket(10, now=0)
    assert bucket.take(10, rate=1, burst=10, now=0)
    assert not bucket.take(5, rate=1, burst=10, now=4)
    assert bucket.take(5, rate=1, burst=10, now=5)
    assert not bucket.take(11, rate=1, burst=10, now=1000)


def test_rates_are_each_tenants_own() -> None:
    clock = [0.0]
    rates = Rates(lambda: clock[0])
    limits = Limits(ingestion_rate_mb=1, ingestion_burst_size_mb=1)
    rates.check_tenant("a", 1, 1 << 20, limits)
    rates.check_tenant("b", 1, 1 << 20, limits)
    with pytest.raises(PushError):
        rates.check_tenant("a", 1, 1, limits)
    clock[0] = 1.0
    rates.check_tenant("a", 1, 1 << 20, limits)
    rates.check_stream(Stream(1, "a", {}, "{}"), 10, limits)


def test_the_same_body_again_counts_once(kit: Kit) -> None:
    assert kit.push([(NOW, "once")]) is None
    assert kit.push([(NOW, "once")]) is None
    assert kit.push([(NOW, "once")], tenant="other") is None
    assert kit.lines() == ["once"]
    assert kit.lines("other") == ["once"]
