"""How each component's process is started natively: arguments, environment, user. No secret is ever an argument."""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytake.stack import postgres as pg
from pytake.stack.instances import instances_file
from pytake.stack.layout import Stack

_OURS = re.compile(r"(PYTAKE_|OTEL_|ALERT_|JAEGER_ENDPOINT$|ENABLE_JAEGER$|ENABLE_STDOUT_TRACES$)")
_STACK_ONLY = re.compile(r"PYTAKE_(POSTGRES_.*|REDIS_(EXPORTER_)?PASSWORD|PORT_OFFSET|STATE_DIR|SETUP|ROOT)$")


@dataclass(frozen=True)
class Command:
    """One process. ``env`` may hold secrets: it is written to a file of mode 600. ``user`` counts only for root."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: Path | None = None
    user: str | None = None
    die_with: str = "TERM"


def local(stack: Stack, port: int) -> str:
    """Base address of a port of this stack."""
    return f"http://127.0.0.1:{stack.port(port)}"


def script(name: str) -> str:
    """A program of the virtual environment that we run in."""
    return str(Path(sys.executable).with_name(name))


def debian(name: str) -> str:
    """A program of a Debian package; its path is the same whether it is installed yet or not."""
    return shutil.which(name, path="/usr/bin:/usr/sbin") or f"/usr/bin/{name}"


def addresses(stack: Stack) -> dict[str, str]:
    """Where components find each other, under the names that configuration files expand."""
    ports = {"API": 8789, "PROMETHEUS": 9090, "ALERTMANAGER": 9093, "GRAFANA": 3000, "JAEGER": 16686, "LOKI": 3100}
    found = {f"PYTAKE_{name}_URL": local(stack, port) for name, port in ports.items()}
    found["PYTAKE_RUNBOOKS_URL"] = f"{local(stack, 8789)}/runbooks"
    return {name: stack.env.get(name, url) for name, url in found.items()}


def ours(stack: Stack, **more: str) -> dict[str, str]:
    """Environment of a server of ours: settings of .env that concern it, addresses, where to log."""
    own = {k: v for k, v in stack.env.items() if _OURS.match(k) and not _STACK_ONLY.match(k)}
    defaults = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": local(stack, 4318),
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "PYTAKE_ENVIRONMENT": stack.environment,
        "PYTAKE_LOG_DIR": str(stack.logs),
        "PYTAKE_LOG_STDOUT": "false",  # the file has every line; what is captured is what went wrong before it
        "PYTAKE_DATA_DIR": str(stack.state),
        "PYTHONUNBUFFERED": "1",
    }
    return defaults | addresses(stack) | own | more


def backend_env(stack: Stack) -> dict[str, str]:
    """Environment of API, worker and migrations."""
    redis = stack.settings.pytake_redis_password.get_secret_value()
    own = {
        "PYTAKE_DATABASE_URL": pg.backend_url(stack),
        "PYTAKE_REDIS_URL": f"redis://:{redis}@127.0.0.1:{stack.port(6379)}/0",
        "PYTAKE_API_HOST": "127.0.0.1",
        "PYTAKE_API_PORT": str(stack.port(8789)),
        "PYTAKE_WORKER_METRICS_PORT": str(stack.port(8790)),
        "PYTAKE_DATA_DIR": stack.env.get("PYTAKE_DATA_DIR", str(stack.disk)),
        "PYTAKE_INSTANCES_FILE": str(instances_file(stack)),
    }
    if stack.settings.sandbox_plays_meta:
        own["PYTAKE_META_BASE_URL"] = f"{local(stack, 8791)}/meta"
    if stack.settings.sandbox_plays_openai:
        own |= {"PYTAKE_OPENAI_BASE_URL": f"{local(stack, 8791)}/openai/v1", "PYTAKE_OPENAI_API_KEY": "sandbox"}
    return ours(stack, **own)


def api(stack: Stack) -> Command:
    """The backend's HTTP processes."""
    return Command((script("pytake-api"),), backend_env(stack), stack.root)


