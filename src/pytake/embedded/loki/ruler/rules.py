"""Rule files: groups of alerting and recording rules, checked as they are read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pytake.embedded.common.config import ConfigError, parse_duration
from pytake.embedded.loki import logql

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: an alert (``alert`` set) or a recording rule (``record`` set); durations in seconds."""

    expr: str
    alert: str = ""
    record: str = ""
    hold: float = 0.0
    keep_firing: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The alert's or the recorded metric's name."""
        return self.alert or self.record


@dataclass(frozen=True, slots=True)
class Group:
    """Rules evaluated one after the other, every ``interval`` seconds."""

    tenant: str
    namespace: str
    name: str
    interval: float
    rules: tuple[Rule, ...]
    limit: int = 0

    @property
    def key(self) -> tuple[str, str, str]:
        """What names a group."""
        return self.tenant, self.namespace, self.name


def _rule(data: Any, where: str) -> Rule:
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: a rule must be a mapping")
    unknown = set(data) - {"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"}
    if unknown:
        raise ConfigError(f"{where}: field {sorted(unknown)[0]} not found in type rulefmt.Rule")
    alert, record, expr = (str(data.get(name) or "") for name in ("alert", "record", "expr"))
    if bool(alert) == bool(record):
        raise ConfigError(f"{where}: one of 'record' or 'alert' must be set, and only one")
    if not expr:
        raise ConfigError(f"{where}: field 'expr' must be set in rule")
    try:
        parsed = logql.parse(expr)
    except logql.LogQLError as error:
        raise ConfigError(f"{where}: could not parse expression: {error}") from error
    if isinstance(parsed, logql.LogQuery):
        raise ConfigError(f"{where}: the expression is a log query; a rule needs a metric query")
    if record and (data.get("for") or data.get("annotations") or data.get("keep_firing_for")):
        raise ConfigError(f"{where}: invalid field 'for' or 'annotations' in recording rule")
    if record and not _METRIC.fullmatch(record):
        raise ConfigError(f"{where}: invalid recording rule name: {record}")
    labels = {str(name): str(value) for name, value in (data.get("labels") or {}).items()}
    if any(not _LABEL.fullmatch(name) or name == "__name__" for name in labels):
        raise ConfigError(f"{where}: invalid label name")
    return Rule(
        expr, alert, record, parse_duration(data.get("for") or 0), parse_duration(data.get("keep_firing_for") or 0),
        labels, {str(name): str(value) for name, value in (data.get("annotations") or {}).items()},
    )  # fmt: skip


def parse_group(data: Any, tenant: str, namespace: str, default_interval: float) -> Group:
    """One group; raises :class:`ConfigError` saying which rule is wrong and why."""
    if not isinstance(data, dict) or not data.get("name"):
        raise ConfigError(f"{namespace}: a group needs a name")
    name = str(data["name"])
    rules = tuple(
        _rule(item, f"{namespace}: group {name!r}, rule {index}")
        for index, item in enumerate(data.get("rules") or (), start=1)
    )
    interval = parse_duration(data.get("interval") or 0) or default_interval
    return Group(tenant, namespace, name, interval, rules, int(data.get("limit") or 0))


def parse_file(text: str, tenant: str, namespace: str, default_interval: float) -> list[Group]:
    """Groups of a rule file's text."""
    try:
        data = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{namespace}: {error}") from error
    if not isinstance(data, dict) or set(data) - {"groups", "namespace"}:
        raise ConfigError(f"{namespace}: expected a mapping with groups")
    groups = [parse_group(item, tenant, namespace, default_interval) for item in data.get("groups") or ()]
    names = [group.name for group in groups]
    if len(set(names)) < len(names):
        raise ConfigError(f"{namespace}: group names must be unique in a file")
    return groups


def files(directory: Path) -> list[tuple[str, Path]]:
    """Rule files with their tenants: ``<directory>/<tenant>/<namespace>.yml``."""
    if not directory.is_dir():
        return []
    return [
        (folder.name, path)
        for folder in sorted(directory.iterdir())
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.suffix in (".yml", ".yaml") and path.is_file()
    ]


def group_data(group: Group) -> dict[str, Any]:
    """A group as YAML has it."""
    data: dict[str, Any] = {"name": group.name, "interval": f"{group.interval:g}s"}
    rules = []
    for rule in group.rules:
        item: dict[str, Any] = {"alert": rule.alert} if rule.alert else {"record": rule.record}
        item["expr"] = rule.expr
        if rule.hold:
            item["for"] = f"{rule.hold:g}s"
        if rule.keep_firing:
            item["keep_firing_for"] = f"{rule.keep_firing:g}s"
        if rule.labels:
            item["labels"] = dict(rule.labels)
        if rule.annotations:
            item["annotations"] = dict(rule.annotations)
        rules.append(item)
    data["rules"] = rules
    return data
