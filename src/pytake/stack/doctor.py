"""What a machine needs for the native runtime, each looked at, each with what to type when it is missing."""

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from pytake.stack import owners, packages
from pytake.stack.components import COMPONENTS
from pytake.stack.layout import Stack
from pytake.stack.supervisor import Supervisor

MEMORY_NEEDED = 1.5e9
DISK_NEEDED = 3e9


@dataclass(frozen=True)
class Finding:
    """One look: ``advice`` is None when all is well."""

    what: str
    seen: str
    advice: str | None = None


def examine(stack: Stack) -> list[Finding]:
    """Look at everything."""
    looks: list[Callable[[Stack], list[Finding]]] = [_system, _programs, _packages, _room, _env, _ports, _left_out]
    return [finding for look in looks for finding in look(stack)]


def _system(stack: Stack) -> list[Finding]:
    release = platform.freedesktop_os_release() if os.path.exists("/etc/os-release") else {}
    name = release.get("PRETTY_NAME", platform.platform())
    fits = release.get("ID") == "debian" and release.get("VERSION_ID") == "12"
    advice = None if fits else "the native runtime is tried on Debian 12; elsewhere use `--runtime docker`"
    return [Finding("system", name, advice), Finding("Python", sys.version.split()[0])]


def _programs(stack: Stack) -> list[Finding]:
    found = []
    for program, package in (("setpriv", "util-linux"), ("sh", "dash")):
        path = shutil.which(program)
        found.append(Finding(program, path or "missing", None if path else f"type: apt-get install {package}"))
    return found


def _packages(stack: Stack) -> list[Finding]:
    if shutil.which("dpkg-query") is None:
        return [Finding("packages", "no dpkg here", "use Debian 12, or `--runtime docker`")]
    gone = packages.missing(COMPONENTS)
    if not gone:
        return [Finding("packages", "all installed")]
    if os.geteuid() == 0 or shutil.which("sudo"):
        return [Finding("packages", f"to be installed by deploy: {', '.join(gone)}")]
    return [
        Finding(
            "packages",
            f"missing: {', '.join(gone)}",
            f"as root: apt-get install --no-install-recommends {' '.join(gone)}",
        )
    ]


def _room(stack: Stack) -> list[Finding]:
    memory, disk = psutil.virtual_memory().available, shutil.disk_usage(stack.root).free
    return [
        Finding(
            "memory",
            f"{memory / 1e9:.1f} GB available",
            None if memory > MEMORY_NEEDED else "1.5 GB are needed; stop something",
        ),
        Finding(
            "disk",
            f"{disk / 1e9:.1f} GB free",
            None if disk > DISK_NEEDED else "3 GB are needed, and PROMETHEUS_RETENTION_SIZE more",
        ),
    ]


def _env(stack: Stack) -> list[Finding]:
    path = stack.root / ".env"
    if not path.exists():
        return [Finding(".env", "not there; deploy writes it")]
    mode = path.stat().st_mode & 0o777
    advice = None if mode & 0o077 == 0 else f"others can read secrets: chmod 600 {path}"
    plays = [
        what
        for what, on in (("Meta", stack.settings.sandbox_plays_meta), ("OpenAI", stack.settings.sandbox_plays_openai))
        if on
    ]
    return [
        Finding(".env", f"mode {mode:o}", advice),
        Finding("sandbox", f"plays {' and '.join(plays)}" if plays else "not used: real credentials are set"),
    ]


def _ports(stack: Stack) -> list[Finding]:
    running = Supervisor(stack).running
    taken = []
    for component in COMPONENTS:
        for base in component.ports.values():
            port = stack.port(base)
            if not owners.is_free(port):
                process = owners.owner(port)
                if not (running and process and owners.of_stack(process, stack)):
                    taken.append(f"{port} ({component.name}) by {owners.describe(process, port)}")
    if taken:
        return [Finding("ports", "taken: " + "; ".join(taken), "stop these, or set PYTAKE_PORT_OFFSET in .env")]
    return [Finding("ports", "free" if not running else "this stack's")]


def _left_out(stack: Stack) -> list[Finding]:
    return [Finding(c.name, f"left out: {why}") for c in COMPONENTS if c.wanted(stack) and (why := c.missing(stack))]
