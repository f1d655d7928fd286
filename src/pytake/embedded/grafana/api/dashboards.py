"""Dashboards, folders, search, annotations (HTTP API: dashboard, folder, search, annotations)."""

import json
import secrets
import time
from typing import Any

from starlette.requests import Request

from pytake.embedded.grafana.errors import ApiError, not_found
from pytake.embedded.grafana.identity import Principal
from pytake.embedded.grafana.provisioning import Provisioned, slug
from pytake.embedded.grafana.server import Server, body
from pytake.embedded.grafana.store import Row

GENERAL = ("", "general")


def _stamp(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def folders_of(server: Server) -> dict[str, str]:
    """Titles of folders by uid: those of files and those of the state."""
    found = {row["uid"]: row["title"] for row in server.store.all("SELECT uid, title FROM folders")}
    for item in server.dashboards.all().values():
        if item.folder_uid and item.folder:
            found.setdefault(item.folder_uid, item.folder)
    return found


def _meta(who: Principal, title: str, folder_uid: str, folder: str, uid: str, **more: Any) -> dict[str, Any]:
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
        "folderId": 0,
        "folderUrl": f"/dashboards/f/{folder_uid}" if folder_uid else "",
        "isStarred": False,
        "isFolder": False,
        "hasAcl": False,
        **more,
    }


