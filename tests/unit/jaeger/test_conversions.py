"""Thrift, Zipkin and OTLP JSON to OTLP; what is none of them is refused without a crash."""

import contextlib
import random
import struct
from collections.abc import AsyncIterator

import orjson
import pytest
from bench import jaeger_data
from hypothesis import given
from hypothesis import strategies as st

from pytake.embedded.jaeger import columns, otlpjson, thrift, zipkin
from pytake.embedded.jaeger.proto import ExportTraceServiceRequest
from pytake.embedded.jaeger.receive import MalformedError
from pytake.embedded.jaeger.thrift_worker import ThriftConverter
from tests.unit.jaeger.build import body, ident, request, span

BATCH = jaeger_data.thrift_requests(1)[0]


def test_a_thrift_batch() -> None:
    converted = thrift.convert(BATCH)
    decoded = columns.decode(converted)
    assert decoded[1:] == (500, 0)
    first = ExportTraceServiceRequest.FromString(converted).resource_spans[0].scope_spans[0].spans[0]
    assert first.kind == 2
    assert {item.key for item in first.attributes} >= {"http.route", "http.response.status_code", "message.id"}
    assert first.end_time_unix_nano > first.start_time_unix_nano


def _made(kind: str, **fields: object):
    made = getattr(thrift._IDL, kind)()
    vars(made).update(fields)
    return made


def _tag(key: str, value: object):
    kinds = {str: (0, "vStr"), float: (1, "vDouble"), bool: (2, "vBool"), int: (3, "vLong")}
    number, field = kinds[type(value)]
    held = value.encode() if isinstance(value, str) else value
    return _made("Tag", key=key.encode(), vType=number, **{field: held})


def _batch(**more: object):
    fields = {"traceIdLow": 1, "traceIdHigh": 0, "spanId": 2, "parentSpanId": 3, "operationName": b"GET", "flags": 1,
              "startTime": 1000, "duration": 5, "tags": [], "logs": [], "references": []} | more  # fmt: skip
    process = _made("Process", serviceName=b"api", tags=[_tag("host", "a")])
    return _made("Batch", process=process, spans=[_made("Span", **fields)])


def _one(batch: object):
    return ExportTraceServiceRequest.FromString(thrift.to_otlp(batch)).resource_spans[0].scope_spans[0].spans[0]


def test_thrift_tags_that_are_fields_in_otlp() -> None:
    tags = [_tag("span.kind", "client"), _tag("error", True), _tag("otel.status_description", "boom"), _tag("n", 5),
            _tag("x", 1.5), _tag("w3c.tracestate", "a=b")]  # fmt: skip
    found = _one(_batch(tags=tags))
    assert (found.kind, found.status.code, found.status.message, found.trace_state) == (3, 2, "boom", "a=b")
    assert {item.key for item in found.attributes} == {"n", "x"}


def test_thrift_texts_that_are_long_or_not_ascii() -> None:
    texts = {"short": "a", "long": "b" * 127, "longer": "c" * 20_000, "größe": "drei", "empty": "", "e": "größe"}
    found = _one(_batch(tags=[_tag(key, value) for key, value in texts.items()]))
    assert {item.key: item.value.string_value for item in found.attributes} == texts


def test_thrift_references() -> None:
    references = [_made("SpanRef", refType=0, traceIdLow=1, traceIdHigh=0, spanId=7),
                  _made("SpanRef", refType=1, traceIdLow=9, traceIdHigh=0, spanId=8)]  # fmt: skip
    found = _one(_batch(parentSpanId=0, references=references))
    assert found.parent_span_id == ident(7, 8)
    assert (found.links[0].trace_id, found.links[0].span_id) == (ident(9), ident(8, 8))


def test_thrift_logs() -> None:
    log = _made("Log", timestamp=1001, fields=[_tag("event", "retry"), _tag("n", 1)])
    found = _one(_batch(logs=[log]))
    assert (found.events[0].name, found.events[0].time_unix_nano) == ("retry", 1_001_000)


