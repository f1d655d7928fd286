"""The query API: shapes, searches, errors."""

import json
import time

import orjson
import pytest

from tests.conformance.jaeger.server import Target, call, path_part, unique_service
from tests.conformance.jaeger.spans import request
from tests.support.waiting import wait_until

ENVELOPE = {"data", "total", "limit", "offset", "errors"}
SPAN = {
    "traceID",
    "spanID",
    "operationName",
    "references",
    "startTime",
    "duration",
    "tags",
    "logs",
    "processID",
    "warnings",
}


@pytest.fixture(scope="module")
def filled(jaeger: Target) -> tuple[Target, str, list[str]]:
    """Three traces of one service that calls another, the newest last."""
    service, ids = unique_service(), []
    for number in range(3):
        trace_id, made = request(
            service,
            {"name": "GET /orders", "ms": 100 * (number + 1), "tags": {"http.status_code": 200 + number, "flag": True}},
            {"name": "SELECT", "service": f"{service}-db", "parent": 0, "kind": 3, "ms": 5, "error": number == 1,
             "tags": {"db.statement": f"select {number}"}},
        )  # fmt: skip
        assert jaeger.send(made.SerializeToString()).status == 200
        ids.append(trace_id)
        time.sleep(0.002)
    jaeger.search(service, 3)
    return jaeger, service, ids


def _ids(traces: list[dict]) -> set[str]:
    return {trace["traceID"] for trace in traces}


def test_services(filled) -> None:
    jaeger, service, _ = filled
    answer = jaeger.get("/api/services").json
    assert set(answer) == ENVELOPE
    assert {service, f"{service}-db"} <= set(answer["data"])
    assert answer["total"] == len(answer["data"])


def test_operations(filled) -> None:
    jaeger, service, _ = filled
    assert jaeger.get(f"/api/services/{path_part(service)}/operations").json["data"] == ["GET /orders"]
    assert jaeger.get("/api/operations", service=service).json["data"] == [
        {"name": "GET /orders", "spanKind": "server"}
    ]
    assert jaeger.get("/api/operations", service=service, spanKind="client").json["data"] in ([], None)
    assert jaeger.get("/api/operations").status == 400


def test_a_trace_has_jaegers_shape(filled) -> None:
    jaeger, service, ids = filled
    answer = jaeger.get(f"/api/traces/{ids[0]}").json
    assert set(answer) == ENVELOPE
    trace = answer["data"][0]
    assert set(trace) >= {"traceID", "spans", "processes", "warnings"}
    assert trace["traceID"] == ids[0]
    for span in trace["spans"]:
        assert set(span) >= SPAN
        assert span["processID"] in trace["processes"]
    root, child = sorted(trace["spans"], key=lambda span: len(span["references"]))
    assert root["references"] == []
    assert child["references"] == [{"refType": "CHILD_OF", "traceID": ids[0], "spanID": root["spanID"]}]
    assert {"key": "http.status_code", "type": "int64", "value": 200} in root["tags"]
    assert {"key": "flag", "type": "bool", "value": True} in root["tags"]
    assert {"key": "span.kind", "type": "string", "value": "server"} in root["tags"]
    assert trace["processes"][root["processID"]]["serviceName"] == service


def test_leading_zeros_and_capitals(jaeger: Target, service: str) -> None:
    trace_id, made = request(service, {}, trace_id=bytes(8) + b"\x00" + b"\xab\xcd\xef" * 2 + b"\x09")
    jaeger.send(made.SerializeToString())
    for spelling in (trace_id, trace_id.lstrip("0"), trace_id.upper(), trace_id[16:]):
        assert jaeger.trace(spelling)["traceID"] in (trace_id, trace_id[16:])


@pytest.mark.parametrize(("trace_id", "status"), [("1234567890", 404), ("xyz", 400), ("1" * 33, 400)])
def test_traces_that_are_not_there(jaeger: Target, trace_id: str, status: int) -> None:
    answer = jaeger.get(f"/api/traces/{trace_id}")
    assert answer.status == status
    assert answer.json["errors"][0]["code"] == status


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {0, 1, 2}), ({"operation": "GET /orders"}, {0, 1, 2}), ({"operation": "none"}, set()),
        ({"tags": json.dumps({"http.status_code": "201"})}, {1}), ({"tag": "http.status_code:202"}, {2}),
        ({"tags": json.dumps({"http.status_code": "201", "flag": "true"})}, {1}), ({"minDuration": "150ms"}, {1, 2}),
        ({"maxDuration": "150ms"}, {0}), ({"minDuration": "0.15s", "maxDuration": "250ms"}, {1}),
        ({"tags": json.dumps({"span.kind": "server"})}, {0, 1, 2}), ({"tags": json.dumps({"error": "true"})}, set()),
    ],
)  # fmt: skip
def test_search(filled, values: dict, expected: set[int]) -> None:
    jaeger, service, ids = filled
    assert _ids(jaeger.search(service, len(expected), **values)) == {ids[number] for number in expected}


