"""Whatever comes in is refused with the right error or stored whole; nothing crashes afterwards."""

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytake.embedded.jaeger import uijson
from pytake.embedded.jaeger.columns import from_requests
from pytake.embedded.jaeger.index import HotPart, arrange
from pytake.embedded.jaeger.receive import MalformedError, Receiver
from pytake.embedded.jaeger.search import _stored
from pytake.embedded.jaeger.segment import Segment, SegmentCache, write
from pytake.embedded.jaeger.store import Store
from tests.unit.jaeger.build import body, random_trace, request, span

GOOD = body(*random_trace(1, 5), span(2, 2, tags=["a"], price=1.5, flag=True, error=True))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good request with bytes changed, cut, inserted or repeated."""
    made = bytearray(GOOD)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(made)))
        kind = draw(st.sampled_from(("change", "cut", "insert", "repeat")))
        if kind == "change" and at < len(made):
            made[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del made[at : at + draw(st.integers(1, 40))]
        elif kind == "insert":
            made[at:at] = draw(st.binary(max_size=12))
        else:
            made[at:at] = made[at : at + draw(st.integers(1, 200))]
    return bytes(made)


@given(st.binary(max_size=200) | damaged())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_stored_or_refused(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    receiver = Receiver(Store(Path("unused")), "otlp", "http")
    try:
        accepted = receiver.check(junk)
    except MalformedError:
        return
    columns = from_requests([junk], [accepted.decoded])
    assert len(columns) == accepted.spans
    if not len(columns):
        return
    part = HotPart(columns)
    index = part.load()
    for trace in range(len(index.traces.trace_id)):
        rows = int(index.traces.first_row[trace]), int(index.traces.first_row[trace + 1])
        assert uijson.trace_json(_stored(part, index, *rows))["spans"]


def test_extreme_values_survive_a_segment(tmp_path: Path) -> None:
    made = request(
        span(1, 1, name="", service=""), span(1, 2, name="n" * 70_000), span(1, 3, **{"": "", "k" * 5000: "v" * 70_000})
    )
    spans = [item for resource in made.resource_spans for item in resource.scope_spans[0].spans]
    spans[0].start_time_unix_nano, spans[0].end_time_unix_nano = 0, 2**64 - 1
    spans[1].start_time_unix_nano, spans[1].end_time_unix_nano = 2**64 - 1, 0
    spans[2].kind, spans[2].status.code = 99, 77
    columns, index = arrange(from_requests([made.SerializeToString()]))
    write(tmp_path, 1, columns, index)
    part = Segment(tmp_path / "000000000001.parquet", SegmentCache())
    assert sorted(part.spans(0, 3)) == sorted(item.SerializeToString() for item in spans)
    assert part.load().duration.max() > 2**40


def test_deep_nesting_is_refused_by_the_parser() -> None:
    value = b"\x0a\x01x"
    for _ in range(200):
        value = b"\x2a" + _size(len(value) + 1 + len(_size(len(value)))) + b"\x0a" + _size(len(value)) + value
    pair = b"\x0a\x01k\x12" + _size(len(value)) + value
    attribute = b"\x4a" + _size(len(pair)) + pair
    one = b"\x0a\x10" + b"\1" * 16 + b"\x12\x08" + b"\1" * 8 + attribute
    scope = b"\x12" + _size(len(one)) + one
    resource = b"\x12" + _size(len(scope)) + scope
    with pytest.raises(MalformedError):
        Receiver(Store(Path("unused")), "otlp", "http").check(b"\x0a" + _size(len(resource)) + resource)


def _size(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes((number & 127 | 128,))
        number >>= 7
    return out + bytes((number,))


@pytest.mark.parametrize("claim", [2**31 - 1, 2**32 - 1, 2**35])
def test_a_length_that_is_not_there_is_refused(claim: int) -> None:
    with pytest.raises(MalformedError):
        Receiver(Store(Path("unused")), "otlp", "http").check(b"\x0a" + _size(claim) + struct.pack("<Q", 0))