def worker(stack: Stack) -> Command:
    """The backend's worker."""
    return Command((script("pytake-worker"),), backend_env(stack), stack.root)


def sandbox(stack: Stack) -> Command:
    """Stands in for Meta and OpenAI; plays customers only when it plays Meta."""
    rate = stack.settings.pytake_sandbox_rate if stack.settings.sandbox_plays_meta else 0
    env = ours(
        stack,
        PYTAKE_SANDBOX_HOST="127.0.0.1",
        PYTAKE_SANDBOX_PORT=str(stack.port(8791)),
        PYTAKE_SANDBOX_TARGET=f"{local(stack, 8789)}/webhooks/whatsapp",
        PYTAKE_SANDBOX_RATE=f"{rate:g}",
        PYTAKE_SANDBOX_STATE_FILE=str(stack.data("sandbox") / "state.json"),
        PYTAKE_INSTANCES_FILE=str(instances_file(stack)),
        PYTAKE_ONCALL_TEMPLATE=stack.env.get("PYTAKE_ONCALL_TEMPLATE", "pytake_alert"),
    )
    if stack.settings.sandbox_plays_openai:
        env["PYTAKE_OPENAI_API_KEY"] = "sandbox"
    return Command((script("pytake-sandbox"),), env, stack.root)


def postgres(stack: Stack) -> Command:
    """PostgreSQL, never as root."""
    argv = (pg.program("postgres"), "-D", str(pg.data_folder(stack)))
    return Command(argv, cwd=Path("/"), user=pg.system_user(), die_with="INT")


def redis(stack: Stack) -> Command:
    """Redis with its configuration from a file, so that the password is no argument."""
    return Command((debian("redis-server"), str(stack.config / "redis.conf")), cwd=stack.data("redis"))


def node_exporter(stack: Stack) -> Command:
    """Metrics of the machine."""
    argv = (
        debian("prometheus-node-exporter"),
        f"--web.listen-address=127.0.0.1:{stack.port(9100)}",
        "--no-collector.systemd",
        "--log.format=json",
    )
    return Command(argv, cwd=stack.state)


def redis_exporter(stack: Stack) -> Command:
    """Metrics of Redis and of the backend's streams, as a user that may read statistics only."""
    env = {
        "REDIS_ADDR": f"redis://127.0.0.1:{stack.port(6379)}",
        "REDIS_USER": "pytake_exporter",
        "REDIS_PASSWORD": stack.settings.pytake_redis_exporter_password.get_secret_value(),
    }
    argv = (
        debian("prometheus-redis-exporter"),
        f"--web.listen-address=127.0.0.1:{stack.port(9121)}",
        "--check-streams=db0=pytake:webhooks,db0=pytake:outbound,db0=pytake:dead:*",
        "--log-format=json",
    )
    return Command(argv, env, stack.state)


def postgres_exporter(stack: Stack) -> Command:
    """Metrics of PostgreSQL, as a role that may read statistics only."""
    env = {
        "DATA_SOURCE_URI": f"127.0.0.1:{stack.port(5432)}/pytake?sslmode=disable",
        "DATA_SOURCE_USER": pg.EXPORTER,
        "DATA_SOURCE_PASS": stack.settings.pytake_postgres_exporter_password.get_secret_value(),
    }
    argv = [
        debian("prometheus-postgres-exporter"),
        f"--web.listen-address=127.0.0.1:{stack.port(9187)}",
        "--log.format=json",
    ]
    queries = stack.monitoring / "postgres-exporter" / "queries.yml"
    if queries.exists():
        argv.append(f"--extend.query-path={queries}")
    return Command(tuple(argv), env, stack.state)


def blackbox_exporter(stack: Stack) -> Command:
    """Probes from outside."""
    argv = (
        debian("prometheus-blackbox-exporter"),
        f"--config.file={stack.config / 'blackbox' / 'blackbox.yml'}",
        f"--web.listen-address=127.0.0.1:{stack.port(9115)}",
        "--log.format=json",
    )
    return Command(argv, cwd=stack.config / "blackbox")


