"""What only a server of our own can show: kill -9, tenants, alerts sent, caps, a client that leaves."""

import asyncio
import json
import random
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.conformance.loki.conftest import Api, start_loki
from tests.conformance.loki.data import SECOND
from tests.support.processes import Process
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., tuple[Process, Api]]]:
    """Starts servers on the test's data; what still runs at the end is stopped."""
    if request.config.getoption("--loki-url", default=None):
        pytest.skip("needs a server of our own")
    running: list[Process] = []
    client = httpx.Client(timeout=60)

    def begin(**more: Any) -> tuple[Process, Api]:
        process, base = start_loki(tmp_path / "loki", **more)
        running.append(process)
        return process, Api(base, client)

    yield begin
    for process in running:
        if process.running:
            process.stop()
    client.close()


def lines(api: Api, query: str = '{job="k"}', **headers: str) -> list[str]:
    now = time.time_ns()
    params = {"query": query, "start": now - 3600 * SECOND, "end": now + 600 * SECOND, "limit": 5000}
    answer = api.get("query_range", params, **headers)
    assert answer.status_code == 200, answer.text
    return [value[1] for stream in answer.json()["data"]["result"] for value in stream["values"]]


class Feeder:
    """Pushes numbered lines until it is told to stop or the server is gone; remembers what was acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        self.sent = 0
        self.pause = 0.0

    def run(self, base: str, stop: threading.Event) -> None:
        with httpx.Client(timeout=10) as client:
            api = Api(base, client)
            while not stop.is_set():
                values = [[time.time_ns() + at, f"{self.sent}-{at}"] for at in range(10)]
                self.sent += 1
                try:
                    if api.push([({"job": "k"}, values)]).status_code == 204:
                        self.acknowledged += [value[1] for value in values]
                except httpx.HTTPError:
                    return
                stop.wait(self.pause)


def keep_flushing(base: str, stop: threading.Event) -> None:
    """Have segments written all the time, so that a kill meets flushes and compactions too."""
    with httpx.Client(timeout=10) as client, suppress(httpx.HTTPError):
        while not stop.is_set():
            client.post(f"{base}/flush")
            stop.wait(0.03)


def test_kill_9_loses_and_doubles_nothing(start: Callable[..., tuple[Process, Api]], tmp_path: Path) -> None:
    """Half of the kills come at any moment, the other half while lines still come after a compaction."""
    feeder = Feeder()
    log = tmp_path / "loki/logs/loki.log"

    def merges() -> int:
        return log.read_text().count("segments_merged")

    def check(api: Api) -> None:
        found = lines(api)
        assert len(found) == len(set(found)), "a line came twice"
        assert set(feeder.acknowledged) <= set(found), "an acknowledged line is lost"

    for after_compaction in (False, True, False, True):
        process, api = start(compaction="100ms")
        check(api)
        before, feeder.pause = merges(), 0.0
        stop, enough = threading.Event(), feeder.sent + random.randint(10, 50)
        threads = [threading.Thread(target=target, args=(api.base, stop)) for target in (feeder.run, keep_flushing)]
        for thread in threads:
            thread.start()
        wait_until(lambda enough=enough: feeder.sent > enough, 20, "pushes")
        if after_compaction:
            feeder.pause = 0.1  # a query answers no more than 5000 lines
            wait_until(lambda before=before: merges() > before, 30, "a compaction")
        process.kill()
        stop.set()
        for thread in threads:
            thread.join()
    _, api = start()
    check(api)


def test_tenants(start: Callable[..., tuple[Process, Api]]) -> None:
    _, api = start(auth=True)
    assert api.get("labels").status_code == 401
    assert api.get("labels").text.strip() == "no org id"
    assert api.get("labels", **{"X-Scope-OrgID": "a/b"}).status_code == 400
    assert api.get("/ready").status_code == 200
    for tenant in ("one", "two"):
        answer = api.push([({"job": "k"}, [[time.time_ns(), f"line of {tenant}"]])], **{"X-Scope-OrgID": tenant})
        assert answer.status_code == 204
    assert lines(api, **{"X-Scope-OrgID": "one"}) == ["line of one"]
    assert sorted(lines(api, **{"X-Scope-OrgID": "one|two"})) == ["line of one", "line of two"]
    assert lines(api, '{job="k", __tenant_id__="two"}', **{"X-Scope-OrgID": "one|two"}) == ["line of two"]
    assert api.get("label/job/values", **{"X-Scope-OrgID": "three"}).json()["data"] == []


class Alertmanager:
    """Notes what is posted to API v2."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.alerts += json.loads(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200 if self.path == "/api/v2/alerts" else 404)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def alertmanager() -> Iterator[Alertmanager]:
    """A stand-in that listens."""
    fake = Alertmanager()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()


