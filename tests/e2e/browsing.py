"""The embedded Grafana's pages in Chromium, over data sources that answer from a function."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from pytake.checks.pages import CHROMIUM, FLAGS
from pytake.embedded.grafana.app import STATIC

DESK: ViewportSize = {"width": 1600, "height": 1000}
PHONE: ViewportSize = {"width": 390, "height": 844}
NEEDED = [
    pytest.mark.e2e,
    pytest.mark.skipif(not (STATIC / "index.html").exists(), reason="the pages are not built: `make web` builds them"),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium here"),
]
Params = dict[str, list[str]]
Answer = Callable[[str, str, Params, Any], tuple[int, Any]]
"""Of method, path, parameters and JSON body: status and JSON."""


@contextlib.contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """An address that stands for Prometheus, Loki, Jaeger and Alertmanager."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            parts = urlsplit(self.path)
            held = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(held) if held.startswith(b"{") else None
            status, found = answer(self.command, parts.path, parse_qs(parts.query), body)
            raw = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_DELETE = _any  # noqa: N815 (the names that http.server calls)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@contextlib.contextmanager
def logged_in(browser: Browser, url: str) -> Iterator[BrowserContext]:
    """Someone who is logged in; the pages of one share what was loaded, which saves seconds."""
    context = browser.new_context(base_url=url, viewport=DESK, color_scheme="dark")
    context.set_default_timeout(30_000)
    login = {"user": "admin", "password": "admin123"}
    assert context.request.post("/login", data=login, headers={"origin": url}).ok
    yield context
    context.close()


@contextlib.contextmanager
def watched(context: BrowserContext) -> Iterator[Page]:
    """A new page; fails on errors that scripts throw."""
    made, thrown = context.new_page(), list[str]()
    made.on("pageerror", lambda error: thrown.append(str(error)))
    yield made
    made.close()
    assert not thrown


def fits_a_phone(page: Page) -> bool:
    """Whether nothing is wider than the page."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
