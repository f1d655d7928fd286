"""The ASGI application: routes, security headers, pages."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pytake.embedded.grafana.api import (
    access,
    alerting,
    annotations,
    dashboards,
    folders,
    importing,
    live,
    organisation,
    preferences,
    rendering,
    sources,
)
from pytake.embedded.grafana.pages import STATIC, Pages, policy
from pytake.embedded.grafana.server import Endpoint, Server, endpoint
from pytake.telemetry.metrics import metrics_response

__all__ = ["API", "STATIC", "build"]
Rows = tuple[str, Endpoint, tuple[str, ...], dict[str, Any]]
GET, BOTH = ("GET",), ("GET", "POST")
API: tuple[Rows, ...] = (
    ("/api/health", access.health, GET, {"public": True}),
    ("/api/frontend/settings", sources.frontend, GET, {}),
    ("/login", access.login, ("POST",), {"public": True}),
    ("/logout", access.logout, BOTH, {"public": True}),
    ("/api/user", access.me, GET, {}),
    ("/api/user/password", access.my_password, ("PUT",), {}),
    ("/api/user/preferences", preferences.of_user, ("GET", "PUT", "PATCH"), {}),
    ("/api/user/stars", preferences.stars, GET, {}),
    ("/api/user/stars/dashboard/uid/{uid}", preferences.star, ("POST", "DELETE"), {}),
    ("/api/user/orgs", organisation.own_organisations, GET, {}),
    ("/api/orgs", organisation.organisations, BOTH, {"role": "Admin"}),
    ("/api/orgs/{id:int}", organisation.organisation, GET, {"role": "Admin"}),
    ("/api/orgs/name/{name}", organisation.organisation, GET, {"role": "Admin"}),
    ("/api/users/lookup", organisation.user, GET, {"role": "Admin"}),
    ("/api/users/{id:int}", organisation.user, GET, {"role": "Admin"}),
    ("/api/users/{id:int}/orgs", organisation.user_organisations, GET, {"role": "Admin"}),
    ("/api/admin/provisioning/{kind}/reload", sources.reload, ("POST",), {"role": "Admin"}),
    ("/api/admin/stats", organisation.stats, GET, {"role": "Admin"}),
    ("/api/teams/search", organisation.teams, GET, {}),
    ("/api/teams", organisation.refused, ("POST",), {"role": "Admin"}),
    ("/api/library-elements", organisation.library, GET, {}),
    ("/api/library-elements", organisation.refused, ("POST",), {"role": "Editor"}),
    ("/api/dashboard/snapshots", organisation.nothing, GET, {}),
    ("/api/snapshots", organisation.refused, ("POST",), {"role": "Editor"}),
    ("/api/auth/keys", organisation.nothing, GET, {"role": "Admin"}),
    ("/api/alert-notifications", organisation.nothing, GET, {}),
    ("/api/alert-notifications/lookup", organisation.nothing, GET, {}),
    ("/api/playlists", organisation.nothing, GET, {}),
    ("/api/plugins", organisation.plugins, GET, {}),
    ("/api/plugins/{id}/settings", organisation.plugin, GET, {}),
    ("/api/plugins/{id}/health", organisation.plugin, GET, {}),
    ("/api/folders/{folder}/permissions", organisation.permissions, BOTH, {}),
    ("/api/dashboards/uid/{uid}/permissions", organisation.permissions, BOTH, {}),
    ("/api/dashboards/id/{id:int}/versions", dashboards.versions, GET, {}),
    ("/api/dashboards/id/{id:int}/versions/{version:int}", dashboards.versions, GET, {}),
    ("/api/org", access.organisation, GET, {}),
    ("/api/org/preferences", preferences.of_organisation, ("GET", "PUT", "PATCH"), {}),
    ("/api/org/users", access.organisation_users, GET, {"role": "Admin"}),
    ("/api/org/users/{id:int}", access.change_user, ("PATCH", "DELETE"), {"role": "Admin"}),
    ("/api/users", access.users, GET, {"role": "Admin"}),
    ("/api/users/search", access.users, GET, {"role": "Admin"}),
    ("/api/admin/users", access.create_user, ("POST",), {"role": "Admin"}),
    ("/api/admin/users/{id:int}", access.change_user, ("DELETE",), {"role": "Admin"}),
    ("/api/admin/users/{id:int}/password", access.change_user, ("PUT",), {"role": "Admin"}),
    ("/api/serviceaccounts/search", access.accounts, GET, {"role": "Admin"}),
    ("/api/serviceaccounts", access.accounts, ("POST",), {"role": "Admin"}),
    ("/api/serviceaccounts/{id:int}", access.account, ("GET", "DELETE"), {"role": "Admin"}),
    ("/api/serviceaccounts/{id:int}/tokens", access.account_tokens, BOTH, {"role": "Admin"}),
    ("/api/serviceaccounts/{id:int}/tokens/{token:int}", access.delete_token, ("DELETE",), {"role": "Admin"}),
    ("/api/search", dashboards.search, GET, {}),
    ("/api/dashboards/home", dashboards.home, GET, {}),
    ("/api/dashboards/tags", dashboards.tags, GET, {}),
    ("/api/dashboards/db", dashboards.save, ("POST",), {"role": "Editor"}),
    ("/api/dashboards/uid/{uid}", dashboards.by_uid, ("GET", "DELETE"), {}),
    ("/api/dashboards/uid/{uid}/versions", dashboards.versions, GET, {}),
    ("/api/dashboards/uid/{uid}/versions/{version:int}", dashboards.versions, GET, {}),
    ("/api/dashboards/uid/{uid}/restore", dashboards.restore, ("POST",), {"role": "Editor"}),
    ("/api/dashboards/import", importing.import_dashboard, ("POST",), {"role": "Editor"}),
    ("/api/gnet/dashboards/{id:int}", importing.public_dashboard, GET, {"role": "Editor"}),
    ("/api/folders", folders.folders, BOTH, {}),
    ("/api/folders/{uid}", folders.folder, ("GET", "PUT", "DELETE"), {}),
    ("/api/annotations", annotations.annotations, BOTH, {}),
    ("/api/annotations/graphite", annotations.graphite, ("POST",), {"role": "Editor"}),
    ("/api/annotations/mass-delete", annotations.mass_delete, ("POST",), {"role": "Editor"}),
    ("/api/annotations/tags", annotations.tags, GET, {}),
    ("/api/annotations/{id:int}", annotations.annotation, ("GET", "PUT", "PATCH", "DELETE"), {}),
    ("/api/datasources", sources.listing, GET, {}),
    ("/api/datasources", sources.read_only, ("POST",), {"role": "Admin"}),
    ("/api/datasources/uid/{uid}", sources.one, GET, {}),
    ("/api/datasources/uid/{uid}", sources.read_only, ("PUT", "DELETE"), {"role": "Admin"}),
    ("/api/datasources/uid/{uid}/health", sources.check, GET, {}),
    ("/api/datasources/name/{name}", sources.one, GET, {}),
    ("/api/datasources/id/{name}", sources.one, GET, {}),
    ("/api/datasources/{id:int}", sources.one, GET, {}),
    ("/api/datasources/proxy/uid/{uid}/{path:path}", sources.proxy, ("GET", "POST", "DELETE"), {}),
    ("/api/datasources/proxy/{id:int}/{path:path}", sources.proxy, ("GET", "POST", "DELETE"), {}),
    ("/api/ds/query", sources.query, ("POST",), {}),
    ("/api/prometheus/{uid}/api/v1/{view}", alerting.prometheus, GET, {}),
    ("/api/alertmanager/{uid}/config/api/v1/alerts", alerting.configuration, GET, {}),
    ("/api/alertmanager/{uid}/{path:path}", alerting.alertmanager, ("GET", "POST", "DELETE"), {}),
    ("/render/d/{uid}", rendering.dashboard, GET, {}),
    ("/render/d/{uid}/{slug}", rendering.dashboard, GET, {}),
    ("/render/d-solo/{uid}", rendering.panel, GET, {}),
    ("/render/d-solo/{uid}/{slug}", rendering.panel, GET, {}),
    ("/api/v1/rules/history", alerting.history, GET, {}),
    ("/api/v1/provisioning/contact-points", alerting.contact_points, GET, {}),
    ("/api/v1/provisioning/policies", alerting.policies, GET, {}),
    ("/api/v1/provisioning/alert-rules", alerting.none_of_ours, GET, {}),
    ("/api/v1/provisioning/templates", alerting.none_of_ours, GET, {}),
    ("/api/v1/provisioning/mute-timings", alerting.none_of_ours, GET, {}),
    ("/api/v1/provisioning/{path:path}", alerting.read_only, ("POST", "PUT", "DELETE"), {"role": "Admin"}),
)


def build(server: Server) -> ASGIApp:
    """The application over ``server``; its lifespan closes it."""
    routes: list[BaseRoute] = [
        Route(path, endpoint(server, handle, path, **options), methods=list(methods))
        for path, handle, methods, options in API
    ]
    routes += [
        WebSocketRoute("/api/datasources/proxy/uid/{uid}/loki/api/v1/tail", live.LiveTail(server).__call__),
        Route("/metrics", _metrics),
        Route("/api/{path:path}", _unknown),
        Route("/{path:path}", Pages(server).__call__),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await server.close()

    return _Outside(GZipMiddleware(Starlette(routes=routes, lifespan=lifespan), 1000, compresslevel=4))


async def _metrics(request: Request) -> Response:
    status, headers, content = metrics_response(request.headers.raw)
    return Response(content, status, {name.decode(): value.decode() for name, value in headers})


async def _unknown(request: Request) -> Response:
    return JSONResponse(
        {"message": f"{request.method} {request.url.path} is not part of the embedded Grafana's API"}, 404
    )


class _Outside:
    """Headers that every answer carries; addresses of the API with a slash at their end are those without."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, adding headers."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "strict-origin-when-cross-origin"
                headers["x-frame-options"] = "SAMEORIGIN"
                headers.setdefault("content-security-policy", policy())
                headers.setdefault("cache-control", "no-store")
            await send(message)

        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            scope["path"] = scope["path"].rstrip("/")
        await self._app(scope, receive, add if scope["type"] == "http" else send)
