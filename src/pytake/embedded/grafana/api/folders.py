"""Folders (HTTP API: folder)."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from pytake.embedded.grafana.errors import ApiError
from pytake.embedded.grafana.identity import Principal
from pytake.embedded.grafana.provisioning import slug
from pytake.embedded.grafana.server import Server, body


def number_of(uid: str) -> int:
    """A stable number for a dashboard from a file: old clients ask for one."""
    return int.from_bytes(uid.encode()[:6].ljust(6, b"\0"), "big") % 1_000_000_000


def folders_of(server: Server) -> dict[str, str]:
    """Titles of folders by uid: those of files and those of the state."""
    found = {row["uid"]: row["title"] for row in server.store.all("SELECT uid, title FROM folders")}
    for item in server.dashboards.all().values():
        if item.folder_uid and item.folder:
            found.setdefault(item.folder_uid, item.folder)
    return found


def folder_of(server: Server, data: Mapping[str, Any]) -> str:
    """The folder's uid that a request names: ``folderUid``, or the ``folderId`` of older clients."""
    if uid := data.get("folderUid"):
        return str(uid)
    number = data.get("folderId") or 0
    return next((uid for uid in folders_of(server) if number_of(uid) == number), "") if number else ""


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
        server.store.delete_dashboards("folder_uid", uid)
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
