"""Go's time layouts and the timestamp stage."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytake.embedded.promtail.stages.timestamp import NAMED_LAYOUTS, compile_layout, fast_rfc3339

MOMENT = datetime(2023, 7, 9, 15, 4, 5, tzinfo=UTC)
NS = int(MOMENT.timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("layout", "text", "expected"),
    [
        ("RFC3339", "2023-07-09T15:04:05Z", NS),
        ("RFC3339Nano", "2023-07-09T15:04:05.123456789Z", NS + 123456789),
        ("RFC3339Nano", "2023-07-09T17:04:05.5+02:00", NS + 500_000_000),
        ("RFC1123", "Sun, 09 Jul 2023 15:04:05 UTC", NS),
        ("RFC1123Z", "Sun, 09 Jul 2023 12:04:05 -0300", NS),
        ("RFC822", "09 Jul 23 15:04 UTC", NS - 5_000_000_000),
        ("RFC850", "Sunday, 09-Jul-23 15:04:05 UTC", NS),
        ("ANSIC", "Sun Jul  9 15:04:05 2023", NS),
        ("UnixDate", "Sun Jul  9 15:04:05 UTC 2023", NS),
        ("RubyDate", "Sun Jul 09 15:04:05 +0000 2023", NS),
        ("Unix", "1688915045", NS),
        ("Unix", "1688915045.25", NS + 250_000_000),
        ("UnixMs", "1688915045123", NS + 123_000_000),
        ("UnixUs", "1688915045123456", NS + 123_456_000),
        ("UnixNs", "1688915045123456789", NS + 123_456_789),
        ("2006-01-02 15:04:05.000 MST", "2023-07-09 15:04:05.678 UTC", NS + 678_000_000),
        ("02/Jan/2006:15:04:05 -0700", "09/Jul/2023:15:04:05 +0000", NS),
        ("2006/01/02 15:04:05", "2023/07/09 15:04:05", NS),
        ("02 Jan 2006 15:04:05.000", "09 Jul 2023 15:04:05.001", NS + 1_000_000),
        ("Jan 2, 2006 3:04:05 PM", "Jul 9, 2023 3:04:05 PM", NS),
    ],
)
def test_layouts(layout, text, expected):
    assert compile_layout(layout)(text) == expected


def test_a_time_zone_of_the_stage():
    assert compile_layout("2006-01-02 15:04:05", ZoneInfo("America/Sao_Paulo"))("2023-07-09 12:04:05") == NS


@pytest.mark.parametrize("text", ["", "yesterday", "2023-13-09T15:04:05Z", "2023-07-09"])
@pytest.mark.parametrize("layout", sorted(NAMED_LAYOUTS))
def test_other_text_is_an_error(layout, text):
    with pytest.raises(ValueError, match=r".+"):
        compile_layout(layout)(text)


@given(st.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1)), st.integers(0, 999), st.integers(-14, 14))
def test_the_fast_way_agrees_with_the_slow_way(moment, nanos, hours):
    zone = "Z" if hours == 0 else f"{'+' if hours > 0 else '-'}{abs(hours):02d}:30"
    text = f"{moment.strftime('%Y-%m-%dT%H:%M:%S')}.{moment.microsecond:06d}{nanos:03d}{zone}"
    if moment.year >= 1000:
        assert fast_rfc3339(text) == compile_layout("RFC3339Nano")(text)


def test_a_syslog_date_has_no_year_and_lies_in_the_past():
    parsed = compile_layout("Jan _2 15:04:05")("Dec 31 23:59:59")
    assert parsed / 1e9 < datetime.now(UTC).timestamp() + 86_400


def test_what_fails_comes_just_after_the_last_or_keeps_its_time(pipe, clock):
    fudging = pipe("[{json: {expressions: {t: }}}, {timestamp: {source: t, format: RFC3339}}]")
    first, second = fudging('{"t":"2023-07-09T15:04:05Z"}', '{"t":"?"}')
    assert (first.ts, second.ts) == (NS, NS + 1)
    skipping = pipe(
        "[{json: {expressions: {t: }}}, {timestamp: {source: t, format: RFC3339, action_on_failure: skip}}]"
    )
    assert skipping('{"t":"2023-07-09T15:04:05Z"}', '{"t":"?"}')[1].ts == int(clock() * 1e9)


def test_fallback_formats(pipe):
    under_test = pipe(
        "[{json: {expressions: {t: }}}, {timestamp: {source: t, format: RFC3339, fallback_formats: [UnixMs]}}]"
    )
    assert under_test.one('{"t":"1688915045000"}').ts == NS
