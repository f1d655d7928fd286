"""How long a dashboard takes in Chromium: from navigation with a warm cache until all panels are drawn.

    python -m bench.grafana_page [--dashboard api-overview] [--rounds 7] [--url http://127.0.0.1:3000] [--profile]

Without --url it starts the embedded Grafana over a stand-in for Prometheus that answers at once, so what is measured is
the page and the embedded server. The window is so high that every panel is in view. Exit code 0 when the median is at
most 1.5 s and the JavaScript of the first load at most 850 kB gzipped, 1 when not.
"""

import argparse
import contextlib
import gzip
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

LIMIT_MS, LIMIT_KB = 1500.0, 850.0
CHROMIUM = "/usr/bin/chromium"
LABELS = [
    {"endpoint": f"/api/{name}", "method": method, "status": "200", "le": le, "dependency": name, "direction": "in"}
    for name, method, le in (("messages", "GET", "0.1"), ("contacts", "POST", "1"), ("webhooks", "PUT", "+Inf"))
]
# a panel is drawn when it has something to show and does not load
DRAWN = """(wanted) => {
  const panels = [...document.querySelectorAll("[data-viz-panel-key]")];
  const ready = panels.filter((panel) => {
    const inside = panel.querySelector("[data-testid='data-testid panel content']");
    if (!inside || panel.querySelector("[aria-label='Panel loading bar']")) return false;
    return inside.querySelector("canvas, svg, table, [role=grid]") || inside.textContent.trim();
  });
  return panels.length >= wanted && ready.length === panels.length ? performance.now() : 0;
}"""


def answer(path: str, params: dict[str, list[str]]) -> Any:
    """What Prometheus says: three waves, or three values."""
    if "/label/" in path:
        return [labels["endpoint"] for labels in LABELS]
    if path.endswith("query_range"):
        start, end, step = (float(params[name][0]) for name in ("start", "end", "step"))
        times = [start + i * step for i in range(int((end - start) / step) + 1)]
        values = [[at, f"{2 + math.sin(at / 600):.3f}"] for at in times]
        return {"resultType": "matrix", "result": [{"metric": labels, "values": values} for labels in LABELS]}
    if path.endswith("query"):
        result = [{"metric": labels, "value": [time.time(), "1"]} for labels in LABELS]
        return {"resultType": "vector", "result": result}
    return []


class Prometheus(BaseHTTPRequestHandler):
    """The stand-in."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        parts = urlsplit(self.path)
        raw = json.dumps({"status": "success", "data": answer(parts.path, parse_qs(parts.query))}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def grafana() -> Iterator[str]:
    """The embedded Grafana with the committed dashboards; yields its address."""
    source = ThreadingHTTPServer(("127.0.0.1", 0), Prometheus)
    threading.Thread(target=source.serve_forever, daemon=True).start()
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="grafana-page-") as state:
        names = ("PROMETHEUS", "LOKI", "JAEGER", "ALERTMANAGER")
        env = {
            **os.environ,
            **{f"PYTAKE_{name}_URL": f"http://127.0.0.1:{source.server_address[1]}" for name in names},
            "GF_SERVER_HTTP_PORT": str(port),
            "GF_PATHS_DATA": state,
            "GF_PATHS_PROVISIONING": "monitoring/grafana/provisioning",
            "PYTAKE_DASHBOARDS_PATH": "monitoring/grafana/dashboards",
            "PYTAKE_LOG_DIR": "",
            "OTEL_SDK_DISABLED": "true",
        }
        command = [sys.executable, "-m", "pytake.embedded.grafana.main"]
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + 60
        try:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if httpx.get(f"{url}/api/health").status_code == 200:
                        break
                if time.monotonic() > end or process.poll() is not None:
                    raise SystemExit("the embedded Grafana did not start within 60 s")
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait(10)
            source.shutdown()


def visit(page: Page, path: str, panels: int) -> float:
    """Navigate; return milliseconds until all panels are drawn."""
    page.goto(path, wait_until="commit")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := page.evaluate(DRAWN, panels):
            return float(found)
        time.sleep(0.02)
    raise SystemExit(f"{path}: not all {panels} panels were drawn within 60 s")


def script_kb(page: Page, url: str) -> float:
    """Gzipped kB of the JavaScript that a first load fetches."""
    names = page.evaluate(
        "() => performance.getEntriesByType('resource').map((one) => one.name).filter((name) => name.endsWith('.js'))"
    )
    return sum(len(gzip.compress(httpx.get(name).content, 9)) for name in names if name.startswith(url)) / 1000


def profile(page: Page) -> list[str]:
    """When what was fetched, for a look at the order."""
    found: list[str] = page.evaluate(
        """() => performance.getEntriesByType('resource').map((one) =>
        `${Math.round(one.startTime)} +${Math.round(one.duration)} ms ${new URL(one.name).pathname}`)"""
    )
    return found


def run(browser: Browser, url: str, dashboard: str, rounds: int, show: bool) -> dict[str, Any]:
    """Measure; return milliseconds and kB."""
    context = browser.new_context(base_url=url, viewport={"width": 1600, "height": 3200}, color_scheme="dark")
    login = {"user": "admin", "password": os.environ.get("GF_SECURITY_ADMIN_PASSWORD", "admin123")}
    if not context.request.post("/login", data=login, headers={"origin": url}).ok:
        raise SystemExit(f"{url}/login refused the administrator: set GF_SECURITY_ADMIN_PASSWORD")
    board = context.request.get(f"/api/dashboards/uid/{dashboard}").json()["dashboard"]
    panels = sum(panel["type"] != "row" for panel in board["panels"])
    page = context.new_page()
    visit(page, f"/d/{dashboard}/x", panels)
    size = script_kb(page, url)
    times = [visit(page, f"/d/{dashboard}/x", panels) for _ in range(rounds)]
    if show:
        print("\n".join(profile(page)), file=sys.stderr)
    context.close()
    median = statistics.median(times)
    return {
        "dashboard": dashboard,
        "panels": panels,
        "drawn_ms": median,
        "rounds_ms": [round(one) for one in times],
        "script_kb": size,
        "passed": median <= LIMIT_MS and size <= LIMIT_KB,
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dashboard", default="api-overview", help="uid of the dashboard")
    parser.add_argument("--rounds", type=int, default=7, help="navigations after the first (default 7)")
    parser.add_argument("--url", help="a running Grafana instead of one of its own")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--profile", action="store_true", help="print what was fetched when, to standard error")
    options = parser.parse_args()
    where = contextlib.nullcontext(options.url.rstrip("/")) if options.url else grafana()
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    if not Path(CHROMIUM).exists():
        raise SystemExit(f"there is no {CHROMIUM}: ./deploy-with-monitoring.sh packages installs it")
    with where as url, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=flags)
        result = run(browser, url, options.dashboard, options.rounds, options.profile)
        browser.close()
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        print(f"{result['dashboard']}: {result['panels']} panels drawn after {result['drawn_ms']:.0f} ms (limit 1500)")
        print(f"JavaScript of the first load: {result['script_kb']:.0f} kB gzipped (limit 850)")
        print("passed" if result["passed"] else "FAILED")
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
