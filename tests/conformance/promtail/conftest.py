"""A Promtail process (ours; a real one by ``PROMTAIL_BINARY``), files of its own, and a Loki that only notes."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cramjam
import httpx
import pytest
import yaml

from pytake.embedded.common.loki_push_pb import PushRequest
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.waiting import wait_until

COMMAND = os.environ.get("PROMTAIL_BINARY", "")


class NotingLoki:
    """Takes pushes; ``answers`` is a list of status codes for the next pushes, 204 after that."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, int, str, dict[str, str], str]] = []
        self.answers: list[int] = []
        self.requests = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/loki/api/v1/push"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def lines(self) -> list[str]:
        with self._lock:
            return [entry[2] for entry in self.entries]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        loki = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with loki._lock:
                    loki.requests += 1
                    code = loki.answers.pop(0) if loki.answers else 204
                    if code < 300:
                        loki._note(body, self.headers.get("X-Scope-OrgID", ""))
                self.send_response(code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler

    def _note(self, body: bytes, tenant: str) -> None:
        request = PushRequest.FromString(bytes(cramjam.snappy.decompress_raw(body)))
        for stream in request.streams:
            for entry in stream.entries:
                at = entry.timestamp.seconds * 1_000_000_000 + entry.timestamp.nanos
                metadata = {pair.name: pair.value for pair in entry.structured_metadata}
                self.entries.append((stream.labels, at, entry.line, metadata, tenant))


class Promtail:
    """One configuration of Promtail under test."""

    def __init__(self, folder: Path, loki: NotingLoki) -> None:
        self.folder = folder
        self.loki = loki
        self.port = free_port()
        self.config: dict[str, Any] = {
            "server": {"http_listen_address": "127.0.0.1", "http_listen_port": self.port, "grpc_listen_port": 0},
            "positions": {"filename": str(folder / "positions.yaml"), "sync_period": "200ms"},
            "clients": [
                {"url": loki.url, "batchwait": "100ms", "backoff_config": {"min_period": "50ms", "max_period": "200ms"}}
            ],
            "target_config": {"sync_period": "300ms"},
            "global": {"file_watch_config": {"min_poll_frequency": "50ms", "max_poll_frequency": "50ms"}},
            "scrape_configs": [],
        }
        self.process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def scrape(self, path: str, *stages: dict[str, Any], **more: Any) -> None:
        self.config["scrape_configs"].append(
            {
                "job_name": f"job{len(self.config['scrape_configs'])}",
                "static_configs": [{"labels": {"__path__": str(self.folder / path), **more.pop("labels", {})}}],
                "pipeline_stages": list(stages),
                **more,
            }
        )

    def command(self, *flags: str) -> list[str]:
        path = self.folder / "promtail.yml"
        path.write_text(yaml.safe_dump(self.config))
        program = [COMMAND] if COMMAND else [sys.executable, "-m", "pytake.embedded.promtail.main"]
        return [*program, f"-config.file={path}", *flags]

    def start(self, *, ready: bool = True) -> None:
        env = {**os.environ, "PYTAKE_LOG_DIR": "", "OTEL_SDK_DISABLED": "true"}
        self.process = Process(self.command(), self.folder / "promtail.out", env=env)
        self.process.start()

        def up() -> bool:
            assert self.process is not None
            self.process.check()
            return httpx.get(f"{self.url}/ready").status_code in ({200} if ready else {200, 500})

        wait_until(up, 15, "Promtail to be ready")

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()

    def wait_lines(self, count: int, timeout: float = 10) -> list[str]:
        wait_until(lambda: len(self.loki.lines()) >= count, timeout, f"{count} lines at Loki")
        return self.loki.lines()


@pytest.fixture
def loki() -> Iterator[NotingLoki]:
    server = NotingLoki()
    yield server
    server.close()


@pytest.fixture
def promtail(tmp_path: Path, loki: NotingLoki) -> Iterator[Promtail]:
    made = Promtail(tmp_path, loki)
    yield made
    made.stop()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def append(name: str, *lines: str, end: str = "\n") -> Path:
        path = tmp_path / name
        with path.open("a") as file:
            file.write("".join(line + end for line in lines))
        return path

    return append
