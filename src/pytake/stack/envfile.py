"""The ``.env`` file: written once with random secrets, mode 600, and never overwritten."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

SECRET_NAMES: Mapping[str, str] = {
    "PYTAKE_POSTGRES_PASSWORD": "role pytake: the backend's database",
    "PYTAKE_POSTGRES_ADMIN_PASSWORD": "superuser postgres of the native cluster",
    "PYTAKE_POSTGRES_EXPORTER_PASSWORD": "role pytake_exporter: statistics only",
    "PYTAKE_REDIS_PASSWORD": "Redis, for the backend",
    "PYTAKE_REDIS_EXPORTER_PASSWORD": "Redis user pytake_exporter: statistics only",
    "PYTAKE_META_APP_SECRET": "signs webhooks; with a real app: App secret of the Meta app",
    "PYTAKE_META_VERIFY_TOKEN": "webhook handshake; with a real app: the verify token you typed at Meta",
    "PYTAKE_ADMIN_API_KEY": "REST and WebSocket, everything",
    "PYTAKE_AGENT_API_KEY": "REST and WebSocket, an agent's work",
    "PYTAKE_READONLY_API_KEY": "REST and WebSocket, reading",
    "ALERT_WEBHOOK_TOKEN": "Alertmanager's bearer token at /api/v1/webhooks/alerts",
}

_HEAD = """\
# Settings and secrets of this checkout, written on the first run and never overwritten. Keep it private (mode 600).
# Every setting: docs/settings.md. A variable of the environment wins over this file.

PYTAKE_ENVIRONMENT=local
PYTAKE_PORT_OFFSET=0
PROMETHEUS_RETENTION_TIME=30d
PROMETHEUS_RETENTION_SIZE=10GB

# The sandbox plays Meta and OpenAI until you set these (README, "Real WhatsApp and OpenAI"):
# PYTAKE_INSTANCES_FILE=instances.yaml
# PYTAKE_OPENAI_API_KEY=

# Notifications; each channel is on only when its variable is set:
# SLACK_WEBHOOK_URL=
# SMTP_HOST=

# Traces: JAEGER_ENDPOINT (http://host:14268/api/traces), ENABLE_JAEGER, ENABLE_STDOUT_TRACES, OTEL_* are honoured.
# The share of traces that is kept; 0.1 suits real traffic.
OTEL_TRACES_SAMPLER_ARG=1.0

# Grafana's first login (change it: it is the one that everybody knows)
GF_SECURITY_ADMIN_USER=admin
GF_SECURITY_ADMIN_PASSWORD=admin123

# Secrets, random
"""


def ensure_env_file(path: Path) -> list[str]:
    """Write ``path`` when it is missing; returns names of secrets it lacks otherwise (they are appended).

    A file that is there keeps every line; only secrets that a newer version needs are added at its end.
    """
    if not path.exists():
        text = _HEAD + "".join(_line(name) for name in SECRET_NAMES)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        return list(SECRET_NAMES)
    present = dotenv_values(path)
    missing = [name for name in SECRET_NAMES if name not in present and name not in os.environ]
    if missing:
        before = path.read_text(encoding="utf-8")
        with path.open("a", encoding="utf-8") as file:
            file.write(("" if before.endswith("\n") or not before else "\n") + "".join(map(_line, missing)))
    return missing


def _line(name: str) -> str:
    return f"# {SECRET_NAMES[name]}\n{name}={secrets.token_urlsafe(24)}\n"


def read_env(path: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables of ``.env`` under those of the environment; empty values count as unset."""
    base = {key: value for key, value in dotenv_values(path).items() if value} if path.exists() else {}
    return base | {key: value for key, value in (os.environ if environ is None else environ).items() if value}
