"""Dashboards and search (HTTP API: dashboard, dashboard versions, folder/dashboard search)."""

import json
import re
import secrets
import time
from typing import Any

from starlette.requests import Request

from pytake.embedded.grafana.api.folders import folder_of, folders_of, number_of
from pytake.embedded.grafana.api.preferences import effective, exists, starred
from pytake.embedded.grafana.errors import ApiError, not_found
from pytake.embedded.grafana.identity import Principal
from pytake.embedded.grafana.provisioning import Provisioned, slug
from pytake.embedded.grafana.server import Server, body, whole
from pytake.embedded.grafana.store import Row

GENERAL = ("", "general")
_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")


def _stamp(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _meta(
    server: Server, who: Principal, title: str, folder_uid: str, folder: str, uid: str, **more: Any
) -> dict[str, Any]:
    may = who.role != "Viewer"
    return {
        "type": "db",
        "slug": slug(title),
        "url": f"/d/{uid}/{slug(title)}",
        "canSave": may,
        "canEdit": may,
        "canAdmin": who.role == "Admin",
        "canStar": True,
        "canDelete": may,
        "folderUid": folder_uid,
        "folderTitle": folder or "General",
        "folderId": number_of(folder_uid) if folder_uid else 0,
        "folderUrl": f"/dashboards/f/{folder_uid}" if folder_uid else "",
        "isStarred": uid in starred(server, who),
        "isFolder": False,
        "hasAcl": False,
        **more,
    }


def _of_file(server: Server, item: Provisioned, who: Principal) -> dict[str, Any]:
    at = _stamp(item.mtime)
    meta = _meta(
        server,
        who,
        item.title,
        item.folder_uid,
        item.folder,
        item.uid,
        provisioned=not item.provider.allow_updates,
        provisionedExternalId=item.path.name,
        version=1,
        created=at,
        updated=at,
        createdBy="provisioning",
        updatedBy="provisioning",
    )
    return {
        "meta": meta,
        "dashboard": {**item.data, "id": number_of(item.uid), "version": item.data.get("version") or 1},
    }


def _of_row(server: Server, row: Row, who: Principal) -> dict[str, Any]:
    meta = _meta(
        server,
        who,
        row["title"],
        row["folder_uid"],
        folders_of(server).get(row["folder_uid"], ""),
        row["uid"],
        provisioned=False,
        version=row["version"],
        created=_stamp(row["created"]),
        updated=_stamp(row["updated"]),
        createdBy=row["created_by"],
        updatedBy=row["updated_by"],
    )
    return {"meta": meta, "dashboard": {**json.loads(row["data"]), "id": row["id"]}}


async def by_uid(server: Server, request: Request, who: Principal) -> Any:
    """``GET`` and ``DELETE /api/dashboards/uid/:uid``."""
    uid = request.path_params["uid"]
    item = server.dashboards.all().get(uid)
    row = server.store.one("SELECT * FROM dashboards WHERE uid = ?", uid)
    if request.method == "DELETE":
        who.need("Editor")
        if item:
            raise ApiError(400, "provisioned dashboard cannot be deleted")
        if row is None:
            raise not_found("Dashboard")
        server.store.delete_dashboards("uid", uid)
        return {"title": row["title"], "message": f"Dashboard {row['title']} deleted", "id": row["id"]}
    return _shown(server, uid, who)


def json_of(server: Server, uid: str) -> dict[str, Any] | None:
    """A dashboard's JSON, from its file or the state; None when there is none."""
    item = server.dashboards.all().get(uid)
    row = server.store.one("SELECT data, updated FROM dashboards WHERE uid = ?", uid)
    if row and (item is None or (item.provider.allow_updates and row["updated"] > item.mtime)):
        return dict(json.loads(row["data"]))
    return item.data if item else None


def _shown(server: Server, uid: str, who: Principal) -> dict[str, Any]:
    item = server.dashboards.all().get(uid)
    row = server.store.one("SELECT * FROM dashboards WHERE uid = ?", uid)
    if row and (item is None or (item.provider.allow_updates and row["updated"] > item.mtime)):
        return _of_row(server, row, who)
    if item:
        return _of_file(server, item, who)
    raise not_found("Dashboard")


async def home(server: Server, _request: Request, who: Principal) -> Any:
    """``GET /api/dashboards/home``: what the person or the organisation prefers, else the configured file."""
    preferred = effective(server, who).get("homeDashboardUID")
    if preferred and exists(server, preferred):
        return _shown(server, preferred, who)
    path = server.settings.dashboards_default_home_dashboard_path
    for item in server.dashboards.all().values():
        if (path and item.path.name == path.name) or (not path and item.uid == "home"):
            return _of_file(server, item, who)
    raise not_found("Home dashboard")


async def save(server: Server, request: Request, who: Principal) -> Any:
    """``POST /api/dashboards/db``."""
    data = await body(request)
    dashboard = data.get("dashboard")
    if not isinstance(dashboard, dict):
        raise ApiError(400, "bad request data: `dashboard` is required")
    return store_dashboard(
        server,
        dashboard,
        who.login,
        folder=folder_of(server, data),
        overwrite=bool(data.get("overwrite")),
        message=str(data.get("message") or ""),
    )


def store_dashboard(
    server: Server, dashboard: dict[str, Any], login: str, *, folder: str, overwrite: bool, message: str
) -> dict[str, Any]:
    """Save a dashboard and give Grafana's answer; refuses provisioned ones, unknown folders and stale versions."""
    title = str(dashboard.get("title") or "").strip()
    if not title:
        raise ApiError(400, "Dashboard title cannot be empty", status="empty-name")
    uid = str(dashboard.get("uid") or secrets.token_urlsafe(7))
    if not _UID.fullmatch(uid):
        raise ApiError(
            400, "uid contains illegal characters or is longer than 40: letters, digits, - and _ are allowed"
        )
    item = server.dashboards.all().get(uid)
    if item and not item.provider.allow_updates:
        raise ApiError(
            400, "Cannot save provisioned dashboard", status="name-exists", provisionedExternalId=item.path.name
        )
    if folder not in (*GENERAL, *folders_of(server)):
        raise ApiError(400, f"folder {folder} not found")
    before = server.store.one("SELECT * FROM dashboards WHERE uid = ?", uid)
    if before and not overwrite and _version_of(dashboard) != before["version"]:
        raise ApiError(412, "The dashboard has been changed by someone else", status="version-mismatch")
    row = server.store.save_dashboard(
        {**dashboard, "uid": uid, "title": title, "id": None}, "" if folder in GENERAL else folder, login, message
    )
    return {
        "id": row["id"],
        "uid": uid,
        "url": f"/d/{uid}/{slug(title)}",
        "status": "success",
        "version": row["version"],
        "slug": slug(title),
        "folderUid": row["folder_uid"],
    }


def _version_of(dashboard: dict[str, Any]) -> int:
    try:
        return int(dashboard.get("version") or 0)
    except (TypeError, ValueError):
        raise ApiError(400, "version is a number") from None


async def versions(server: Server, request: Request, _who: Principal) -> Any:
    """``GET /api/dashboards/uid/:uid/versions``, ``…/versions/:version``; by the old number it is a plain list."""
    uid = uid_of(server, request)
    if (version := request.path_params.get("version")) is not None:
        row = server.store.one("SELECT * FROM versions WHERE uid = ? AND version = ?", uid, int(version))
        item = server.dashboards.all().get(uid)
        if row is None and item and int(version) == 1:
            return {**_version(_first(item), number_of(uid)), "data": item.data}
        if row is None:
            raise not_found("Dashboard version")
        return {**_version(row, _number(server, uid)), "data": json.loads(row["data"])}
    rows = server.store.all(
        "SELECT * FROM versions WHERE uid = ? ORDER BY version DESC LIMIT ? OFFSET ?",
        uid,
        whole(request, "limit", 1000, most=1000),
        whole(request, "start", 0),
    )
    if not rows and (item := server.dashboards.all().get(uid)):
        rows = [_first(item)]
    if not rows:
        raise not_found("Dashboard")
    listed = [_version(row, _number(server, uid)) for row in rows]
    return listed if "id" in request.path_params else {"continueToken": "", "versions": listed}


def uid_of(server: Server, request: Request) -> str:
    """The uid in the address; old clients give a number instead."""
    if uid := request.path_params.get("uid"):
        return str(uid)
    number = int(request.path_params["id"])
    row = server.store.one("SELECT uid FROM dashboards WHERE id = ?", number)
    found = row["uid"] if row else next((u for u in server.dashboards.all() if number_of(u) == number), None)
    if found is None:
        raise not_found("Dashboard")
    return str(found)


def _first(item: Provisioned) -> Row:
    """The one version that a dashboard from a file has."""
    return {
        "uid": item.uid,
        "version": 1,
        "message": f"provisioned from {item.path.name}",
        "created": item.mtime,
        "created_by": "provisioning",
    }


def _number(server: Server, uid: str) -> int:
    row = server.store.one("SELECT id FROM dashboards WHERE uid = ?", uid)
    return int(row["id"]) if row else number_of(uid)


def _version(row: Row, number: int) -> dict[str, Any]:
    return {
        "id": row["version"],
        "dashboardId": number,
        "restoredFrom": 0,
        "uid": row["uid"],
        "version": row["version"],
        "parentVersion": row["version"] - 1,
        "message": row["message"],
        "created": _stamp(row["created"]),
        "createdBy": row["created_by"],
    }


async def restore(server: Server, request: Request, who: Principal) -> Any:
    """``POST /api/dashboards/uid/:uid/restore`` {version}."""
    uid, wanted = request.path_params["uid"], int((await body(request)).get("version") or 0)
    row = server.store.one("SELECT * FROM versions WHERE uid = ? AND version = ?", uid, wanted)
    current = server.store.one("SELECT * FROM dashboards WHERE uid = ?", uid)
    if row is None or current is None:
        raise not_found("Dashboard version")
    saved = server.store.save_dashboard(
        json.loads(row["data"]), current["folder_uid"], who.login, f"Restored from version {wanted}"
    )
    return {"uid": uid, "version": saved["version"], "status": "success", "url": f"/d/{uid}/{slug(saved['title'])}"}


async def search(server: Server, request: Request, who: Principal) -> Any:
    """``GET /api/search``."""
    params = request.query_params
    needle, kind = params.get("query", "").lower(), params.get("type", "")
    tags, uids = set(params.getlist("tag")), set(params.getlist("dashboardUIDs") or params.getlist("dashboardUID"))
    folders, wanted = folders_of(server), set(params.getlist("folderUIDs") or params.getlist("folderUids"))
    mine, only_mine = starred(server, who), params.get("starred") == "true"
    found = []
    if kind != "dash-db" and not tags and not uids and not wanted and not only_mine:
        found += [_hit(uid, title, "dash-folder", [], "", "") for uid, title in folders.items()]
    if kind != "dash-folder":
        for uid, title, own, folder in everything(server):
            if tags <= set(own) and (not uids or uid in uids) and (not wanted or (folder or "general") in wanted):
                found.append(_hit(uid, title, "dash-db", own, folder, folders.get(folder, "")))
    for hit in found:
        hit["isStarred"] = hit["uid"] in mine
    found = [hit for hit in found if needle in hit["title"].lower() and (hit["isStarred"] or not only_mine)]
    found.sort(key=lambda hit: (hit["type"] != "dash-folder", hit["title"].lower()))
    limit, page = whole(request, "limit", 1000, most=5000), max(1, whole(request, "page", 1))
    return found[(page - 1) * limit : page * limit]


def everything(server: Server) -> list[tuple[str, str, list[str], str]]:
    """(uid, title, tags, folder's uid) of every dashboard."""
    files = server.dashboards.all()
    found = [(item.uid, item.title, list(item.data.get("tags") or []), item.folder_uid) for item in files.values()]
    saved = server.store.all("SELECT uid, title, folder_uid, data FROM dashboards")
    return found + [
        (row["uid"], row["title"], list(json.loads(row["data"]).get("tags") or []), row["folder_uid"])
        for row in saved
        if row["uid"] not in files
    ]


def _hit(uid: str, title: str, kind: str, tags: list[str], folder: str, folder_title: str) -> dict[str, Any]:
    url = f"/dashboards/f/{uid}/{slug(title)}" if kind == "dash-folder" else f"/d/{uid}/{slug(title)}"
    hit = {
        "id": number_of(uid),
        "uid": uid,
        "title": title,
        "uri": f"db/{slug(title)}",
        "url": url,
        "slug": "",
        "type": kind,
        "tags": tags,
        "isStarred": False,
        "sortMeta": 0,
        "isDeleted": False,
    }
    if folder:
        hit |= {
            "folderUid": folder,
            "folderTitle": folder_title,
            "folderUrl": f"/dashboards/f/{folder}",
            "folderId": number_of(folder),
        }
    return hit


async def tags(server: Server, _request: Request, _who: Principal) -> Any:
    """``GET /api/dashboards/tags``."""
    counts: dict[str, int] = {}
    for _, _, own, _ in everything(server):
        for tag in own:
            counts[tag] = counts.get(tag, 0) + 1
    return [{"term": tag, "count": count} for tag, count in sorted(counts.items())]
