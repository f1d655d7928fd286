"""The built pages: files with caching and compression, the application's page with its content policy."""

import asyncio
import hashlib
import mimetypes
import re
from base64 import b64encode
from html import escape
from pathlib import Path

import cramjam
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.staticfiles import NotModifiedResponse

from pytake.embedded.grafana.server import Server

STATIC = Path(__file__).with_name("static")
FILES = ("public/", "assets/", "img/")
"""Below these there are files only: what is missing is a 404, never the application's page."""
_HASHED = re.compile(r"-[\w-]{8}\.\w+$")
_FILE = re.compile(r"\.(js|css|map|woff2?|png|jpe?g|svg|ico|json|txt|webmanifest)$")
_COMPRESSED = re.compile(r"\.(js|css|svg|json|html|map)$")
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
IMMUTABLE, SHORT = "public, max-age=31536000, immutable", "public, max-age=3600"
KEEP_BYTES = 24 * 1024 * 1024
POLICY = (
    "default-src 'self'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    " font-src 'self' data:; connect-src 'self' ws: wss:; object-src 'none'; frame-ancestors 'self';"
    " base-uri 'self'; form-action 'self'"
)
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>PyTake dashboards</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root{{color-scheme:dark light}}
body{{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem}}
code{{background:#8883;padding:0 .2em}}</style></head><body><h1>PyTake dashboards</h1>
<p>The server answers Grafana's API; the pages that draw dashboards are not built into this installation yet
(<code>make web</code> builds them).</p>
<ul>{boards}</ul>
<p>With Docker the real Grafana shows the same dashboards
(<code>./deploy-with-monitoring.sh deploy --runtime docker</code>).
Prometheus' own page draws single queries.</p></body></html>"""


def policy(html: str = "") -> str:
    """The content security policy of a page: its own inline scripts are named by their hashes, others do not run."""
    hashes = [b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in _INLINE.findall(html)]
    return POLICY.format(scripts="".join(f" 'sha256-{value}'" for value in hashes))


class Pages:
    """Serves one folder of built files."""

    def __init__(self, server: Server, folder: Path = STATIC) -> None:
        self._server = server
        self._folder = folder.resolve()
        self._kept: dict[tuple[Path, str], tuple[int, bytes]] = {}
        self._size = 0

    async def __call__(self, request: Request) -> Response:
        """A file, a 404 for a missing one, or the application's page."""
        wanted = request.path_params["path"]
        if path := self._inside(wanted.removeprefix("public/build/")):
            return await self._file(path, request.headers)
        if wanted.startswith(FILES) or _FILE.search(wanted):
            return PlainTextResponse(f"there is no file {wanted} here\n", 404)
        return self._page()

    def _inside(self, wanted: str) -> Path | None:
        """The file ``wanted`` below the folder, when it is one that may be served."""
        path = (self._folder / wanted).resolve()
        plain = path.is_relative_to(self._folder) and not path.name.startswith(".") and path.suffix != ".html"
        return path if plain and path.is_file() else None

    def _page(self) -> Response:
        index = self._folder / "index.html"
        if index.is_file():
            html = index.read_text(encoding="utf-8")
            return HTMLResponse(html, headers={"cache-control": "no-store", "content-security-policy": policy(html)})
        items = sorted(self._server.dashboards.all().values(), key=lambda item: item.title)
        boards = "".join(
            f"<li>{escape(item.title)}: <code>/api/dashboards/uid/{escape(item.uid)}</code></li>" for item in items
        )
        return HTMLResponse(_PAGE.format(boards=boards))

    async def _file(self, path: Path, asked: Headers) -> Response:
        headers = {"cache-control": IMMUTABLE if _HASHED.search(path.name) else SHORT}
        stat = path.stat()  # noqa: ASYNC240 (a local folder; a thread costs more than the look)
        if not _COMPRESSED.search(path.name):
            return _unless_known(FileResponse(path, headers=headers, stat_result=stat), asked)
        headers["vary"] = "accept-encoding"
        encoding = next((name for name in ("br", "gzip") if _accepts(asked.get("accept-encoding", ""), name)), "")
        if not encoding or stat.st_size < 1000:
            return _unless_known(FileResponse(path, headers=headers, stat_result=stat), asked)
        content = await self._compressed(path, encoding, stat.st_mtime_ns)
        etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}-{encoding}"'
        headers |= {"content-encoding": encoding, "etag": etag}
        media = mimetypes.guess_type(path.name)[0]
        return _unless_known(Response(content, headers=headers, media_type=media), asked)

    async def _compressed(self, path: Path, encoding: str, stamp: int) -> bytes:
        """The file in this encoding: made once, kept while its time stays."""
        kept = self._kept.get((path, encoding))
        if kept and kept[0] == stamp:
            return kept[1]
        content = await asyncio.to_thread(_compress, path, encoding)
        if self._size + len(content) > KEEP_BYTES:  # another build was served before this one
            self._kept.clear()
            self._size = 0
        self._kept[path, encoding] = (stamp, content)
        self._size += len(content)
        return content


def _accepts(header: str, encoding: str) -> bool:
    """Whether ``Accept-Encoding`` takes ``encoding`` (a quality of nought refuses)."""
    for part in header.lower().split(","):
        name, _, quality = part.strip().partition(";")
        if name.strip() == encoding:
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _compress(path: Path, encoding: str) -> bytes:
    raw = path.read_bytes()
    packed = cramjam.brotli.compress(raw, level=7) if encoding == "br" else cramjam.gzip.compress(raw, level=7)
    return bytes(packed)


def _unless_known(response: Response, asked: Headers) -> Response:
    """304 when the browser holds this very file."""
    etag = response.headers.get("etag")
    known = asked.get("if-none-match")
    return NotModifiedResponse(response.headers) if etag and known and etag in known else response
