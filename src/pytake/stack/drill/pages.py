"""A server between Prometheus and a metrics page: gives the page late, or with more in it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@contextmanager
def changed_page(url: str = "", *, delay: float = 0, more: int = 0) -> Iterator[int]:
    """Serve the page at ``url`` (none when empty) after ``delay`` seconds and ``more`` samples; gives the port."""
    added = "".join(f'drill_surplus{{number="{number}"}} 1\n' for number in range(more)).encode()

    class Handler(BaseHTTPRequestHandler):
        """GET of anything."""

        def do_GET(self) -> None:
            time.sleep(delay)
            try:
                body = httpx.get(url, timeout=5, trust_env=False).content if url else b""
            except httpx.HTTPError:
                self.send_error(502)
                return
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.end_headers()
            self.wfile.write(body + added)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="drill-page", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
