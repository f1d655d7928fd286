"""The HTTP API: shapes of answers, parameters, errors with their codes and words."""

import gzip
import io
import json
import re
import time
import uuid
import zlib
from typing import Any

import cramjam
import httpx
import pyarrow.parquet as pq
import pytest
import yaml
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pytake.embedded.common.loki_push_pb import PushRequest
from tests.conformance.loki.conftest import Api
from tests.conformance.loki.data import SECOND, Data
from tests.support.waiting import wait_until


def lines(api: Api, job: str) -> list[str]:
    now = time.time_ns()
    found = api.range(f'{{job="{job}"}}', now - 3600 * SECOND, now + 60 * SECOND)["result"]
    return sorted(value[1] for stream in found for value in stream["values"])


@pytest.fixture
def job() -> str:
    """A job of the test's own."""
    return f"conf-{uuid.uuid4().hex[:8]}"


# --- push
@pytest.mark.parametrize("encoding", ["", "gzip", "deflate"])
def test_push_json(api: Api, job: str, encoding: str) -> None:
    body = f'{{"streams":[{{"stream":{{"job":"{job}"}},"values":[["{time.time_ns()}","hello"]]}}]}}'.encode()
    deflate = zlib.compressobj(wbits=-15)
    packed = {"": body, "gzip": gzip.compress(body), "deflate": deflate.compress(body) + deflate.flush()}[encoding]
    headers = {"content-type": "application/json", **({"content-encoding": encoding} if encoding else {})}
    assert api.client.post(f"{api.base}/loki/api/v1/push", content=packed, headers=headers).status_code == 204
    wait_until(lambda: lines(api, job) == ["hello"], 10, "the line")


def test_push_protobuf_with_metadata(api: Api, job: str) -> None:
    request = PushRequest()
    stream = request.streams.add(labels=f'{{job="{job}"}}')
    entry = stream.entries.add(line="hello")
    entry.timestamp.GetCurrentTime()
    entry.structured_metadata.add(name="trace_id", value="abc")
    body = bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
    headers = {"content-type": "application/x-protobuf"}
    assert api.client.post(f"{api.base}/loki/api/v1/push", content=body, headers=headers).status_code == 204
    wait_until(lambda: lines(api, job) == ["hello"], 10, "the line")
    now = time.time_ns()
    (found,) = api.range(f'{{job="{job}"}}', now - 60 * SECOND, now + SECOND)["result"]
    assert found["stream"]["trace_id"] == "abc"


def test_push_otlp(api: Api, job: str) -> None:
    record = {
        "timeUnixNano": str(time.time_ns()),
        "severityText": "ERROR",
        "body": {"stringValue": "from otel"},
        "attributes": [{"key": "http.method", "value": {"stringValue": "GET"}}],
    }
    attributes = [
        {"key": "service.name", "value": {"stringValue": job}},
        {"key": "host.name", "value": {"stringValue": "h"}},
    ]
    body = {
        "resourceLogs": [{"resource": {"attributes": attributes}, "scopeLogs": [{"scope": {}, "logRecords": [record]}]}]
    }
    assert api.client.post(f"{api.base}/otlp/v1/logs", json=body).status_code in (200, 204)
    now = time.time_ns()

    def found() -> Any:
        return api.range(f'{{service_name="{job}"}}', now - 60 * SECOND, now + 60 * SECOND)["result"]

    (stream,) = wait_until(found, 10, "the record")
    assert stream["values"][0][1] == "from otel"
    assert {
        key: stream["stream"].get(key) for key in ("http_method", "host_name", "severity_text", "detected_level")
    } == {
        "http_method": "GET",
        "host_name": "h",
        "severity_text": "ERROR",
        "detected_level": "error",
    }


def test_out_of_order_lines_are_taken(api: Api, job: str) -> None:
    now = time.time_ns()
    for offset in (0, -600, -300, -1):
        assert api.push([({"job": job}, [[now + offset * SECOND, f"at {offset}"]])]).status_code == 204
    wait_until(lambda: len(lines(api, job)) == 4, 10, "all lines")


