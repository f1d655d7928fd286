"""Annotations (HTTP API: annotations)."""

import json
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from pytake.embedded.grafana.api.folders import number_of
from pytake.embedded.grafana.errors import ApiError, not_found
from pytake.embedded.grafana.identity import Principal
from pytake.embedded.grafana.server import Server, body, whole
from pytake.embedded.grafana.store import Row

MAX_LIMIT = 10_000


async def annotations(server: Server, request: Request, who: Principal) -> Any:
    """``GET`` and ``POST /api/annotations``."""
    if request.method == "POST":
        who.need("Editor")
        data = await body(request)
        if not data.get("text"):
            raise ApiError(400, "text field should not be empty")
        return {"message": "Annotation added", "id": _insert(server, data, who.login)}
    return [_annotation(row) for row in _find(server, request)]


async def graphite(server: Server, request: Request, who: Principal) -> Any:
    """``POST /api/annotations/graphite``: ``what``, ``tags`` (list or words), ``when`` (seconds), ``data``."""
    data = await body(request)
    if not data.get("what"):
        raise ApiError(400, "what field should not be empty")
    tags = data.get("tags") or []
    given = {
        "text": "\n".join(filter(None, (str(data["what"]), str(data.get("data") or "")))),
        "tags": tags.split() if isinstance(tags, str) else tags,
        "time": int(float(data.get("when") or time.time()) * 1000),
    }
    return {"message": "Graphite annotation added", "id": _insert(server, given, who.login)}


async def annotation(server: Server, request: Request, who: Principal) -> Any:
    """``GET``, ``PUT``, ``PATCH`` and ``DELETE /api/annotations/:id``. PUT replaces, PATCH changes what it names."""
    number = int(request.path_params["id"])
    row = server.store.one("SELECT * FROM annotations WHERE id = ?", number)
    if row is None:
        raise not_found("Annotation")
    if request.method == "GET":
        return _annotation(row)
    who.need("Editor")
    if request.method == "DELETE":
        server.store.run("DELETE FROM annotations WHERE id = ?", number)
        return {"message": "Annotation deleted"}
    data, patch = await body(request), request.method == "PATCH"
    if ("text" in data and not data["text"]) or (not patch and "text" not in data):
        raise ApiError(400, "text field should not be empty")
    _update(server, row, data, patch=patch)
    return {"message": "Annotation patched" if patch else "Annotation updated"}


async def tags(server: Server, request: Request, _who: Principal) -> Any:
    """``GET /api/annotations/tags``: tags in use that hold ``tag``, with their counts."""
    rows = server.store.all(
        "SELECT value AS tag, count(*) AS count FROM annotations, json_each(annotations.tags)"
        " WHERE instr(lower(value), lower(?)) > 0 GROUP BY value ORDER BY value LIMIT ?",
        request.query_params.get("tag", ""),
        whole(request, "limit", 100, most=MAX_LIMIT),
    )
    return {"result": {"tags": rows}}


async def mass_delete(server: Server, request: Request, _who: Principal) -> Any:
    """``POST /api/annotations/mass-delete``: one by ``annotationId``, or those of a dashboard's panel."""
    data = await body(request)
    if data.get("annotationId"):
        server.store.run("DELETE FROM annotations WHERE id = ?", int(data["annotationId"]))
    elif data.get("dashboardUID") and data.get("panelId"):
        server.store.run(
            "DELETE FROM annotations WHERE dashboard_uid = ? AND panel_id = ?",
            str(data["dashboardUID"]),
            int(data["panelId"]),
        )
    else:
        raise ApiError(400, "annotationId, or dashboardUID and panelId, are needed")
    return {"message": "Annotations deleted"}


def _times(data: Mapping[str, Any], at: int, end: int) -> tuple[int, int]:
    try:
        first = int(data.get("time") or at)
        last = int(data.get("timeEnd") or (first if "time" in data else end))
        tags = data.get("tags") or []
    except (TypeError, ValueError) as error:
        raise ApiError(400, f"time and timeEnd are milliseconds since 1970: {error}") from error
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ApiError(400, "tags is a list of words")
    return min(first, last), max(first, last)


def _insert(server: Server, data: Mapping[str, Any], login: str) -> int:
    now = time.time()
    first, last = _times(data, int(now * 1000), int(now * 1000))
    return server.store.run(
        "INSERT INTO annotations"
        " (dashboard_uid, panel_id, time, time_end, text, tags, login, created, updated, data)"
        " VALUES (?,?,?,?,?,?,?,?,?,?)",
        data.get("dashboardUID"),
        data.get("panelId"),
        first,
        last,
        str(data["text"]),
        json.dumps(data.get("tags") or []),
        login,
        now,
        now,
        json.dumps(data.get("data") or {}),
    )


def _update(server: Server, row: Row, data: Mapping[str, Any], *, patch: bool) -> None:
    first, last = _times(data, row["time"], row["time_end"])
    kept = row if patch else {"tags": "[]", "data": "{}"}
    server.store.run(
        "UPDATE annotations SET time=?, time_end=?, text=?, tags=?, data=?, updated=? WHERE id=?",
        first,
        last,
        str(data.get("text") or row["text"]),
        json.dumps(data["tags"]) if data.get("tags") is not None else kept["tags"],
        json.dumps(data["data"]) if data.get("data") is not None else kept["data"],
        time.time(),
        row["id"],
    )


def _find(server: Server, request: Request) -> list[Row]:
    params = request.query_params
    if params.get("type") == "alert":
        return []  # alerts' states are Prometheus' series here: /api/v1/rules/history
    wanted = sorted(set(params.getlist("tags")))
    return server.store.all(
        "SELECT * FROM annotations WHERE (:first = 0 OR time_end >= :first) AND (:last = 0 OR time <= :last)"
        " AND (:uid = '' OR dashboard_uid = :uid) AND (:panel = 0 OR panel_id = :panel)"
        " AND (SELECT count(DISTINCT value) FROM json_each(annotations.tags)"
        "      WHERE value IN (SELECT value FROM json_each(:tags))) >= :least"
        " ORDER BY time DESC, id DESC LIMIT :limit",
        first=whole(request, "from", 0),
        last=whole(request, "to", 0),
        uid=params.get("dashboardUID", ""),
        panel=whole(request, "panelId", 0),
        tags=json.dumps(wanted),
        least=min(1, len(wanted)) if params.get("matchAny") == "true" else len(wanted),
        limit=whole(request, "limit", 100, most=MAX_LIMIT),
    )


def _annotation(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "alertId": 0,
        "alertName": "",
        "dashboardId": number_of(row["dashboard_uid"]) if row["dashboard_uid"] else 0,
        "dashboardUID": row["dashboard_uid"],
        "panelId": row["panel_id"] or 0,
        "userId": 0,
        "newState": "",
        "prevState": "",
        "created": int(row["created"] * 1000),
        "updated": int((row["updated"] or row["created"]) * 1000),
        "time": row["time"],
        "timeEnd": row["time_end"],
        "text": row["text"],
        "tags": json.loads(row["tags"]),
        "login": row["login"],
        "email": "",
        "avatarUrl": "",
        "data": json.loads(row["data"]),
    }
