"""Preferences of people and of the organisation, starred dashboards (HTTP API: preferences, user)."""

import json
from typing import Any
from zoneinfo import available_timezones

from starlette.requests import Request

from pytake.embedded.grafana.api.folders import number_of
from pytake.embedded.grafana.errors import ApiError, not_found
from pytake.embedded.grafana.identity import Principal
from pytake.embedded.grafana.server import Server, body

ORGANISATION = "org"
THEMES = ("", "light", "dark", "system")
WEEKS = ("", "browser", "saturday", "sunday", "monday")
KEYS = ("theme", "homeDashboardUID", "timezone", "weekStart", "language", "navbar", "queryHistory")


def read(server: Server, owner: str) -> dict[str, Any]:
    """What ``owner`` chose; absent keys mean the default."""
    row = server.store.one("SELECT data FROM preferences WHERE owner = ?", owner)
    return dict(json.loads(row["data"])) if row else {}


def effective(server: Server, who: Principal) -> dict[str, Any]:
    """The organisation's preferences under the person's own."""
    own = {key: value for key, value in read(server, who.key).items() if value}
    return {**read(server, ORGANISATION), **own}


async def of_user(server: Server, request: Request, who: Principal) -> Any:
    """``GET``, ``PUT`` and ``PATCH /api/user/preferences``."""
    return await _preferences(server, request, who.key)


async def of_organisation(server: Server, request: Request, who: Principal) -> Any:
    """``GET``, ``PUT`` and ``PATCH /api/org/preferences``; changing them needs an administrator."""
    if request.method != "GET":
        who.need("Admin")
    return await _preferences(server, request, ORGANISATION)


async def _preferences(server: Server, request: Request, owner: str) -> Any:
    before = read(server, owner)
    if request.method == "GET":
        uid = before.get("homeDashboardUID", "")
        empty = {"theme": "", "homeDashboardUID": "", "timezone": "", "weekStart": "", "language": ""}
        return {
            "homeDashboardId": number_of(uid) if uid else 0,
            **empty,
            "navbar": {"bookmarkUrls": None},
            "queryHistory": {"homeTab": ""},
            **before,
        }
    data = await body(request)
    given = {key: data[key] for key in KEYS if data.get(key) is not None}
    _check(server, given)
    kept = {**before, **given} if request.method == "PATCH" else given
    server.store.run(
        "INSERT INTO preferences VALUES (?,?) ON CONFLICT (owner) DO UPDATE SET data = excluded.data",
        owner,
        json.dumps(kept),
    )
    return {"message": "Preferences updated"}


def _check(server: Server, given: dict[str, Any]) -> None:
    if given.get("theme", "") not in THEMES:
        raise ApiError(400, "Invalid theme: it is light, dark, system or empty")
    zone = given.get("timezone", "")
    if zone not in ("", "utc", "browser") and zone not in available_timezones():
        raise ApiError(400, f"Invalid timezone {zone!r}: it is utc, browser, an IANA name or empty")
    if given.get("weekStart", "") not in WEEKS:
        raise ApiError(400, "Invalid week start: it is saturday, sunday, monday, browser or empty")
    if (uid := given.get("homeDashboardUID")) and not exists(server, str(uid)):
        raise not_found("Dashboard")


def exists(server: Server, uid: str) -> bool:
    """Whether a dashboard has this uid."""
    return uid in server.dashboards.all() or bool(server.store.one("SELECT 1 FROM dashboards WHERE uid = ?", uid))


# ------------------------------------------------------------------------------------------------------------ stars
def starred(server: Server, who: Principal) -> set[str]:
    """Uids of the dashboards that the asking person starred."""
    return {row["uid"] for row in server.store.all("SELECT uid FROM stars WHERE owner = ?", who.key)}


async def stars(server: Server, _request: Request, who: Principal) -> Any:
    """``GET /api/user/stars``: uids."""
    return sorted(starred(server, who))


async def star(server: Server, request: Request, who: Principal) -> Any:
    """``POST`` and ``DELETE /api/user/stars/dashboard/uid/:uid``."""
    uid = request.path_params["uid"]
    if request.method == "DELETE":
        server.store.run("DELETE FROM stars WHERE owner = ? AND uid = ?", who.key, uid)
        return {"message": "Dashboard unstarred"}
    if not exists(server, uid):
        raise not_found("Dashboard")
    server.store.run("INSERT OR IGNORE INTO stars VALUES (?,?)", who.key, uid)
    return {"message": "Dashboard starred!"}
