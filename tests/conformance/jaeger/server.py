"""The server under test and short ways to talk to it."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / "monitoring/jaeger/config.yaml"
PORTS = ("UI", "OTLP_GRPC", "OTLP_HTTP", "THRIFT_HTTP", "ZIPKIN", "SAMPLING", "HEALTH", "METRICS", "SPAN_METRICS")
PROTOBUF = "application/x-protobuf"


@dataclass
class Answer:
    """Status, headers and body of an HTTP answer."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)


def call(
    url: str, body: bytes | None = None, headers: dict[str, str] | None = None, method: str | None = None
) -> Answer:
    """An HTTP request; errors are answers too."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


@dataclass
class Target:
    """Where a Jaeger listens."""

    query: str
    otlp: str
    grpc: str
    thrift: str
    sampling: str
    zipkin: str = ""
    ours: bool = False
    extra: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **values: object) -> Answer:
        """GET on the query API."""
        return call(f"{self.query}{path}{'?' + urlencode(values, doseq=True) if values else ''}")

    def send(self, body: bytes, kind: str = PROTOBUF, **headers: str) -> Answer:
        """POST an OTLP request."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return call(f"{self.otlp}/v1/traces", body, {"content-type": kind, **named})

    def trace(self, trace_id: str, **values: object) -> dict[str, Any]:
        """A trace, waited for."""

        def look() -> Answer | None:
            answer = self.get(f"/api/traces/{trace_id}", **values)
            return answer if answer.status == 200 else None

        answer = wait_until(look, 30, trace_id)
        found: dict[str, Any] = answer.json["data"][0]
        return found

    def search(self, service: str, count: int = 1, **values: object) -> list[dict[str, Any]]:
        """A search, repeated until it finds ``count`` traces."""

        def look() -> Any:
            answer = self.get("/api/traces", service=service, **values)
            assert answer.status == 200, answer.body
            data = answer.json["data"]
            return len(data) >= count and [data]

        found: list[dict[str, Any]] = wait_until(look, 30, f"{count} traces of {service}")[0]
        return found


class OwnServer:
    """Our server as a process on free ports."""

    def __init__(self, directory: Path, config: Path = CONFIG, **env: str) -> None:
        self.ports = {name: free_port() for name in PORTS}
        self.directory = directory
        names = {f"PYTAKE_JAEGER_{name}_PORT": str(port) for name, port in self.ports.items()}
        self.process = Process(
            [sys.executable, "-m", "pytake.embedded.jaeger.main", "--config", config], directory / "jaeger.log",
            cwd=ROOT, env={**os.environ, **names, "PYTAKE_DATA_DIR": str(directory), **env},
        )  # fmt: skip

    def url(self, name: str) -> str:
        """Base URL of a port."""
        return f"http://127.0.0.1:{self.ports[name]}"

    @property
    def target(self) -> Target:
        """How to reach it."""
        return Target(
            self.url("UI"), self.url("OTLP_HTTP"), f"127.0.0.1:{self.ports['OTLP_GRPC']}", self.url("THRIFT_HTTP"),
            self.url("SAMPLING"), self.url("ZIPKIN"), ours=True,
            extra={"metrics": self.url("METRICS"), "spans": self.url("SPAN_METRICS"), "health": self.url("HEALTH")},
        )  # fmt: skip

    def start(self) -> Target:
        """Start and wait until it is ready."""
        self.process.start()

        def ready() -> bool:
            self.process.check()
            return call(f"{self.url('UI')}/status").status == 200

        deadline = time.monotonic() + 60
        while True:
            try:
                if ready():
                    return self.target
            except OSError:
                pass
            assert time.monotonic() < deadline, self.process.tail()
            time.sleep(0.05)


def unique_service() -> str:
    """A service name that no other test uses."""
    return f"conformance-{uuid.uuid4().hex[:12]}"


def path_part(text: str) -> str:
    """Text as one part of a path."""
    return quote(text, safe="")
