"""Jaeger v2's configuration file: the parts that this server supports; everything else is refused by name.

``${env:NAME:-default}`` and ``${file:path}`` are expanded as the collector does. A file that is not where the
configuration says (``/etc/jaeger/...``, as in the container) is looked for beside the configuration file. Ports move by
``PYTAKE_PORT_OFFSET``, or one by one by ``PYTAKE_JAEGER_<NAME>_PORT``.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pytake.embedded.common.config import ConfigError, expand_env, parse_duration
from pytake.embedded.jaeger.tail_sampling import TailSampler

_FILE = re.compile(r"\$\{file:([^${}]+)\}")
_COMPONENTS = {
    "extensions": {"jaeger_storage", "jaeger_query", "remote_sampling", "healthcheckv2"},
    "receivers": {"otlp", "jaeger", "zipkin", "nop"},
    "processors": {"batch", "memory_limiter", "tail_sampling"},
    "exporters": {"jaeger_storage_exporter", "prometheus", "nop"},
    "connectors": {"spanmetrics"},
}
DEFAULT_BUCKETS_MS = (2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10_000, 15_000)
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to listen, and the largest request (bytes, after decompression)."""

    host: str
    port: int
    max_bytes: int = 20 * MIB


@dataclass(frozen=True, slots=True)
class SpanMetricsOptions:
    """The ``spanmetrics`` connector: names, buckets (in ``unit``), extra attribute labels, limit of series."""

    namespace: str = "traces.span.metrics"
    unit: str = "ms"
    buckets: tuple[float, ...] = DEFAULT_BUCKETS_MS
    dimensions: tuple[str, ...] = ()
    exemplars: bool = False
    cardinality_limit: int = 0


@dataclass(slots=True)
class Config:
    """What the server does; an endpoint that is ``None`` is off."""

    directory: Path
    archive: Path | None = None
    retention_seconds: float = 0.0
    query: Endpoint = Endpoint("127.0.0.1", 16686)
    otlp_grpc: Endpoint | None = None
    otlp_http: Endpoint | None = None
    thrift_http: Endpoint | None = None
    zipkin: Endpoint | None = None
    sampling: Endpoint | None = None
    health: Endpoint | None = None
    metrics: Endpoint | None = None
    span_metrics_page: Endpoint | None = None
    base_path: str = ""
    max_clock_skew_seconds: float = 0.0
    tail_sampler: TailSampler | None = None
    span_metrics: SpanMetricsOptions | None = None
    strategies: Path | None = None
    ephemeral: bool = field(default=False)


