"""OTLP over HTTP and gRPC, Thrift, Zipkin: acknowledged means found; what is wrong gets its code."""

import gzip
import random
import secrets
import struct
import time
import zlib

import grpc
import orjson
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.conformance.jaeger.server import PROTOBUF, Target, call
from tests.conformance.jaeger.spans import request
from tests.support.waiting import wait_until

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def _export(jaeger: Target, body: bytes) -> bytes:
    with grpc.insecure_channel(jaeger.grpc, options=[("grpc.max_send_message_length", -1)]) as channel:
        return channel.unary_unary(EXPORT)(body, timeout=30, wait_for_ready=True)


def test_otlp_http_protobuf(jaeger: Target, service: str) -> None:
    trace_id, made = request(service, {})
    answer = jaeger.send(made.SerializeToString())
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"", PROTOBUF)
    assert len(jaeger.trace(trace_id)["spans"]) == 1


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_otlp_http_compressed(jaeger: Target, service: str, encoding: str, pack) -> None:
    trace_id, made = request(service, {})
    assert jaeger.send(pack(made.SerializeToString()), content_encoding=encoding).status == 200
    assert jaeger.trace(trace_id)


def test_otlp_http_json(jaeger: Target, service: str) -> None:
    trace_id = secrets.token_hex(16)
    now = time.time_ns()
    span = {
        "traceId": trace_id, "spanId": secrets.token_hex(8), "name": "GET /", "kind": 2, "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 5_000_000), "attributes": [{"key": "n", "value": {"intValue": "5"}}], "new": 1,
    }  # fmt: skip
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    answer = jaeger.send(orjson.dumps(body), "application/json")
    assert answer.status == 200
    assert answer.json.get("partialSuccess", {}) == {}
    found = jaeger.trace(trace_id)["spans"][0]
    assert found["duration"] == 5000
    assert {"key": "n", "type": "int64", "value": 5} in found["tags"]


def test_otlp_grpc(jaeger: Target, service: str) -> None:
    trace_id, made = request(service, {})
    assert _export(jaeger, made.SerializeToString()) == b""
    assert jaeger.trace(trace_id)


def test_an_empty_request_is_fine(jaeger: Target) -> None:
    assert jaeger.send(b"").status == 200
    assert _export(jaeger, b"") == b""


@pytest.mark.parametrize("junk", [b"\xff\xff", b"\x0a\x05hello", b"\x0a\xff\xff\xff\xff\x7f", b"<html>"])
def test_malformed_protobuf(jaeger: Target, junk: bytes) -> None:
    assert jaeger.send(junk).status == 400
    with pytest.raises(grpc.RpcError) as failed:
        _export(jaeger, junk)
    assert failed.value.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL)


def test_malformed_json(jaeger: Target) -> None:
    answer = jaeger.send(b"{", "application/json")
    assert answer.status == 400
    assert answer.json["message"]


def test_ids_of_a_wrong_length(jaeger: Target, service: str) -> None:
    _, made = request(service, {})
    made.resource_spans[0].scope_spans[0].spans[0].trace_id = b"abc"
    assert jaeger.send(made.SerializeToString()).status == 400


def test_ids_of_zeros_are_a_partial_success(ours: Target, service: str) -> None:
    trace_id, made = request(service, {}, {})
    made.resource_spans[1].scope_spans[0].spans[0].span_id = bytes(8)
    answer = ours.send(made.SerializeToString())
    assert answer.status == 200
    told = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert told.rejected_spans == 1
    assert "zeros" in told.error_message
    assert ExportTraceServiceResponse.FromString(_export(ours, made.SerializeToString())).partial_success == told
    assert len(ours.trace(trace_id)["spans"]) == 1
    as_json = orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "", "spanId": ""}]}]}]})
    assert ours.send(as_json, "application/json").json["partialSuccess"]["rejectedSpans"] == "1"


def test_methods_types_and_paths(jaeger: Target) -> None:
    assert call(f"{jaeger.otlp}/v1/traces").status == 405
    assert jaeger.send(b"", "text/plain").status == 415
    assert jaeger.send(b"", content_encoding="br").status in (400, 415)
    assert call(f"{jaeger.otlp}/v1/other", b"", {"content-type": PROTOBUF}).status == 404


def test_too_large(ours: Target) -> None:
    assert ours.send(b"\0" * (21 * 2**20)).status == 413
    with pytest.raises(grpc.RpcError) as failed:
        _export(ours, b"\0" * (17 * 2**20))
    assert failed.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_gzip_bomb_is_stopped(ours: Target) -> None:
    assert ours.send(gzip.compress(b"\0" * (60 * 2**20)), content_encoding="gzip").status == 413
    assert ours.send(b"not gzip", content_encoding="gzip").status == 400
    assert ours.send(gzip.compress(b"abc")[:-4], content_encoding="gzip").status == 400


def test_errors_in_the_requests_own_form(ours: Target) -> None:
    answer = ours.send(b"\xff\xff")
    assert answer.headers["content-type"] == PROTOBUF
    from google.rpc.status_pb2 import Status

    assert Status.FromString(answer.body).code == 3


