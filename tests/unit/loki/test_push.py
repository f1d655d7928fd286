"""Bodies to rows: JSON, protobuf, OTLP, encodings, and what is refused."""

import gzip
import zlib
from typing import Any

import cramjam
import orjson
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from pytake.embedded.common.loki_push_pb import LossyPushRequest, PushRequest
from pytake.embedded.loki.batch import StreamRows
from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.push.decode import Kind, decode
from tests.unit.loki.conftest import body

LIMIT = 1 << 20
STREAM = ({"a": "b"}, [(1, "one"), (2, "two", {"k": "v", "b": "c"})])


def rows(kind: Kind, raw: bytes, encoding: str = "") -> list[StreamRows]:
    return decode(kind, encoding, raw, now_ns=77, limit=LIMIT)[0]


def plain(streams: list[StreamRows]) -> list[Any]:
    return [
        (
            item.labels,
            item.ts.to_pylist(),
            item.line.to_pylist(),
            item.meta.to_pylist() if item.meta is not None else None,
        )
        for item in streams
    ]


EXPECTED = [({"a": "b"}, [1, 2], ["one", "two"], [None, '{"b":"c","k":"v"}'])]


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("", bytes),
        ("gzip", gzip.compress),
        ("deflate", lambda data: zlib.compress(data)),
        ("deflate", lambda data: zlib.compressobj(wbits=-15).compress(data) + b""),
        ("zstd", lambda data: bytes(cramjam.zstd.compress(data))),
    ],
)
def test_json_in_every_encoding(encoding: str, pack: Any) -> None:
    raw = body([STREAM])
    if encoding == "deflate":
        machine = zlib.compressobj(wbits=-15)
        for packed in (zlib.compress(raw), machine.compress(raw) + machine.flush()):
            assert plain(rows(Kind.JSON, packed, encoding)) == EXPECTED
    else:
        assert plain(rows(Kind.JSON, pack(raw), encoding)) == EXPECTED


def proto_request(cls: Any = PushRequest) -> Any:
    request = cls()
    stream = request.streams.add(labels='{a="b"}' if cls is PushRequest else b'{a="b"}')
    first = stream.entries.add(line="one" if cls is PushRequest else b"one\xff")
    first.timestamp.nanos = 1
    second = stream.entries.add(line="two" if cls is PushRequest else b"two")
    second.timestamp.nanos = 2
    for name, value in (("k", "v"), ("b", "c")):
        pair = (name, value) if cls is PushRequest else (name.encode(), value.encode())
        second.structured_metadata.add(name=pair[0], value=pair[1])
    return request


def test_protobuf() -> None:
    raw = bytes(cramjam.snappy.compress_raw(proto_request().SerializeToString()))
    assert plain(rows(Kind.PROTOBUF, raw)) == EXPECTED


def test_protobuf_with_text_that_is_not_utf8_is_taken() -> None:
    raw = bytes(cramjam.snappy.compress_raw(proto_request(LossyPushRequest).SerializeToString()))
    assert plain(rows(Kind.PROTOBUF, raw))[0][2] == ["one\ufffd", "two"]


def test_json_that_is_not_utf8_is_taken() -> None:
    raw = body([({"a": "b"}, [(1, "x?y")])]).replace(b"?", b"\xff")
    assert plain(rows(Kind.JSON, raw))[0][2] == ["x\ufffdy"]


