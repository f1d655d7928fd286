"""How fast a trace of 10,000 spans opens in the page, and how smoothly it scrolls, in headless Chromium.

    python bench/jaeger_page.py [--spans 10000] [--json]

Opening is from the navigation to the first row that is drawn, medians of 5, the browser's cache warm. Scrolling goes
through all rows in 5 s; a frame is the time between two animation frames. Exit code 1 when a figure misses its goal.
"""

import argparse
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench import jaeger_traces
from bench.jaeger_server import JaegerServer, report

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
REPEATS = 5
SCROLL = """async (seconds) => {
  const box = document.querySelector(".timeline"), frames = [], began = performance.now();
  const end = box.scrollHeight - box.clientHeight;
  let before = began, empty = 0;
  while (before < began + seconds * 1000) {
    box.scrollTop = end * (before - began) / (seconds * 1000);
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - before);
    before = now;
    const place = box.getBoundingClientRect();
    const middle = document.elementFromPoint(place.left + 40, place.top + place.height / 2);
    if (!middle?.closest(".row")) empty += 1;
  }
  return { frames: frames.slice(1), empty: empty / frames.length, rows: document.querySelectorAll(".row").length };
}"""


def opening(page: Page, url: str) -> float:
    """Seconds until the first row is drawn."""
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(".timeline .row", timeout=60_000)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return time.perf_counter() - began


def measure(url: str) -> dict:
    """The figures."""
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        cold = opening(page, url)
        warm = [opening(page, url) for _ in range(REPEATS)]
        scrolled = page.evaluate(SCROLL, 5)
        browser.close()
    frames = sorted(scrolled["frames"])
    return {
        "open_cold_seconds": cold, "open_seconds": statistics.median(warm),
        "frame_median_ms": statistics.median(frames), "frame_p95_ms": frames[int(len(frames) * 0.95)],
        "frame_longest_ms": frames[-1], "frames_without_rows_percent": scrolled["empty"] * 100,
        "rows_in_page": scrolled["rows"],
    }  # fmt: skip


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    goals = {
        "open_cold_seconds": ("<=", 2), "open_seconds": ("<=", 2), "frame_p95_ms": ("<=", 34),
        "frames_without_rows_percent": ("<=", 1), "rows_in_page": ("<=", 100),
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="pytake-bench-") as folder:
        server = JaegerServer(Path(folder))
        server.start()
        try:
            request, trace_id = jaeger_traces.large(arguments.spans)
            send(server, request.SerializeToString())
            figures = measure(f"http://127.0.0.1:{server.ports['UI']}/trace/{trace_id}")
        finally:
            server.stop()
    return report(figures, goals, arguments.json)


def send(server: JaegerServer, body: bytes) -> None:
    """Store an OTLP request."""
    url = f"http://127.0.0.1:{server.ports['OTLP_HTTP']}/v1/traces"
    with urllib.request.urlopen(urllib.request.Request(url, body, {"content-type": "application/x-protobuf"})):
        pass


if __name__ == "__main__":
    raise SystemExit(main())
