"""``pytake-sandbox``: serve the sandbox until told to stop."""

import argparse
import signal
import sys

import uvicorn

from pytake.sandbox.app import create_app
from pytake.sandbox.connections import ResettableProtocol
from pytake.sandbox.settings import InstancesFileError, SandboxSettings
from pytake.telemetry.http import TelemetryMiddleware
from pytake.telemetry.setup import configure

SERVICE = "pytake-sandbox"


def main(arguments: list[str] | None = None) -> int:
    """Run the server; exit code 0 after a stop, 1 when it could not start, 2 for wrong settings."""
    parser = argparse.ArgumentParser(
        prog=SERVICE,
        description="A stand-in for Meta's Graph API and OpenAI's chat API, with customers and faults. "
        "Its settings are the PYTAKE_SANDBOX_* variables (docs/settings.md).",
    )
    parser.parse_args(arguments)
    settings = SandboxSettings()
    try:
        app = create_app(settings)
        settings.instances()
    except InstancesFileError as exc:
        print(f"{SERVICE}: {exc}", file=sys.stderr)
        return 2
    telemetry = configure(SERVICE)
    config = uvicorn.Config(
        TelemetryMiddleware(app, service=SERVICE),
        host=settings.host,
        port=settings.port,
        http=ResettableProtocol,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again when it has stopped
        signal.signal(number, lambda *_: None)
    try:
        server.run()
    finally:
        telemetry.shutdown()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
