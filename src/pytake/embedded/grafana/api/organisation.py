"""The one organisation: its people, what it has none of (teams, snapshots, library panels), permissions, plugins.

Backup and inventory programs walk all of Grafana's API. What does not exist here is an empty list for them, and a clear
refusal when they would create it.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from pytake.embedded.grafana.api.access import user_of
from pytake.embedded.grafana.api.dashboards import everything, json_of
from pytake.embedded.grafana.api.folders import folders_of
from pytake.embedded.grafana.errors import ApiError, not_found
from pytake.embedded.grafana.identity import Principal
from pytake.embedded.grafana.provisioning import QUERYABLE
from pytake.embedded.grafana.server import VERSION, Server, body

NAME = "Main Org."
PANELS = (
    "timeseries", "stat", "gauge", "bargauge", "table", "piechart", "heatmap", "histogram", "state-timeline",
    "status-history", "logs", "traces", "text", "alertlist", "dashlist",
)  # fmt: skip
ROLES = ({"role": "Viewer", "permission": 1}, {"role": "Editor", "permission": 2})
NAMES = {1: "View", 2: "Edit", 4: "Admin"}


# ---------------------------------------------------------------------------------------------------- organisations
async def organisations(_server: Server, request: Request, who: Principal) -> Any:
    """``GET /api/orgs``; there is one, another cannot be made."""
    who.need_admin()
    if request.method == "POST":
        raise ApiError(403, "there is one organisation here; another cannot be made")
    return [{"id": 1, "name": NAME}]


async def organisation(_server: Server, request: Request, who: Principal) -> Any:
    """``GET /api/orgs/:id``, ``/api/orgs/name/:name``."""
    who.need_admin()
    if request.path_params.get("id", 1) != 1 or request.path_params.get("name", NAME) != NAME:
        raise not_found("Organization")
    return {"id": 1, "name": NAME, "address": {"address1": "", "city": "", "zipCode": "", "state": "", "country": ""}}


async def user(server: Server, request: Request, who: Principal) -> Any:
    """``GET /api/users/:id`` and ``/api/users/lookup?loginOrEmail=``."""
    who.need_admin()
    wanted = request.path_params.get("id")
    row = (
        server.store.one("SELECT * FROM users WHERE id = ?", int(wanted))
        if wanted is not None
        else server.store.one(
            "SELECT * FROM users WHERE ? IN (login, email)", request.query_params.get("loginOrEmail", "")
        )
    )
    if row is None:
        raise not_found("user")
    return user_of(row)


async def user_organisations(server: Server, request: Request, who: Principal) -> Any:
    """``GET /api/users/:id/orgs``."""
    who.need_admin()
    row = server.store.one("SELECT role FROM users WHERE id = ?", int(request.path_params["id"]))
    if row is None:
        raise not_found("user")
    return [{"orgId": 1, "name": NAME, "role": row["role"]}]


async def own_organisations(_server: Server, _request: Request, who: Principal) -> Any:
    """``GET /api/user/orgs``."""
    return [{"orgId": 1, "name": NAME, "role": who.role}]


async def stats(server: Server, _request: Request, who: Principal) -> Any:
    """``GET /api/admin/stats``."""
    who.need_admin()
    boards = everything(server)

    def count(sql: str) -> int:
        row = server.store.one(sql)
        return int(row["n"]) if row else 0

    users, active = count("SELECT count(*) AS n FROM users"), count("SELECT count(DISTINCT user_id) AS n FROM sessions")
    roles = {
        f"{role.lower()}s": count(f"SELECT count(*) AS n FROM users WHERE role = '{role}'")  # noqa: S608 (constants)
        for role in ("Admin", "Editor", "Viewer")
    }
    return {
        "orgs": 1,
        "dashboards": len(boards),
        "folders": len(folders_of(server)),
        "snapshots": 0,
        "tags": len({tag for _, _, tags, _ in boards for tag in tags}),
        "datasources": len(server.sources),
        "playlists": 0,
        "stars": count("SELECT count(*) AS n FROM stars"),
        "alerts": 0,
        "users": users,
        **roles,
        "activeUsers": active,
        "activeSessions": count("SELECT count(*) AS n FROM sessions"),
    }


# ------------------------------------------------------------------------------------------------ what there is none of
async def teams(_server: Server, _request: Request, _who: Principal) -> Any:
    """``GET /api/teams/search``: none."""
    return {"totalCount": 0, "teams": [], "page": 1, "perPage": 1000}


async def library(_server: Server, _request: Request, _who: Principal) -> Any:
    """``GET /api/library-elements``: none."""
    return {"result": {"totalCount": 0, "elements": [], "page": 1, "perPage": 100}}


async def nothing(_server: Server, _request: Request, _who: Principal) -> Any:
    """An empty list: snapshots, old API keys, old notification channels, playlists."""
    return []


async def refused(_server: Server, request: Request, _who: Principal) -> Any:
    """Making what does not exist here: 403 by name."""
    raise ApiError(403, f"{request.url.path.removeprefix('/api/')} cannot be made in the embedded Grafana")


# ------------------------------------------------------------------------------------------------------- permissions
async def permissions(server: Server, request: Request, who: Principal) -> Any:
    """``/api/folders/:uid/permissions``, ``/api/dashboards/uid/:uid/permissions``: they follow from roles alone."""
    folder, board = request.path_params.get("folder"), request.path_params.get("uid")
    if folder is not None and folder not in folders_of(server):
        raise ApiError(404, "folder not found", status="not-found")
    if board is not None and json_of(server, board) is None:
        raise not_found("Dashboard")
    if request.method == "POST":
        who.need("Admin")
        items = (await body(request)).get("items") or []
        asked = {(item.get("role"), item.get("permission")) for item in items}
        if asked != {(item["role"], item["permission"]) for item in ROLES}:
            raise ApiError(403, "permissions follow from roles here: viewers view, editors edit")
        return {"message": "Permissions updated"}
    return [
        {
            "uid": folder or board,
            "url": "",
            "slug": "",
            "isFolder": folder is not None,
            "inherited": False,
            "userId": 0,
            "teamId": 0,
            "permissionName": NAMES[int(str(item["permission"]))],
            **item,
        }
        for item in ROLES
    ]


# ----------------------------------------------------------------------------------------------------------- plugins
def _plugin(name: str, kind: str) -> dict[str, Any]:
    return {
        "name": name.replace("-", " ").capitalize(),
        "type": kind,
        "id": name,
        "enabled": True,
        "pinned": False,
        "info": {"author": {"name": "PyTake"}, "description": "", "links": None, "version": VERSION, "updated": ""},
        "latestVersion": "",
        "hasUpdate": False,
        "defaultNavUrl": f"/plugins/{name}/",
        "category": "",
        "state": "",
        "signature": "internal",
        "signatureType": "",
        "signatureOrg": "",
    }


async def plugins(_server: Server, _request: Request, _who: Principal) -> Any:
    """``GET /api/plugins``: the data sources and panels that are built in."""
    return [_plugin(name, "datasource") for name in sorted(QUERYABLE)] + [_plugin(name, "panel") for name in PANELS]


async def plugin(_server: Server, request: Request, _who: Principal) -> Any:
    """``GET /api/plugins/:id/settings`` and ``/health``."""
    name = request.path_params["id"]
    if name not in QUERYABLE and name not in PANELS:
        raise ApiError(404, "Plugin not found, no installed plugin with that id")
    if request.url.path.endswith("/health"):
        return JSONResponse({"message": "OK", "status": "OK"})
    return _plugin(name, "datasource" if name in QUERYABLE else "panel")
