"""Settings of the embedded Loki: the real server's ``loki.yml`` and flags, plus a few of ours from the environment.

Keys that only steer parts which a single process does not have (rings, memberlist, caches, schedulers) are accepted and
do nothing. An unknown section, or an unknown key of ``limits_config``, is an error, as it is for the real server.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import orjson
import yaml

from pytake.embedded.common.config import ConfigError, load_yaml, parse_duration, parse_size

_KNOWN = orjson.loads(Path(__file__).with_name("known_keys.json").read_bytes())
SECTIONS = frozenset(_KNOWN["sections"])
SERVICE_NAME_LABELS: list[str] = _KNOWN["service_name_labels"]
IGNORED_LIMITS = frozenset(_KNOWN["ignored_limits"])


@dataclass(frozen=True, slots=True)
class StreamRetention:
    """``retention_stream``: streams of ``selector`` are kept ``period`` seconds; the highest priority wins."""

    selector: str
    priority: int
    period: float


@dataclass(frozen=True, slots=True)
class Limits:
    """``limits_config`` with the real server's names and defaults; durations in seconds, sizes in bytes."""

    ingestion_rate_mb: float = 4.0
    ingestion_burst_size_mb: float = 6.0
    per_stream_rate_limit: int = 3 << 20
    per_stream_rate_limit_burst: int = 15 << 20
    max_label_name_length: int = 1024
    max_label_value_length: int = 2048
    max_label_names_per_series: int = 15
    max_line_size: int = 256 << 10
    max_line_size_truncate: bool = False
    max_global_streams_per_user: int = 5000
    reject_old_samples: bool = True
    reject_old_samples_max_age: float = 7 * 86400.0
    creation_grace_period: float = 600.0
    allow_structured_metadata: bool = True
    max_structured_metadata_size: int = 64 << 10
    max_structured_metadata_entries_count: int = 128
    discover_log_levels: bool = True
    discover_service_name: tuple[str, ...] = tuple(SERVICE_NAME_LABELS)
    max_entries_limit_per_query: int = 5000
    max_query_series: int = 500
    max_query_length: float = 721 * 3600.0
    max_query_range: float = 0.0
    max_query_lookback: float = 0.0
    query_timeout: float = 60.0
    retention_period: float = 0.0
    retention_stream: tuple[StreamRetention, ...] = ()
    deletion_mode: str = "filter-and-delete"
    volume_enabled: bool = True
    volume_max_series: int = 1000


_DURATIONS = {
    "reject_old_samples_max_age", "creation_grace_period", "max_query_length", "max_query_range", "max_query_lookback",
    "query_timeout", "retention_period",
}  # fmt: skip
_SIZES = {"per_stream_rate_limit", "per_stream_rate_limit_burst", "max_line_size", "max_structured_metadata_size"}


def _limit(name: str, value: Any) -> Any:
    if name in _DURATIONS:
        return parse_duration(value)
    if name in _SIZES:
        return parse_size(value)
    if name == "discover_service_name":
        return tuple(value or ())
    if name == "retention_stream":
        return tuple(
            StreamRetention(item["selector"], int(item.get("priority", 0)), parse_duration(item["period"]))
            for item in value or ()
        )
    return value


def read_limits(section: Mapping[str, Any], base: Limits, where: str) -> Limits:
    """``base`` changed by a ``limits_config`` or overrides section; raises :class:`ConfigError` on an unknown key."""
    known = {item.name for item in fields(Limits)}
    unknown = sorted(set(section) - known - IGNORED_LIMITS)
    if unknown:
        raise ConfigError(f"{where}: field {unknown[0]} not found in type validation.plain")
    return replace(base, **{name: _limit(name, value) for name, value in section.items() if name in known})


@dataclass(frozen=True, slots=True)
class RulerSettings:
    """``ruler``: where rules are, how often they are evaluated, and who hears of it."""

    enabled: bool = False
    directory: Path | None = None
    alertmanager_urls: tuple[str, ...] = ()
    external_url: str = ""
    external_labels: Mapping[str, str] = field(default_factory=dict)
    evaluation_interval: float = 60.0
    remote_write_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the server needs to run."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 3100
    log_level: str = "info"
    auth_enabled: bool = False
    limits: Limits = field(default_factory=Limits)
    overrides: Mapping[str, Limits] = field(default_factory=dict)
    ruler: RulerSettings = field(default_factory=RulerSettings)
    retention_enabled: bool = False
    compaction_interval: float = 60.0
    delete_cancel_period: float = 24 * 3600.0
    retention_bytes: int = 0
    """Ours: delete the oldest segments beyond this many bytes; 0 is no limit."""
    max_outstanding: int = 2048
    max_concurrent: int = 4
    max_body_bytes: int = 100 << 20
    query_memory: str = "160MB"
    """Ours: what one process's queries may hold inside the engine."""
    segment_rows: int = 65536
    flush_seconds: float = 300.0
    raw: str = ""
    """The configuration as YAML, for ``/config``."""

    def limits_of(self, tenant: str) -> Limits:
        """The limits of a tenant: its overrides or the defaults."""
        return self.overrides.get(tenant, self.limits)


