"""supervisord under our control: its configuration, its life, and its XML-RPC interface.

Programs are never started by supervisord itself (``autostart=false``): :mod:`pytake.stack.deploy` starts them in
dependency order. supervisord restarts what crashes. Its children carry a parent-death signal, so that they end when
supervisord itself is killed.
"""

import hashlib
import os
import shlex
import subprocess
import sys
import time
import xmlrpc.client as xmlrpc
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from pytake.stack import launch
from pytake.stack.components import COMPONENTS, Component, order
from pytake.stack.errors import StackError, SupervisorUnreachable
from pytake.stack.files import write
from pytake.stack.layout import Stack
from pytake.stack.native import Command, base_env

LOG_BYTES = "20MB"
LOG_BACKUPS = 4
CRASH_RETRIES = 30
"""A program that ends within its first second is tried again this often, each time a second later, then given up."""


class State(StrEnum):
    """supervisord's process states."""

    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    FATAL = "FATAL"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class ProcessInfo:
    """What supervisord knows of one program. ``since`` is a Unix time; 0 when it never ran."""

    name: str
    state: State
    pid: int
    since: int
    exit_status: int
    spawn_error: str


@dataclass(frozen=True)
class Changes:
    """Programs whose definition is new, different or gone."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


def render(stack: Stack, components: Iterable[tuple[Component, Command, str]]) -> Path:
    """Write supervisord.conf and the programs' environment files; the third item of a row is a digest of what a change
    of must restart the program (code, files that it reads only at its start).
    """
    sections = [_HEAD.format(
        socket=stack.supervisor_socket, run=stack.run, logs=stack.logs, identity=stack.identity,
        user="user=root\n" if _is_root() else "",
    ).replace("%", "%%")]  # fmt: skip
    # Stopped in reverse order when supervisord itself is told to end; the same number whatever else is deployed.
    numbers = {component.name: number for number, component in enumerate(order(COMPONENTS), start=1)}
    for component, command, digest in components:
        sections.append(_program(stack, component, command, digest, numbers[component.name]))
    path = stack.config / "supervisord.conf"
    write(path, "\n".join(sections))
    return path


_HEAD = """\
; Written by the stack on every deployment.
[unix_http_server]
file={socket}
chmod=0700

[supervisord]
{user}logfile={run}/supervisord.log
logfile_maxbytes=10MB
logfile_backups=2
pidfile={run}/supervisord.pid
childlogdir={logs}
identifier=pytake-{identity}
nodaemon=false
minfds=4096
umask=022

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""


def _is_root() -> bool:
    return os.getuid() == 0


def _program(stack: Stack, component: Component, command: Command, digest: str, number: int) -> str:
    argv = ["/usr/bin/setpriv", "--pdeathsig", command.die_with, "--"]
    if command.env:
        file = stack.config / "env" / f"{component.name}.env"
        text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(command.env.items()))
        write(file, text)
        digest = hashlib.sha256((digest + text).encode()).hexdigest()
        argv += [sys.executable, "-I", "-S", launch.__file__, str(file)]
    argv += command.argv
    lines = {
        "command": shlex.join(argv),
        "directory": str(command.cwd or stack.state),
        "environment": f'PYTAKE_STACK="{stack.identity}",PYTAKE_STACK_DIGEST="{digest[:16]}",'
        f'PYTAKE_COMPONENT="{stack.identity}/{component.name}"',
        "priority": str(number),
        "autostart": "false",
        "autorestart": "true",
        "startsecs": "1",
        "startretries": str(CRASH_RETRIES),
        "stopsignal": component.stop_signal,
        "stopwaitsecs": str(component.stop_seconds),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": str(stack.logs / component.log_name),
        "stdout_logfile_maxbytes": LOG_BYTES,
        "stdout_logfile_backups": str(LOG_BACKUPS),
    }
    if command.user:
        lines["user"] = command.user
    body = "\n".join(f"{key}={value.replace('%', '%%')}" for key, value in lines.items())
    return f"[program:{component.name}]\n{body}\n"


class Supervisor:
    """The supervisord of one stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = SupervisorTransport("", "", f"unix://{self.stack.supervisor_socket}")
        proxy = xmlrpc.ServerProxy("http://127.0.0.1", transport=transport)
        target: Any = proxy
        for part in f"supervisor.{method}".split("."):
            target = getattr(target, part)
        try:
            return target(*arguments)
        except xmlrpc.Fault:
            raise
        except (OSError, xmlrpc.Error, ValueError) as error:
            raise SupervisorUnreachable(
                f"supervisord does not answer at {self.stack.supervisor_socket}: {error}",
                hint="`pytake deploy` starts it again; its log: " + str(self.stack.run / "supervisord.log"),
            ) from error
        finally:
            transport.close()

    @property
    def running(self) -> bool:
        """Whether it answers."""
        if not self.stack.supervisor_socket.exists():
            return False
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except SupervisorUnreachable:
            return False

    def ensure_started(self, config: Path) -> None:
        """Start it as a daemon when it does not run."""
        if self.running:
            return
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
            env=base_env(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        deadline = time.monotonic() + 15
        while not self.running:
            if done.returncode or time.monotonic() > deadline:
                raise StackError(
                    f"supervisord did not start: {(done.stderr or done.stdout).strip()}",
                    hint=f"its log: {self.stack.run / 'supervisord.log'}",
                )
            time.sleep(0.05)

    def info(self) -> dict[str, ProcessInfo]:
        """All programs that it knows."""
        found = {}
        for row in self._call("getAllProcessInfo"):
            found[row["name"]] = ProcessInfo(
                row["name"], State(row["statename"]), row["pid"], row["start"], row["exitstatus"], row["spawnerr"]
            )
        return found

    def update(self) -> Changes:
        """Take in the rendered configuration: changed programs are stopped, ready to be started anew."""
        [[added, changed, removed]] = self._call("reloadConfig")
        for name in [*removed, *changed]:
            self._call("stopProcessGroup", name)
            self._call("removeProcessGroup", name)
        for name in [*added, *changed]:
            self._call("addProcessGroup", name)
        return Changes(tuple(added), tuple(changed), tuple(removed))

    def start(self, name: str) -> None:
        """Ask for a start; returns at once."""
        try:
            self._call("startProcess", name, False)
        except xmlrpc.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise StackError(f"{name} could not be started: {fault.faultString}") from fault

    def stop(self, name: str) -> None:
        """Stop it and wait until it has ended (killed after its grace time)."""
        try:
            self._call("stopProcess", name, True)
        except xmlrpc.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise StackError(f"{name} could not be stopped: {fault.faultString}") from fault

    def shutdown(self) -> None:
        """End supervisord (everything it runs with it) and wait until its process is gone."""
        pid = self._call("getPID")
        self._call("shutdown")
        _wait_gone(pid, 120)


def _wait_gone(pid: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            raise StackError(f"supervisord (pid {pid}) is still stopping after {seconds:.0f} s")
        time.sleep(0.05)


def digest_of(paths: Iterable[Path]) -> str:
    """Digest of files' contents and names."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(str(path).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()
