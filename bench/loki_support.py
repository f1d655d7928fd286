"""What the Loki benchmarks share: log lines of 343 bytes, push bodies, a server of our own or any base URL."""

import gzip
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import cramjam
import orjson
import psutil

from pytake.embedded.common.loki_push_pb import PushRequest

PATHS = [
    f"/api/v1/{area}/{verb}"
    for area in ("conversations", "messages", "contacts", "templates", "users")
    for verb in ("list", "get", "search")
]
LINE_BYTES = 343
STREAMS = 8


def make_lines(count: int, seed: int) -> list[str]:
    """JSON lines of the product's shape, 343 bytes on average, with a trace id of their own each."""
    rng = random.Random(seed)
    lines = []
    for _ in range(count):
        status = rng.choices((200, 201, 204, 400, 404, 500, 503), (70, 10, 5, 5, 5, 3, 2))[0]
        level = (
            "error" if status >= 500 else "warning" if status >= 400 else rng.choice(("info", "info", "info", "debug"))
        )
        record = {
            "timestamp": f"2026-11-24T13:{rng.randrange(60):02d}:{rng.randrange(60):02d}.{rng.randrange(10**6):06d}Z",
            "level": level,
            "logger": "pytake.http",
            "event": "http_request",
            "message": "request finished",
            "request_id": f"{rng.getrandbits(64):016x}",
            "trace_id": f"{rng.getrandbits(128):032x}",
            "span_id": f"{rng.getrandbits(64):016x}",
            "method": rng.choice(("GET", "POST")),
            "path": rng.choice(PATHS),
            "status": status,
            "duration_ms": round(rng.expovariate(1 / 40), 3),
            "agent": "ok4.9",
        }
        lines.append(orjson.dumps(record).decode())
    return lines


def json_body(lines: Sequence[str], stamps: Sequence[int]) -> bytes:
    """A gzipped JSON push of lines spread over the streams."""
    streams = [
        {
            "stream": {"job": "bench", "service": f"svc-{number}"},
            "values": [[str(stamps[at]), lines[at]] for at in range(number, len(lines), STREAMS)],
        }
        for number in range(STREAMS)
    ]
    return gzip.compress(orjson.dumps({"streams": streams}), 6)


def proto_body(lines: Sequence[str], stamps: Sequence[int]) -> bytes:
    """The same as snappy protobuf."""
    request = PushRequest()
    for number in range(STREAMS):
        stream = request.streams.add(labels=f'{{job="bench", service="svc-{number}"}}')
        for at in range(number, len(lines), STREAMS):
            entry = stream.entries.add(line=lines[at])
            entry.timestamp.seconds, entry.timestamp.nanos = divmod(stamps[at], 10**9)
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))


HEADERS = {
    "json": {"content-type": "application/json", "content-encoding": "gzip"},
    "proto": {"content-type": "application/x-protobuf"},
}
BODIES = {"json": json_body, "proto": proto_body}


def build(
    kind: str, total: int, batch: int, start: int, span: int, distinct: int = 100_000, seed: int = 7
) -> Iterator[bytes]:
    """Bodies of ``total`` lines over ``span`` nanoseconds from ``start``; ``distinct`` lines are used again."""
    pool = make_lines(min(distinct, total), seed)
    step = max(1, span // total)
    for at in range(0, total, batch):
        lines = [pool[(at + offset) % len(pool)] for offset in range(min(batch, total - at))]
        if at >= len(pool):  # ids differ from round to round, so that compression and id look-ups stay honest
            mark = f"{at // len(pool):06x}"
            lines = [_remark(line, mark) for line in lines]
        yield BODIES[kind](lines, [start + (at + offset) * step for offset in range(len(lines))])


def _remark(line: str, mark: str) -> str:
    at = line.index('"trace_id":"') + 12
    return line[:at] + mark + line[at + len(mark) :]


def push_all(base: str, kind: str, bodies: Sequence[bytes], connections: int) -> list[float]:
    """Push every body once over some connections; seconds of each request. Raises when one is not taken."""
    where = urlsplit(base)
    lock, todo, took, errors = threading.Lock(), iter(bodies), [], []

    def work() -> None:
        connection = http.client.HTTPConnection(where.hostname or "127.0.0.1", where.port, timeout=60)
        while True:
            with lock:
                body = next(todo, None)
            if body is None or errors:
                return
            began = time.perf_counter()
            connection.request("POST", "/loki/api/v1/push", body, HEADERS[kind])
            answer = connection.getresponse()
            text = answer.read()
            took.append(time.perf_counter() - began)
            if answer.status != 204:
                errors.append(f"{answer.status}: {text[:300]!r}")

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise RuntimeError(errors[0])
    return took


@dataclass
class Server:
    """A running server: where, and its process (None for one that was there already)."""

    base: str
    process: psutil.Process | None
    data: Path | None
    ready_seconds: float = 0.0

    def rss(self) -> int:
        """Resident bytes now."""
        return self.process.memory_info().rss if self.process else 0

    def cpu(self) -> float:
        """CPU seconds so far."""
        times = self.process.cpu_times() if self.process else None
        return times.user + times.system if times else 0.0

    def peak_rss(self) -> int:
        """Highest resident bytes."""
        if self.process is None:
            return 0
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
        return 0

    def reset_peak(self) -> None:
        """Forget the highest resident bytes so far."""
        if self.process is not None:
            Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def disk(self) -> int:
        """Bytes of segments."""
        if self.data is None:
            return 0
        return sum(path.stat().st_size for path in (self.data / "loki/pytake/segments").glob("*") if path.is_file())


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_ready(base: str, timeout: float = 60.0) -> float:
    """Seconds until ``/ready`` answers 200."""
    where = urlsplit(base)
    began = time.perf_counter()
    while time.perf_counter() - began < timeout:
        try:
            connection = http.client.HTTPConnection(where.hostname or "127.0.0.1", where.port, timeout=2)
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return time.perf_counter() - began
        except OSError:
            time.sleep(0.02)
    raise TimeoutError(f"{base} is not ready after {timeout} s")


@contextmanager
def server(loki_url: str | None, data: Path | None = None) -> Iterator[Server]:
    """The server at ``loki_url``, or one of ours with its data in ``data`` (a temporary folder by default)."""
    if loki_url:
        yield Server(loki_url.rstrip("/"), None, None)
        return
    with tempfile.TemporaryDirectory(prefix="bench-loki-") as temporary:
        home = data or Path(temporary)
        port = free_port()
        config = Path(__file__).parent.parent / "monitoring/loki/loki.yml"
        env = {
            **os.environ,
            "PYTAKE_DATA_DIR": str(home),
            "PYTAKE_LOKI_RULES_DIR": str(home / "no-rules"),
            "PYTAKE_LOG_STDOUT": "false",
        }
        command = [
            sys.executable,
            "-m",
            "pytake.embedded.loki.main",
            f"-config.file={config}",
            "-config.expand-env=true",
            f"-server.http-listen-port={port}",
        ]
        (home / "no-rules").mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
        try:
            base = f"http://127.0.0.1:{port}"
            yield Server(base, psutil.Process(process.pid), home, wait_ready(base))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