def test_search_errors_of_the_other_service(filled) -> None:
    jaeger, service, ids = filled
    assert _ids(jaeger.search(f"{service}-db", tags=json.dumps({"error": "true"}))) == {ids[1]}


def test_our_short_forms(filled, ours: Target) -> None:
    _, service, ids = filled
    assert _ids(ours.search(f"{service}-db", error="true", lookback="1h")) == {ids[1]}
    assert _ids(ours.search(service, tags="http.status_code=201 flag=true")) == {ids[1]}
    assert [trace["traceID"] for trace in ours.search(service, limit=2)] == [ids[2], ids[1]]


def test_limit_and_times(filled) -> None:
    jaeger, service, ids = filled
    assert len(jaeger.search(service, limit=2)) == 2
    now = int(time.time() * 1e6)
    assert jaeger.get("/api/traces", service=service, start=now + 10**9, end=now + 2 * 10**9).json["data"] in ([], None)
    assert _ids(jaeger.search(service, 3, start=now - 10**9, end=now + 10**9)) == set(ids)


def test_several_by_id(filled) -> None:
    jaeger, _, ids = filled
    answer = jaeger.get("/api/traces", traceID=[ids[0], ids[2]]).json
    assert _ids(answer["data"]) == {ids[0], ids[2]}


@pytest.mark.parametrize(
    "values",
    [{}, {"service": "a", "limit": "0"}, {"service": "a", "limit": "x"}, {"service": "a", "start": "x"},
     {"service": "a", "minDuration": "2s", "maxDuration": "1s"}, {"service": "a", "minDuration": "1"},
     {"service": "a", "tag": "x"}, {"service": "a", "tags": "{"}, {"service": "a", "start": "2", "end": "1"},
     {"traceID": "xyz"}],
)  # fmt: skip
def test_wrong_parameters(jaeger: Target, values: dict) -> None:
    answer = jaeger.get("/api/traces", **values)
    assert answer.status == 400
    assert answer.json["errors"][0]["msg"]


def test_dependencies(filled) -> None:
    jaeger, service, _ = filled
    if not jaeger.ours:
        pytest.skip("some storages need a job for it")
    expected = {"parent": service, "child": f"{service}-db", "callCount": 3}
    values = {"endTs": int(time.time() * 1000), "lookback": 3_600_000}
    assert expected in jaeger.get("/api/dependencies", **values).json["data"]
    assert expected | {"errorCount": 1} in jaeger.get("/api/dependencies", **values, errors="true").json["data"]
    assert jaeger.get("/api/dependencies", **values, service=service).json["data"] == [expected]
    assert jaeger.get("/api/dependencies", endTs="x").status == 400


def test_v3(filled) -> None:
    jaeger, service, ids = filled
    assert service in jaeger.get("/api/v3/services").json["services"]
    assert jaeger.get("/api/v3/operations", service=service).json == {
        "operations": [{"name": "GET /orders", "spanKind": "server"}]
    }
    trace = jaeger.get(f"/api/v3/traces/{ids[0]}").json["result"]
    spans = [span for resource in trace["resourceSpans"] for scope in resource["scopeSpans"] for span in scope["spans"]]
    assert {span["traceId"] for span in spans} == {ids[0]}
    assert {span["name"] for span in spans} == {"GET /orders", "SELECT"}
    values = {
        "query.service_name": service, "query.start_time_min": "2020-01-01T00:00:00Z",
        "query.start_time_max": "2100-01-01T00:00:00Z", "query.duration_min": "150ms",
    }  # fmt: skip
    found = jaeger.get("/api/v3/traces", **values).json["result"]
    spans = [span for resource in found["resourceSpans"] for scope in resource["scopeSpans"] for span in scope["spans"]]
    assert {span["traceId"] for span in spans} == {ids[1], ids[2]}
    assert jaeger.get(f"/api/v3/traces/{'9' * 32}").status == 404
    assert jaeger.get("/api/v3/traces", **{"query.service_name": service}).status == 400