class _Reader:
    """One configuration file being read."""

    def __init__(self, path: Path, env: Mapping[str, str]) -> None:
        self._path = path
        self._env = {"JAEGER_LISTEN_HOST": "127.0.0.1", **env}
        try:
            offset = int(self._env.get("PYTAKE_PORT_OFFSET") or 0)
        except ValueError:
            raise ConfigError(f"PYTAKE_PORT_OFFSET: not a number: {self._env['PYTAKE_PORT_OFFSET']!r}") from None
        self._offset = offset
        self.tree = self._load(path)

    def find(self, name: str) -> Path:
        """A file that the configuration names, or the one of the same name beside it."""
        named = Path(name)
        if not named.is_absolute():
            named = self._path.parent / named
        if named.exists():
            return named
        parts = Path(name).parts
        for start in range(1, len(parts)):
            beside = self._path.parent.joinpath(*parts[start:])
            if beside.exists():
                return beside
        raise ConfigError(f"{self._path}: file {name} does not exist, nor one of that name beside the configuration")

    def _load(self, path: Path) -> Any:
        try:
            text = path.read_text(encoding="utf-8")
            return self._include(yaml.safe_load(expand_env(text.replace("${env:", "${"), self._env)))
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: {error}") from error

    def _include(self, node: Any) -> Any:
        if isinstance(node, dict):
            return {key: self._include(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self._include(value) for value in node]
        if isinstance(node, str) and (match := _FILE.fullmatch(node.strip())):
            return self._load(self.find(match.group(1)))
        return node

    def endpoint(self, name: str, options: Any, default: str, max_bytes: int = 20 * MIB) -> Endpoint:
        """An ``endpoint: host:port`` with its port moved."""
        text = str((options or {}).get("endpoint") or f"{self._env['JAEGER_LISTEN_HOST']}:{default}")
        host, _, port = text.rpartition(":")
        host = host.strip("[]")
        if not port.isdigit():
            raise ConfigError(f"{self._path}: {name}: endpoint {text!r} is not host:port")
        own = self._env.get(f"PYTAKE_JAEGER_{name.upper()}_PORT")
        number = int(own) if own else int(port) + (self._offset if int(port) else 0)
        return Endpoint({"": "0.0.0.0", "localhost": "127.0.0.1"}.get(host, host), number, max_bytes)  # noqa: S104 (an empty host means all, as in Go)


def _kind(name: str) -> str:
    return name.partition("/")[0]


def _check_components(tree: dict[str, Any], where: str) -> None:
    for section in tree:
        if section not in (*_COMPONENTS, "service"):
            raise ConfigError(f"{where}: unknown section {section!r}")
    for section, known in _COMPONENTS.items():
        for name in tree.get(section) or {}:
            if _kind(name) not in known:
                raise ConfigError(
                    f"{where}: {section}: {name!r} is not supported by pytake-jaeger; remove it or run the real Jaeger"
                    f" (docker). Supported: {', '.join(sorted(known))}"
                )


def _used(tree: dict[str, Any], where: str) -> set[str]:
    """Names of components that the service uses, each checked to be defined."""
    service = tree.get("service") or {}
    used = {("extensions", name) for name in service.get("extensions") or []}
    for pipeline, parts in (service.get("pipelines") or {}).items():
        for section in ("receivers", "processors", "exporters"):
            for name in (parts or {}).get(section) or []:
                at = "connectors" if name in (tree.get("connectors") or {}) else section
                if name not in (tree.get(at) or {}):
                    raise ConfigError(f"{where}: pipeline {pipeline}: {section}: {name!r} is used but not defined")
                used.add((at, name))
    for section, name in used:
        if section == "extensions" and name not in (tree.get("extensions") or {}):
            raise ConfigError(f"{where}: extension {name!r} is used but not defined")
    return {name for _, name in used}


def load(path: Path, env: Mapping[str, str] | None = None) -> Config:
    """Read the configuration. Raises :class:`ConfigError` naming the file and what is wrong."""
    reader = _Reader(path, os.environ if env is None else env)
    tree = reader.tree
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected a mapping")
    _check_components(tree, str(path))
    used = _used(tree, str(path))
    extensions = tree.get("extensions") or {}
    query = extensions.get("jaeger_query") or {}
    config = Config(directory=Path(), query=reader.endpoint("ui", query.get("http"), "16686"))
    config.base_path = str(query.get("base_path") or "").rstrip("/")
    config.max_clock_skew_seconds = parse_duration(query.get("max_clock_skew_adjust") or 0)
    _storage(config, query.get("storage") or {}, extensions.get("jaeger_storage") or {}, str(path))
    _receivers(config, reader, tree.get("receivers") or {}, used)
    _rest(config, reader, tree, used)
    return config


def _storage(config: Config, names: dict[str, Any], storage: dict[str, Any], where: str) -> None:
    backends = storage.get("backends") or {}

    def backend(name: str) -> dict[str, Any]:
        if name not in backends:
            raise ConfigError(
                f"{where}: jaeger_query.storage names {name!r}, which jaeger_storage.backends does not have"
            )
        kind = next(iter(backends[name] or {}), None)
        if kind not in ("badger", "memory"):
            raise ConfigError(
                f"{where}: storage {name!r}: {kind} is not supported by pytake-jaeger, which keeps its own files;"
                " use badger (JAEGER_STORAGE=badger) or run the real Jaeger (docker)"
            )
        return {"kind": kind, **(backends[name][kind] or {})}

    main = backend(names.get("traces") or next(iter(backends), "traces"))
    config.ephemeral = main["kind"] == "memory" or bool(main.get("ephemeral", main["kind"] == "badger"))
    directories = main.get("directories") or {}
    if not config.ephemeral:
        config.directory = Path(directories.get("keys") or directories.get("values") or "data")
    config.retention_seconds = parse_duration((main.get("ttl") or {}).get("spans") or "72h")
    if archive := names.get("traces_archive"):
        directories = backend(archive).get("directories") or {}
        config.archive = Path(directories["keys"]) if directories.get("keys") else None


def _receivers(config: Config, reader: _Reader, receivers: dict[str, Any], used: set[str]) -> None:
    for name, options in receivers.items():
        if name not in used:
            continue
        protocols = (options or {}).get("protocols") or {}
        supported = {"otlp": ("grpc", "http"), "jaeger": ("thrift_http",)}.get(_kind(name), ())
        for protocol in protocols:
            if protocol not in supported:
                raise ConfigError(
                    f"receivers: {name}: protocol {protocol!r} is not supported by pytake-jaeger; remove it"
                )
        if _kind(name) == "zipkin":
            config.zipkin = reader.endpoint("zipkin", options, "9411", _body_limit(options))
        for protocol, settings in protocols.items():
            more = settings or {}
            if (name, protocol) == ("otlp", "grpc"):
                limit = int(more.get("max_recv_msg_size_mib") or 4) * MIB
                config.otlp_grpc = reader.endpoint("otlp_grpc", more, "4317", limit)
            elif _kind(name) == "otlp":
                config.otlp_http = reader.endpoint("otlp_http", more, "4318", _body_limit(more))
            else:
                config.thrift_http = reader.endpoint("thrift_http", more, "14268", _body_limit(more))


def _body_limit(options: dict[str, Any] | None) -> int:
    return int((options or {}).get("max_request_body_size") or 20 * MIB)


def _rest(config: Config, reader: _Reader, tree: dict[str, Any], used: set[str]) -> None:
    extensions = tree.get("extensions") or {}
    if "remote_sampling" in used:
        sampling = extensions["remote_sampling"] or {}
        if "adaptive" in sampling:
            raise ConfigError("remote_sampling: adaptive is not supported by pytake-jaeger; use file")
        config.sampling = reader.endpoint("sampling", sampling.get("http"), "5778")
        if name := (sampling.get("file") or {}).get("path"):
            config.strategies = reader.find(str(name))
    if "healthcheckv2" in used:
        config.health = reader.endpoint("health", (extensions["healthcheckv2"] or {}).get("http"), "13133")
    samplers = [name for name in tree.get("processors") or {} if name in used and _kind(name) == "tail_sampling"]
    if samplers:
        config.tail_sampler = TailSampler(tree["processors"][samplers[0]] or {})
    connectors = [name for name in tree.get("connectors") or {} if name in used]
    if connectors:
        config.span_metrics = _span_metrics(tree["connectors"][connectors[0]] or {})
    for name in tree.get("exporters") or {}:
        if name in used and _kind(name) == "prometheus":
            config.span_metrics_page = reader.endpoint("span_metrics", tree["exporters"][name], "8889")
    readers = (((tree.get("service") or {}).get("telemetry") or {}).get("metrics") or {}).get("readers") or []
    for item in readers:
        page = ((item.get("pull") or {}).get("exporter") or {}).get("prometheus")
        if page:
            address = {"endpoint": f"{page.get('host') or '127.0.0.1'}:{page.get('port') or 8888}"}
            config.metrics = reader.endpoint("metrics", address, "8888")


def _span_metrics(options: dict[str, Any]) -> SpanMetricsOptions:
    histogram = options.get("histogram") or {}
    if "exponential" in histogram:
        raise ConfigError(
            "spanmetrics: exponential histograms are not supported by pytake-jaeger; use explicit buckets"
        )
    unit = str(histogram.get("unit") or "ms")
    if unit not in ("ms", "s"):
        raise ConfigError(f"spanmetrics: histogram.unit {unit!r} is neither ms nor s")
    scale = 1000 if unit == "ms" else 1
    explicit = (histogram.get("explicit") or {}).get("buckets")
    buckets = (
        [parse_duration(bound) * scale for bound in explicit]
        if explicit
        else [b * scale / 1000 for b in DEFAULT_BUCKETS_MS]
    )
    return SpanMetricsOptions(
        namespace=str(options.get("namespace") or "traces.span.metrics"), unit=unit,
        buckets=tuple(sorted(round(bound, 9) for bound in buckets)),
        dimensions=tuple(str(item["name"]) for item in options.get("dimensions") or []),
        exemplars=bool((options.get("exemplars") or {}).get("enabled")),
        cardinality_limit=int(options.get("aggregation_cardinality_limit") or 0),
    )  # fmt: skip
