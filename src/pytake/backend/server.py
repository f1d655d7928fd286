"""``pytake-api``: the API on ``PYTAKE_API_HOST:PYTAKE_API_PORT``, in ``PYTAKE_API_WORKERS`` processes.

Exit codes: 0 stopped as asked, 1 cannot start, 2 wrong usage.
"""

import argparse
import gc
import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from pytake.backend.app import create_app
from pytake.backend.instances.registry import InstancesError, load_registry
from pytake.backend.settings import Settings, get_settings
from pytake.telemetry.labels import SocketClose


class Server(uvicorn.Server):
    """uvicorn's server, which tells the application that it stops before it waits for sockets and requests."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM, SIGINT: readiness fails from now on, and the inbox's sockets are closed with their reason."""
        app = self.config.loaded_app if self.config.loaded else None
        stop = _stopper(app)
        if stop is not None:
            stop()
        super().handle_exit(sig, frame)


def _stopper(app: Any) -> Callable[[], None] | None:
    while app is not None and not hasattr(app, "state"):
        app = getattr(app, "app", None)
    if app is None:
        return None

    def stop() -> None:
        app.state.stopping = True
        hub = getattr(app.state, "hub", None)
        if hub is not None:
            for subscriber in tuple(hub.subscribers):
                subscriber.end(SocketClose.SHUTDOWN)

    return stop


def make_config(settings: Settings) -> uvicorn.Config:
    """uvicorn's configuration: access lines come from the telemetry middleware."""
    return uvicorn.Config(
        "pytake.backend.app:create_app",
        factory=True,
        host=settings.api_host,
        port=settings.api_port,
        workers=settings.api_workers,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=int(settings.stop_timeout) or 1,
        ws_max_size=64 * 1024,
        h11_max_incomplete_event_size=64 * 1024,
    )


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="pytake-api", description=__doc__)
    parser.parse_args(argv)
    settings = get_settings()
    try:
        load_registry(settings)
    except InstancesError as error:
        print(f"pytake-api: {error}", file=sys.stderr)
        return 1
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # many small objects a request: the defaults cost more than they find
    config = make_config(settings)
    try:
        if settings.api_workers == 1:
            server = Server(config)
            server.run()
            return 0 if server.started else 1
        return _run_several(config)
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        print(f"pytake-api: port {settings.api_port}: {error.strerror}; set PYTAKE_API_PORT", file=sys.stderr)
        return 1


def _run_several(config: uvicorn.Config) -> int:
    """Several processes on one socket; they show their metrics as one through a shared directory."""
    with tempfile.TemporaryDirectory(prefix="pytake-metrics-") as directory:
        os.environ.setdefault("PYTAKE_METRICS_DIR", directory)
        sock = config.bind_socket()
        Multiprocess(config, target=Server(config).run, sockets=[sock]).run()
        sock.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