def _ruler(config: Mapping[str, Any], prefix: Path) -> RulerSettings:
    section = config.get("ruler")
    common_rules = ((config.get("common") or {}).get("storage") or {}).get("filesystem", {}).get("rules_directory")
    if section is None and not common_rules:
        return RulerSettings()
    section = section or {}
    storage = section.get("storage") or config.get("ruler_storage") or {}
    kind = storage.get("type", storage.get("backend", "local"))
    if kind not in ("local", "filesystem"):
        raise ConfigError(f"ruler.storage.type: {kind} is not supported here; use local")
    directory = (storage.get("local") or storage.get("filesystem") or {}).get("directory") or common_rules
    urls = str(section.get("alertmanager_url") or "")
    clients = (section.get("remote_write") or {}).get("clients") or {}
    enabled_write = bool((section.get("remote_write") or {}).get("enabled"))
    return RulerSettings(
        enabled=True,
        directory=Path(directory) if directory else prefix / "rules",
        alertmanager_urls=tuple(url.strip().rstrip("/") for url in urls.split(",") if url.strip()),
        external_url=str(section.get("external_url") or ""),
        external_labels={str(k): str(v) for k, v in (section.get("external_labels") or {}).items()},
        evaluation_interval=parse_duration(section.get("evaluation_interval", "1m")),
        remote_write_urls=tuple(str(client["url"]) for client in clients.values()) if enabled_write else (),
    )


def _overrides(config: Mapping[str, Any], base: Limits, *, expand: bool) -> dict[str, Limits]:
    name = (config.get("runtime_config") or {}).get("file")
    if not name:
        return {}
    section = load_yaml(Path(name), expand=expand).get("overrides") or {}
    return {str(tenant): read_limits(limits or {}, base, f"{name}: {tenant}") for tenant, limits in section.items()}


def from_config(config: Mapping[str, Any], *, expand: bool = False, env: Mapping[str, str] | None = None) -> Settings:
    """Settings of a parsed ``loki.yml``; raises :class:`ConfigError` naming the key that cannot be used."""
    variables = os.environ if env is None else env
    unknown = sorted(set(config) - SECTIONS)
    if unknown:
        raise ConfigError(f"field {unknown[0]} not found in type loki.ConfigWrapper")
    server, common = config.get("server") or {}, config.get("common") or {}
    compactor, frontend = config.get("compactor") or {}, config.get("frontend") or {}
    prefix = Path(common.get("path_prefix") or "/loki")
    limits = read_limits(config.get("limits_config") or {}, Limits(), "limits_config")
    return Settings(
        data_dir=prefix,
        host=str(server.get("http_listen_address") or "127.0.0.1"),
        port=int(server.get("http_listen_port", 3100)),
        log_level=str(server.get("log_level", "info")),
        auth_enabled=bool(config.get("auth_enabled", True)),
        limits=limits,
        overrides=_overrides(config, limits, expand=expand),
        ruler=_ruler(config, prefix),
        retention_enabled=bool(compactor.get("retention_enabled", False)),
        compaction_interval=parse_duration(compactor.get("compaction_interval", "10m")),
        delete_cancel_period=parse_duration(compactor.get("delete_request_cancel_period", "24h")),
        retention_bytes=parse_size(variables.get("PYTAKE_LOKI_RETENTION_SIZE", "0")),
        max_outstanding=int(frontend.get("max_outstanding_per_tenant", 2048)),
        query_memory=variables.get("PYTAKE_LOKI_QUERY_MEMORY", "160MB"),
        flush_seconds=parse_duration((config.get("ingester") or {}).get("chunk_idle_period", "30m")) / 6,
        raw=yaml.safe_dump(dict(config), sort_keys=True),
    )


def load(path: Path, *, expand: bool) -> Settings:
    """Settings of a configuration file; rule files are looked for beside it when their directory does not exist."""
    try:
        settings = from_config(load_yaml(path, expand=expand), expand=expand)
        beside, given = path.parent / "rules", settings.ruler.directory
        if given is not None and not given.exists() and beside.is_dir():
            settings = replace(settings, ruler=replace(settings.ruler, directory=beside))
        return settings
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from error
