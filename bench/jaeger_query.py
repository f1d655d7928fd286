"""How fast the trace server answers with many spans stored: medians over HTTP, warm.

    python bench/jaeger_query.py [--spans 1000000] [--hours 1] [--json]

One million spans are 50,000 traces, spread over the last hour. For the larger figures: ``--spans 10000000 --hours 10``
(searches are over the last hour then, those for a
value that one span has over all hours). Exit code 1 when a figure misses its goal.
"""

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench import jaeger_data
from bench.jaeger_ingest import send_http
from bench.jaeger_server import JaegerServer, report

REPEATS = 15
PER_LOAD = 1000


class Client:
    """A keep-alive connection that takes times."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def get(self, path: str, **query: object) -> tuple[float, dict]:
        """Milliseconds and answer."""
        url = f"{path}?{urlencode(query)}" if query else path
        began = time.perf_counter()
        self._connection.request("GET", url)
        answer = self._connection.getresponse()
        body = answer.read()
        seconds = time.perf_counter() - began
        if answer.status != 200:
            raise RuntimeError(f"{url}: HTTP {answer.status} {body[:300]!r}")
        return seconds * 1000, json.loads(body)

    def median(self, path: str, queries: list[dict]) -> float:
        """Median over the queries, each asked once more beforehand to be warm."""
        times = []
        for query in queries:
            self.get(path, **query)
            times.append(self.get(path, **query)[0])
        return statistics.median(times)


def load(server: JaegerServer, spans: int, hours: float) -> list[str]:
    """Store the spans; returns some trace ids from all over."""
    count, end, sample = spans // jaeger_data.SPANS_PER_REQUEST, time.time(), []
    for first in range(0, count, PER_LOAD):
        number = min(PER_LOAD, count - first)
        seconds = hours * 3600 * number / count
        last = end - hours * 3600 * (count - first - number) / count
        bodies = jaeger_data.requests(number, seconds=seconds, end=last, seed=first + 1)
        send_http(server.ports["OTLP_HTTP"], "/v1/traces", "application/x-protobuf", bodies)
        sample += [jaeger_data.trace_ids(body)[3] for body in bodies[:: max(1, number // 5)]]
    return sample


def measure(server: JaegerServer, sample: list[str], hours: float) -> dict:
    """The figures."""
    client = Client(server.ports["UI"])
    now = int(time.time() * 1e6)
    hour = {"start": now - 3_700_000_000, "end": now, "limit": 20}
    services = jaeger_data.SERVICES
    common = [
        hour | {"service": service, "operation": f"{service} operation {number % 12}", "minDuration": "20ms",
                "tags": json.dumps({"http.request.method": "POST"})}
        for number, service in enumerate(services * 2)
    ][:REPEATS]  # fmt: skip
    uncommon = [query | {"tags": json.dumps({"http.response.status_code": "500"})} for query in common]
    rare = [hour | found | {"start": now - int((hours + 1) * 3.6e9)} for found in _unique_tags(client, sample)][
        :REPEATS
    ]
    figures = {
        "trace_by_id_ms": client_median_of_paths(client, [f"/api/traces/{trace_id}" for trace_id in sample[:REPEATS]]),
        "search_ms": client.median("/api/traces", common),
        "search_uncommon_tag_ms": client.median("/api/traces", uncommon),
        "search_rare_tag_ms": client.median("/api/traces", rare),
        "services_ms": client.median("/api/services", [{}] * REPEATS),
        "operations_ms": client.median("/api/operations", [{"service": service} for service in services]),
        "dependencies_hour_ms": client.median(
            "/api/dependencies", [{"endTs": now // 1000, "lookback": 3_600_000}] * REPEATS
        ),
        "latencies_hour_ms": client.median(
            "/api/metrics/latencies", [{"service": name, "quantile": 0.95, "step": 60_000} for name in services]
        ),
        "rss_mb": server.rss() / 2**20,
    }
    for query in rare:
        assert len(client.get("/api/traces", **query)[1]["data"]) == 1
    assert len(client.get("/api/traces", **common[0])[1]["data"]) == 20
    return figures


def client_median_of_paths(client: Client, paths: list[str]) -> float:
    """Median over paths."""
    return statistics.median(min(client.get(path)[0], client.get(path)[0]) for path in paths)


def _unique_tags(client: Client, sample: list[str]) -> list[dict]:
    """Searches for the one span that has a value."""
    found = []
    for trace_id in sample:
        trace = client.get(f"/api/traces/{trace_id}")[1]["data"][0]
        span = trace["spans"][7]
        value = next(tag["value"] for tag in span["tags"] if tag["key"] == "message.id")
        service = trace["processes"][span["processID"]]["serviceName"]
        found.append({"service": service, "tags": json.dumps({"message.id": value})})
    return found


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    many = arguments.spans > 5_000_000
    goals = {
        "trace_by_id_ms": ("<=", 20 if many else 10), "search_ms": ("<=", 50), "search_uncommon_tag_ms": ("<=", 50),
        "services_ms": ("<=", 10), "operations_ms": ("<=", 10),
        "dependencies_hour_ms": ("<=", 200), "rss_mb": ("<=", 500), "startup_seconds": ("<=", 2),
    }  # fmt: skip
    if not many:
        goals["search_rare_tag_ms"] = ("<=", 100)
    with tempfile.TemporaryDirectory(prefix="pytake-bench-") as folder:
        server = JaegerServer(Path(folder))
        server.start()
        try:
            sample = load(server, arguments.spans, arguments.hours)
            figures = {"spans_stored": server.spans_stored()}
            server.stop()
            server.start()
            figures |= {"startup_seconds": server.startup_seconds} | measure(server, sample, arguments.hours)
        finally:
            server.stop()
    return report(figures, goals, arguments.json)


if __name__ == "__main__":
    raise SystemExit(main())