def test_v3_of_ours(filled, ours: Target) -> None:
    _, service, ids = filled
    query = {"query": {"serviceName": service, "startTimeMin": "2020-01-01T00:00:00Z", "searchDepth": 1,
                       "startTimeMax": "2100-01-01T00:00:00Z", "attributes": {"http.status_code": "201"}}}  # fmt: skip
    answer = call(f"{ours.query}/api/v3/traces", orjson.dumps(query), {"content-type": "application/json"})
    assert ids[1] in answer.body.decode()
    answer = ours.get("/api/v3/dependencies", start_time="2020-01-01T00:00:00Z", end_time="2100-01-01T00:00:00Z")
    assert {"parent": service, "child": f"{service}-db", "callCount": "3"} in answer.json["dependencies"]


def test_metrics(filled, ours: Target) -> None:
    _, service, _ = filled
    for kind in ("calls", "errors", "latencies"):
        answer = ours.get(f"/api/metrics/{kind}", service=service, quantile=0.95, step=60_000, ratePer=600_000)
        family = answer.json
        assert answer.status == 200
        assert family["type"] == "GAUGE"
        assert family["metrics"][0]["labels"] == [{"name": "service_name", "value": service}]
    point = family["metrics"][0]["metricPoints"][-1]["gaugeValue"]["doubleValue"]
    assert point == pytest.approx(300, rel=0.1)
    assert ours.get("/api/metrics/minstep").json["data"] == 1
    assert ours.get("/api/metrics/calls").status == 400
    assert ours.get("/api/metrics/latencies", service=service).status == 400
    assert ours.get("/api/metrics/other", service=service).status == 404


def test_pretty_print(filled) -> None:
    jaeger, _, ids = filled
    assert b"\n    " in jaeger.get(f"/api/traces/{ids[0]}", prettyPrint="true").body


def test_archive_transform_import(filled, ours: Target, service: str) -> None:
    _, _, ids = filled
    kind = {"content-type": "application/json"}
    assert call(f"{ours.query}/api/archive/{ids[0]}", b"", method="POST").status == 200
    assert call(f"{ours.query}/api/archive/{'9' * 32}", b"", method="POST").status == 404
    exported = ours.get(f"/api/traces/{ids[0]}").json
    text = json.dumps(exported).replace(ids[0], "0" * 16 + "fee1" * 4)
    answer = call(f"{ours.query}/api/import", text.encode(), kind)
    assert answer.json["data"] == {"spans": 2, "rejected": 0}
    assert len(ours.trace("fee1" * 4)["spans"]) == 2
    otlp = ours.get(f"/api/v3/traces/{ids[0]}").json["result"]
    transformed = call(f"{ours.query}/api/transform", orjson.dumps(otlp), kind).json["data"]
    assert [trace["traceID"] for trace in transformed] == [ids[0]]
    for path in ("import", "transform"):
        assert call(f"{ours.query}/api/{path}", b"{", kind).status == 400


def test_pages_health_and_metrics(ours: Target) -> None:
    for path in ("/", "/search", "/trace/abc", "/dependencies", "/compare"):
        answer = ours.get(path)
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/html")
    assert ours.get("/status").json == {"status": "StatusOK"}
    assert call(f"{ours.extra['health']}/status").status == 200
    assert ours.get("/api/nothing").status == 404
    assert ours.get("/static/assets/missing.js").status == 404
    assert set(ours.get("/ui-config.json").json) == {"grafanaUrl", "lokiUid"}
    assert ours.get("/../../etc/passwd").status in (200, 404)
    assert b"root:" not in ours.get("/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd").body
    page = wait_until(lambda: ours.get("/metrics").body.decode(), what="metrics")
    for name in ("otelcol_receiver_accepted_spans_total", "jaeger_storage_requests_total", "pytake_jaeger_hot_spans",
                 "http_server_request_duration_seconds_bucket"):  # fmt: skip
        assert name in page


def test_clock_skew(ours: Target, service: str) -> None:
    trace_id, made = request(service, {"host": "a", "ms": 100}, {"host": "b", "parent": 0, "at_ms": -500, "ms": 10})
    ours.send(made.SerializeToString())
    child = next(span for span in ours.trace(trace_id)["spans"] if span["references"])
    assert "adjusted" in child["warnings"][0]
    raw = next(span for span in ours.trace(trace_id, raw="true")["spans"] if span["references"])
    assert raw["warnings"] is None
    assert child["startTime"] > raw["startTime"]
