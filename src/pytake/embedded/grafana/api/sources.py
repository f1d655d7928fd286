"""Data sources: lists, queries, the proxy (HTTP API: data source, query)."""

import posixpath
from typing import Any
from urllib.parse import unquote

import httpx
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pytake.embedded.grafana.errors import ApiError, not_found
from pytake.embedded.grafana.identity import Principal
from pytake.embedded.grafana.provisioning import DataSource, ProvisioningError
from pytake.embedded.grafana.server import VERSION, Server, body, content_of

PASSED_ON = frozenset({"accept", "content-type", "accept-encoding", "x-scope-orgid"})
PASSED_BACK = frozenset({"content-type", "content-encoding", "content-length", "cache-control"})
CHECK = {"prometheus": "/-/ready", "loki": "/ready", "jaeger": "/api/services", "alertmanager": "/-/ready"}
READ_ONLY_POSTS = {
    "prometheus": (
        "api/v1/query",
        "api/v1/query_range",
        "api/v1/query_exemplars",
        "api/v1/series",
        "api/v1/labels",
        "api/v1/format_query",
    ),
    "loki": (
        "loki/api/v1/query",
        "loki/api/v1/query_range",
        "loki/api/v1/series",
        "loki/api/v1/labels",
        "loki/api/v1/index/stats",
        "loki/api/v1/index/volume",
        "loki/api/v1/index/volume_range",
    ),
    "jaeger": (),
    "alertmanager": ("api/v2/silences",),
}


async def listing(server: Server, _request: Request, _who: Principal) -> Any:
    """``GET /api/datasources``."""
    return [source.as_dict() for source in server.sources.values()]


async def frontend(server: Server, _request: Request, _who: Principal) -> Any:
    """``GET /api/frontend/settings``: what clients read of it, the build and the data sources."""
    default = next((source.name for source in server.sources.values() if source.default), "")
    return {
        "buildInfo": {"version": VERSION, "commit": "pytake-embedded", "edition": "Open Source", "env": "production"},
        "datasources": {source.name: source.as_dict() for source in server.sources.values()},
        "defaultDatasource": default,
    }


async def one(server: Server, request: Request, _who: Principal) -> Any:
    """``GET /api/datasources/uid/:uid``, ``/name/:name``, ``/:id``; ``/id/:name``."""
    params = request.path_params
    source = find(server, params)
    return {"id": source.id} if "/api/datasources/id/" in request.url.path else source.as_dict()


def find(server: Server, params: Any) -> DataSource:
    """The data source of the path's uid, name or id; 404 when there is none."""
    for source in server.sources.values():
        if params.get("uid") == source.uid or params.get("name") == source.name or params.get("id") == str(source.id):
            return source
    raise not_found("Data source")


async def read_only(_server: Server, _request: Request, _who: Principal) -> Any:
    """Changing data sources: they come from files here."""
    raise ApiError(
        403,
        "data sources are provisioned: change provisioning/datasources,"
        " then restart or POST /api/admin/provisioning/datasources/reload",
    )


async def reload(server: Server, request: Request, who: Principal) -> Any:
    """``POST /api/admin/provisioning/{dashboards,datasources,alerting}/reload``; a faulty file keeps what was."""
    who.need_admin()
    kind = request.path_params["kind"]
    if kind not in ("dashboards", "datasources", "alerting"):
        raise ApiError(404, f"{kind} are not provisioned here: dashboards, datasources and alerting are")
    try:
        server.reload(kind)
    except ProvisioningError as error:
        raise ApiError(500, str(error)) from error
    return {"message": f"{kind.capitalize()} config reloaded"}


async def check(server: Server, request: Request, _who: Principal) -> Any:
    """``GET /api/datasources/uid/:uid/health``."""
    source = find(server, request.path_params)
    try:
        answer = await server.client.get(f"{source.url}{CHECK.get(source.type, '/')}")
    except httpx.HTTPError as error:
        raise ApiError(400, f"{source.name} does not answer: {type(error).__name__}", status="ERROR") from error
    if answer.status_code >= 400:
        raise ApiError(400, f"{source.name} answered {answer.status_code}", status="ERROR")
    return {"status": "OK", "message": f"{source.name} answers"}


async def query(server: Server, request: Request, _who: Principal) -> Response:
    """``POST /api/ds/query``."""
    raw = await server.queries.run(await body(request), server.sources)
    headers = {"vary": "accept-encoding"}
    if len(raw) > 1000 and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(server.queries.gzip(raw), 200, headers | {"content-encoding": "gzip"}, "application/json")
    return Response(raw, 200, headers, "application/json")


async def proxy(server: Server, request: Request, who: Principal) -> Response:
    """``/api/datasources/proxy/uid/:uid/*``: passes a request on to a configured data source, and to nothing else."""
    source = find(server, request.path_params)
    return await forward(server, request, who, source, request.path_params["path"])


async def forward(server: Server, request: Request, who: Principal, source: DataSource, path: str) -> Response:
    """Send the request to ``source``; writing needs a role, administration is refused."""
    clean = posixpath.normpath("/" + unquote(path))
    if ".." in path or clean.lstrip("/") != unquote(path).strip("/") or "\\" in path:
        raise ApiError(400, "the path is not plain")
    target = clean.lstrip("/")
    if request.method not in ("GET", "HEAD") and target not in READ_ONLY_POSTS.get(source.type, ()):
        if not (source.type == "alertmanager" and target.startswith("api/v2/silence")):
            raise ApiError(403, f"{request.method} {target} is not passed on to {source.name}")
        who.need("Editor")
    if source.type == "alertmanager" and request.method == "POST":
        who.need("Editor")
    if "admin" in target or target.startswith("-/"):
        raise ApiError(403, f"{target} is not passed on to {source.name}")
    content = await content_of(request)
    headers = {name: value for name, value in request.headers.items() if name.lower() in PASSED_ON}
    auth = httpx.BasicAuth(source.user, source.password) if source.user else None
    wanted = server.client.build_request(
        request.method, f"{source.url}/{target}", params=request.url.query, content=content, headers=headers
    )
    try:
        answer = await server.client.send(wanted, stream=True, auth=auth)
    except httpx.HTTPError as error:
        raise ApiError(502, f"{source.name} at {source.url} does not answer: {type(error).__name__}") from error
    kept = {name: value for name, value in answer.headers.items() if name.lower() in PASSED_BACK}

    async def stream() -> Any:
        try:
            async for part in answer.aiter_raw():
                yield part
        finally:
            await answer.aclose()

    return StreamingResponse(stream(), answer.status_code, kept)