@pytest.mark.parametrize("cut", [0, 1, 50, 1000, len(BATCH) // 2, len(BATCH) - 1])
def test_a_truncated_batch_is_refused(cut: int) -> None:
    with pytest.raises(thrift.ThriftError):
        thrift.convert(BATCH[:cut])


def test_a_batch_that_claims_to_be_huge_is_refused() -> None:
    with pytest.raises(thrift.ThriftError):
        thrift.convert(b"\x0f\x00\x02\x0c\x7f\xff\xff\xff" + b"\0" * 10)
    with pytest.raises(thrift.ThriftError):
        thrift.convert(b"\x0c\x00\x01\x0b\x00\x01\x7f\xff\xff\xffa")


@pytest.fixture
async def converter() -> AsyncIterator[ThriftConverter]:
    """A converter whose processes are ended soon."""
    made = ThriftConverter(seconds=1.0)
    yield made
    await made.close()


def _damaged(count: int) -> list[bytes]:
    """Parts of a batch with some bytes changed."""
    chance, out = random.Random(3), []
    for _ in range(count):
        whole = bytearray(BATCH[: chance.choice((60, 400, 3000, len(BATCH)))])
        for _ in range(chance.randrange(1, 6)):
            whole[chance.randrange(min(200, len(whole)))] = chance.randrange(256)
        out.append(bytes(whole))
    return out


async def test_any_bytes_are_a_batch_or_an_error(converter: ThriftConverter) -> None:
    for junk in [b"", b"\x00", b"\xff" * 50, *_damaged(60)]:
        with contextlib.suppress(MalformedError):
            await converter.convert(junk)
    assert columns.decode(await converter.convert(BATCH)).spans == 500


async def test_two_billion_elements_of_no_size_cost_little(converter: ThriftConverter) -> None:
    bomb = struct.pack(">bhbi", 15, 99, 1, 2**31 - 1) + b"\0"
    with pytest.raises(MalformedError, match="could not be decoded in 1 s"):
        await converter.convert(bomb)
    assert columns.decode(await converter.convert(BATCH)).spans == 500


ZIPKIN = {
    "traceId": "5af7183fb1d4cf5f", "id": "352bff9a74ca9ad2", "parentId": "6b221d5bc9e6496c", "name": "get /",
    "kind": "SERVER", "timestamp": 1_556_604_172_355_737, "duration": 1431,
    "localEndpoint": {"serviceName": "backend", "ipv4": "192.168.99.1"},
    "remoteEndpoint": {"ipv4": "172.19.0.2", "port": 58648, "serviceName": "front"},
    "annotations": [{"timestamp": 1_556_604_172_355_800, "value": "ws"}],
    "tags": {"http.method": "GET", "error": "500"},
}  # fmt: skip


def test_a_zipkin_span() -> None:
    made = ExportTraceServiceRequest.FromString(zipkin.to_otlp(orjson.dumps([ZIPKIN])))
    assert made.resource_spans[0].resource.attributes[0].value.string_value == "backend"
    found = made.resource_spans[0].scope_spans[0].spans[0]
    assert found.trace_id.hex() == "00000000000000005af7183fb1d4cf5f"
    assert (found.kind, found.status.code, found.events[0].name) == (2, 2, "ws")
    assert found.end_time_unix_nano - found.start_time_unix_nano == 1_431_000


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ZIPKIN, "x"]), inner, max_size=6),
    max_leaves=12,
)


@given(_json)
def test_any_json_is_zipkin_or_an_error(document: object) -> None:
    try:
        text = orjson.dumps(document)
    except TypeError:
        return
    with contextlib.suppress(zipkin.ZipkinError):
        zipkin.to_otlp(text)


def test_otlp_json_has_hexadecimal_ids() -> None:
    made = request(span(1, 2, parent=3, a="b", n=5))
    tree = otlpjson.dump(made)
    assert tree["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] == ident(1).hex()
    tree["unknown"] = {"field": 1}
    assert otlpjson.parse(orjson.dumps(tree)) == made


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"5", b"{", b'{"resourceSpans": 5}',
     b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}',
     b'{"a":' * 300 + b"1" + b"}" * 300],
)  # fmt: skip
def test_what_is_not_otlp_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"OTLP|object|nested|hexadecimal"):
        otlpjson.parse(text)


def test_a_request_of_our_own_is_readable_by_the_checks() -> None:
    assert columns.decode(body(span(1, 1))).spans == 1
