"""A server under test for the trace benchmarks: its own process, free ports, a temporary directory."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "monitoring/jaeger/config.yaml"
NAMES = ("UI", "OTLP_GRPC", "OTLP_HTTP", "THRIFT_HTTP", "SAMPLING", "HEALTH", "METRICS", "SPAN_METRICS")


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now."""
    sockets = [socket.socket() for _ in range(count)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


class JaegerServer:
    """``pytake-jaeger`` on the repository's configuration; :attr:`ports` by name."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.ports = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
        self.process: subprocess.Popen[bytes] | None = None
        self.startup_seconds = 0.0

    def start(self) -> None:
        """Start and wait until it is ready."""
        env = dict(
            os.environ,
            PYTAKE_DATA_DIR=str(self.data),
            PYTAKE_LOG_DIR=str(self.data / "logs"),
            PYTAKE_LOG_STDOUT="false",
        )
        env |= {f"PYTAKE_JAEGER_{name}_PORT": str(port) for name, port in self.ports.items()}
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytake.embedded.jaeger.main", "--config", str(CONFIG)],
            env=env, cwd=ROOT,
        )  # fmt: skip
        while time.monotonic() < began + 60:
            if self.process.poll() is not None:
                raise RuntimeError(f"pytake-jaeger ended with {self.process.returncode}")
            try:
                self.get("/status")
                self.startup_seconds = time.monotonic() - began
                return
            except OSError:
                time.sleep(0.02)
        raise TimeoutError("pytake-jaeger was not ready after 60 s")

    def get(self, path: str) -> bytes:
        """Body of a GET on the query port."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['UI']}{path}", timeout=60) as answer:
            return answer.read()

    def gauge(self, name: str) -> float:
        """A metric without labels."""
        for line in self.get("/metrics").decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        return 0.0

    def spans_stored(self) -> int:
        """Spans in memory and on disk."""
        return int(self.gauge("pytake_jaeger_hot_spans") + self.gauge("pytake_jaeger_segment_spans"))

    def rss(self) -> int:
        """Resident bytes of the server and its children."""
        own = psutil.Process(self.process.pid)
        return sum(process.memory_info().rss for process in (own, *own.children(recursive=True)))

    def cpu_seconds(self) -> float:
        """CPU time of the server and its children."""
        own = psutil.Process(self.process.pid)
        return sum(sum(process.cpu_times()[:2]) for process in (own, *own.children(recursive=True)))

    def kill(self) -> None:
        """``kill -9``."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Stop as the supervisor does."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)


def report(figures: dict, goals: dict[str, tuple[str, float]], as_json: bool) -> int:
    """Print figures beside their goals; 1 when one is missed."""
    missed = [
        name for name, (kind, goal) in goals.items()
        if name in figures and not (figures[name] <= goal if kind == "<=" else figures[name] >= goal)
    ]  # fmt: skip
    if as_json:
        print(
            json.dumps({"figures": figures, "goals": {k: f"{o} {g}" for k, (o, g) in goals.items()}, "missed": missed})
        )
    else:
        for name, value in figures.items():
            goal = (
                f"   goal {goals[name][0]} {goals[name][1]:g}{'   MISSED' if name in missed else ''}"
                if name in goals
                else ""
            )
            print(f"{name:45} {value:>14,.2f}{goal}" if isinstance(value, float) else f"{name:45} {value:>14,}{goal}")
    return 1 if missed else 0