def test_damaged_requests_get_a_code_and_the_server_goes_on(jaeger: Target, service: str) -> None:
    chance = random.Random(5)
    trace_id, made = request(service, *({"tags": {"a": "b", "n": number}} for number in range(5)))
    good = made.SerializeToString()
    for _ in range(150):
        body = bytearray(good[: chance.randrange(len(good) + 1)])
        for _ in range(chance.randrange(4)):
            if body:
                body[chance.randrange(len(body))] = chance.randrange(256)
        assert jaeger.send(bytes(body)).status in (200, 400)
    assert jaeger.send(good).status == 200
    assert len(jaeger.trace(trace_id)["spans"]) >= 5


def _thrift(service: str, trace_id: str) -> bytes:
    def string(number: int, value: bytes) -> bytes:
        return struct.pack(">bhi", 11, number, len(value)) + value

    tag = string(1, b"http.method") + struct.pack(">bhi", 8, 2, 0) + string(3, b"GET") + b"\0"
    high, low = (int(trace_id[:16], 16), int(trace_id[16:], 16))
    fields = [struct.pack(">bhQ", 10, at, value) for at, value in ((1, low), (2, high), (3, 77), (4, 0))]
    fields += [string(5, b"op"), struct.pack(">bhi", 8, 7, 1), struct.pack(">bhq", 10, 8, time.time_ns() // 1000)]
    fields += [struct.pack(">bhq", 10, 9, 1500), struct.pack(">bhbi", 15, 10, 12, 1) + tag]
    process = string(1, service.encode()) + b"\0"
    spans = struct.pack(">bhbi", 15, 2, 12, 1) + b"".join(fields) + b"\0"
    return struct.pack(">bh", 12, 1) + process + spans + b"\0"


@pytest.mark.parametrize("path", ["/api/traces", "/api/traces?format=jaeger.thrift"])
def test_thrift(jaeger: Target, service: str, path: str) -> None:
    trace_id = secrets.token_hex(16)
    kind = {"content-type": "application/x-thrift"}
    assert call(f"{jaeger.thrift}{path}", _thrift(service, trace_id), kind).status == 202
    found = jaeger.trace(trace_id)["spans"][0]
    assert (found["spanID"], found["duration"], found["operationName"]) == ("000000000000004d", 1500, "op")
    assert {"key": "http.method", "type": "string", "value": "GET"} in found["tags"]


def test_thrift_junk(jaeger: Target) -> None:
    kind = {"content-type": "application/x-thrift"}
    assert call(f"{jaeger.thrift}/api/traces", b"\xff" * 40, kind).status == 400
    assert call(f"{jaeger.thrift}/api/traces", b"{}", {"content-type": "application/json"}).status in (400, 415)
    assert call(f"{jaeger.thrift}/api/traces").status == 405


def test_zipkin(ours: Target, service: str) -> None:
    trace_id = secrets.token_hex(8)
    span = {"traceId": trace_id, "id": trace_id, "name": "get", "kind": "SERVER", "timestamp": time.time_ns() // 1000,
            "duration": 9, "localEndpoint": {"serviceName": service}}  # fmt: skip
    kind = {"content-type": "application/json"}
    assert call(f"{ours.zipkin}/api/v2/spans", orjson.dumps([span]), kind).status == 202
    assert ours.trace(trace_id)["processes"]["p1"]["serviceName"] == service
    assert call(f"{ours.zipkin}/api/v2/spans", b"{}", kind).status == 400


def test_sampling_strategies(jaeger: Target) -> None:
    answer = call(f"{jaeger.sampling}/sampling?service=pytake-api").json
    assert answer["strategyType"] in ("PROBABILISTIC", 0)
    assert answer["probabilisticSampling"]["samplingRate"] == 1
    assert call(f"{jaeger.sampling}/sampling").status == 400


def test_span_metrics_with_exemplars(ours: Target, service: str) -> None:
    trace_id, made = request(service, {"ms": 7}, {"error": True})
    ours.send(made.SerializeToString())
    ours.trace(trace_id)

    def page() -> str:
        accept = {"accept": "application/openmetrics-text; version=1.0.0"}
        text = call(f"{ours.extra['spans']}/metrics", headers=accept).body.decode()
        return text if service in text else ""

    lines = [line for line in wait_until(page, what="span metrics").splitlines() if service in line]
    assert any(
        "calls_total" in line and 'status_code="STATUS_CODE_ERROR"' in line and line.endswith(" 1") for line in lines
    )
    assert any("duration_milliseconds_bucket" in line and f'trace_id="{trace_id}"' in line for line in lines)


def test_accepted_and_refused_are_counted(ours: Target, service: str) -> None:
    def count(name: str) -> float:
        lines = call(f"{ours.extra['metrics']}/metrics").body.decode().splitlines()
        wanted = f'{name}{{receiver="otlp",transport="http"}}'
        return sum(float(line.split()[-1]) for line in lines if line.startswith(wanted))

    before = count("otelcol_receiver_accepted_spans_total"), count("otelcol_receiver_refused_spans_total")
    _, made = request(service, {}, {}, {})
    made.resource_spans[0].scope_spans[0].spans[0].span_id = b""
    ours.send(made.SerializeToString())
    after = count("otelcol_receiver_accepted_spans_total"), count("otelcol_receiver_refused_spans_total")
    assert (after[0] - before[0], after[1] - before[1]) == (2, 1)


def test_a_json_response_is_protobufs(ours: Target) -> None:
    answer = ours.send(b"{}", "application/json")
    assert json_format.Parse(answer.body, ExportTraceServiceResponse()) == ExportTraceServiceResponse()
