"""``/api/ds/query``: what is asked of the data sources, how often, and the frames that come of it."""

import asyncio
import json

import httpx
import pytest

from pytake.embedded.grafana.provisioning import DataSource
from pytake.embedded.grafana.query import Queries

SOURCES = {
    name: DataSource(number, name, name.title(), name, f"http://{name}", json_data={"timeInterval": "10s"})
    for number, name in enumerate(("prometheus", "loki", "jaeger", "alertmanager"), 1)
}
AT = 1_700_000_000


def ref(source, **more):
    return {"refId": "A", "datasource": {"uid": source}, "intervalMs": 10_000, **more}


@pytest.fixture
async def ask():
    """Runs queries against answers by path; ``ask.seen`` are the requests made."""
    answers, seen = {}, []

    async def handle(request):
        seen.append(request)
        await asyncio.sleep(0.01)
        status, data = answers.get(request.url.path, (200, {"resultType": "matrix", "result": []}))
        return httpx.Response(status, json={"data": data} if status == 200 else data)

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        queries = Queries(client)

        async def run(*asked, start=AT, end=AT + 600):
            body = {"queries": list(asked), "from": str(round(start * 1000)), "to": str(round(end * 1000))}
            return json.loads(await queries.run(body, SOURCES))["results"]

        run.answers, run.seen, run.queries = answers, seen, queries
        yield run


# ------------------------------------------------------------------------------------------------------------ sharing
async def test_fifty_viewers_within_a_step_ask_prometheus_once(ask):
    asked = ref("prometheus", expr="up")
    await asyncio.gather(*(ask(asked, start=AT + n / 10, end=AT + 600 + n / 10) for n in range(50)))
    assert len(ask.seen) == 1
    assert dict(ask.seen[0].url.params) == {"query": "up", "start": f"{AT}.000", "end": f"{AT + 600}.000", "step": "10"}


async def test_answers_are_kept_for_a_moment_only(ask, monkeypatch):
    monkeypatch.setattr("pytake.embedded.grafana.query.KEEP_SECONDS", 0.0)
    for _ in range(2):
        await ask(ref("prometheus", expr="up"))
    assert len(ask.seen) == 2


async def test_answers_that_nobody_can_be_given_take_no_memory(ask, monkeypatch):
    monkeypatch.setattr("pytake.embedded.grafana.query.KEEP_SECONDS", 0.01)
    await ask(ref("prometheus", expr="up"))
    assert ask.queries._shared
    async with asyncio.timeout(10):
        while ask.queries._shared:  # noqa: ASYNC110 (a timer of the loop ends it)
            await asyncio.sleep(0.01)


async def test_nobody_gets_anothers_answer(ask):
    await ask(ref("prometheus", expr="up"), {**ref("prometheus", expr="up", legendFormat="x"), "refId": "B"})
    await ask(ref("prometheus", expr="up"), end=AT + 1200)
    assert len(ask.seen) == 2  # one legend more costs no request, another range does


async def test_a_viewer_who_leaves_does_not_end_the_question_of_others(ask):
    leaving = asyncio.create_task(ask(ref("prometheus", expr="up")))
    staying = asyncio.create_task(ask(ref("prometheus", expr="up")))
    await asyncio.sleep(0.005)
    leaving.cancel()
    assert (await staying)["A"]["status"] == 200
    assert len(ask.seen) == 1


async def test_the_same_bytes_are_compressed_once(ask):
    assert ask.queries.gzip(b"x" * 5000) is ask.queries.gzip(b"x" * 5000)


# --------------------------------------------------------------------------------------------------------- prometheus
async def test_frames_of_a_range_say_their_step_and_what_was_run(ask):
    row = {"metric": {"__name__": "up", "job": "api"}, "values": [[AT, "1"]]}
    ask.answers["/api/v1/query_range"] = (200, {"resultType": "matrix", "result": [row]})
    (frame,) = (await ask(ref("prometheus", expr="rate(up[$__rate_interval])")))["A"]["frames"]
    assert frame["schema"]["fields"][0]["config"] == {"interval": 10_000}
    assert frame["schema"]["meta"]["executedQueryString"] == "Expr: rate(up[40s])\nStep: 10s"
    assert frame["schema"]["meta"]["type"] == "timeseries-multi"


@pytest.mark.parametrize(
    ("template", "name"),
    [("{{job}} of {{ nothing }}!", "api of !"), ("", 'up{job="api", pod="b"}'), ("__auto", 'up{job="api", pod="b"}')],
)
async def test_legends(ask, template, name):
    row = {"metric": {"__name__": "up", "job": "api", "pod": "b"}, "values": [[AT, "1"]]}
    ask.answers["/api/v1/query_range"] = (200, {"resultType": "matrix", "result": [row]})
    (frame,) = (await ask(ref("prometheus", expr="up", legendFormat=template)))["A"]["frames"]
    assert frame["schema"]["fields"][1]["config"]["displayNameFromDS"] == name


async def test_range_and_instant_at_once(ask):
    vector = {"resultType": "vector", "result": [{"metric": {"job": "a"}, "value": [AT, "2"]}]}
    ask.answers["/api/v1/query"] = (200, vector)
    await ask(ref("prometheus", expr="up", range=True, instant=True))
    assert [request.url.path for request in ask.seen] == ["/api/v1/query_range", "/api/v1/query"]
    (frame,) = (await ask(ref("prometheus", expr="up", instant=True, range=False, format="table")))["A"]["frames"]
    assert [field["name"] for field in frame["schema"]["fields"]] == ["Time", "job", "Value"]