def test_alerts_fire_and_resolve(
    start: Callable[..., tuple[Process, Api]], alertmanager: Alertmanager, tmp_path: Path
) -> None:
    folder = tmp_path / "loki/rules/fake"
    folder.mkdir(parents=True)
    rule = {
        "alert": "Burst",
        "expr": 'sum by (job) (count_over_time({job="k"} |= "error" [3s])) > 2',
        "labels": {"severity": "warning"},
        "annotations": {"summary": "{{ $value }} errors in {{ $labels.job }}"},
    }
    (folder / "r.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "interval": "1s", "rules": [rule]}]}))
    _, api = start(alertmanager=alertmanager.url)
    now = time.time_ns()
    api.push([({"job": "k"}, [[now + at, f"error {at}"] for at in range(3)])])
    fired = wait_until(
        lambda: [item for item in alertmanager.alerts if item["labels"]["alertname"] == "Burst"], 20, "the alert"
    )
    assert fired[0]["labels"] == {"alertname": "Burst", "severity": "warning", "job": "k"}
    assert fired[0]["annotations"] == {"summary": "3 errors in k"}
    assert fired[0]["startsAt"] < fired[0]["endsAt"]

    def resolved() -> bool:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        return any(item["endsAt"] <= stamp for item in alertmanager.alerts)

    wait_until(resolved, 20, "the alert to be resolved")
    assert api.client.get(f"{api.base}/prometheus/api/v1/alerts").json()["data"]["alerts"] == []


def test_a_query_explains_itself(start: Callable[..., tuple[Process, Api]]) -> None:
    _, api = start()
    api.push([({"job": "k"}, [[time.time_ns(), '{"a":1}']])])
    answer = api.get("query_range", {"query": '{job="k"} | json | a = 1', "explain": "true"}).json()["data"]
    assert answer["explain"]["statements"]
    assert answer["explain"]["rowsInMemory"] == 1
    by_header = api.get("query_range", {"query": '{job="k"}'}, **{"X-Explain": "1"}).json()["data"]
    assert "explain" in by_header


async def test_a_client_that_leaves_cancels_its_query(
    start: Callable[..., tuple[Process, Api]], tmp_path: Path
) -> None:
    _, api = start()
    for batch in range(5):
        values = [[time.time_ns() + at, f'{{"n":{at + batch * 20000}}}'] for at in range(20000)]
        await asyncio.to_thread(api.push, [({"job": "k"}, values)])
    slow = 'sum by (a) (count_over_time({job="k"} | json | line_format "{{ .n }}{{ .n }}" | pattern "<a>" [1h]))'
    async with httpx.AsyncClient() as client:
        task = asyncio.create_task(client.get(f"{api.base}/loki/api/v1/query", params={"query": slow}))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    log = tmp_path / "loki/logs/loki.log"

    def statuses() -> list[int]:
        found = [json.loads(line) for line in log.read_text().splitlines()]
        return [item["status"] for item in found if item.get("event") == "query" and "line_format" in item["query"]]

    found = await asyncio.to_thread(wait_until, statuses, 20, "the query's line in the log")
    assert found == [499]


def test_a_stop_is_clean_and_keeps_everything(start: Callable[..., tuple[Process, Api]]) -> None:
    process, api = start()
    api.push([({"job": "k"}, [[time.time_ns(), "kept"]])])
    process.stop()
    _, again = start()
    assert lines(again) == ["kept"]


def test_shutdown_by_the_api_writes_and_ends(start: Callable[..., tuple[Process, Api]], tmp_path: Path) -> None:
    process, api = start()
    api.push([({"job": "k"}, [[time.time_ns(), "kept"]])])
    assert api.client.post(f"{api.base}/ingester/shutdown", params={"terminate": "false"}).status_code == 204
    assert list((tmp_path / "loki/pytake/segments").glob("*.parquet"))
    assert api.client.post(f"{api.base}/ingester/shutdown").status_code == 204
    wait_until(lambda: not process.running, 20, "the process to end")
    _, again = start()
    assert lines(again) == ["kept"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MB (needs root and mount)."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small disk: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk(small_disk: Path, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--loki-url", default=None):
        pytest.skip("needs a server of our own")
    process, base = start_loki(small_disk / "loki")
    ballast = small_disk / "ballast"
    try:
        with httpx.Client(timeout=60) as client:
            api = Api(base, client)
            assert api.push([({"job": "k"}, [[time.time_ns(), "before"]])]).status_code == 204
            with ballast.open("wb") as handle, suppress(OSError):
                while True:
                    handle.write(bytes(1 << 16))
                    handle.flush()
            noise = secrets.token_hex(50_000)
            answers = [api.push([({"job": "k"}, [[time.time_ns() + at, f"{at} {noise}"]])]) for at in range(5)]
            assert answers[-1].status_code == 500
            assert "no space left on device" in answers[-1].text
            assert "before" in lines(api)
            ballast.unlink()
            wait_until(lambda: api.push([({"job": "k"}, [[time.time_ns(), "after"]])]).status_code == 204, 20, "space")
            assert {"before", "after"} <= set(lines(api))
            taken = sum(answer.status_code == 204 for answer in answers)
            assert len(lines(api)) == 2 + taken
            assert client.post(f"{base}/flush").status_code == 204
            assert {"before", "after"} <= set(lines(api))
    finally:
        process.stop()
