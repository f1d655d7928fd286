"""A Loki to ask: ours by default, any other with ``--loki-url`` (or ``LOKI_URL``), and lines that every test knows.

.venv/bin/pytest tests/conformance/loki --loki-url http://127.0.0.1:3100
"""

import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conformance.loki.data import SECOND, Data, make_data
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[3]
CONFIG = """
auth_enabled: {auth}
server: {{http_listen_port: {port}}}
common: {{path_prefix: {home}}}
limits_config: {{volume_enabled: true, reject_old_samples: true, max_query_length: 30d, max_line_size: 100KB}}
compactor:
  retention_enabled: true
  delete_request_store: filesystem
  delete_request_cancel_period: 24h
  compaction_interval: {compaction}
pattern_ingester: {{enabled: true}}
ruler:
  enable_api: true
  alertmanager_url: {alertmanager}
  evaluation_interval: 1s
  storage: {{type: local, local: {{directory: {home}/rules}}}}
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--loki-url", default=None, help="ask this Loki instead of starting ours")


def start_loki(
    home: Path,
    *,
    auth: bool = False,
    alertmanager: str = "http://127.0.0.1:1",
    compaction: str = "10m",
    wait: bool = True,
) -> tuple[Process, str]:
    """Start our server with its data under ``home``."""
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = home / "loki.yml"
    config.write_text(
        CONFIG.format(auth=str(auth).lower(), port=port, home=home, alertmanager=alertmanager, compaction=compaction)
    )
    command = [str(ROOT / ".venv/bin/python"), "-m", "pytake.embedded.loki.main", f"-config.file={config}"]
    env = {**os.environ, "PYTAKE_LOG_DIR": str(home / "logs")}
    process = Process(command, home / "out.log", env=env)
    process.start()
    base = f"http://127.0.0.1:{port}"
    if wait:
        wait_until(
            lambda: process.running and httpx.get(f"{base}/ready").status_code == 200, 60, f"Loki ({home}/out.log)"
        )
    return process, base


@dataclass
class Api:
    """HTTP calls of one Loki."""

    base: str
    client: httpx.Client

    def get(
        self, path: str, params: Mapping[str, Any] | Sequence[tuple[str, Any]] = (), **headers: str
    ) -> httpx.Response:
        """GET under ``/loki/api/v1`` (or an absolute path)."""
        full = path if path.startswith("/") else f"/loki/api/v1/{path}"
        return self.client.get(
            self.base + full, params=dict(params) if isinstance(params, Mapping) else list(params), headers=headers
        )

    def push(
        self, streams: Sequence[tuple[Mapping[str, str], Sequence[Sequence[Any]]]], **headers: str
    ) -> httpx.Response:
        """Push JSON streams of ``(labels, [[ns, line, metadata?]])``."""
        data = {
            "streams": [
                {"stream": dict(labels), "values": [[str(v[0]), *v[1:]] for v in values]} for labels, values in streams
            ]
        }
        return self.client.post(f"{self.base}/loki/api/v1/push", json=data, headers=headers)

    def range(self, query: str, start: int, end: int, **params: Any) -> Any:
        """The ``data`` of a range query."""
        answer = self.get("query_range", {"query": query, "start": start, "end": end, "limit": 5000, **params})
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def instant(self, query: str, at: int) -> Any:
        """The ``data`` of an instant query."""
        answer = self.get("query", {"query": query, "time": at})
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


@pytest.fixture(scope="session")
def loki_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the Loki under test is."""
    given = request.config.getoption("--loki-url", default=None) or os.environ.get("LOKI_URL")
    if given:
        yield str(given).rstrip("/")
        return
    process, base = start_loki(tmp_path_factory.mktemp("loki"))
    yield base
    process.stop()


@pytest.fixture(scope="session")
def api(loki_url: str) -> Iterator[Api]:
    """Calls of the Loki under test."""
    with httpx.Client(timeout=60) as client:
        yield Api(loki_url, client)


@pytest.fixture(scope="session")
def data(api: Api) -> Data:
    """Lines of four streams under a job of this session, in memory and in storage."""
    made = make_data(f"conf-{uuid.uuid4().hex[:8]}", (time.time_ns() // (60 * SECOND) - 30) * 60 * SECOND)
    half = [(labels, values[: len(values) // 2]) for labels, values in made.streams]
    rest = [(labels, values[len(values) // 2 :]) for labels, values in made.streams]
    assert api.push(half).status_code == 204
    api.client.post(f"{api.base}/flush")
    assert api.push(rest).status_code == 204
    query = f'sum(count_over_time({{job="{made.job}"}}[30m]))'
    total = sum(len(values) for _, values in made.streams)

    def stored() -> bool:
        result = api.instant(query, made.end)["result"]
        return bool(result) and int(result[0]["value"][1]) == total

    wait_until(stored, 30, "all lines to be seen")
    return made