def alertmanager(stack: Stack) -> Command:
    """Alertmanager; relative secret paths resolve against its working directory."""
    folder = stack.config / "alertmanager"
    argv = (
        debian("prometheus-alertmanager"),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={stack.data('alertmanager')}",
        f"--web.listen-address=127.0.0.1:{stack.port(9093)}",
        "--cluster.listen-address=",
        f"--web.external-url={addresses(stack)['PYTAKE_ALERTMANAGER_URL']}/",
        "--log.format=json",
    )
    return Command(argv, cwd=folder)


def prometheus(stack: Stack) -> Command:
    """Prometheus; its lifecycle and admin interfaces are reachable from this machine only."""
    settings = stack.settings
    argv = (
        debian("prometheus"),
        f"--config.file={stack.config / 'prometheus' / 'prometheus.yml'}",
        f"--storage.tsdb.path={stack.data('prometheus')}",
        f"--storage.tsdb.retention.time={settings.prometheus_retention_time}",
        f"--storage.tsdb.retention.size={settings.prometheus_retention_size}",
        f"--web.listen-address=127.0.0.1:{stack.port(9090)}",
        f"--web.external-url={addresses(stack)['PYTAKE_PROMETHEUS_URL']}/",
        f"--rules.alert.resend-delay={stack.resend_delay}",
        "--web.enable-lifecycle",
        "--web.enable-admin-api",
        "--web.enable-remote-write-receiver",
        "--enable-feature=exemplar-storage,expand-external-labels",
        "--log.format=json",
    )
    return Command(argv, {"PYTAKE_ENVIRONMENT": stack.environment} | addresses(stack), stack.config / "prometheus")


def loki(stack: Stack) -> Command:
    """Embedded Loki."""
    argv = (
        script("pytake-loki"),
        f"-config.file={stack.config / 'loki' / 'loki.yml'}",
        "-config.expand-env=true",
        "-server.http-listen-address=127.0.0.1",
        f"-server.http-listen-port={stack.port(3100)}",
    )
    more = {"PYTAKE_LOKI_RULES_DIR": str(stack.config / "loki" / "rules"), "PYTAKE_LOKI_REMOTE_WRITE": "true"}
    return Command(argv, ours(stack, **more), stack.root)


def promtail(stack: Stack) -> Command:
    """Embedded Promtail."""
    argv = (
        script("pytake-promtail"),
        f"-config.file={stack.config / 'promtail' / 'promtail.yml'}",
        "-config.expand-env=true",
        "-server.http-listen-address=127.0.0.1",
        f"-server.http-listen-port={stack.port(9080)}",
    )
    return Command(argv, ours(stack, PYTAKE_PROMTAIL_HOST="127.0.0.1"), stack.root)


def jaeger(stack: Stack) -> Command:
    """Embedded Jaeger."""
    env = ours(stack, JAEGER_LISTEN_HOST="127.0.0.1", PYTAKE_PORT_OFFSET=str(stack.settings.pytake_port_offset))
    return Command((script("pytake-jaeger"), "--config", str(stack.config / "jaeger" / "config.yaml")), env, stack.root)


def grafana(stack: Stack) -> Command:
    """Embedded Grafana."""
    own = {key: value for key, value in stack.env.items() if key.startswith("GF_")}
    env = {
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(stack.port(3000)),
        "GF_PATHS_DATA": str(stack.data("grafana")),
        "GF_PATHS_PROVISIONING": str(stack.config / "grafana" / "provisioning"),
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(stack.monitoring / "grafana" / "dashboards" / "home.json"),
        "PYTAKE_DASHBOARDS_PATH": str(stack.monitoring / "grafana" / "dashboards"),
    }
    return Command((script("pytake-grafana"),), ours(stack) | env | own, stack.root)


def base_env() -> dict[str, str]:
    """What every process inherits: little, so that a stack behaves alike whatever shell started it."""
    keep = ("HOME", "LANG", "LC_ALL", "TZ", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        **{name: value for name in keep for value in [os.environ.get(name) or os.environ.get(name.lower())] if value},
    }
