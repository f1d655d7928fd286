"""One row a service: name, ports, readiness, dependencies, how it is started natively, and its image's pin.

How a row's process is started is in :mod:`pytake.stack.native`. A row whose package or configuration is not there yet
is left out of a deployment, with a word.
"""

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pytake.stack import native
from pytake.stack.errors import StackError
from pytake.stack.layout import Stack
from pytake.stack.native import Command
from pytake.stack.probes import Http, Probe, postgres_query, redis_ping


class Group(StrEnum):
    """What a component belongs to; ``core`` and ``monitoring`` can be deployed alone."""

    CORE = "core"
    MONITORING = "monitoring"


@dataclass(frozen=True)
class Component:
    """One service of the stack. ``ports`` are those without offset; the first is the one that the probe asks."""

    name: str
    title: str
    group: Group
    ports: Mapping[str, int]
    ready: Probe
    command: Callable[[Stack], Command]
    depends_on: tuple[str, ...] = ()
    """Must be ready before it; it is not started when one of them fails."""
    after: tuple[str, ...] = ()
    """Are waited for, but it is started even when one of them fails."""
    module: str | None = None
    """Module of ours that runs it."""
    config: str | None = None
    """File or folder under monitoring/ that it cannot start without."""
    packages: tuple[str, ...] = ()
    """Debian packages that bring it."""
    units: tuple[str, ...] = ()
    """systemd units that these packages would start."""
    image: str = "PYTAKE_IMAGE"
    """Name of its pin in monitoring/versions.env."""
    stop_signal: str = "TERM"
    stop_seconds: int = 15
    wanted: Callable[[Stack], bool] = field(default=lambda stack: True)
    page: str | None = None
    """Path of the page a person opens, shown by ``urls``."""
    needs: Callable[[Stack], str | None] = field(default=lambda stack: None)
    """Why it cannot be started in this checkout, beyond ``module`` and ``config``."""

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Everything that is started before it."""
        return self.depends_on + self.after

    @property
    def log_name(self) -> str:
        """Name of what the supervisor captures of its output, under logs/.

        Servers of ours write ``<service>.log`` themselves; their captured output must not be read a second time.
        """
        return f"{self.name}.stdout" if self.module else f"{self.name}.log"

    def port(self, stack: Stack) -> int:
        """Its first port in this stack."""
        return stack.port(next(iter(self.ports.values())))

    def missing(self, stack: Stack) -> str | None:
        """Why it is left out of a deployment; None when it can be started."""
        if self.name in stack.settings.without:
            return "PYTAKE_WITHOUT names it"
        if not self.wanted(stack):
            return "not wanted with these settings"
        if self.module and not _module_exists(self.module):
            return f"{self.module} is not there yet"
        if self.config and not (stack.monitoring / self.config).exists():
            return f"monitoring/{self.config} is not there yet"
        return self.needs(stack)


def _module_exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _sandbox_wanted(stack: Stack) -> bool:
    return stack.settings.sandbox_plays_meta or stack.settings.sandbox_plays_openai


COMPONENTS: tuple[Component, ...] = (
    Component(
        "postgres", "PostgreSQL", Group.CORE, {"sql": 5432}, postgres_query, native.postgres,
        packages=("postgresql-15", "postgresql-client-15"), units=("postgresql.service",),
        image="POSTGRES_IMAGE", stop_signal="INT", stop_seconds=60,
    ),
    Component(
        "redis", "Redis", Group.CORE, {"redis": 6379}, redis_ping, native.redis,
        packages=("redis-server",), units=("redis-server.service",), image="REDIS_IMAGE", stop_seconds=30,
    ),
    Component(
        "pytake-sandbox", "Sandbox (Meta, OpenAI)", Group.CORE, {"http": 8791}, Http("/healthz"),
        native.sandbox, module="pytake.sandbox.main", wanted=_sandbox_wanted,
    ),
    Component(
        "pytake-api", "Backend API", Group.CORE, {"http": 8789}, Http("/observability/ready"), native.api,
        depends_on=("postgres", "redis"), after=("pytake-sandbox",), module="pytake.backend.server",
        stop_seconds=40, page="/docs",
    ),
    Component(
        "pytake-worker", "Backend worker", Group.CORE, {"metrics": 8790}, Http("/metrics"), native.worker,
        depends_on=("postgres", "redis"), after=("pytake-sandbox",),
        module="pytake.backend.worker.main", stop_seconds=40,
    ),
    Component(
        "loki", "Loki", Group.MONITORING, {"http": 3100}, Http("/ready"), native.loki,
        module="pytake.embedded.loki.main", config="loki/loki.yml", image="LOKI_IMAGE", stop_seconds=30,
    ),
    Component(
        "promtail", "Promtail", Group.MONITORING, {"http": 9080}, Http("/ready"), native.promtail,
        after=("loki",), module="pytake.embedded.promtail.main", config="promtail/promtail.yml",
        image="PROMTAIL_IMAGE",
    ),
    Component(
        "jaeger", "Jaeger", Group.MONITORING,
        {"ui": 16686, "otlp_grpc": 4317, "otlp_http": 4318, "thrift_http": 14268, "zipkin": 9411, "sampling": 5778,
         "health": 13133, "metrics": 8888, "span_metrics": 8889},
        Http("/"),
        native.jaeger,
        module="pytake.embedded.jaeger.main", config="jaeger/config.yaml", image="JAEGER_IMAGE", stop_seconds=30,
        page="/",
    ),
    Component(
        "node-exporter", "Node exporter", Group.MONITORING, {"http": 9100}, Http("/metrics"), native.node_exporter,
        packages=("prometheus-node-exporter",), units=("prometheus-node-exporter.service",),
        image="NODE_EXPORTER_IMAGE",
    ),
    Component(
        "redis-exporter", "Redis exporter", Group.MONITORING, {"http": 9121}, Http("/metrics", "redis_up"),
        native.redis_exporter, depends_on=("redis",), packages=("prometheus-redis-exporter",),
        units=("prometheus-redis-exporter.service",), image="REDIS_EXPORTER_IMAGE",
    ),
    Component(
        "postgres-exporter", "PostgreSQL exporter", Group.MONITORING, {"http": 9187}, Http("/metrics", "pg_up"),
        native.postgres_exporter, depends_on=("postgres",), packages=("prometheus-postgres-exporter",),
        units=("prometheus-postgres-exporter.service",), image="POSTGRES_EXPORTER_IMAGE",
    ),
    Component(
        "blackbox-exporter", "Blackbox exporter", Group.MONITORING, {"http": 9115}, Http("/metrics"),
        native.blackbox_exporter, packages=("prometheus-blackbox-exporter",),
        units=("prometheus-blackbox-exporter.service",), config="blackbox/blackbox.yml",
        image="BLACKBOX_EXPORTER_IMAGE",
    ),
    Component(
        "alertmanager", "Alertmanager", Group.MONITORING, {"http": 9093}, Http("/-/ready"), native.alertmanager,
        packages=("prometheus-alertmanager",), units=("prometheus-alertmanager.service",),
        config="alertmanager/alertmanager.yml", image="ALERTMANAGER_IMAGE", page="/",
    ),
    Component(
        "prometheus", "Prometheus", Group.MONITORING, {"http": 9090}, Http("/-/ready"), native.prometheus,
        after=("alertmanager",), packages=("prometheus",), units=("prometheus.service",),
        config="prometheus/prometheus.yml", image="PROMETHEUS_IMAGE", stop_seconds=60, page="/classic/targets",
    ),
    Component(
        "grafana", "Grafana", Group.MONITORING, {"http": 3000}, Http("/api/health"), native.grafana,
        after=("prometheus", "loki", "jaeger"), module="pytake.embedded.grafana.main",
        config="grafana/provisioning", image="GRAFANA_IMAGE", page="/",
    ),
)  # fmt: skip

BY_NAME: Mapping[str, Component] = {component.name: component for component in COMPONENTS}


def find(name: str) -> Component:
    """The component of that name; ``api`` stands for ``pytake-api``."""
    component = BY_NAME.get(name) or BY_NAME.get(f"pytake-{name}")
    if component is None:
        raise StackError(f"there is no component {name!r}", hint=f"one of: {', '.join(BY_NAME)}")
    return component


def selection(stack: Stack, groups: Iterable[Group]) -> tuple[list[Component], dict[str, str]]:
    """Components of the groups that can be started, in dependency order, and those left out with the reason.

    A group's components bring what they depend on from other groups only when that is running anyway: monitoring alone
    watches what is there.
    """
    for name in stack.settings.without:
        if name not in BY_NAME:
            raise StackError(f"PYTAKE_WITHOUT: there is no component {name!r}", hint=f"one of: {', '.join(BY_NAME)}")
    wanted = set(groups)
    chosen, left_out = [], {}
    for component in COMPONENTS:
        if component.group in wanted:
            if (reason := component.missing(stack)) is None:
                chosen.append(component)
            elif component.wanted(stack):
                left_out[component.name] = reason
    return order(chosen), left_out


def order(components: Iterable[Component]) -> list[Component]:
    """Dependencies first; dependencies outside of the given components are ignored."""
    todo = {component.name: component for component in components}
    done: list[Component] = []
    while todo:
        free = [c for c in todo.values() if not any(name in todo for name in c.waits_for)]
        if not free:
            raise StackError(f"components depend on each other in a circle: {', '.join(todo)}")
        done += free
        for component in free:
            del todo[component.name]
    return done
