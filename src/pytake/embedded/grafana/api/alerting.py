"""Views of alerting: Prometheus' rules and alerts, Alertmanager's state and configuration, history, contact points.

Alerts are Prometheus' and Alertmanager's own: nothing here evaluates or sends. The addresses are those of Grafana's
alerting API (``/api/alertmanager``, ``/api/prometheus``, ``/api/v1/rules/history``, ``/api/v1/provisioning``).
"""

from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import Response

from pytake.embedded.grafana import history as alert_history
from pytake.embedded.grafana.api.sources import forward
from pytake.embedded.grafana.errors import ApiError, not_found
from pytake.embedded.grafana.identity import Principal
from pytake.embedded.grafana.provisioning import DataSource
from pytake.embedded.grafana.query import moment
from pytake.embedded.grafana.server import Server, whole

READ = ("api/v2/alerts", "api/v2/alerts/groups", "api/v2/silences", "api/v2/status", "api/v2/receivers")
SECRET = "<secret>"  # noqa: S105 (Alertmanager's own word for what it hides)
_HIDDEN = ("password", "secret", "token", "_key", "credentials", "authorization", "api_url", "url_file", "webhook_url")


def find(server: Server, kind: str, uid: str) -> DataSource:
    """The data source ``uid`` (or name) of this kind; ``grafana`` is the first one, for clients that name ours."""
    for source in server.sources.values():
        if source.type == kind and uid in (source.uid, source.name, "grafana"):
            return source
    raise not_found(f"{kind} data source {uid}")


async def prometheus(server: Server, request: Request, who: Principal) -> Response:
    """``GET /api/prometheus/:uid/api/v1/{rules,alerts}``."""
    source, view = find(server, "prometheus", request.path_params["uid"]), request.path_params["view"]
    if view not in ("rules", "alerts"):
        raise ApiError(404, f"{view} is no view of alerting: rules and alerts are")
    return await forward(server, request, who, source, f"api/v1/{view}")


async def alertmanager(server: Server, request: Request, who: Principal) -> Response:
    """``/api/alertmanager/:uid/api/v2/…``: reading for everyone, silences for editors."""
    source, path = find(server, "alertmanager", request.path_params["uid"]), request.path_params["path"]
    allowed = path in READ if request.method == "GET" else path == "api/v2/silences" and request.method == "POST"
    if not allowed and not path.startswith("api/v2/silence/"):
        raise ApiError(404, f"{request.method} {path} is not part of the Alertmanager's API here")
    return await forward(server, request, who, source, path)


async def configuration(server: Server, request: Request, _who: Principal) -> Any:
    """``GET /api/alertmanager/:uid/config/api/v1/alerts``: routing tree and receivers, without secrets."""
    source = find(server, "alertmanager", request.path_params["uid"])
    status = await server.queries.fetch(source, "/api/v2/status", {})
    try:
        config = yaml.safe_load(status["config"]["original"]) or {}
    except (KeyError, TypeError, yaml.YAMLError) as error:
        raise ApiError(502, f"{source.name} gave no configuration that can be read: {error}") from error
    return {"template_files": {}, "alertmanager_config": without_secrets(config)}


def without_secrets(value: Any, key: str = "") -> Any:
    """``value`` with everything that may be a credential replaced by ``<secret>``."""
    if isinstance(value, dict):
        return {name: without_secrets(item, str(name)) for name, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item, key) for item in value]
    hide = isinstance(value, str) and value and any(word in key.lower() for word in _HIDDEN)
    return SECRET if hide else value


async def history(server: Server, request: Request, _who: Principal) -> Any:
    """``GET /api/v1/rules/history`` from, to, limit, labels[name]=value: changes of alerts' states, newest first."""
    source, params = (
        find(server, "prometheus", request.query_params.get("datasourceUid", "grafana")),
        request.query_params,
    )
    now = server.now()
    start, end = moment(_time(params.get("from")) or "now-24h", now), moment(_time(params.get("to")) or "now", now)
    if end <= start:
        raise ApiError(400, "the time range ends before it begins")
    wanted = {
        name[len("labels[") : -1]: value
        for name, value in params.multi_items()
        if name.startswith("labels[") and name.endswith("]")
    }
    if name := params.get("ruleName") or params.get("alertname"):
        wanted["alertname"] = name
    step = alert_history.step(start, end)
    asked = {"query": alert_history.selector(wanted), "start": f"{start:.0f}", "end": f"{end:.0f}", "step": f"{step}"}
    answer = await server.queries.fetch(source, "/api/v1/query_range", asked)
    return alert_history.frame(answer["result"], start, end, step, whole(request, "limit", 1000, most=10_000))


def _time(text: str | None) -> str:
    """Grafana's history takes seconds; milliseconds and ``now-1h`` are understood as elsewhere."""
    return f"{text}000" if text and text.isdigit() and len(text) <= 10 else text or ""


# ------------------------------------------------------------------------------------- provisioned alerting resources
async def contact_points(server: Server, request: Request, _who: Principal) -> Any:
    """``GET /api/v1/provisioning/contact-points``: those of the files, without secrets."""
    name = request.query_params.get("name")
    return [without_secrets(point) for point in server.contact_points.all() if name in (None, point["name"])]


async def policies(_server: Server, _request: Request, _who: Principal) -> Any:
    """``GET /api/v1/provisioning/policies``: none of Grafana's own; Alertmanager's are its routing tree."""
    return {"receiver": "", "routes": []}


async def none_of_ours(_server: Server, _request: Request, _who: Principal) -> Any:
    """Alert rules, templates and mute timings of Grafana's own: there are none, Prometheus evaluates."""
    return []


async def read_only(_server: Server, _request: Request, _who: Principal) -> Any:
    """Changing them: 403 with the place to change."""
    raise ApiError(
        403,
        "alerting is configured in files: monitoring/prometheus/rules, monitoring/alertmanager, provisioning/alerting",
    )
