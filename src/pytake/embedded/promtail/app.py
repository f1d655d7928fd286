"""Promtail's HTTP API: /ready, /targets, /service-discovery, /config, /metrics, /reload."""

import contextlib
import html
from collections.abc import AsyncIterator, Callable, Sequence

import yaml
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pytake.embedded.promtail.agent import Agent
from pytake.embedded.promtail.sources.base import TargetView
from pytake.telemetry.metrics import metrics_response

END = b"# EOF\n"
NOT_READY = "Not ready: Unable to find any logs to tail. Please verify permissions, volumes, scrape_config, etc.\n"
STYLE = """<style>
:root{color-scheme:light dark}
body{font:15px/1.5 Inter,system-ui,sans-serif;margin:0 auto;max-width:1200px;padding:16px}
nav a{margin-right:16px} table{border-collapse:collapse;width:100%;font-size:13px}
th,td{text-align:left;vertical-align:top;padding:6px 10px;border-bottom:1px solid #8884;overflow-wrap:anywhere}
code{background:#8882;border-radius:3px;padding:1px 5px;margin:1px;display:inline-block}
.up{color:#1a7f4b}.down{color:#c0392b}
</style>"""


class Api:
    """The endpoints over one agent, which :meth:`app`'s lifespan starts and stops."""

    def __init__(self, agent: Agent, reload: Callable[[], Agent] | None = None) -> None:
        self._agent = agent
        self._reload = reload

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            lifespan=self._lifespan,
            routes=[
                Route("/ready", self._ready),
                Route("/targets", self._targets),
                Route("/service-discovery", self._discovery),
                Route("/config", self._config),
                Route("/metrics", self._metrics),
                Route("/reload", self._reload_now, methods=["POST", "GET"]),
                Route("/", self._targets),
            ],
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        await self._agent.start()
        try:
            yield
        finally:
            await self._agent.stop()

    async def _ready(self, _request: Request) -> Response:
        if self._agent.ready() or not self._agent.settings.server.health_check_target:
            return PlainTextResponse("Ready\n")
        return PlainTextResponse(NOT_READY, 500)

    async def _targets(self, request: Request) -> Response:
        return _page(request, "Targets", self._agent.views())

    async def _discovery(self, request: Request) -> Response:
        dropped = [view for source in self._agent.sources for view in source.dropped()]
        return _page(request, "Service discovery", self._agent.views() + dropped, discovered=True)

    async def _config(self, _request: Request) -> Response:
        data = self._agent.settings.model_dump(mode="json", by_alias=True)
        for client in data["clients"]:
            for secret in ("bearer_token", "basic_auth"):
                if client.get(secret):
                    client[secret] = "<secret>"
        return PlainTextResponse(yaml.safe_dump(data, sort_keys=False))

    async def _metrics(self, request: Request) -> Response:
        status, headers, body = metrics_response(request.headers.raw)
        openmetrics = body.endswith(END)
        custom = (openmetrics_page if openmetrics else generate_latest)(self._agent.custom_metrics)
        if openmetrics:
            body = body.removesuffix(END) + custom
        else:
            body += custom
        kept = {name.decode(): value.decode() for name, value in headers if name.lower() != b"content-length"}
        return Response(body, status, kept)

    async def _reload_now(self, request: Request) -> Response:
        if self._reload is None or not self._agent.settings.server.enable_runtime_reload:
            return PlainTextResponse("set server.enable_runtime_reload to allow this\n", 403)
        try:
            fresh = self._reload()
        except ValueError as error:
            return PlainTextResponse(f"{error}\n", 400)
        await self._agent.stop()
        self._agent = fresh
        await self._agent.start()
        return PlainTextResponse("reloaded\n")


def _page(request: Request, title: str, views: Sequence[TargetView], *, discovered: bool = False) -> Response:
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse([vars(view) for view in views])
    rows = "".join(_row(view, discovered) for view in views)
    head = (
        "<th>Type</th><th>Job</th><th>Ready</th>"
        + ("<th>Discovered</th>" if discovered else "")
        + "<th>Labels</th><th>Details</th>"
    )
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{title} - Promtail</title>{STYLE}<h1>{title}</h1>"
        f"<nav><a href=/targets>Targets</a><a href=/service-discovery>Service discovery</a>"
        f"<a href=/config>Configuration</a><a href=/metrics>Metrics</a></nav>"
        f"<table><tr>{head}</tr>{rows}</table></html>"
    )


def _row(view: TargetView, discovered: bool) -> str:
    state = "<span class=up>yes</span>" if view.ready else "<span class=down>no</span>"
    cells = [html.escape(view.kind), html.escape(view.job), state]
    if discovered:
        cells.append(_pairs(view.discovered))
    cells += [_pairs(view.labels), _pairs(view.details)]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _pairs(pairs: dict[str, str]) -> str:
    return " ".join(
        f"<code>{html.escape(name)}=&quot;{html.escape(value)}&quot;</code>" for name, value in sorted(pairs.items())
    )
