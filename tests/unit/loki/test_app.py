"""The ASGI application in the process: routes, tenants, errors, metrics, the query service's caps."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from pytake.embedded.loki.app import Application, Loki
from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.query.engine import QueryMemoryError, statistics
from pytake.embedded.loki.query.service import Job
from pytake.embedded.loki.settings import Limits, Settings
from pytake.embedded.loki.store.source import ReadStats
from tests.unit.loki.conftest import SECOND, body


async def run(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, Loki]]:
    app = Application(settings)
    loki = app.loki = await asyncio.to_thread(Loki, settings)
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://loki") as client:
        yield client, loki
    await asyncio.to_thread(loki.close)


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, Loki]]:
    """A running application and a client for it."""
    async for pair in run(settings):
        yield pair


@pytest.fixture
async def strict(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, Loki]]:
    """The same with tenants and a cap of one query at a time."""
    changed = replace(settings, auth_enabled=True, max_outstanding=1, limits=Limits(query_timeout=0.05))
    async for pair in run(changed):
        yield pair


async def push(client: httpx.AsyncClient, count: int = 3, **headers: str) -> httpx.Response:
    now = time.time_ns()
    raw = body([({"job": "j"}, [(now - at, f'{{"n":{at}}}') for at in range(count)])])
    return await client.post("/loki/api/v1/push", content=raw, headers={"content-type": "application/json", **headers})


async def ask(client: httpx.AsyncClient, path: str, **params: Any) -> httpx.Response:
    return await client.get(f"/loki/api/v1/{path}", params=params)


async def test_push_and_query(server: tuple[httpx.AsyncClient, Loki]) -> None:
    client, _ = server
    assert (await push(client)).status_code == 204
    found = (await ask(client, "query_range", query='{job="j"} | json | n = 1')).json()["data"]["result"]
    assert found[0]["values"][0][1] == '{"n":1}'
    assert found[0]["stream"] == {"job": "j", "service_name": "j", "detected_level": "unknown", "n": "1"}


async def test_large_bodies_take_the_threads(server: tuple[httpx.AsyncClient, Loki]) -> None:
    client, _loki = server
    assert (await push(client, 2000)).status_code == 204
    answer = (await ask(client, "query", query='sum(count_over_time({job="j"}[1h]))')).json()["data"]
    assert answer["result"][0]["value"][1] == "2000"
    assert answer["stats"]["summary"]["totalLinesProcessed"] >= 2000


async def test_metrics_have_lokis_names(server: tuple[httpx.AsyncClient, Loki]) -> None:
    client, _ = server
    await push(client)
    await ask(client, "labels")
    text = (await client.get("/metrics")).text
    assert (
        'loki_request_duration_seconds_count{method="POST",route="loki_api_v1_push",status_code="204",ws="false"}'
        in text
    )
    assert 'loki_distributor_lines_received_total{tenant="fake"}' in text
    assert "pytake_loki_memory_rows 3" in text


async def test_open_and_unknown_paths(strict: tuple[httpx.AsyncClient, Loki]) -> None:
    client, _ = strict
    for path in ("/ready", "/metrics", "/config", "/services", "/log_level", "/ring"):
        assert (await client.get(path)).status_code == 200, path
    assert (await client.get("/flush")).status_code == 405
    assert (await client.post("/log_level")).status_code == 400
    assert (await client.get("/what")).status_code == 404


@pytest.mark.parametrize(
    ("tenant", "status"), [(None, 401), ("a/b", 400), ("..", 400), ("x" * 151, 400), ("a|b", 400), ("a", 204)]
)
async def test_tenants_of_pushes(strict: tuple[httpx.AsyncClient, Loki], tenant: str | None, status: int) -> None:
    client, _ = strict
    headers = {} if tenant is None else {"X-Scope-OrgID": tenant}
    assert (await push(client, **headers)).status_code == status


async def test_queries_have_a_time_limit(strict: tuple[httpx.AsyncClient, Loki]) -> None:
    client, loki = strict
    await push(client, 3, **{"X-Scope-OrgID": "a"})
    with loki.engine.query(["a"], 0, 2**62) as (_, running), pytest.raises(RequestError, match="request timed out"):
        running.execute("SELECT count(*) FROM range(100000000) a, range(1000) b").fetchall()


async def test_queries_have_a_memory_limit(server: tuple[httpx.AsyncClient, Loki]) -> None:
    _, loki = server
    with loki.engine.query(["fake"], 0, 2**62) as (_, running):
        running.cursor.execute("SET max_temp_directory_size = '1MB'")
        with pytest.raises(QueryMemoryError) as found:
            running.execute("SELECT list(range || 'some text') FROM range(20000000)").fetchall()
    assert "160MB of memory" in found.value.text


async def test_only_so_many_queries_may_wait(strict: tuple[httpx.AsyncClient, Loki]) -> None:
    _, loki = strict
    job = Job(("a",), "x", "range")
    slow = asyncio.create_task(loki.queries.run(job, lambda _: time.sleep(0.3)))
    await asyncio.sleep(0.05)
    with pytest.raises(RequestError) as found:
        await loki.queries.run(Job(("a",), "y", "range"), lambda _: None)
    assert (found.value.status, found.value.text) == (429, "too many outstanding requests")
    await slow


async def test_a_query_that_waits_can_be_canceled(server: tuple[httpx.AsyncClient, Loki]) -> None:
    _, loki = server

    def work(job: Job) -> Any:
        with loki.engine.query(["fake"], 0, 2**62, job.started) as (_, running):
            return running.execute("SELECT count(*) FROM range(100000000) a, range(1000) b").fetchall()

    async def gone() -> None:
        await asyncio.sleep(0.1)

    with pytest.raises(RequestError) as found:
        await loki.queries.run(Job(("fake",), "x", "range"), work, gone)
    assert found.value.status == 499


async def test_damaged_segments_are_named_in_the_answer(server: tuple[httpx.AsyncClient, Loki]) -> None:
    client, loki = server
    await push(client, 50)
    await asyncio.to_thread(loki.store.flush)
    (name,) = loki.store.manifest.segments
    path = loki.store.path(name)
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :])
    await push(client, 1)
    answer = (await ask(client, "query_range", query='{job="j"}')).json()
    assert name in answer["warnings"][0]
    assert len(answer["data"]["result"][0]["values"]) == 1


async def test_too_many_series_by_lines_in_sql(server: tuple[httpx.AsyncClient, Loki]) -> None:
    client, _ = server
    await push(client, 2000)
    answer = await ask(client, "query", query='sum by (n) (count_over_time({job="j"} | json [1h]))')
    assert answer.status_code == 400
    assert "maximum number of series (500) reached for a single query" in answer.text


async def test_ready_says_why_not(server: tuple[httpx.AsyncClient, Loki]) -> None:
    client, loki = server
    loki.store.flush_error = "No space left on device"
    answer = await client.get("/ready")
    assert (answer.status_code, "No space left" in answer.text) == (503, True)


def test_statistics_have_lokis_shape() -> None:
    stats = ReadStats(segments={"a"}, rows=10, line_bytes=100)
    found = statistics(stats, seconds=2.0, queued=0.5, entries=3)
    assert found["summary"]["linesProcessedPerSecond"] == 5
    assert found["summary"]["queueTime"] == 0.5
    assert statistics(stats, seconds=0, queued=0, entries=0)["summary"]["bytesProcessedPerSecond"] == 0


async def test_old_requests_are_answered_in_the_time_range(server: tuple[httpx.AsyncClient, Loki]) -> None:
    client, _ = server
    await push(client)
    end = time.time_ns() - 3600 * SECOND
    assert (await ask(client, "query_range", query='{job="j"}', start=end - SECOND, end=end)).json()["data"][
        "result"
    ] == []