REFUSED: list[tuple[dict[str, str], Any, int, str]] = [
    ({"job": "x"}, -8 * 86400, 400, "has timestamp too old"),
    ({"job": "x"}, 3600, 400, "has timestamp too new"),
    ({}, 0, 400, "at least one label pair is required per stream"),
    ({f"l{at}": "v" for at in range(20)}, 0, 400, "label names; limit 15"),
    ({"n" * 1025: "v"}, 0, 400, "label name too long"),
    ({"job": "v" * 2049}, 0, 400, "label value too long"),
]


@pytest.mark.parametrize(("labels", "offset", "status", "words"), REFUSED)
def test_pushes_that_are_refused(api: Api, labels: dict[str, str], offset: int, status: int, words: str) -> None:
    answer = api.push([(labels, [[time.time_ns() + offset * SECOND, "x"]])])
    assert answer.status_code == status
    assert words in answer.text


@pytest.mark.parametrize("body", ["{", '{"streams": 5}', '{"streams":[{"stream":{"a":"b"},"values":[[5,"x"]]}]}'])
def test_bodies_that_are_no_push(api: Api, body: str) -> None:
    answer = api.client.post(f"{api.base}/loki/api/v1/push", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_the_good_part_of_a_push_is_kept(api: Api, job: str) -> None:
    now = time.time_ns()
    answer = api.push([({"job": job}, [[now - 8 * 86400 * SECOND, "old"], [now, "new"]])])
    assert answer.status_code == 400
    wait_until(lambda: lines(api, job) == ["new"], 10, "the good line")


# --- queries
def test_shape_of_a_log_answer(api: Api, data: Data) -> None:
    answer = api.get(
        "query_range", {"query": data.select("web"), "start": data.start, "end": data.end, "limit": 2}
    ).json()
    assert answer["status"] == "success"
    assert answer["data"]["resultType"] == "streams"
    stats = answer["data"]["stats"]
    assert {"summary", "querier", "ingester"} <= set(stats)
    assert {
        "bytesProcessedPerSecond",
        "linesProcessedPerSecond",
        "totalBytesProcessed",
        "totalLinesProcessed",
        "execTime",
    } <= set(stats["summary"])
    stream = answer["data"]["result"][0]
    assert all(isinstance(value, str) for value in stream["stream"].values())
    assert all(isinstance(part, str) for value in stream["values"] for part in value[:2])


def test_shape_of_matrix_and_vector(api: Api, data: Data) -> None:
    matrix = api.range(f"sum(count_over_time({data.select('web')}[1m]))", data.start, data.end, step="60")["result"]
    at, value = matrix[0]["values"][0]
    assert isinstance(at, int | float)
    assert isinstance(value, str)
    at, value = api.instant(f"sum(rate({data.select('web')}[10m]))", data.end)["result"][0]["value"]
    assert at == data.end // SECOND
    assert value == "0.1"


TIMES = [
    lambda ns: str(ns),
    lambda ns: str(ns // SECOND),
    lambda ns: f"{ns / SECOND:.3f}",
    lambda ns: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ns // SECOND)),
]


@pytest.mark.parametrize("form", range(len(TIMES)))
def test_forms_of_times(api: Api, data: Data, form: int) -> None:
    params = {"query": f"sum(count_over_time({data.select('web')}[10m]))", "time": TIMES[form](data.end)}
    assert api.get("query", params).json()["data"]["result"][0]["value"][1] == "60"


def test_since(api: Api, data: Data) -> None:
    params = {"query": data.select("web"), "since": "3h", "limit": 5000}
    found = api.get("query_range", params).json()["data"]["result"]
    assert sum(len(stream["values"]) for stream in found) == 60


def test_post_with_a_form(api: Api, data: Data) -> None:
    form = {"query": data.select("web"), "start": str(data.start), "end": str(data.end), "limit": "5000"}
    found = api.client.post(f"{api.base}/loki/api/v1/query_range", data=form).json()["data"]["result"]
    assert sum(len(stream["values"]) for stream in found) == 60


ERRORS: list[tuple[str, dict[str, Any], int, str]] = [
    ("query_range", {"query": ""}, 400, "parse error"),
    ("query_range", {"query": "{"}, 400, "parse error"),
    ("query_range", {"query": '{job="a"'}, 400, "parse error"),
    ("query_range", {"query": '{job="a"} | nonsense x'}, 400, "parse error"),
    ("query_range", {"query": "{}"}, 400, "queries require at least one regexp or equality matcher"),
    ("query_range", {"query": '{job=~".*"}'}, 400, "queries require at least one regexp or equality matcher"),
    ("query_range", {"query": '{job=""}'}, 400, "queries require at least one regexp or equality matcher"),
    ("query_range", {"query": '{job=~"("}'}, 400, "parse error"),
    ("query_range", {"query": '{job="a"} |~ "("'}, 400, "parse error"),
    ("query_range", {"query": 'rate({job="a"})'}, 400, "parse error"),
    ("query_range", {"query": 'sum({job="a"})'}, 400, "parse error"),
    ("query_range", {"query": 'topk(sum(rate({job="a"}[1m])))'}, 400, "parse error"),
    ("query_range", {"query": 'quantile_over_time({job="a"} | unwrap x [1m])'}, 400, "parse error"),
    ("query_range", {"query": 'sum_over_time({job="a"}[1m])'}, 400, "parse error"),
    (
        "query_range",
        {"query": '{job="a"}', "start": "5", "end": "4"},
        400,
        "end timestamp must not be before or equal to start time",
    ),
    ("query_range", {"query": '{job="a"}', "start": "abc"}, 400, ""),
    ("query_range", {"query": '{job="a"}', "limit": "abc"}, 400, ""),
    (
        "query_range",
        {"query": '{job="a"}', "limit": "6000"},
        400,
        "max entries limit per query exceeded, limit > max_entries_limit",
    ),
    ("query_range", {"query": '{job="a"}', "direction": "sideways"}, 400, "invalid direction"),
    (
        "query_range",
        {"query": '{job="a"}', "step": "0"},
        400,
        "zero or negative query resolution step widths are not accepted",
    ),
    (
        "query_range",
        {"query": '{job="a"}', "step": "-1"},
        400,
        "zero or negative query resolution step widths are not accepted",
    ),
    (
        "query_range",
        {"query": '{job="a"}', "start": "0", "end": "20000", "step": "1"},
        400,
        "exceeded maximum resolution of 11,000 points per time series",
    ),
    ("query_range", {"query": '{job="a"}', "since": "60d"}, 400, "the query time range exceeds the limit"),
    ("query", {"query": '{job="a"}'}, 400, "log queries are not supported as an instant query type"),
    ("query", {"query": "rate({job"}, 400, "parse error"),
    ("labels", {"query": "{"}, 400, "parse error"),
    ("series", {}, 400, ""),
    ("series", {"match[]": "{"}, 400, "parse error"),
    ("index/stats", {"query": '{job="a"} |= "x"'}, 400, ""),
    ("format_query", {"query": "{"}, 400, ""),
]


@pytest.mark.parametrize(
    ("path", "params", "status", "words"), ERRORS, ids=[f"{p} {list(q.values())}"[:80] for p, q, _, _ in ERRORS]
)
def test_errors(api: Api, path: str, params: dict[str, Any], status: int, words: str) -> None:
    answer = api.get(path, params)
    assert answer.status_code == status, answer.text
    assert words in answer.text


def test_unknown_paths_are_404(api: Api) -> None:
    assert api.get("/loki/api/v1/nope").status_code == 404


# --- labels and series
def test_label_names_and_values(api: Api, data: Data) -> None:
    span = {"start": data.start, "end": data.end}
    names = api.get("labels", span).json()
    assert names["status"] == "success"
    assert {"job", "app", "env", "service_name"} <= set(names["data"])
    query = {"query": f'{{job="{data.job}"}}', **span}
    assert api.get("label/app/values", query).json()["data"] == ["api", "meta", "nginx", "web"]
    assert api.get("label/env/values", {**query, "query": data.select("web")}).json()["data"] == ["prod"]
    assert not api.get("label/nope/values", query).json().get("data")
    assert data.job in api.get("label/job/values", span).json()["data"]


def test_labels_of_another_time(api: Api, data: Data) -> None:
    long_ago = {"start": data.start - 86400 * 2 * SECOND, "end": data.start - 86400 * SECOND}
    assert data.job not in (api.get("label/job/values", long_ago).json().get("data") or [])


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_series(api: Api, data: Data, method: str) -> None:
    params = [
        ("match[]", data.select("web")),
        ("match[]", data.select("api")),
        ("start", str(data.start)),
        ("end", str(data.end)),
    ]
    if method == "GET":
        answer = api.get("series", params)
    else:
        answer = api.client.post(
            f"{api.base}/loki/api/v1/series",
            data={"match[]": [params[0][1], params[1][1]], "start": str(data.start), "end": str(data.end)},
        )
    found = answer.json()["data"]
    assert sorted(item["app"] for item in found) == ["api", "web"]
    assert all(item["job"] == data.job for item in found)


# --- index
def test_index_stats(api: Api, data: Data) -> None:
    api.client.post(f"{api.base}/flush")
    found = api.get("index/stats", {"query": f'{{job="{data.job}"}}', "start": data.start, "end": data.end}).json()
    assert found["streams"] == 4
    assert found["entries"] == 120
    assert found["chunks"] >= 4
    assert found["bytes"] >= sum(len(row.line) for row in data.rows)


def test_volume(api: Api, data: Data) -> None:
    span = {"query": f'{{job="{data.job}"}}', "start": data.start, "end": data.end}
    found = api.get("index/volume", {**span, "targetLabels": "app"}).json()["data"]
    assert found["resultType"] == "vector"
    sizes = {item["metric"]["app"]: int(item["value"][1]) for item in found["result"]}
    assert sizes["web"] == sum(len(row.line) for row in data.rows if row.app == "web")
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)
    top = api.get("index/volume", {**span, "targetLabels": "app", "limit": 1}).json()["data"]["result"]
    assert [item["metric"]["app"] for item in top] == ["web"]
    by_label = api.get("index/volume", {**span, "aggregateBy": "labels"}).json()["data"]["result"]
    assert [item["metric"] for item in by_label] == [{"job": ""}]


def test_volume_range(api: Api, data: Data) -> None:
    span = {
        "query": f'{{job="{data.job}"}}',
        "start": data.start,
        "end": data.end,
        "step": "60s",
        "targetLabels": "app",
    }
    found = api.get("index/volume_range", span).json()["data"]
    assert found["resultType"] == "matrix"
    web = next(item for item in found["result"] if item["metric"]["app"] == "web")
    assert sum(int(value) for _, value in web["values"]) == pytest.approx(
        sum(len(row.line) for row in data.rows if row.app == "web"), rel=0.02
    )


# --- samples
def test_detected_fields(api: Api, data: Data) -> None:
    found = api.get("detected_fields", {"query": data.select("web"), "start": data.start, "end": data.end}).json()
    fields = {item["label"]: item for item in found["fields"]}
    assert fields["status"]["type"] == "int"
    assert fields["status"]["cardinality"] == 3
    assert fields["status"]["parsers"] == ["json"]
    assert fields["took"]["type"] == "duration"
    assert fields["size"]["type"] == "bytes"
    assert fields["ok"]["type"] == "boolean"
    assert fields["nested_a"]["jsonPath"] == ["nested", "a"]
    logfmt = api.get("detected_fields", {"query": data.select("api"), "start": data.start, "end": data.end}).json()
    assert {item["label"]: item["parsers"] for item in logfmt["fields"]}["user"] == ["logfmt"]


def test_detected_field_values(api: Api, data: Data) -> None:
    found = api.get(
        "detected_field/status/values", {"query": data.select("web"), "start": data.start, "end": data.end}
    ).json()
    assert sorted(found["values"]) == ["200", "404", "500"]


def test_detected_labels(api: Api, data: Data) -> None:
    found = api.get("detected_labels", {"query": f'{{job="{data.job}"}}', "start": data.start, "end": data.end}).json()
    assert {item["label"]: item["cardinality"] for item in found["detectedLabels"]}["app"] == 4


def test_patterns(api: Api, data: Data) -> None:
    found = api.get(
        "patterns", {"query": data.select("meta"), "start": data.start, "end": data.end, "step": "10m"}
    ).json()
    assert found["status"] == "success"
    assert found["data"][0]["pattern"] == "plain <_>"
    assert sum(count for _, count in found["data"][0]["samples"]) == 10


@pytest.mark.parametrize("app", ["web", "api", "nginx", "meta"])
def test_a_pattern_can_be_asked_for(api: Api, data: Data, app: str) -> None:
    span = {"query": data.select(app), "start": data.start, "end": data.end, "step": "10m"}
    for found in api.get("patterns", span).json()["data"]:
        assert set(found) >= {"pattern", "samples"}
        query = f"{data.select(app)} |> {json.dumps(found['pattern'])}"
        result = api.range(query, data.start, data.end)["result"]
        assert sum(len(stream["values"]) for stream in result) >= sum(count for _, count in found["samples"])


@pytest.mark.parametrize(
    ("query", "formatted"),
    [
        ('{a="b"}|="x"', '{a="b"} |= "x"'),
        ('{ a = "b" , c=~"d" }', '{a="b", c=~"d"}'),
        ('{a="b"}|json|line_format "x"', '{a="b"} | json | line_format "x"'),
    ],
)
def test_format_query(api: Api, query: str, formatted: str) -> None:
    answer = api.get("format_query", {"query": query}).json()
    assert answer == {"status": "success", "data": formatted}


# --- admin
def test_ready_metrics_and_the_rest(api: Api) -> None:
    assert api.get("/ready").text.strip() == "ready"
    metrics = api.get("/metrics").text
    for name in (
        "loki_request_duration_seconds_bucket",
        "loki_distributor_lines_received_total",
        "loki_build_info",
        "loki_ingester_memory_streams",
    ):
        assert name in metrics
    assert yaml.safe_load(api.get("/config").text)
    assert "Running" in api.get("/services").text
    assert {"version", "revision", "branch", "buildDate", "buildUser", "goVersion"} <= set(
        api.get("status/buildinfo").json()
    )


def test_delete_requests(api: Api, job: str) -> None:
    now = time.time_ns()
    assert api.push([({"job": job}, [[now - SECOND, "forget me"], [now, "keep me"]])]).status_code == 204
    url = f"{api.base}/loki/api/v1/delete"
    span = {"start": (now - 60 * SECOND) // SECOND, "end": now // SECOND + 60}
    assert api.client.post(url, params={"query": f'{{job="{job}"}} |= "forget"', **span}).status_code == 204
    mine = [item for item in api.client.get(url).json() if job in item["query"]]
    assert mine[0]["status"] == "received"
    wait_until(lambda: lines(api, job) == ["keep me"], 30, "the line to be hidden")
    assert api.client.delete(url, params={"request_id": mine[0]["request_id"]}).status_code == 204
    assert not [item for item in api.client.get(url).json() if job in item["query"]]
    assert api.client.post(url, params={"query": f'{{job="{job}"}}'}).status_code == 400
    assert api.client.post(url, params=span).status_code == 400


# --- other forms of answers, deprecated paths, methods
@pytest.mark.parametrize("kind", ["streams", "matrix", "vector"])
def test_parquet(api: Api, data: Data, kind: str) -> None:
    count = f"sum by (app) (count_over_time({data.select('web')}[1m]))"
    query = data.select("web") if kind == "streams" else count
    params: dict[str, Any] = {"query": query, "start": data.start, "end": data.end, "step": "60", "limit": 5000}
    if kind == "vector":
        params = {"query": query, "time": data.end}
    answer = api.get("query" if kind == "vector" else "query_range", params, Accept="application/vnd.apache.parquet")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/vnd.apache.parquet")
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.column_names == ["timestamp", "labels", "line" if kind == "streams" else "value"]
    assert str(table.schema.field("timestamp").type).endswith("tz=UTC]")
    assert dict(table["labels"][0].as_py())["app"] == "web"
    if kind == "streams":
        assert sorted(table["line"].to_pylist()) == sorted(row.line for row in data.rows if row.app == "web")
    else:
        assert table["value"][0].as_py() == 6


def test_deprecated_paths(api: Api, data: Data, job: str) -> None:
    span: dict[str, Any] = {"start": data.start, "end": data.end}
    answer = api.get("/api/prom/query", {"query": data.select("web"), "limit": 3, **span}).json()
    entries = [entry for stream in answer["streams"] for entry in stream["entries"]]
    assert len(entries) == 3
    assert all('app="web"' in stream["labels"] for stream in answer["streams"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", entries[0]["ts"])
    assert "app" in api.get("/api/prom/label", span).json()["values"]
    assert "web" in api.get("/api/prom/label/app/values", span).json()["values"]
    assert len(api.get("/api/prom/series", {"match[]": data.select("web"), **span}).json()["data"]) == 1
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.123456Z", time.gmtime())
    body = {"streams": [{"labels": f'{{job="{job}"}}', "entries": [{"ts": stamp, "line": "old form"}]}]}
    assert api.client.post(f"{api.base}/api/prom/push", json=body).status_code == 204
    wait_until(lambda: lines(api, job) == ["old form"], 10, "the line")


@pytest.mark.parametrize("path", ["/loki/api/v1/push", "/api/prom/push", "/otlp/v1/logs"])
def test_pushes_are_posts(api: Api, path: str) -> None:
    assert api.get(path).status_code == 405


def test_prepared_shutdown_is_noted(api: Api) -> None:
    url = f"{api.base}/ingester/prepare_shutdown"
    assert api.client.get(url).text.strip() == "unset"
    assert api.client.post(url).status_code == 204
    assert api.client.get(url).text.strip() == "set"
    assert api.client.delete(url).status_code == 204
    assert api.client.get(url).text.strip() == "unset"


@pytest.mark.parametrize("mode", ["", "diffs", "defaults"])
def test_modes_of_the_configuration(api: Api, mode: str) -> None:
    answer = api.get("/config", {"mode": mode} if mode else {})
    assert answer.status_code == 200
    assert "limits_config" in yaml.safe_load(answer.text)


# --- ruler
GROUP = {
    "name": "g1",
    "interval": "1s",
    "rules": [
        {
            "alert": "Many",
            "expr": 'sum by (job) (count_over_time({job="JOB"}[5m])) > 1',
            "labels": {"severity": "page"},
            "annotations": {"summary": "{{ $labels.job }}: {{ $value }}"},
        }
    ],
}


def test_rules_over_the_api(api: Api, job: str) -> None:
    url = f"{api.base}/loki/api/v1/rules/{job}"
    text = yaml.safe_dump(GROUP).replace("JOB", job)
    answer = api.client.post(url, content=text, headers={"content-type": "application/yaml"})
    if answer.status_code == 500 and "read" in answer.text.lower():
        pytest.skip("this Loki's rule storage is read-only")
    assert answer.status_code == 202
    assert yaml.safe_load(api.client.get(url).text)[job][0]["name"] == "g1"
    assert yaml.safe_load(api.client.get(f"{url}/g1").text)["rules"][0]["alert"] == "Many"
    assert job in yaml.safe_load(api.client.get(f"{api.base}/loki/api/v1/rules").text)
    now = time.time_ns()
    api.push([({"job": job}, [[now - at, f"line {at}"] for at in range(3)])])

    def firing() -> list[Any]:
        alerts = api.client.get(f"{api.base}/prometheus/api/v1/alerts").json()["data"]["alerts"]
        return [item for item in alerts if item["labels"].get("job") == job and item["state"] == "firing"]

    (alert,) = wait_until(firing, 30, "the alert")
    assert alert["labels"] == {"alertname": "Many", "severity": "page", "job": job}
    assert alert["annotations"]["summary"] == f"{job}: 3"
    groups = api.client.get(f"{api.base}/prometheus/api/v1/rules", params={"rule_name": "Many"}).json()["data"][
        "groups"
    ]
    assert any(rule["state"] == "firing" for group in groups for rule in group["rules"])
    assert api.client.delete(f"{url}/g1").status_code == 202
    assert api.client.get(url).status_code == 404


@pytest.mark.parametrize(
    "rule",
    [{"alert": "X"}, {"alert": "X", "expr": "{"}, {"expr": 'rate({a="b"}[1m])'}, {"alert": "X", "expr": '{a="b"}'}],
)
def test_wrong_rules_are_refused(api: Api, job: str, rule: dict[str, str]) -> None:
    text = yaml.safe_dump({"name": "g", "rules": [rule]})
    answer = api.client.post(
        f"{api.base}/loki/api/v1/rules/{job}", content=text, headers={"content-type": "application/yaml"}
    )
    assert answer.status_code == 400


# --- tail
def test_tail(api: Api, job: str) -> None:
    selector = f'{{job="{job}"}} |= "yes"'
    url = api.base.replace("http", "ws", 1) + f"/loki/api/v1/tail?{httpx.QueryParams({'query': selector})}"
    now = time.time_ns()
    api.push([({"job": job}, [[now - SECOND, "yes before"]])])
    with connect(url) as socket:
        first = json.loads(socket.recv(timeout=20))
        assert first["streams"][0]["values"][0][1] == "yes before"
        api.push([({"job": job}, [[time.time_ns(), "no"], [time.time_ns(), "yes after"]])])
        second = json.loads(socket.recv(timeout=20))
        assert [value[1] for stream in second["streams"] for value in stream["values"]] == ["yes after"]
        assert second["streams"][0]["stream"]["job"] == job


def test_tail_waits_for_slow_loggers(api: Api, job: str) -> None:
    params = {"query": f'{{job="{job}"}}', "delay_for": "1", "limit": "2"}
    url = api.base.replace("http", "ws", 1) + f"/loki/api/v1/tail?{httpx.QueryParams(params)}"
    with connect(url) as socket:
        at = time.monotonic()
        api.push([({"job": job}, [[time.time_ns() + n, f"line {n}"] for n in range(5)])])
        seen: list[str] = []
        while len(seen) < 5:
            message = json.loads(socket.recv(timeout=20))
            assert time.monotonic() - at >= 0.8
            seen += [value[1] for stream in message["streams"] for value in stream["values"]]
    assert seen == [f"line {n}" for n in range(5)]
    with pytest.raises(InvalidStatus) as found, connect(url.replace("delay_for=1", "delay_for=6")):
        pass
    assert found.value.response.status_code == 400


@pytest.mark.parametrize("query", ["{", 'rate({job="a"}[1m])', ""])
def test_tail_of_something_else_is_refused(api: Api, query: str) -> None:
    url = api.base.replace("http", "ws", 1) + f"/loki/api/v1/tail?{httpx.QueryParams({'query': query})}"
    with pytest.raises(InvalidStatus) as found, connect(url):
        pass
    assert found.value.response.status_code == 400
