"""Load for the embedded Grafana: a real Prometheus with synthetic data, a server, viewers over plain sockets."""

import asyncio
import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jaeger_server import free_ports

ROOT = Path(__file__).resolve().parent.parent
BOARD = ROOT / "monitoring/grafana/dashboards/api-overview.json"
ENDPOINTS = [
    f"/api/v1/{name}"
    for name in ["conversations", "messages", "contacts", "templates", "users", "media", "agents", "stats"]
]
BUCKETS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2", "5", "10", "+Inf")
VALUES = {"endpoint": ENDPOINTS, "le": BUCKETS, "status": ("200", "201", "404", "500"), "method": ("GET", "POST"),
          "dependency": ("postgres", "redis", "meta"), "direction": ("in", "out"), "message_type": ("text", "media"),
          "reason": ("normal", "timeout"), "exception": ("TimeoutError", "ValueError")}  # fmt: skip
EVERY = 10


def panels() -> list[list[dict[str, Any]]]:
    """The queries of each panel of ``api-overview``, variables filled in, as the page sends them."""
    found = []

    def walk(items: Sequence[dict[str, Any]]) -> None:
        for panel in items:
            walk(panel.get("panels") or [])
            queries = [_query(panel, target, number) for number, target in enumerate(panel.get("targets") or [])]
            if queries and "expr" in queries[0]:
                found.append(queries)

    walk(json.loads(BOARD.read_text())["panels"])
    return found


def _query(panel: dict[str, Any], target: dict[str, Any], number: int) -> dict[str, Any]:
    expr = re.sub(r"\$endpoint\b|\$\{endpoint[^}]*\}", ".+", target.get("expr", ""))
    source = {"type": "prometheus", "uid": "prometheus"}
    wanted = {
        "refId": target.get("refId") or chr(65 + number),
        "datasource": source,
        "intervalMs": 10_000,
        "maxDataPoints": 800,
    }
    kept = {key: target[key] for key in ("instant", "range", "format", "legendFormat") if key in target}
    return {**kept, **wanted, "expr": expr}


_METRIC = re.compile(r"(?<![\w:])([a-z]\w*:[\w:]+|[a-z]\w*(?=\{|\[))(?:\{([^}]*)\})?")
_EQUAL = re.compile(r'(\w+)="([^"]*)"')


def series() -> Iterator[tuple[str, dict[str, str]]]:
    """Every metric that the dashboard names, with the labels that its queries use."""
    seen: dict[str, dict[tuple[tuple[str, str], ...], None]] = {}
    for expr in (re.sub(r"\$__\w+", "5m", query["expr"]) for queries in panels() for query in queries):
        labels = {name for name in VALUES if re.search(rf"\b{name}\b", expr)}
        for name, matchers in _METRIC.findall(expr):
            fixed = {"job": "pytake-api", **dict(_EQUAL.findall(matchers))}
            combined: list[dict[str, str]] = [fixed]
            for label in sorted(labels - set(fixed)):
                combined = [{**one, label: value} for one in combined for value in VALUES[label]]
            seen.setdefault(name, {}).update(dict.fromkeys(tuple(sorted(one.items())) for one in combined))
    yield from ((name, dict(labels)) for name, all_labels in seen.items() for labels in all_labels)


def write_data(folder: Path, hours: float) -> int:
    """Blocks of synthetic samples until ten minutes from now; gives the number of series."""
    now, text, count = int(time.time()), folder / "data.om", 0
    times = range(now - int(hours * 3600), now + 600, EVERY)
    with text.open("w") as out:
        by_name: dict[str, list[dict[str, str]]] = {}
        for name, labels in series():
            by_name.setdefault(name, []).append(labels)
        for name, all_labels in by_name.items():
            out.write(f"# TYPE {name} gauge\n")
            for number, labels in enumerate(all_labels):
                count += 1
                shown = ",".join(f'{key}="{value}"' for key, value in labels.items())
                for step, at in enumerate(times):
                    value = step * (number + 1) if name.endswith("_bucket") else 5 + math.sin(step / 40 + number)
                    out.write(f"{name}{{{shown}}} {value:.4f} {at}\n")
        out.write("# EOF\n")
    subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "prometheus")],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    text.unlink()
    return count


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[tuple[int, int]]:
    """Prometheus over the data and the embedded Grafana over it: Grafana's port and process id."""
    prometheus, grafana = free_ports(2)
    config = folder / "prometheus.yml"
    config.write_text("global: {scrape_interval: 10s}\n")
    env = dict(os.environ, GF_SERVER_HTTP_PORT=str(grafana), GF_PATHS_DATA=str(folder / "grafana"),
               PYTAKE_PROMETHEUS_URL=f"http://127.0.0.1:{prometheus}", PYTAKE_LOKI_URL="http://127.0.0.1:1",
               PYTAKE_JAEGER_URL="http://127.0.0.1:1", PYTAKE_ALERTMANAGER_URL="http://127.0.0.1:1",
               PYTAKE_DASHBOARDS_PATH=str(BOARD.parent), PYTAKE_LOG_DIR=str(folder / "logs"))  # fmt: skip
    commands = (
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'prometheus'}",
         f"--web.listen-address=127.0.0.1:{prometheus}", "--log.level=error", "--storage.tsdb.retention.time=30d"],
        [sys.executable, "-m", "pytake.embedded.grafana.main"],
    )  # fmt: skip
    running = [subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL) for command in commands]
    try:
        for address in (f"http://127.0.0.1:{prometheus}/-/ready", f"http://127.0.0.1:{grafana}/api/health"):
            _wait(address)
        yield grafana, running[1].pid
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait(20)


def _wait(address: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class Connection:
    """One kept connection of a browser: a request at a time."""

    def __init__(self, port: int, cookie: str = "") -> None:
        self.port, self.cookie = port, cookie
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers, body."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)
        reader, writer = self._streams
        host = f"127.0.0.1:{self.port}"
        head = (f"POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {self.cookie}\r\n"
                f"Content-Type: application/json\r\nAccept-Encoding: gzip\r\n"
                f"Content-Length: {len(body)}\r\n\r\n")  # fmt: skip
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        if "content-length" in headers:
            content = await reader.readexactly(int(headers["content-length"]))
        else:
            content = b""
            while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
                content += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
        return int(lines[0].split()[1]), headers, content

    def close(self) -> None:
        """End it."""
        if self._streams:
            self._streams[1].close()
