"""Data sources and dashboards from files, as the real Grafana provisions them (docs: administration, provisioning).

Variables: ``$NAME`` and ``${NAME}`` become the environment's value, ``$$`` a dollar. Dashboard files are looked at
again when their time or size changed; a file that does not parse is named in the log and its last good state stays.
"""

import json
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

log = logging.getLogger("grafana.provisioning")
_REFERENCE = re.compile(r"\$\$|\$\{(\w+)\}|\$(\w+)")
QUERYABLE = frozenset({"prometheus", "loki", "jaeger", "alertmanager"})


class ProvisioningError(ValueError):
    """A provisioning file cannot be used; the text names it and what is wrong."""


def expand(value: Any, env: Mapping[str, str]) -> Any:
    """Replace variables in all strings below ``value``."""
    if isinstance(value, str):
        return _REFERENCE.sub(lambda m: "$" if m[0] == "$$" else env.get(m[1] or m[2], ""), value)
    if isinstance(value, list):
        return [expand(item, env) for item in value]
    if isinstance(value, dict):
        return {key: expand(item, env) for key, item in value.items()}
    return value


@dataclass(frozen=True)
class DataSource:
    """One data source."""

    id: int
    uid: str
    name: str
    type: str
    url: str
    default: bool = False
    json_data: Mapping[str, Any] = field(default_factory=dict)
    user: str = ""
    password: str = field(default="", repr=False)

    def as_dict(self) -> dict[str, Any]:
        """As ``/api/datasources`` shows it; never with its secrets."""
        return {
            "id": self.id,
            "uid": self.uid,
            "orgId": 1,
            "name": self.name,
            "type": self.type,
            "typeName": self.type.title(),
            "typeLogoUrl": "",
            "access": "proxy",
            "url": self.url,
            "user": "",
            "database": "",
            "basicAuth": bool(self.user),
            "basicAuthUser": self.user,
            "isDefault": self.default,
            "jsonData": dict(self.json_data),
            "secureJsonFields": {},
            "readOnly": True,
            "version": 1,
            "withCredentials": False,
            "apiVersion": "",
            "accessControl": {},
        }


def load_datasources(folder: Path, env: Mapping[str, str] | None = None) -> dict[str, DataSource]:
    """Data sources by uid. Raises :class:`ProvisioningError` naming the file."""
    found: dict[str, DataSource] = {}
    for path, document in _documents(folder / "datasources"):
        for item in expand(document.get("datasources") or [], os.environ if env is None else env):
            if not item.get("name") or not item.get("type"):
                raise ProvisioningError(f"{path}: a data source needs name and type")
            secure = item.get("secureJsonData") or {}
            source = DataSource(
                len(found) + 1,
                str(item.get("uid") or item["name"]),
                str(item["name"]),
                str(item["type"]),
                str(item.get("url") or "").rstrip("/"),
                bool(item.get("isDefault")),
                item.get("jsonData") or {},
                str(item.get("basicAuthUser") or ""),
                str(secure.get("basicAuthPassword") or ""),
            )
            if source.uid in found:
                raise ProvisioningError(f"{path}: the uid {source.uid} stands twice")
            found[source.uid] = source
    return found


@dataclass(frozen=True)
class Provider:
    """Where dashboards come from."""

    name: str
    path: Path
    folder: str
    folder_uid: str
    allow_updates: bool
    from_structure: bool


def load_providers(folder: Path, env: Mapping[str, str] | None = None) -> list[Provider]:
    """Dashboard providers. Raises :class:`ProvisioningError` naming the file."""
    found = []
    for path, document in _documents(folder / "dashboards"):
        for item in expand(document.get("providers") or [], os.environ if env is None else env):
            target = (item.get("options") or {}).get("path")
            if not target:
                raise ProvisioningError(f"{path}: provider {item.get('name')} has no options.path")
            name = str(item.get("folder") or "")
            found.append(
                Provider(
                    str(item.get("name") or "default"),
                    Path(target),
                    name,
                    str(item.get("folderUid") or slug(name)),
                    bool(item.get("allowUiUpdates")),
                    bool((item.get("options") or {}).get("foldersFromFilesStructure")),
                )
            )
    return found


def _documents(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")]):
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise ProvisioningError(f"{path}: {error}") from error
        if isinstance(document, dict):
            yield path, document


class ContactPoints:
    """Contact points of ``alerting/*.yml``. The embedded Grafana shows them; alerts are sent by Alertmanager."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self._points = []
        for path, document in _documents(folder / "alerting"):
            for group in expand(document.get("contactPoints") or [], os.environ if env is None else env):
                if not group.get("name"):
                    raise ProvisioningError(f"{path}: a contact point needs a name")
                for receiver in group.get("receivers") or []:
                    if not receiver.get("type"):
                        raise ProvisioningError(f"{path}: a receiver of {group['name']} needs a type")
                    self._points.append(
                        {
                            "uid": str(receiver.get("uid") or slug(str(group["name"]))),
                            "name": str(group["name"]),
                            "type": str(receiver["type"]),
                            "settings": receiver.get("settings") or {},
                            "disableResolveMessage": bool(receiver.get("disableResolveMessage")),
                            "provenance": "file",
                        }
                    )

    def all(self) -> list[dict[str, Any]]:
        """One entry a receiver, as Grafana's provisioning API lists them."""
        return self._points


def slug(title: str) -> str:
    """A title as part of an address."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "dashboard"


@dataclass(frozen=True)
class Provisioned:
    """One dashboard from a file."""

    uid: str
    data: dict[str, Any]
    folder: str
    folder_uid: str
    path: Path
    mtime: float
    provider: Provider

    @property
    def title(self) -> str:
        """Its title."""
        return str(self.data.get("title") or self.path.stem)


class Dashboards:
    """All provisioned dashboards, kept in step with their files."""

    def __init__(self, providers: list[Provider], check_every: float = 2.0) -> None:
        self._providers = providers
        self._check_every = check_every
        self._looked = 0.0
        self._known: dict[Path, tuple[tuple[float, int], Provisioned | None]] = {}

    def all(self) -> dict[str, Provisioned]:
        """Dashboards by uid; of equal uids the first file's wins."""
        if time.monotonic() - self._looked >= self._check_every or not self._looked:
            self._look()
            self._looked = time.monotonic()
        found: dict[str, Provisioned] = {}
        for _, dashboard in self._known.values():
            if dashboard is not None:
                found.setdefault(dashboard.uid, dashboard)
        return found

    def _look(self) -> None:
        seen: dict[Path, tuple[tuple[float, int], Provisioned | None]] = {}
        for provider in self._providers:
            for path in sorted(provider.path.rglob("*.json")):
                stat = path.stat()
                stamp = (stat.st_mtime, stat.st_size)
                before = self._known.get(path)
                seen[path] = before if before and before[0] == stamp else (stamp, self._read(provider, path, before))
        self._known = seen

    def _read(self, provider: Provider, path: Path, before: Any) -> Provisioned | None:
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(data, dict) or not data.get("title"):
                raise ValueError("a dashboard is a JSON object with a title")
        except (OSError, ValueError) as error:
            log.error("dashboard_unreadable", extra={"path": str(path), "reason": str(error)})
            return before[1] if before else None
        folder, folder_uid = provider.folder, provider.folder_uid
        if provider.from_structure and path.parent != provider.path:
            folder = path.parent.name
            folder_uid = slug(folder)
        uid = str(data.get("uid") or slug(path.stem))[:40]
        return Provisioned(uid, {**data, "uid": uid}, folder, folder_uid, path, path.stat().st_mtime, provider)
