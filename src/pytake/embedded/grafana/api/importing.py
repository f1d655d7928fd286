"""Import of dashboards: shared JSON with inputs, and public ones by their number (HTTP API: dashboard import)."""

import re
from collections.abc import Mapping
from typing import Any

import httpx
from starlette.requests import Request

from pytake.embedded.grafana.api.dashboards import store_dashboard
from pytake.embedded.grafana.api.folders import folder_of, number_of
from pytake.embedded.grafana.errors import ApiError
from pytake.embedded.grafana.identity import Principal
from pytake.embedded.grafana.server import MAX_BODY, Server, body

_INPUT = re.compile(r"\$\{(\w+)\}")


def fill(dashboard: Mapping[str, Any], inputs: list[Mapping[str, Any]], known: set[str]) -> dict[str, Any]:
    """``dashboard`` with the values of its ``__inputs``; 400 names one that is missing or no data source."""
    values = {str(given.get("name")): str(given.get("value") or "") for given in inputs}
    for wanted in dashboard.get("__inputs") or []:
        name = str(wanted.get("name"))
        if wanted.get("type") == "constant":
            values.setdefault(name, str(wanted.get("value") or ""))
        if not values.get(name) and wanted.get("type") == "datasource":
            raise ApiError(400, f"Dashboard input {name} is missing: choose a data source for it")
        if wanted.get("type") == "datasource" and values[name] not in known:
            raise ApiError(400, f"Dashboard input {name}: there is no data source {values[name]}")

    def replace(value: Any) -> Any:
        if isinstance(value, str):
            return _INPUT.sub(lambda match: values.get(match[1], match[0]), value)
        if isinstance(value, list):
            return [replace(item) for item in value]
        if isinstance(value, dict):
            return {key: replace(item) for key, item in value.items()}
        return value

    kept = {key: value for key, value in dashboard.items() if key not in ("__inputs", "__requires", "__elements")}
    filled: dict[str, Any] = replace(kept)
    return filled


async def import_dashboard(server: Server, request: Request, who: Principal) -> Any:
    """``POST /api/dashboards/import`` {dashboard, inputs, overwrite, folderUid}."""
    data = await body(request)
    dashboard, inputs = data.get("dashboard"), data.get("inputs") or []
    if not isinstance(dashboard, dict):
        raise ApiError(400, "Dashboard must be set")
    if not isinstance(inputs, list) or not all(isinstance(given, dict) for given in inputs):
        raise ApiError(400, "inputs is a list of {name, type, pluginId, value}")
    known = {name for source in server.sources.values() for name in (source.uid, source.name)}
    filled = fill(dashboard, inputs, known)
    saved = store_dashboard(
        server,
        filled,
        who.login,
        folder=folder_of(server, data),
        overwrite=bool(data.get("overwrite")),
        message=str(data.get("message") or "Imported"),
    )
    return {
        "uid": saved["uid"],
        "pluginId": data.get("pluginId") or "",
        "title": filled["title"],
        "imported": True,
        "importedUri": f"db/{saved['slug']}",
        "importedUrl": saved["url"],
        "slug": saved["slug"],
        "dashboardId": saved["id"],
        "folderId": number_of(saved["folderUid"]) if saved["folderUid"] else 0,
        "folderUid": saved["folderUid"],
        "importedRevision": 1,
        "revision": 1,
        "description": str(filled.get("description") or ""),
        "path": data.get("path") or "",
        "removed": False,
    }


async def public_dashboard(server: Server, request: Request, _who: Principal) -> Any:
    """``GET /api/gnet/dashboards/:id``: a public dashboard with its JSON, from the catalogue of shared dashboards."""
    number, base = request.path_params["id"], server.settings.grafana_com_api_url.rstrip("/")
    if not base:
        raise ApiError(
            503, "Import by number is switched off (GF_GRAFANA_COM_API_URL is empty): paste the JSON instead"
        )
    try:
        answer = await server.outside.get(f"{base}/dashboards/{number}", headers={"accept": "application/json"})
    except httpx.HTTPError as error:
        raise ApiError(
            502,
            f"{base} cannot be reached from this network ({type(error).__name__}): paste the dashboard's JSON instead",
        ) from error
    if answer.status_code == 404:
        raise ApiError(404, f"Dashboard {number} not found at {base}")
    if answer.status_code != 200 or len(answer.content) > MAX_BODY:
        raise ApiError(502, f"{base} answered {answer.status_code}: paste the dashboard's JSON instead")
    try:
        return answer.json()
    except ValueError as error:
        raise ApiError(502, f"{base} answered no JSON: paste the dashboard's JSON instead") from error
