"""``pytake-grafana``: the embedded Grafana. Everything is set by ``GF_*`` variables."""

import argparse
import sys

from pydantic import ValidationError

from pytake.embedded.common.serving import PortTakenError, bind, serve
from pytake.embedded.grafana.app import build
from pytake.embedded.grafana.provisioning import ProvisioningError
from pytake.embedded.grafana.server import VERSION, Server
from pytake.embedded.grafana.settings import GrafanaSettings
from pytake.telemetry.http import TelemetryMiddleware
from pytake.telemetry.setup import configure


def main(argv: list[str] | None = None) -> None:
    """Run; exits 1 on wrong settings, a faulty provisioning file or a taken port."""
    parser = argparse.ArgumentParser(
        prog="pytake-grafana",
        description="Dashboards over Prometheus, Loki and Jaeger: answers Grafana's API, reads its provisioning files.",
        epilog="Settings: GF_SERVER_HTTP_ADDR, GF_SERVER_HTTP_PORT, GF_PATHS_DATA, GF_PATHS_PROVISIONING, "
        "GF_SECURITY_ADMIN_USER, GF_SECURITY_ADMIN_PASSWORD and more: docs/settings.md.",
    )
    parser.add_argument("--version", action="version", version=f"grafana {VERSION} API (embedded, PyTake)")
    parser.parse_args(argv)
    try:
        settings = GrafanaSettings()
        telemetry = configure("grafana")
        server = Server.from_settings(settings)
        sock = bind(settings.server_http_addr, settings.server_http_port)
    except (ValidationError, ProvisioningError, PortTakenError) as error:
        print(f"pytake-grafana: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    try:
        serve(TelemetryMiddleware(build(server), service="grafana"), sock)
    finally:
        telemetry.shutdown()


if __name__ == "__main__":
    main()
