"""One Grafana in this process, over provisioning in a temporary folder."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from pytake.embedded.grafana.app import build
from pytake.embedded.grafana.server import Server
from pytake.embedded.grafana.settings import GrafanaSettings

PROVIDER = """
apiVersion: 1
providers:
- {name: files, folder: Mine, folderUid: mine, type: file, allowUiUpdates: false, options: {path: "${BOARDS}"}}
"""
SOURCES = """
apiVersion: 1
datasources:
- {name: Prometheus, uid: prometheus, type: prometheus, url: "${PROM_URL}", isDefault: true,
   basicAuth: true, basicAuthUser: reader, secureJsonData: {basicAuthPassword: "${PROM_PASSWORD}"},
   jsonData: {timeInterval: 10s, note: "$$__rate_interval"}}
- {name: Alertmanager, uid: alertmanager, type: alertmanager, url: "http://127.0.0.1:1"}
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``provisioning/`` and ``boards/``; write into it, then make a Grafana of it."""
    for name, text in (("dashboards", PROVIDER), ("datasources", SOURCES)):
        folder = tmp_path / "provisioning" / name
        folder.mkdir(parents=True)
        (folder / "all.yml").write_text(text)
    (tmp_path / "boards").mkdir()
    monkeypatch.setenv("BOARDS", str(tmp_path / "boards"))
    monkeypatch.setenv("PROM_URL", "http://127.0.0.1:1/")
    monkeypatch.setenv("PROM_PASSWORD", "pr0m")
    return tmp_path


def write_board(folder: Path, uid: str, **more: Any) -> Path:
    """A dashboard file."""
    path = folder / "boards" / f"{uid}.json"
    path.write_text(json.dumps({"uid": uid, "title": uid.title(), "panels": [], **more}))
    return path


Grafana = Callable[..., Any]


@pytest.fixture
def grafana(files: Path) -> Grafana:
    """A context: (client of the administrator, server)."""

    @contextlib.asynccontextmanager
    async def run(**settings: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Server]]:
        made = GrafanaSettings(
            paths_data=files / "state", paths_provisioning=files / "provisioning", server_http_port=0, **settings
        )
        server = Server.from_settings(made)
        server.dashboards._check_every = 0.0
        transport = httpx.ASGITransport(build(server))
        try:
            async with httpx.AsyncClient(
                transport=transport, base_url="http://grafana", auth=("admin", "admin123")
            ) as client:
                yield client, server
        finally:
            await server.close()

    return run
