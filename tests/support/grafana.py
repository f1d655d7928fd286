"""The embedded Grafana as a process, over one address that stands for all of its data sources."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.waiting import wait_until


@contextlib.contextmanager
def grafana_over(source: str, folder: Path, boards: Path, **more: str) -> Iterator[str]:
    """Serve the dashboards of ``boards``, with state in ``folder`` and ``more`` in the environment; yields its URL."""
    port = free_port()
    env = {
        **os.environ,
        **{f"PYTAKE_{name}_URL": source for name in ("PROMETHEUS", "LOKI", "JAEGER", "ALERTMANAGER")},
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_PATHS_DATA": str(folder / "state"),
        "GF_PATHS_PROVISIONING": "monitoring/grafana/provisioning",
        "PYTAKE_DASHBOARDS_PATH": str(boards),
        "NO_PROXY": "127.0.0.1",
        "PYTAKE_LOG_DIR": "",
        "OTEL_SDK_DISABLED": "true",
        **more,
    }
    process = Process([sys.executable, "-m", "pytake.embedded.grafana.main"], folder / "out.txt", env=env)
    process.start()
    url = f"http://127.0.0.1:{port}"

    def up() -> bool:
        process.check()
        return httpx.get(f"{url}/api/health").status_code == 200

    try:
        wait_until(up, 90, "Grafana to be ready")
        yield url
    finally:
        process.stop()