def test_streams_without_lines_are_nothing() -> None:
    assert rows(Kind.JSON, body([({"a": "b"}, [])])) == []
    assert rows(Kind.JSON, b'{"streams": []}') == []


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]",
        b'{"streams": 1}',
        b'{"streams": [1]}',
        b'{"streams": [{"stream": {"a": 1}, "values": []}]}',
        b'{"streams": [{"stream": {"a": "b"}, "values": 1}]}',
        b'{"streams": [{"stream": {"a": "b"}, "values": [[1, "x"]]}]}',
        b'{"streams": [{"stream": {"a": "b"}, "values": [["x", "x"]]}]}',
        b'{"streams": [{"stream": {"a": "b"}, "values": [["1"]]}]}',
        b'{"streams": [{"stream": {"a": "b"}, "values": ["ab"]}]}',
        b'{"streams": [{"stream": {"a": "b"}, "values": [["1", null]]}]}',
        b'{"streams": [{"stream": {"a": "b"}, "values": [["1", 5]]}]}',
        b'{"streams": [{"stream": {"a": "b"}, "values": [["1", "x", {"k": 1}]]}]}',
        b'{"streams": [{"stream": {"a": "b"}, "values": [["1", "x", "y"]]}]}',
    ],
)
def test_json_that_is_not_a_push(raw: bytes) -> None:
    with pytest.raises(RequestError) as found:
        rows(Kind.JSON, raw)
    assert found.value.status == 400
    assert "loghttp.PushRequest" in found.value.text


@pytest.mark.parametrize(
    ("kind", "encoding", "raw", "status"),
    [
        (Kind.JSON, "br", b"x", 415),
        (Kind.JSON, "gzip", b"x", 400),
        (Kind.JSON, "gzip", gzip.compress(b"{}" * 1000)[:-20], 400),
        (Kind.JSON, "gzip", gzip.compress(b" " * (LIMIT + 1)), 413),
        (Kind.JSON, "", b" " * (LIMIT + 1), 413),
        (Kind.PROTOBUF, "", b"not snappy", 400),
        (Kind.PROTOBUF, "", bytes(cramjam.snappy.compress_raw(b"\xff\xff\xff")), 400),
        (Kind.OTLP_PROTOBUF, "", b"\xff\xff", 400),
        (Kind.OTLP_JSON, "", b"{", 400),
    ],
    ids=range(9),
)
def test_bodies_that_cannot_be_read(kind: Kind, encoding: str, raw: bytes, status: int) -> None:
    with pytest.raises(RequestError) as found:
        rows(kind, raw, encoding)
    assert found.value.status == status


def otlp() -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    resource.resource.attributes.add(key="host.name").value.string_value = "h1"
    scope = resource.scope_logs.add()
    scope.scope.name, scope.scope.version = "lib", "1"
    record = scope.log_records.add(time_unix_nano=5, severity_text="WARN", severity_number=13, trace_id=b"\xab" * 16)
    record.body.string_value = "hello"
    record.attributes.add(key="http.status").value.int_value = 500
    nested = scope.log_records.add()
    nested.body.kvlist_value.values.add(key="x").value.bool_value = True
    return request


OTLP_META = {
    "host_name": "h1", "scope_name": "lib", "scope_version": "1", "severity_text": "WARN", "severity_number": "13",
    "trace_id": "ab" * 16, "http_status": "500",
}  # fmt: skip


def check_otlp(found: list[StreamRows]) -> None:
    labels, stamps, lines, meta = plain(found)[0]
    assert labels == {"service_name": "shop"}
    assert stamps == [5, 77]
    assert lines == ["hello", '{"x":true}']
    assert orjson.loads(meta[0]) == OTLP_META


def test_otlp_protobuf() -> None:
    check_otlp(rows(Kind.OTLP_PROTOBUF, otlp().SerializeToString()))


def test_otlp_json() -> None:
    record = {
        "timeUnixNano": "5", "severityText": "WARN", "severityNumber": 13, "traceId": "ab" * 16,
        "body": {"stringValue": "hello"}, "attributes": [{"key": "http.status", "value": {"intValue": "500"}}],
    }  # fmt: skip
    nested = {"body": {"kvlistValue": {"values": [{"key": "x", "value": {"boolValue": True}}]}}}
    attributes = [
        {"key": "service.name", "value": {"stringValue": "shop"}},
        {"key": "host.name", "value": {"stringValue": "h1"}},
    ]
    scope = {"scope": {"name": "lib", "version": "1"}, "logRecords": [record, nested]}
    raw = orjson.dumps({"resourceLogs": [{"resource": {"attributes": attributes}, "scopeLogs": [scope]}]})
    check_otlp(rows(Kind.OTLP_JSON, raw))
