"""How many JSON lines a second Promtail ships through the product's own pipeline (monitoring/promtail/promtail.yml).

A file of PyTake's log lines is there before Promtail starts; the receiver takes pushes and counts entries. Measured
from the first push to the last, so start-up does not count. Target: 50,000 lines a second.

    .venv/bin/python bench/promtail_ship.py [--lines 500000] [--json]
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cramjam
import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from pytake.embedded.common.loki_push_pb import PushRequest

ROOT = Path(__file__).parents[1]


class Receiver:
    """Counts pushed entries; decoding happens after the measurement."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.at: list[float] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.at.append(time.perf_counter())
                self.send_response(204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def entries(body: bytes) -> int:
        """Entries of one push."""
        request = PushRequest.FromString(bytes(cramjam.snappy.decompress_raw(body)))
        return sum(len(stream.entries) for stream in request.streams)


def line(number: int) -> str:
    """A log line of the backend, about 350 bytes."""
    level = ("info", "info", "info", "warning", "error")[number % 5]
    return json.dumps(
        {
            "timestamp": f"2026-11-24T10:{number // 60000 % 60:02d}:{number // 1000 % 60:02d}.{number % 1000:03d}123Z",
            "level": level, "logger": "pytake.http", "event": "request", "message": "request finished",
            "request_id": f"{number:032x}", "trace_id": f"{number * 7919:032x}", "span_id": f"{number:016x}",
            "method": "POST", "path": "/webhooks/whatsapp", "status": 200, "duration_ms": number % 400 / 10,
        }
    )  # fmt: skip


def free_port() -> int:
    """A port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def measure(lines: int, folder: Path, console: Console) -> dict[str, float]:
    """Ship ``lines`` lines and return the figures."""
    receiver = Receiver()
    log = folder / "pytake-api.log"
    with log.open("w") as file:
        file.writelines(line(number) + "\n" for number in range(lines))
    env = {
        **os.environ, "PYTAKE_LOG_DIR": str(folder), "PYTAKE_DATA_DIR": str(folder / "data"),
        "PYTAKE_LOKI_URL": f"http://127.0.0.1:{receiver.server.server_address[1]}",
        "PYTAKE_HOST_LOG_DIR": str(folder / "none"), "OTEL_SDK_DISABLED": "true",
    }  # fmt: skip
    command = [
        sys.executable, "-m", "pytake.embedded.promtail.main",
        f"-config.file={ROOT / 'monitoring/promtail/promtail.yml'}", "-config.expand-env=true",
        "-server.http-listen-address=127.0.0.1",
        f"-server.http-listen-port={free_port()}",
    ]  # fmt: skip
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    try:
        size = log.stat().st_size
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("shipping", total=None)
            quiet = time.perf_counter()
            while time.perf_counter() - quiet < 3 or not receiver.at:
                if receiver.at:
                    quiet = receiver.at[-1]
                progress.update(task, completed=len(receiver.bodies))
                time.sleep(0.1)
        usage = psutil.Process(process.pid)
        cpu, rss = sum(usage.cpu_times()[:2]), usage.memory_info().rss
    finally:
        process.terminate()
        process.wait(20)
    first = receiver.entries(receiver.bodies[0])
    shipped = sum(map(receiver.entries, receiver.bodies))
    seconds = receiver.at[-1] - receiver.at[0]
    return {
        "lines": shipped, "bytes_per_line": round(size / lines), "seconds": round(seconds, 2),
        "lines_per_second": round((shipped - first) / seconds), "cpu_seconds": round(cpu, 2),
        "rss_mb": round(rss / 1e6), "target": 50_000,
    }  # fmt: skip


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=500_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="pytake-bench-") as folder:
        result = measure(arguments.lines, Path(folder), console)
    if arguments.json:
        print(json.dumps(result))
        return
    table = Table("figure", "value", title="Promtail through the product's pipeline")
    for name, value in result.items():
        table.add_row(name, f"{value:,}")
    Console().print(table)


if __name__ == "__main__":
    main()