async def test_buckets_for_a_heatmap_keep_their_le(ask):
    rows = [{"metric": {"le": le}, "values": [[AT, value]]} for le, value in (("0.1", "1"), ("+Inf", "3"))]
    ask.answers["/api/v1/query_range"] = (200, {"resultType": "matrix", "result": rows})
    frames = (await ask(ref("prometheus", expr="x", format="heatmap", legendFormat="{{le}}")))["A"]["frames"]
    assert [frame["schema"]["fields"][1]["labels"]["le"] for frame in frames] == ["0.1", "+Inf"]
    assert [frame["schema"]["name"] for frame in frames] == ["0.1", "+Inf"]


async def test_a_native_histogram_becomes_cells(ask):
    buckets = [[0, "0.1", "0.2", "3"], [0, "0.2", "0.4", "1"]]
    row = {"metric": {"job": "a"}, "histograms": [[AT, {"count": "4", "sum": "1", "buckets": buckets}]]}
    ask.answers["/api/v1/query_range"] = (200, {"resultType": "matrix", "result": [row]})
    (frame,) = (await ask(ref("prometheus", expr="h", format="heatmap")))["A"]["frames"]
    assert frame["schema"]["meta"]["type"] == "heatmap-cells"
    assert [field["name"] for field in frame["schema"]["fields"]] == ["xMax", "yMin", "yMax", "count", "yLayout"]
    assert frame["data"]["values"][1:4] == [[0.1, 0.2], [0.2, 0.4], [3.0, 1.0]]


async def test_no_question_asks_for_more_points_than_prometheus_gives(ask):
    await ask(ref("prometheus", expr="up", maxDataPoints=100_000, intervalMs=1000), end=AT + 30 * 86_400)
    assert 30 * 86_400 / float(ask.seen[0].url.params["step"]) <= 11_000


# --------------------------------------------------------------------------------------------------- loki and jaeger
async def test_log_lines_of_the_last_second_are_asked_for(ask):
    streams = [{"stream": {"app": "x"}, "values": [[f"{AT}000000001", "a"], [f"{AT}000000002", "b"]]}]
    ask.answers["/loki/api/v1/query_range"] = (200, {"resultType": "streams", "result": streams})
    asked = ref("loki", expr='{app="x"}', queryType="range", maxLines=7, direction="forward")
    (frame,) = (await ask(asked, end=AT + 600.4))["A"]["frames"]
    params = ask.seen[0].url.params
    assert (params["limit"], params["direction"], params["end"]) == ("7", "forward", f"{AT + 601}000000000")
    assert frame["schema"]["meta"]["custom"] == {"frameType": "LabeledTimeValues"}
    assert frame["data"]["values"][2] == ["b", "a"]
    assert len(set(frame["data"]["values"][4])) == 2


async def test_metrics_of_logs(ask):
    await ask(ref("loki", expr="sum(count_over_time({a=~`.+`}[$__auto]))", queryType="range"))
    assert ask.seen[0].url.params["query"] == "sum(count_over_time({a=~`.+`}[10s]))"
    vector = {"resultType": "vector", "result": [{"metric": {"a": "b"}, "value": [AT, "2"]}]}
    ask.answers["/loki/api/v1/query"] = (200, vector)
    (frame,) = (await ask(ref("loki", expr="sum(rate({a='b'}[1m]))", queryType="instant")))["A"]["frames"]
    assert frame["data"]["values"][1] == [2.0]


async def test_traces_by_search(ask):
    span = {"traceID": "t1", "spanID": "s", "operationName": "GET /", "startTime": AT * 10**6, "duration": 1500,
            "processID": "p", "tags": []}  # fmt: skip
    ask.answers["/api/traces"] = (200, [{"traceID": "t1", "spans": [span], "processes": {"p": {"serviceName": "api"}}}])
    asked = ref(
        "jaeger", queryType="search", service="api", operation="GET /", tags='{"error":"true"}', minDuration="1ms"
    )
    (frame,) = (await ask(asked))["A"]["frames"]
    params = dict(ask.seen[0].url.params)
    assert (params["service"], params["tags"], params["minDuration"]) == ("api", '{"error":"true"}', "1ms")
    assert (params["start"], params["limit"]) == (str(AT * 10**6), "20")
    assert frame["data"]["values"] == [["t1"], ["api: GET /"], [AT * 1000], [1500]]


async def test_a_trace_that_is_not_there_says_so(ask):
    ask.answers["/api/traces/abc"] = (404, {"errors": [{"code": 404, "msg": "trace not found"}]})
    assert (await ask(ref("jaeger", query="abc")))["A"]["error"] == "trace not found"


async def test_what_cannot_be_queried_is_named(ask):
    assert "alertmanager" in (await ask(ref("alertmanager")))["A"]["error"]
    assert "not found" in (await ask(ref("nobody")))["A"]["error"]
    ask.answers["/api/v1/query_range"] = (200, {"resultType": "surprise", "result": []})
    assert "unknown kind of result" in (await ask(ref("prometheus", expr="up")))["A"]["error"]
