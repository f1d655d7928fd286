"""What `/metrics` costs with 10,000 series: CPU of one page, alone and with a second process merged in.

    python -m bench.metrics_page [--series 10000] [--rounds 9] [--json]

Builds counters, gauges and histograms with exemplars until the page has that many lines with a value and renders it in
both formats; medians of CPU time. Exit code 0 when every page costs at most 50 ms, 1 when not. prometheus_client's
own page with as many series is shown beside it.
"""

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import prometheus_client

from pytake.telemetry import metrics as m
from pytake.telemetry.labels import Bounded, Method
from pytake.telemetry.shared import SharedMetrics

LIMIT_MS = 50.0
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)


def fill(lines: int) -> None:
    """Make a catalogue's mix: half the lines belong to histograms with exemplars, the rest to counters and gauges."""
    paths = Bounded(lines + 1)
    seconds = m.histogram(
        "bench_seconds",
        "Bench.",
        labels={"path": paths, "method": Method},
        buckets=BUCKETS,
        exemplars=True,
        budget=lines,
    )
    total = m.counter("bench_total", "Bench.", labels={"path": paths}, budget=lines)
    level = m.gauge("bench_level", "Bench.", labels={"path": paths}, budget=lines)
    each = len(BUCKETS) + 3
    for number in range(lines // 2 // each):
        for bound in BUCKETS:
            seconds.observe(bound * 0.9, trace_id=number + 1, path=f"/items/{number}", method="GET")
    for number in range((lines - lines // 2 // each * each) // 2):
        total.inc(number * 1.1, path=f"/items/{number}")
        level.set(number / 3, path=f"/items/{number}")


def theirs(lines: int) -> prometheus_client.CollectorRegistry:
    """Make the same with prometheus_client."""
    registry = prometheus_client.CollectorRegistry()
    seconds = prometheus_client.Histogram("bench_seconds", "Bench.", ["path"], buckets=BUCKETS, registry=registry)
    level = prometheus_client.Gauge("bench_level", "Bench.", ["path"], registry=registry)
    each = len(BUCKETS) + 3
    for number in range(lines // 2 // each):
        for bound in BUCKETS:
            seconds.labels(f"/items/{number}").observe(bound * 0.9)
    for number in range(lines - lines // 2 // each * each):
        level.labels(f"/items/{number}").set(number / 3)
    return registry


def cpu_ms(page: Callable[[], Any], rounds: int) -> float:
    """Return the median CPU time of ``page()`` in milliseconds."""
    found = []
    for _ in range(rounds):
        started = time.process_time()
        page()
        found.append((time.process_time() - started) * 1e3)
    return statistics.median(found)


def peer(directory: str, lines: int, ready: Any, stop: Any) -> None:
    """Be the second process of the service."""
    shared = SharedMetrics(Path(directory), "bench")
    shared.join()
    fill(lines)
    ready.set()
    stop.wait(120)


def run(lines: int, rounds: int) -> dict[str, Any]:
    """Measure; return milliseconds by variant."""
    fill(lines)
    result: dict[str, Any] = {"unit": "ms of CPU a page", "series": m.render().count(b"\n") - 6, "pages": {}}
    pages = result["pages"]
    pages["text"] = cpu_ms(lambda: m.render(False), rounds)
    pages["openmetrics"] = cpu_ms(lambda: m.render(True), rounds)
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    with tempfile.TemporaryDirectory(prefix="metrics-page-") as directory:
        shared = SharedMetrics(Path(directory), "bench")
        shared.join()
        process = context.Process(target=peer, args=(directory, lines, ready, stop))
        process.start()
        try:
            if not ready.wait(60):
                raise SystemExit("the second process did not start within 60 s")
            pages["openmetrics, two processes"] = cpu_ms(lambda: m.render(True), rounds)
        finally:
            stop.set()
            process.join(10)
            shared.leave()
    registry = theirs(lines)
    result["prometheus_client"] = cpu_ms(lambda: prometheus_client.generate_latest(registry), max(3, rounds // 3))
    result["passed"] = all(page <= LIMIT_MS for page in pages.values())
    return result


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000, help="lines with a value (default 10000)")
    parser.add_argument("--rounds", type=int, default=9, help="pages a variant (default 9)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    result = run(options.series, options.rounds)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        for name, found in result["pages"].items():
            print(f"{result['series']} series, {name}: {found:.1f} ms CPU (limit {LIMIT_MS:.0f})")
        print(f"prometheus_client's own page: {result['prometheus_client']:.1f} ms CPU")
        print("passed" if result["passed"] else "FAILED")
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
