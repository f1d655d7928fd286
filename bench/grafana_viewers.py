"""50 people look at ``api-overview`` of the embedded Grafana, refreshed every 5 s: how long do its panels wait?

A real Prometheus holds synthetic data of all series that the dashboard names. Every viewer has a session of an own
browser: six connections, over which the queries of all panels go at each refresh; viewers begin at different moments,
as people do. The time of a query is measured at the viewer, from sending to the last byte. Then the server's memory.

    PYTHONPATH=.:bench python bench/grafana_viewers.py [--viewers 50] [--seconds 60] [--json]
"""

import argparse
import asyncio
import gzip
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from grafana_load import Connection, panels, servers, write_data
from jaeger_server import report

REFRESH = 5.0
CONNECTIONS = 6


class Viewer:
    """One browser."""

    def __init__(self, port: int, cookie: str, queries: list[list[dict]]) -> None:
        self.free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        for _ in range(CONNECTIONS):
            self.free.put_nowait(Connection(port, cookie))
        self.queries = queries
        self.took: list[float] = []
        self.frames = 0

    async def refresh(self) -> None:
        """All panels ask at once; each waits for a free connection, which counts."""
        now = int(time.time() * 1000)
        await asyncio.gather(*(self._panel(queries, now) for queries in self.queries))

    async def _panel(self, queries: list[dict], now: int) -> None:
        body = json.dumps({"queries": queries, "from": str(now - 3_600_000), "to": str(now)}).encode()
        began = time.perf_counter()
        connection = await self.free.get()
        status, headers, content = await connection.post("/api/ds/query", body)
        self.took.append(time.perf_counter() - began)
        self.free.put_nowait(connection)
        if status != 200:
            raise RuntimeError(f"{status}: {content[:300]!r}")
        self.frames += len(content) if headers.get("content-encoding") == "gzip" else len(gzip.compress(content, 1))

    async def look(self, seconds: float) -> None:
        """Refresh until the time is over."""
        await asyncio.sleep(random.random() * REFRESH)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            await self.refresh()
            await asyncio.sleep(max(0.0, REFRESH - (time.monotonic() - began)))


async def login(port: int) -> str:
    """A session's cookie."""
    body = json.dumps({"user": "admin", "password": "admin123"}).encode()
    _, headers, _ = await Connection(port).post("/login", body)
    return headers["set-cookie"].partition(";")[0]


async def check(port: int, cookie: str, queries: list[list[dict]]) -> int:
    """Points of one refresh; fails when a panel has none: the figure would mean nothing."""
    now, points = int(time.time() * 1000), 0
    for asked in queries:
        body = json.dumps({"queries": asked, "from": str(now - 3_600_000), "to": str(now)}).encode()
        _, headers, content = await Connection(port, cookie).post("/api/ds/query", body)
        answer = json.loads(gzip.decompress(content) if headers.get("content-encoding") == "gzip" else content)
        own = 0
        for name, result in answer["results"].items():
            if "error" in result:
                raise RuntimeError(f"{name} of {asked}: {result['error']}")
            own += sum(len(column) for frame in result["frames"] for column in frame["data"]["values"][-1:])
        if not own:
            raise RuntimeError(f"no data: {asked}")
        points += own
    return points


async def measure(port: int, count: int, seconds: float) -> dict[str, float]:
    """Figures of ``count`` viewers."""
    cookie, queries = await login(port), panels()
    points = await check(port, cookie, queries)
    viewers = [Viewer(port, await login(port), queries) for _ in range(count)]
    began = time.monotonic()
    await asyncio.gather(*(viewer.look(seconds) for viewer in viewers))
    elapsed = time.monotonic() - began
    took = sorted(value * 1000 for viewer in viewers for value in viewer.took)
    return {
        "panels": len(queries),
        "points_a_refresh": points,
        "queries_a_second": len(took) / elapsed,
        "median_ms": statistics.median(took),
        "p95_ms": took[int(len(took) * 0.95)],
        "p99_ms": took[int(len(took) * 0.99)],
        "worst_ms": took[-1],
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pytake-bench-") as name:
        folder = Path(name)
        count = write_data(folder, 2.0)
        with servers(folder) as (port, pid):
            figures = asyncio.run(measure(port, arguments.viewers, arguments.seconds))
            process = psutil.Process(pid)
            figures |= {
                "series": count,
                "rss_mb": process.memory_info().rss / 1e6,
                "cpu_seconds": sum(process.cpu_times()[:2]),
            }
    return report(figures, {"p95_ms": ("<=", 300), "rss_mb": ("<=", 150)}, arguments.json)


if __name__ == "__main__":
    raise SystemExit(main())
