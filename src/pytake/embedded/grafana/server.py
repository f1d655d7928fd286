"""What all endpoints share: the state of one Grafana, and how an endpoint is wrapped."""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pytake.embedded.grafana.errors import ApiError
from pytake.embedded.grafana.identity import Identity, Principal
from pytake.embedded.grafana.provisioning import (
    ContactPoints,
    Dashboards,
    DataSource,
    load_datasources,
    load_providers,
)
from pytake.embedded.grafana.query import Queries
from pytake.embedded.grafana.render import Renderer
from pytake.embedded.grafana.settings import GrafanaSettings
from pytake.embedded.grafana.store import Store
from pytake.telemetry import catalog_embedded as catalog

log = logging.getLogger("grafana.api")
VERSION = "13.2.3"
MAX_BODY = 8 * 1024 * 1024
Handler = Callable[[Request], Awaitable[Response]]
Endpoint = Callable[["Server", Request, Principal], Awaitable[Any]]


class Json(Response):
    """JSON by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Bytes of ``content``."""
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)


@dataclass
class Server:
    """One Grafana."""

    settings: GrafanaSettings
    store: Store
    sources: dict[str, DataSource]
    dashboards: Dashboards
    contact_points: ContactPoints
    client: httpx.AsyncClient
    """To the data sources."""
    outside: httpx.AsyncClient
    """To the catalogue of public dashboards, by the machine's proxy if it has one."""
    identity: Identity = field(init=False)
    queries: Queries = field(init=False)
    renderer: Renderer = field(init=False)

    def __post_init__(self) -> None:
        """Wire what depends on the rest."""
        self.identity = Identity(self.store, self.settings)
        self.queries = Queries(self.client)
        self.renderer = Renderer(self.settings)

    @classmethod
    def from_settings(cls, settings: GrafanaSettings) -> "Server":
        """Read provisioning and open the state; raises :class:`ProvisioningError`."""
        return cls(
            settings,
            Store(settings.paths_data / "grafana.db"),
            load_datasources(settings.paths_provisioning),
            Dashboards(load_providers(settings.paths_provisioning)),
            ContactPoints(settings.paths_provisioning),
            httpx.AsyncClient(
                timeout=settings.query_timeout_seconds, trust_env=False, limits=httpx.Limits(max_connections=100)
            ),
            httpx.AsyncClient(timeout=settings.outside_timeout_seconds, follow_redirects=True),
        )

    def reload(self, kind: str) -> None:
        """Read provisioning files again; raises :class:`ProvisioningError` and keeps what was."""
        folder = self.settings.paths_provisioning
        if kind == "datasources":
            self.sources = load_datasources(folder)
        elif kind == "dashboards":
            self.dashboards = Dashboards(load_providers(folder))
        else:
            self.contact_points = ContactPoints(folder)

    @staticmethod
    def now() -> float:
        """Unix seconds."""
        return time.time()

    async def close(self) -> None:
        """End connections, close the state."""
        await self.renderer.close()
        await self.client.aclose()
        await self.outside.aclose()
        self.store.close()


def endpoint(server: Server, handle: Endpoint, name: str, *, role: str = "Viewer", public: bool = False) -> Handler:
    """``handle`` behind authentication, with Grafana's error bodies and its request metric."""

    async def run(request: Request) -> Response:
        started = time.perf_counter()
        response: Response
        try:
            principal = server.identity.of(request)
            if principal is None:
                if not public:
                    raise ApiError(401, "Unauthorized")
                principal = Principal("", "Viewer", False)
            elif not public:
                principal.need(role)
                must_change(principal, request)
            answer = await handle(server, request, principal)
            response = answer if isinstance(answer, Response) else Json(answer)
        except ApiError as error:
            response = JSONResponse(error.body, error.status)
        except Exception:
            log.exception("request_failed", extra={"handler": name})
            response = JSONResponse({"message": "Internal server error: the server's log says more"}, 500)
        catalog.GRAFANA_REQUEST_SECONDS.observe(
            time.perf_counter() - started, handler=name, method=request.method, status_code=str(response.status_code)
        )
        return response

    return run


def must_change(principal: Principal, request: Request) -> None:
    """With a first password nothing works but changing it."""
    if principal.user and principal.user["must_change"] and request.url.path not in ("/api/user/password", "/api/user"):
        raise ApiError(403, "Change your password first (PUT /api/user/password).", mustChangePassword=True)


async def content_of(request: Request) -> bytes:
    """The request's body; 413 as soon as it is too large."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise ApiError(413, f"the body is larger than {MAX_BODY} bytes")
        parts.append(part)
    return b"".join(parts)


async def body(request: Request) -> dict[str, Any]:
    """The request's JSON object; 400 on anything else, 413 when it is too large."""
    content = await content_of(request)
    try:
        data = orjson.loads(content or b"{}")
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"bad request data: {error}") from error
    if not isinstance(data, dict):
        raise ApiError(400, "bad request data: a JSON object is needed")
    return data


def whole(request: Request, name: str, default: int, *, most: int = 2**62) -> int:
    """A query parameter that is a whole number from 0 to ``most``; 400 on anything else."""
    text = request.query_params.get(name) or str(default)
    try:
        value = int(text)
    except ValueError:
        raise ApiError(400, f"{name}={text!r} is no whole number") from None
    if value < 0:
        raise ApiError(400, f"{name} is not negative")
    return min(value, most)
