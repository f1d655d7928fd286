"""``pytake-api``: the API on ``PYTAKE_API_HOST:PYTAKE_API_PORT``, in ``PYTAKE_API_WORKERS`` processes.

Exit codes: 0 stopped as asked, 1 cannot start, 2 wrong usage.
"""

import argparse
import gc
import os
import signal
import socket
import sys
import tempfile

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from pytake.backend.app import create_app
from pytake.backend.instances.registry import InstancesError, load_registry
from pytake.backend.settings import Settings, get_settings

BACKLOG = 2048


def build() -> FastAPI:
    """The application of one process, with the garbage collector set for a server."""
    app = create_app()
    gc.collect()
    gc.freeze()  # what is there now stays: no need to look at it again and again
    gc.set_threshold(20_000, 20, 20)  # many small objects a request: the defaults cost more than they find
    return app


def make_config(settings: Settings) -> uvicorn.Config:
    """uvicorn's configuration: access lines come from the telemetry middleware."""
    return uvicorn.Config(
        "pytake.backend.server:build",
        factory=True,
        workers=settings.api_workers,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_worker_healthcheck=60,  # a worker that is still importing on a busy host is not dead
        timeout_graceful_shutdown=max(1, int(settings.stop_timeout)),
        ws_max_size=64 * 1024,
        h11_max_incomplete_event_size=64 * 1024,
    )


def listen(host: str, port: int) -> socket.socket:
    """The listening socket, which the processes share; raises ``OSError`` when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(BACKLOG)
    sock.set_inheritable(True)
    return sock


def run(settings: Settings, sock: socket.socket) -> int:
    """Serve until told to stop."""
    config = make_config(settings)
    if settings.api_workers == 1:
        server = uvicorn.Server(config)
        server.run(sockets=[sock])
        return 0 if server.started else 1
    with tempfile.TemporaryDirectory(prefix="pytake-metrics-") as directory:
        os.environ.setdefault("PYTAKE_METRICS_DIR", directory)  # through it the processes show their metrics as one
        Multiprocess(config, sockets=[sock]).run()
    return 0


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="pytake-api", description=__doc__)
    parser.parse_args(argv)
    settings = get_settings()
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises the signal again once it has stopped
    try:
        load_registry(settings)
        sock = listen(settings.api_host, settings.api_port)
    except InstancesError as error:
        print(f"pytake-api: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        address = f"{settings.api_host}:{settings.api_port}"
        print(f"pytake-api: cannot listen on {address}: {error.strerror}; see PYTAKE_API_PORT", file=sys.stderr)
        return 1
    try:
        return run(settings, sock)
    except KeyboardInterrupt:
        return 0
    finally:
        sock.close()


if __name__ == "__main__":
    sys.exit(main())
