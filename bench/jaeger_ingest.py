"""How many spans a second the trace server takes, durable when acknowledged.

    python bench/jaeger_ingest.py [--spans 1000000] [--protocols grpc,http,thrift] [--json]

Each protocol gets a fresh server; requests of 500 spans are made beforehand and sent over 8 connections. After the last
acknowledgement the server is killed (-9) and started again, and every acknowledged trace of a sample must be there.
Exit code 1 when a figure misses its goal.
"""

import argparse
import http.client
import itertools
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench import jaeger_data
from bench.jaeger_server import JaegerServer, report

CONNECTIONS = 8
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
GOALS = {"grpc": 120_000, "http": 120_000, "thrift": 50_000}


def send_grpc(port: int, bodies: list[bytes]) -> float:
    """Seconds until everything is acknowledged."""
    began = time.perf_counter()
    numbers = itertools.count()

    def work() -> None:
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            export = channel.unary_unary(EXPORT)
            while (number := next(numbers)) < len(bodies):
                export(bodies[number], wait_for_ready=True)

    _in_threads(work)
    return time.perf_counter() - began


def send_http(port: int, path: str, kind: str, bodies: list[bytes]) -> float:
    """The same over HTTP."""
    began = time.perf_counter()
    numbers = itertools.count()

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while (number := next(numbers)) < len(bodies):
            while True:
                try:
                    connection.request("POST", path, bodies[number], {"content-type": kind})
                    answer = connection.getresponse()
                    answer.read()
                except (ConnectionError, http.client.HTTPException):  # the server closes connections that idle
                    connection.close()
                    continue
                if answer.status in (200, 202):
                    break
                if answer.status != 503:
                    raise RuntimeError(f"HTTP {answer.status}")
                time.sleep(0.05)

    _in_threads(work)
    return time.perf_counter() - began


def _in_threads(work) -> None:
    faults: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=guarded) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


class Watch:
    """Peak memory while it is open."""

    def __init__(self, server: JaegerServer) -> None:
        self._server, self._open, self.peak = server, True, 0
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while self._open:
            self.peak = max(self.peak, self._server.rss())
            time.sleep(0.05)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._thread.join()


def measure(protocol: str, spans: int) -> dict:
    """Figures of one protocol."""
    count = spans // jaeger_data.SPANS_PER_REQUEST
    bodies = jaeger_data.thrift_requests(count) if protocol == "thrift" else jaeger_data.requests(count)
    with tempfile.TemporaryDirectory(prefix="pytake-bench-") as folder:
        server = JaegerServer(Path(folder))
        server.start()
        try:
            _send(protocol, server, bodies[:16])  # first calls: imports, processes
            cpu = server.cpu_seconds()
            with Watch(server) as watch:
                began = time.perf_counter()
                seconds = _send(protocol, server, bodies[16:])
                sent = (len(bodies) - 16) * jaeger_data.SPANS_PER_REQUEST
                server.get("/api/services")
                searchable = time.perf_counter() - began
            cpu = server.cpu_seconds() - cpu
            server.kill()
            server.start()
            lost = _lost(protocol, server, bodies)
            segments, size = server.gauge("pytake_jaeger_segment_spans"), server.gauge("pytake_jaeger_segment_bytes")
        finally:
            server.stop()
    return {
        f"{protocol}_spans_per_second": sent / seconds, f"{protocol}_searchable_spans_per_second": sent / searchable,
        f"{protocol}_server_cpu_us_per_span": cpu / sent * 1e6, f"{protocol}_peak_rss_mb": watch.peak / 2**20,
        f"{protocol}_bytes_per_span": size / segments if segments else 0.0,
        f"{protocol}_restart_seconds": server.startup_seconds, f"{protocol}_lost_after_kill": lost,
    }  # fmt: skip


def _send(protocol: str, server: JaegerServer, bodies: list[bytes]) -> float:
    if protocol == "grpc":
        return send_grpc(server.ports["OTLP_GRPC"], bodies)
    if protocol == "http":
        return send_http(server.ports["OTLP_HTTP"], "/v1/traces", "application/x-protobuf", bodies)
    return send_http(server.ports["THRIFT_HTTP"], "/api/traces", "application/x-thrift", bodies)


def _lost(protocol: str, server: JaegerServer, bodies: list[bytes]) -> int:
    """Spans missing in all, and acknowledged traces of a sample that cannot be found."""
    missing = max(0, len(bodies) * jaeger_data.SPANS_PER_REQUEST - server.spans_stored())
    if protocol != "thrift":
        for body in random.Random(1).sample(bodies, min(20, len(bodies))):
            for trace_id in jaeger_data.trace_ids(body)[:2]:
                try:
                    server.get(f"/api/traces/{trace_id}")
                except OSError:
                    missing += 1
    return missing


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=1_000_000, help="spans a protocol (default 1,000,000)")
    parser.add_argument("--protocols", default="grpc,http,thrift")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures, goals = {}, {}
    for protocol in arguments.protocols.split(","):
        figures |= measure(protocol, arguments.spans)
        goals |= {
            f"{protocol}_spans_per_second": (">=", GOALS[protocol]), f"{protocol}_bytes_per_span": ("<=", 100),
            f"{protocol}_peak_rss_mb": ("<=", 500), f"{protocol}_restart_seconds": ("<=", 2),
            f"{protocol}_lost_after_kill": ("<=", 0),
        }  # fmt: skip
    return report(figures, goals, arguments.json)


if __name__ == "__main__":
    raise SystemExit(main())
