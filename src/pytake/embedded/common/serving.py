"""Serving an ASGI application with uvicorn, uvloop and httptools: one process, a clean stop on SIGTERM and Ctrl-C."""

import ctypes
import gc
import socket
from typing import Any

import uvicorn


class PortTakenError(OSError):
    """The port is in use; the text names it and what to do."""


def bind(host: str, port: int) -> socket.socket:
    """A listening-ready TCP socket on ``host:port`` (port 0: any free one). Raises :class:`PortTakenError`."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise PortTakenError(
            error.errno, f"cannot listen on {host}:{port}: {error.strerror}; stop what uses it or choose another port"
        ) from error
    sock.set_inheritable(True)
    return sock


def tame_allocator(arenas: int = 2) -> None:
    """Let glibc keep few arenas and give blocks from 4 MB on back at once. Call it before threads start."""
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(-8, arenas)  # M_ARENA_MAX
        libc.mallopt(-3, 4 << 20)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 32 << 20)  # M_TRIM_THRESHOLD
    except (OSError, AttributeError):
        return  # another C library


def trim_allocator() -> None:
    """Let glibc give free memory back to the system."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return  # another C library


def serve(app: Any, sock: socket.socket, *, backlog: int = 2048, grace_seconds: int = 10) -> None:
    """Serve until SIGTERM or SIGINT; in-flight requests get ``grace_seconds``. Access logs are the application's."""
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        backlog=backlog,
        timeout_graceful_shutdown=grace_seconds,
        timeout_keep_alive=75,
    )
    uvicorn.Server(config).run(sockets=[sock])
