"""The web pages: files built into ``static/``; a plain page with links while there are none."""

from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from pytake.embedded.jaeger.settings import JaegerSettings

GRAFANA_PORT = 3000
STATIC = Path(__file__).with_name("static")
_LINKS = (
    ("/api/services", "services"), ("/api/dependencies", "calls between services, last 24 h"),
    ("/metrics", "metrics of this server and of the spans"), ("/status", "health"),
)  # fmt: skip
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>PyTake traces</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}}
code{{background:#8883;padding:0 .2em}}
</style>
</head><body><h1>PyTake traces</h1>
<p>The server runs and answers Jaeger's API; the pages are not built into this installation (<code>make web</code>).</p>
<ul>{links}</ul>
<p>A trace: <code>{base}/api/traces/&lt;trace id&gt;</code>. A search:
<code>{base}/api/traces?service=pytake-api&amp;limit=20&amp;lookback=1h&amp;tags={{"error":"true"}}</code>.</p>
</body></html>
"""


def routes(base_path: str) -> list[BaseRoute]:
    """Every path that is not an API: a built file, or the application's page for it."""

    settings = JaegerSettings()

    async def page(request: Request) -> Response:
        path = request.path_params.get("path", "")
        found = _file(path)
        if found is not None:
            fresh = "public, max-age=31536000, immutable" if "/assets/" in f"/{path}" else "no-cache"
            return FileResponse(found, headers={"cache-control": fresh})
        if path.startswith("static/"):
            return PlainTextResponse(f"no such file: {path}\n", 404)
        index = STATIC / "index.html"
        if index.is_file():
            return FileResponse(index, headers={"cache-control": "no-cache"})
        links = "".join(f'<li><a href="{escape(base_path + url)}">{escape(text)}</a></li>' for url, text in _LINKS)
        return HTMLResponse(_PAGE.format(links=links, base=escape(base_path)))

    async def ui_config(request: Request) -> Response:
        """What the pages cannot know: where Grafana is, for the way from a span to its logs."""
        grafana = settings.grafana_url.rstrip("/")
        if not grafana:  # the stack's own, beside this server
            grafana = f"http://{request.url.hostname or '127.0.0.1'}:{GRAFANA_PORT + settings.port_offset}"
        return JSONResponse({"grafanaUrl": grafana, "lokiUid": "loki"})

    return [Route("/ui-config.json", ui_config), Route("/", page), Route("/{path:path}", page)]


def _file(path: str) -> Path | None:
    """A built file; never one outside of the folder."""
    for name in (path, path.removeprefix("static/")):
        if not name:
            continue
        found = (STATIC / name).resolve()
        if found.is_relative_to(STATIC.resolve()) and found.is_file():
            return found
    return None
