"""``pytake-worker``: works on the queues; its metrics are on a port of their own.

Exit codes: 0 stopped as asked, 1 cannot start, 2 wrong usage.
"""

import argparse
import asyncio
import os
import signal
import sys

from pytake.backend.instances.registry import InstancesError
from pytake.backend.resources import open_resources
from pytake.backend.settings import Settings, get_settings
from pytake.backend.worker.runner import Worker
from pytake.telemetry.logging import get_logger
from pytake.telemetry.metrics import start_metrics_server
from pytake.telemetry.setup import configure

log = get_logger(__name__)


async def serve(settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT; a second signal ends it at once."""
    async with open_resources(settings, name="pytake-worker") as resources:
        worker = Worker(resources)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stop)
        await worker.run()


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="pytake-worker", description=__doc__)
    parser.parse_args(argv)
    settings = get_settings()
    telemetry = configure("pytake-worker")
    try:
        server = start_metrics_server(settings.worker_metrics_host, settings.worker_metrics_port)
    except OSError as error:
        print(
            f"pytake-worker: port {settings.worker_metrics_port} is taken: {error.strerror}; "
            "set PYTAKE_WORKER_METRICS_PORT",
            file=sys.stderr,
        )
        return 1
    try:
        os.nice(settings.worker_nice)
        asyncio.run(serve(settings))
    except InstancesError as error:
        print(f"pytake-worker: {error}", file=sys.stderr)
        return 1
    finally:
        server.close()
        telemetry.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
