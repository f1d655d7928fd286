"""Rule endpoints: Loki's (YAML) and Prometheus' (JSON)."""

from typing import Any
from urllib.parse import unquote

import yaml

from pytake.embedded.loki.api.http import Request, Response, success
from pytake.embedded.loki.api.params import one
from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.ruler.alerts import rfc3339, shown
from pytake.embedded.loki.ruler.ruler import GroupState, Ruler, RuleState
from pytake.embedded.loki.ruler.rules import group_data


def _yaml(data: Any) -> Response:
    return Response(200, yaml.safe_dump(data, sort_keys=False).encode(), "application/yaml")


ACCEPTED = Response(202, b'{"status":"success","data":null,"errorType":"","error":""}')


class RulesApi:
    """Rules and alerts over HTTP."""

    def __init__(self, ruler: Ruler) -> None:
        self._ruler = ruler

    async def groups(self, request: Request, tenant: str) -> Response:
        """All groups by namespace."""
        spaces: dict[str, list[Any]] = {}
        for group in self._ruler.of(tenant):
            spaces.setdefault(group.namespace, []).append(group_data(group))
        if not spaces:
            raise RequestError(404, "no rule groups found")
        return _yaml(spaces)

    async def namespace(self, request: Request, tenant: str) -> Response:
        """Groups of a namespace; POST sets a group, DELETE removes all."""
        name = unquote(request.path_args[0])
        if request.method == "POST":
            try:
                data = yaml.safe_load(await request.body(1 << 20))
            except yaml.YAMLError as error:
                raise RequestError(400, f"unable to decode rule group: {error}") from error
            self._ruler.set_group(tenant, name, data)
            return ACCEPTED
        if request.method == "DELETE":
            self._ruler.delete(tenant, name, None)
            return ACCEPTED
        groups = self._ruler.of(tenant, name)
        if not groups:
            raise RequestError(404, "no rule groups found")
        return _yaml({name: [group_data(group) for group in groups]})

    async def group(self, request: Request, tenant: str) -> Response:
        """One group; DELETE removes it."""
        namespace, name = (unquote(part) for part in request.path_args)
        if request.method == "DELETE":
            self._ruler.delete(tenant, namespace, name)
            return ACCEPTED
        for group in self._ruler.of(tenant, namespace):
            if group.name == name:
                return _yaml(group_data(group))
        raise RequestError(404, "group does not exist")

    async def prometheus_rules(self, request: Request, tenant: str) -> Response:
        """``/prometheus/api/v1/rules``."""
        params = await request.params()
        kind = one(params, "type")
        if kind not in ("", "alert", "record"):
            raise RequestError(400, f'invalid type parameter "{kind}"')
        files = [*params.get("file", ()), *params.get("file[]", ())]
        names = [*params.get("rule_group", ()), *params.get("rule_group[]", ())]
        rules = [*params.get("rule_name", ()), *params.get("rule_name[]", ())]
        groups = []
        for (owner, space, name), state in self._ruler.groups.items():
            if owner != tenant or (files and space not in files) or (names and name not in names):
                continue
            kept = [
                _rule(item)
                for item in state.rules
                if (not rules or item.rule.name in rules)
                and (not kind or (kind == "alert") is (item.alerting is not None))
            ]
            if kept:
                groups.append(_group(state, kept))
        return success({"groups": groups})

    async def prometheus_alerts(self, request: Request, tenant: str) -> Response:
        """``/prometheus/api/v1/alerts``."""
        alerts = [
            shown(alert)
            for (owner, _, _), state in self._ruler.groups.items()
            if owner == tenant
            for item in state.rules
            if item.alerting is not None
            for alert in item.alerting.alerts.values()
            if alert.resolved_at is None
        ]
        return success({"alerts": alerts})


def _group(state: GroupState, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": state.group.name,
        "file": state.group.namespace,
        "rules": rules,
        "interval": state.group.interval,
        "lastEvaluation": rfc3339(state.at),
        "evaluationTime": state.seconds,
        "limit": state.group.limit,
    }


def _rule(item: RuleState) -> dict[str, Any]:
    rule = item.rule
    common = {
        "name": rule.name,
        "query": rule.expr,
        "labels": dict(rule.labels),
        "health": "err" if item.error else "ok" if item.at else "unknown",
        "lastError": item.error,
        "lastEvaluation": rfc3339(item.at),
        "evaluationTime": item.seconds,
    }
    if item.alerting is None:
        return {**common, "type": "recording"}
    return {
        **common,
        "type": "alerting",
        "state": item.alerting.state,
        "duration": rule.hold,
        "keepFiringFor": rule.keep_firing,
        "annotations": dict(rule.annotations),
        "alerts": [shown(alert) for alert in item.alerting.alerts.values() if alert.resolved_at is None],
    }
