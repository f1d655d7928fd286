"""Whose a TCP port is."""

import socket
import time
from pathlib import Path

import psutil

from pytake.stack.components import Component
from pytake.stack.errors import PortTaken
from pytake.stack.layout import Stack

LEAVING_SECONDS = 20.0
"""How long processes of this stack that are still ending (their supervisor was killed) are waited for."""


def is_free(port: int) -> bool:
    """Whether 127.0.0.1:port can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def owner(port: int) -> psutil.Process | None:
    """The process that has a port, listening ones first; None when it is not visible to us (another user's)."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    having = [c for c in connections if tuple(c.laddr)[1:] == (port,) and c.pid]
    for connection in sorted(having, key=lambda c: c.status != psutil.CONN_LISTEN):
        try:
            return psutil.Process(connection.pid)
        except psutil.NoSuchProcess:
            continue
    return None


def describe(process: psutil.Process | None, port: int) -> str:
    """Pid, name and user of a port's owner, or how to find it."""
    if process is None:
        return f"a process that is not visible from here (`sudo ss -tanp 'sport = :{port}'` names it)"
    try:
        return f"pid {process.pid} ({process.name()}, user {process.username()})"
    except psutil.Error:
        return f"pid {process.pid}"


def of_stack(process: psutil.Process, stack: Stack) -> bool:
    """Whether a process was started by this stack's supervisor."""
    try:
        if process.environ().get("PYTAKE_STACK") == stack.identity:
            return True
        # Redis and PostgreSQL write over their environment; both work in their data folder.
        return Path(process.cwd()) in {stack.data("redis"), stack.data("postgres").resolve()}
    except psutil.Error:
        return False


def _is_component(process: psutil.Process, marker: str) -> bool:
    try:
        return process.environ().get("PYTAKE_COMPONENT") == marker
    except psutil.Error:
        return False


def require_free(stack: Stack, component: Component) -> None:
    """Raise :class:`PortTaken` when a port of the component is another's; wait for leftovers of this stack to end."""
    for base in component.ports.values():
        port = stack.port(base)
        deadline = time.monotonic() + LEAVING_SECONDS
        while not is_free(port):
            process = owner(port)
            if process and _is_component(process, f"{stack.identity}/{component.name}"):
                return  # left behind by a killed predecessor: the launcher ends it before it becomes the new one
            if process is None or not of_stack(process, stack) or time.monotonic() > deadline:
                if is_free(port):
                    break
                raise PortTaken(component.name, port, describe(process, port))
            time.sleep(0.1)
