"""The HTTP calls that logcli makes, one by one; logcli itself is in no package index that this project uses.

Paths, parameters and headers as its documentation and ``--help`` describe the commands: query (in batches and with
``--parallel-duration``), instant-query, labels, series, stats, volume, volume_range, detected-fields, delete, tail.
"""

import json
import time
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.conformance.loki.conftest import Api
from tests.conformance.loki.data import SECOND, Data

HEADERS = {"User-Agent": "loki-logcli/3.7.6", "X-Query-Tags": "source=logcli", "X-Loki-Response-Encoding-Flags": ""}


def call(api: Api, path: str, **params: Any) -> Any:
    answer = api.get(path, params, **HEADERS)
    assert answer.status_code == 200, answer.text
    return answer.json()


def lines_of(answer: Any) -> list[tuple[int, str]]:
    return [(int(ts), line) for stream in answer["data"]["result"] for ts, line in stream["values"]]


@pytest.mark.parametrize("direction", ["BACKWARD", "FORWARD"])
def test_query_in_batches(api: Api, data: Data, direction: str) -> None:
    """``--limit`` above ``--batch``: the next call starts at the last time, whose lines come again and are left out."""
    seen: list[tuple[int, str]] = []
    start, end = data.start, data.end
    while True:
        answer = call(api, "query_range", query=data.select("web"), start=start, end=end, limit=25, direction=direction)
        batch = [row for row in lines_of(answer) if row not in seen]
        if not batch:
            break
        seen += batch
        if direction == "FORWARD":
            start = max(ts for ts, _ in seen)
        else:
            end = min(ts for ts, _ in seen) + 1
    assert len(seen) == 60
    assert {line for _, line in seen} == {row.line for row in data.rows if row.app == "web"}


def test_query_in_parallel_parts(api: Api, data: Data) -> None:
    """``--parallel-duration``: neighbouring parts share no line and lose none."""
    parts = 7
    width = (data.end - data.start) // parts
    found = []
    for part in range(parts):
        start = data.start + part * width
        end = data.end if part == parts - 1 else start + width
        answer = call(
            api, "query_range", query=data.select("web"), start=start, end=end, limit=5000, direction="FORWARD"
        )
        found += lines_of(answer)
    assert len(found) == len(set(found)) == 60


def test_query_of_a_metric_and_its_statistics(api: Api, data: Data) -> None:
    answer = call(
        api, "query_range", query=f"sum by (app) (rate({data.select('web')}[1m]))", start=data.start, end=data.end,
        limit=30, direction="BACKWARD", step="60",
    )  # fmt: skip
    assert answer["data"]["resultType"] == "matrix"
    stats = answer["data"]["stats"]
    assert {
        "totalBytesProcessed",
        "totalLinesProcessed",
        "execTime",
        "queueTime",
        "subqueries",
        "shards",
        "splits",
    } <= (set(stats["summary"]))
    assert {"totalReached", "totalChunksMatched", "totalBatches", "totalLinesSent", "store"} <= set(stats["ingester"])
    chunk = stats["querier"]["store"]["chunk"]
    assert {"headChunkBytes", "decompressedBytes", "decompressedLines", "compressedBytes", "totalDuplicates"} <= set(
        chunk
    )


def test_instant_query(api: Api, data: Data) -> None:
    answer = call(
        api, "query", query=f"sum(count_over_time({data.select('web')}[10m]))", time=data.end, limit=30,
        direction="BACKWARD",
    )  # fmt: skip
    assert answer["data"]["result"][0]["value"][1] == "60"


def test_labels_and_series(api: Api, data: Data) -> None:
    span = {"start": data.start, "end": data.end}
    assert {"app", "env", "job"} <= set(call(api, "labels", **span)["data"])
    assert "web" in call(api, "label/app/values", **span)["data"]
    assert len(call(api, "series", match=f'{{job="{data.job}"}}', **span)["data"]) == 4
    everything = call(api, "series", match="{}", **span)["data"]
    assert sum(stream.get("job") == data.job for stream in everything) == 4


def test_stats_and_volume(api: Api, data: Data) -> None:
    api.client.post(f"{api.base}/flush")
    span = {"query": f'{{job="{data.job}"}}', "start": data.start, "end": data.end}
    assert {"streams", "chunks", "bytes", "entries"} == set(call(api, "index/stats", **span))
    for more in ({"aggregateBy": "series"}, {"aggregateBy": "labels"}, {"targetLabels": "app"}, {"targetLabels": ""}):
        assert call(api, "index/volume", limit=30, **span, **more)["data"]["result"]
        ranged = call(api, "index/volume_range", limit=30, step="60s", **span, **more)["data"]
        assert ranged["resultType"] == "matrix"
        assert ranged["result"]


def test_detected_fields(api: Api, data: Data) -> None:
    span = {"query": data.select("web"), "start": data.start, "end": data.end, "step": "60"}
    answer = call(api, "detected_fields", limit=3, line_limit=100, **span)
    assert len(answer["fields"]) == 3
    assert {"label", "type", "cardinality", "parsers"} <= set(answer["fields"][0])
    values = call(api, "detected_field/path/values", limit=100, line_limit=100, **span)["values"]
    assert sorted(values) == ["/p0", "/p1", "/p2"]


def test_delete_requests(api: Api) -> None:
    params = {"query": '{job="logcli-nothing"}', "start": "1700000000", "end": "1700000100", "max_interval": "1h"}
    url = f"{api.base}/loki/api/v1/delete"
    assert api.client.put(url, params=params).status_code == 204
    (mine,) = [item for item in api.client.get(url).json() if item["query"] == params["query"]]
    assert {"request_id", "start_time", "end_time", "query", "status", "created_at"} <= set(mine)
    gone = api.client.delete(url, params={"request_id": mine["request_id"], "force": "true"})
    assert gone.status_code == 204


def test_tail(api: Api, data: Data) -> None:
    params = {"query": data.select("meta"), "delay_for": "0", "limit": "30", "start": str(data.start)}
    url = api.base.replace("http", "ws", 1) + f"/loki/api/v1/tail?{httpx.QueryParams(params)}"
    with connect(url, additional_headers=HEADERS) as socket:
        lines: list[str] = []
        deadline = time.monotonic() + 20
        while len(lines) < 10 and time.monotonic() < deadline:
            message = json.loads(socket.recv(timeout=20))
            lines += [value[1] for stream in message["streams"] for value in stream["values"]]
    assert sorted(lines) == sorted(row.line for row in data.rows if row.app == "meta")


def test_tail_without_a_websocket_is_a_bad_request(api: Api, data: Data) -> None:
    assert api.get("tail", {"query": data.select("meta")}).status_code == 400


def test_times_with_nanoseconds(api: Api, data: Data) -> None:
    """``--from`` and ``--to`` are sent as nanoseconds, the API takes RFC3339Nano as well."""
    at = data.start + SECOND
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // SECOND))
    answer = call(
        api, "query_range", query=data.select("web"), start=f"{stamp}.000000000Z", end=f"{stamp}.000000001Z", limit=30
    )
    assert len(lines_of(answer)) == 1
