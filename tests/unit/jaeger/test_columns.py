"""Requests become columns, fast and slowly alike; unusable spans are left out."""

import numpy as np
import pyarrow as pa
import pytest

from pytake.embedded.jaeger import columns, proto
from tests.unit.jaeger.build import body, ident, random_trace, request, span


def test_a_span_becomes_a_row() -> None:
    found = columns.from_requests([body(span(1, 2, parent=3, ms=12, service="api", name="GET /x", kind=3, error=True))])
    assert found.trace_id[0].tobytes() == ident(1)
    assert (found.span_id[0], found.parent_id[0], found.duration[0]) == (2, 3, 12_000_000)
    assert found.ops[found.op[0]] == ("api", "GET /x", 3, columns.ERROR)


def test_both_decoders_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = [body(*random_trace(number), span(90 + number, 1, tags=["a", "b"], price=1.5)) for number in range(1, 4)]
    fast = columns.from_requests(bodies)
    monkeypatch.setattr(proto, "_decode", proto._decode_slowly)
    slow = columns.from_requests(bodies)
    for name in ("trace_id", "span_id", "parent_id", "start", "duration", "op", "pairs", "pair_offsets"):
        assert np.array_equal(getattr(fast, name), getattr(slow, name)), name
    assert fast.ops == slow.ops
    assert fast.spans.equals(slow.spans)


def test_spans_with_ids_of_zeros_are_left_out_and_counted() -> None:
    mixed = body(span(1, 1), span(0, 2), span(3, 0), span(4, 4))
    assert columns.decode(mixed)[1:] == (4, 2)
    assert columns.from_requests([mixed]).span_id.tolist() == [1, 4]


def test_an_id_of_a_wrong_length_is_refused() -> None:
    wrong = request(span(1, 1))
    wrong.resource_spans[0].scope_spans[0].spans[0].trace_id = b"short"
    with pytest.raises(ValueError, match="trace_id: expected 16 bytes, found 5"):
        columns.decode(wrong.SerializeToString())


def test_a_decoded_request_gives_the_same_columns() -> None:
    bodies = [body(*random_trace(number)) for number in (1, 2)]
    again = columns.from_requests(bodies, [columns.decode(item) for item in bodies])
    assert np.array_equal(again.pairs, columns.from_requests(bodies).pairs)


def test_event_attributes_and_names_belong_to_their_span() -> None:
    made = request(span(1, 1), span(1, 2, a="b"))
    event = made.resource_spans[0].scope_spans[0].spans[0].events.add(name="exception")
    event.attributes.add(key="exception.type").value.string_value = "Timeout"
    found = columns.from_requests([made.SerializeToString()])
    assert np.diff(found.pair_offsets).tolist() == [2, 1]


def test_concat_and_take_keep_rows_together() -> None:
    parts = [columns.from_requests([body(*random_trace(number))]) for number in (1, 2, 3)]
    joined = columns.concat(parts)
    order = np.arange(len(joined))[::-1].copy()
    turned = joined.take(order)
    for row in range(len(joined)):
        mirror = len(joined) - 1 - row
        assert joined.ops[joined.op[row]] == turned.ops[turned.op[mirror]]
        pairs = joined.pairs[joined.pair_offsets[row] : joined.pair_offsets[row + 1]]
        assert np.array_equal(pairs, turned.pairs[turned.pair_offsets[mirror] : turned.pair_offsets[mirror + 1]])
    assert isinstance(turned.spans, pa.Array)


def test_times_out_of_range_do_not_overflow() -> None:
    made = request(span(1, 1))
    one = made.resource_spans[0].scope_spans[0].spans[0]
    one.start_time_unix_nano, one.end_time_unix_nano = 2**64 - 1, 5
    found = columns.from_requests([made.SerializeToString()])
    assert found.duration[0] == 0
    assert found.start[0] == 2**63 - 1
