"""The drill's own stack: environment ``drill``, other ports, other data, channels that lead to local receivers.

``monitoring/`` is copied below the drill's state; there quiet hours are taken out of Alertmanager's routes (a drill at
night must see tickets too) and, with a factor above one, every duration is divided (:mod:`~pytake.stack.drill.fast`).
"""

import fcntl
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pytake.stack.components import Group
from pytake.stack.deploy import Progress, deploy
from pytake.stack.drill.disks import unmount_below
from pytake.stack.drill.fast import scale_document, scale_duration, scale_rules
from pytake.stack.envfile import ensure_env_file, read_env
from pytake.stack.errors import StackError
from pytake.stack.layout import Stack, checkout
from pytake.stack.settings import StackSettings
from pytake.stack.supervisor import Supervisor

OFFSET = 14_400
"""Below the ports that Linux gives to outgoing connections (32768 and up)."""
NUMBERS = (
    "plain", "token", "expiring", "blocked", "quality", "paced", "ours", "recipient", "silent", "late", "doubt",
    "limited",
    "strange",
    "slow",
)  # fmt: skip
"""Slugs of the drill's WhatsApp numbers: faults of one number leave the others alone."""

SETTINGS = {
    "PYTAKE_SANDBOX_RATE": "120",
    "PYTAKE_SANDBOX_DAY_CURVE": "false",
    "PYTAKE_SANDBOX_SPEED": "20",
    "PYTAKE_SANDBOX_CUSTOMERS": "2000",
    "PYTAKE_POLL_INTERVAL": "3",
    "PYTAKE_GAUGES_INTERVAL": "2",
    "PYTAKE_DATABASE_TIMEOUT": "7",
    "PYTAKE_OPENAI_TIMEOUT": "40",
    "PYTAKE_AI_BREAKER_SECONDS": "20",
    "PYTAKE_META_TIMEOUT": "10",
    "PYTAKE_AI_BUDGET_USD_PER_DAY": "1000",
    "PYTAKE_WORKER_CONCURRENCY": "24",
    "PYTAKE_DATABASE_POOL_SIZE": "20",
    "PYTAKE_IN_DOUBT_GRACE": "75",
    "OTEL_TRACES_SAMPLER_ARG": "0.1",
}
_REAL = ("PYTAKE_INSTANCES_FILE", "PYTAKE_OPENAI_API_KEY", "PYTAKE_ONCALL_NUMBER", "PYTAKE_WITHOUT")
_ADDRESS = re.compile(r"PYTAKE_(API|PROMETHEUS|ALERTMANAGER|GRAFANA|JAEGER|LOKI|RUNBOOKS|SANDBOX|ALERT_WEBHOOK)_URL")
"""Addresses of the stack that the drill was called in; the drill's are its own."""


@dataclass(frozen=True)
class Arena(Stack):
    """The drill's stack; its ``monitoring`` is the changed copy."""

    factor: float = 1.0

    @property
    def resend_delay(self) -> str:
        """Shortened like everything on an alert's way."""
        return scale_duration("1m", self.factor)

    @property
    def monitoring(self) -> Path:
        """The copy that this drill runs with."""
        return self.state / "monitoring"

    @property
    def disk(self) -> Path:
        """The backend's data folder: a file system of its own can be put there."""
        return self.state / "disk"

    @property
    def source(self) -> Path:
        """The committed configuration."""
        return self.root / "monitoring"


@contextmanager
def alone() -> Iterator[None]:
    """One drill at a time in a checkout. Raises :class:`StackError` while another runs."""
    folder = checkout() / "var"
    folder.mkdir(exist_ok=True)
    with (folder / "drill.lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StackError("a drill runs in this checkout", hint="wait for its end; one at a time") from None
        yield


def prepare(channels: Mapping[str, str], factor: float, without: str = "", offset: int = OFFSET) -> Arena:
    """Make the drill's settings and configuration; nothing runs yet."""
    root = checkout()
    ensure_env_file(root / ".env")
    env = read_env(root / ".env")
    env = {name: value for name, value in env.items() if name not in _REAL and not _ADDRESS.fullmatch(name)}
    env |= {"PYTAKE_ENVIRONMENT": "drill", "PYTAKE_PORT_OFFSET": str(offset), "PYTAKE_WITHOUT": without}
    env |= SETTINGS | dict(channels)
    settings = StackSettings.model_validate({name.lower(): value for name, value in env.items()})
    arena = Arena(root, settings, env, factor)
    end(arena, keep=False)  # what an earlier drill kept for looking at is of no use to this one
    arena.make_folders()
    arena.disk.mkdir()
    _numbers(arena)
    configure(arena, factor)
    return arena


def configure(arena: Arena, factor: float) -> None:
    """Write the changed copy of ``monitoring/``."""
    shutil.rmtree(arena.monitoring, ignore_errors=True)
    shutil.copytree(arena.source, arena.monitoring, ignore=shutil.ignore_patterns("tests", ".env"))
    _rewrite(
        arena.monitoring / "alertmanager" / "alertmanager.yml", lambda data: scale_document(_unmuted(data), factor)
    )
    _rewrite(arena.monitoring / "prometheus" / "prometheus.yml", lambda data: scale_document(data, factor))
    for folder in ("prometheus/rules", "loki/rules"):
        for path in (arena.monitoring / folder).rglob("*.yml"):
            _rewrite(path, lambda data: scale_rules(data, factor))


def _rewrite(path: Path, change: Any) -> None:
    path.write_text(yaml.safe_dump(change(yaml.safe_load(path.read_text())), sort_keys=False, width=10_000))


def _unmuted(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _unmuted(value) for key, value in node.items() if key != "mute_time_intervals"}
    return [_unmuted(item) for item in node] if isinstance(node, list) else node


def _numbers(arena: Arena) -> None:
    """A WhatsApp number a fault."""
    numbers = [
        {
            "slug": slug,
            "phone_number_id": f"2065403522429{index:02d}",
            "waba_id": "202290129340398",
            "display_phone_number": f"1555020{index:04d}",
            "access_token": f"drill-{slug}-token-0123456789",
        }
        for index, slug in enumerate(NUMBERS)
    ]
    path = arena.config / "instances.yaml"
    path.write_text(yaml.safe_dump(numbers, sort_keys=False))
    path.chmod(0o600)


def start(arena: Arena, progress: Progress) -> list[str]:
    """Bring everything up; returns the names of the components."""
    return [component.name for component in deploy(arena, (Group.CORE, Group.MONITORING), progress).components]


def end(arena: Arena, *, keep: bool) -> None:
    """Stop everything; delete the state unless ``keep``."""
    supervisor = Supervisor(arena)
    if supervisor.running:
        supervisor.shutdown()
    if not keep:
        unmount_below(arena.state)
        shutil.rmtree(arena.state, ignore_errors=True)
