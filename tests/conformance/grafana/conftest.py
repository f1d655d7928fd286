"""An embedded Grafana over the committed provisioning, with data sources that only note what they are asked.

``GRAFANA_URL`` names another one to be tried (the real one, say), ``GRAFANA_ADMIN`` its login:password; tests that need
the noting sources or speak of the embedded one alone are skipped there.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.support.grafana import grafana_over

GIVEN = os.environ.get("GRAFANA_URL", "").rstrip("/")
ADMIN = tuple(os.environ.get("GRAFANA_ADMIN", "admin:admin123").split(":", 1))


class NotingSource:
    """Stands for Prometheus, Loki, Jaeger and Alertmanager: answers by path, keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, list[str]]]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        self.delay = 0.0
        source = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                parts = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                source.asked.append((self.command, parts.path, parse_qs(parts.query)))
                time.sleep(source.delay)
                status, body = source.answers.get(parts.path, (200, {"status": "success", "data": []}))
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # who asked has given up
                    self.wfile.write(raw)

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815 (http.server's names)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="session")
def source() -> Iterator[NotingSource]:
    if GIVEN:
        pytest.skip("the data sources of GRAFANA_URL are its own")
    made = NotingSource()
    yield made
    made.close()


@pytest.fixture
def fresh(source: NotingSource) -> NotingSource:
    source.asked.clear()
    source.answers.clear()
    return source


@pytest.fixture(scope="session")
def embedded() -> None:
    if GIVEN:
        pytest.skip("speaks of the embedded Grafana alone")


@pytest.fixture(scope="session")
def grafana(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if GIVEN:
        yield GIVEN
        return
    source: NotingSource = request.getfixturevalue("source")
    folder, boards = tmp_path_factory.mktemp("grafana"), Path("monitoring/grafana/dashboards").resolve()
    with grafana_over(source.url, folder, boards, GF_GRAFANA_COM_API_URL=f"{source.url}/gnet") as url:
        yield url


@pytest.fixture
def admin(grafana: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=grafana, auth=ADMIN) as client:
        yield client