def _of_file(item: Provisioned, who: Principal) -> dict[str, Any]:
    at = _stamp(item.mtime)
    meta = _meta(
        who,
        item.title,
        item.folder_uid,
        item.folder,
        item.uid,
        provisioned=True,
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


def number_of(uid: str) -> int:
    """A stable number for a dashboard from a file: old clients ask for one."""
    return int.from_bytes(uid.encode()[:6].ljust(6, b"\0"), "big") % 1_000_000_000


def _of_row(server: Server, row: Row, who: Principal) -> dict[str, Any]:
    meta = _meta(
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
        server.store.run("DELETE FROM dashboards WHERE uid = ?", uid)
        return {"title": row["title"], "message": f"Dashboard {row['title']} deleted", "id": row["id"]}
    if item:
        return _of_file(item, who)
    if row is None:
        raise not_found("Dashboard")
    return _of_row(server, row, who)


async def home(server: Server, _request: Request, who: Principal) -> Any:
    """``GET /api/dashboards/home``."""
    path = server.settings.dashboards_default_home_dashboard_path
    for item in server.dashboards.all().values():
        if (path and item.path.name == path.name) or (not path and item.uid == "home"):
            return _of_file(item, who)
    raise not_found("Home dashboard")


async def save(server: Server, request: Request, who: Principal) -> Any:
    """``POST /api/dashboards/db``."""
    data = await body(request)
    dashboard = data.get("dashboard")
    if not isinstance(dashboard, dict):
        raise ApiError(400, "bad request data: `dashboard` is required")
    title = str(dashboard.get("title") or "").strip()
    if not title:
        raise ApiError(400, "Dashboard title cannot be empty", status="empty-name")
    uid = str(dashboard.get("uid") or secrets.token_urlsafe(7))
    item = server.dashboards.all().get(uid)
    if item and not item.provider.allow_updates:
        raise ApiError(
            400, "Cannot save provisioned dashboard", status="name-exists", provisionedExternalId=item.path.name
        )
    folder = str(data.get("folderUid") or "")
    if folder not in (*GENERAL, *folders_of(server)):
        raise ApiError(400, f"folder {folder} not found")
    before = server.store.one("SELECT * FROM dashboards WHERE uid = ?", uid)
    if before and not data.get("overwrite") and int(dashboard.get("version") or 0) != before["version"]:
        raise ApiError(412, "The dashboard has been changed by someone else", status="version-mismatch")
    row = server.store.save_dashboard(
        {**dashboard, "uid": uid, "title": title, "id": None},
        "" if folder in GENERAL else folder,
        who.login,
        str(data.get("message") or ""),
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


async def versions(server: Server, request: Request, _who: Principal) -> Any:
    """``GET /api/dashboards/uid/:uid/versions``, ``…/versions/:version``, ``POST …/restore``."""
    uid = request.path_params["uid"]
    if (version := request.path_params.get("version")) is not None:
        row = server.store.one("SELECT * FROM versions WHERE uid = ? AND version = ?", uid, int(version))
        if row is None:
            raise not_found("Dashboard version")
        return {**_version(row), "data": json.loads(row["data"])}
    rows = server.store.all("SELECT * FROM versions WHERE uid = ? ORDER BY version DESC", uid)
    return {"continueToken": "", "versions": [_version(row) for row in rows]}


def _version(row: Row) -> dict[str, Any]:
    return {
        "id": row["version"],
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


async def search(server: Server, request: Request, _who: Principal) -> Any:
    """``GET /api/search``."""
    params = request.query_params
    needle, kind = params.get("query", "").lower(), params.get("type", "")
    tags, uids = set(params.getlist("tag")), set(params.getlist("dashboardUIDs") or params.getlist("dashboardUID"))
    folders, wanted = folders_of(server), set(params.getlist("folderUIDs") or params.getlist("folderUids"))
    found = []
    if kind != "dash-db" and not tags and not uids:
        found += [_hit(uid, title, "dash-folder", [], "", "") for uid, title in folders.items()]
    if kind != "dash-folder":
        for uid, title, own, folder in _all(server):
            if tags <= set(own) and (not uids or uid in uids) and (not wanted or (folder or "general") in wanted):
                found.append(_hit(uid, title, "dash-db", own, folder, folders.get(folder, "")))
    found = [hit for hit in found if needle in hit["title"].lower()]
    found.sort(key=lambda hit: (hit["type"] != "dash-folder", hit["title"].lower()))
    limit, page = max(1, min(int(params.get("limit") or 1000), 5000)), max(1, int(params.get("page") or 1))
    return found[(page - 1) * limit : page * limit]


def _all(server: Server) -> list[tuple[str, str, list[str], str]]:
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
    for _, _, own, _ in _all(server):
        for tag in own:
            counts[tag] = counts.get(tag, 0) + 1
    return [{"term": tag, "count": count} for tag, count in sorted(counts.items())]


async def folders(server: Server, request: Request, who: Principal) -> Any:
    """``GET`` and ``POST /api/folders``."""
    if request.method == "POST":
        who.need("Editor")
        data = await body(request)
        title = str(data.get("title") or "").strip()
        uid = str(data.get("uid") or secrets.token_urlsafe(7))
        if not title:
            raise ApiError(400, "folder title cannot be empty")
        if uid in folders_of(server):
            raise ApiError(409, "a folder with that uid already exists")
        server.store.run("INSERT INTO folders VALUES (?,?,?)", uid, title, time.time())
        return _folder(uid, title, who)
    return [
        _folder(uid, title, who) for uid, title in sorted(folders_of(server).items(), key=lambda pair: pair[1].lower())
    ]


async def folder(server: Server, request: Request, who: Principal) -> Any:
    """``GET``, ``PUT`` and ``DELETE /api/folders/:uid``."""
    uid = request.path_params["uid"]
    title = folders_of(server).get(uid)
    if title is None:
        raise ApiError(404, "folder not found", status="not-found")
    if request.method == "GET":
        return _folder(uid, title, who)
    who.need("Editor")
    if not server.store.one("SELECT uid FROM folders WHERE uid = ?", uid):
        raise ApiError(400, "a provisioned folder cannot be changed")
    if request.method == "DELETE":
        with server.store.transaction():
            server.store.run("DELETE FROM dashboards WHERE folder_uid = ?", uid)
            server.store.run("DELETE FROM folders WHERE uid = ?", uid)
        return {"message": f"Folder {title} deleted", "title": title}
    title = str((await body(request)).get("title") or title)
    server.store.run("UPDATE folders SET title = ? WHERE uid = ?", title, uid)
    return _folder(uid, title, who)


def _folder(uid: str, title: str, who: Principal) -> dict[str, Any]:
    may = who.role != "Viewer"
    return {
        "id": number_of(uid),
        "uid": uid,
        "orgId": 1,
        "title": title,
        "url": f"/dashboards/f/{uid}/{slug(title)}",
        "hasAcl": False,
        "canSave": may,
        "canEdit": may,
        "canAdmin": who.role == "Admin",
        "canDelete": may,
        "version": 1,
    }


async def annotations(server: Server, request: Request, who: Principal) -> Any:
    """``GET`` and ``POST /api/annotations``."""
    if request.method == "POST":
        who.need("Editor")
        data = await body(request)
        at = int(data.get("time") or time.time() * 1000)
        text = str(data.get("text") or "")
        if not text:
            raise ApiError(400, "text field should not be empty")
        made = server.store.run(
            "INSERT INTO annotations (dashboard_uid, panel_id, time, time_end, text, tags, login, created)"
            " VALUES (?,?,?,?,?,?,?,?)",
            data.get("dashboardUID"),
            data.get("panelId"),
            at,
            int(data.get("timeEnd") or at),
            text,
            json.dumps(list(data.get("tags") or [])),
            who.login,
            time.time(),
        )
        return {"id": made, "message": "Annotation added"}
    params = request.query_params
    rows = server.store.all(
        "SELECT * FROM annotations WHERE time_end >= ? AND time <= ? AND (? = '' OR dashboard_uid = ?)"
        " ORDER BY time DESC LIMIT ?",
        int(params.get("from") or 0),
        int(params.get("to") or 2**62),
        params.get("dashboardUID", ""),
        params.get("dashboardUID", ""),
        max(1, min(int(params.get("limit") or 100), 1000)),
    )
    wanted = set(params.getlist("tags"))
    return [_annotation(row) for row in rows if wanted <= set(json.loads(row["tags"]))]


def _annotation(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "dashboardUID": row["dashboard_uid"],
        "panelId": row["panel_id"] or 0,
        "time": row["time"],
        "timeEnd": row["time_end"],
        "text": row["text"],
        "tags": json.loads(row["tags"]),
        "login": row["login"],
        "created": int(row["created"] * 1000),
    }


async def annotation(server: Server, request: Request, _who: Principal) -> Any:
    """``DELETE /api/annotations/:id``."""
    if not server.store.changed("DELETE FROM annotations WHERE id = ?", int(request.path_params["id"])):
        raise not_found("Annotation")
    return {"message": "Annotation deleted"}
