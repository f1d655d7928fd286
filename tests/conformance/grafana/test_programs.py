"""Programs that others wrote for Grafana work unchanged: grafana-wtf and grafana-backup, each in a venv of its own.

Their pins are in ``requirements/``; they are installed once (uv's cache and a folder by the pins' digest keep them). A
machine that reaches no package registry skips these.
"""

import hashlib
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conformance.grafana.conftest import ADMIN

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pytake-tests"


def installed(name):
    """The program ``name`` in its venv."""
    pins = Path(f"requirements/{name}.txt").resolve()
    folder = CACHE / f"{name}-{hashlib.sha256(pins.read_bytes()).hexdigest()[:12]}"
    program, done = folder / "bin" / name, folder / "complete"
    if not done.exists():
        uv = [sys.executable, "-m", "uv"]
        steps = (
            [*uv, "venv", "-q", "--clear", "-p", sys.executable, str(folder)],
            [*uv, "pip", "install", "-q", "--python", str(folder / "bin/python"), "--require-hashes", "-r", str(pins)],
        )
        for step in steps:
            made = subprocess.run(step, capture_output=True, text=True, timeout=280)
            if made.returncode:
                pytest.skip(f"{name} cannot be installed here: {made.stderr.strip()[-300:]}")
        done.touch()
    return str(program)


@pytest.fixture(scope="module")
def run(grafana, tmp_path_factory):
    """Runs a program as an administrator's service account; gives what it printed."""
    with httpx.Client(base_url=grafana, auth=ADMIN) as admin:
        account = admin.post("/api/serviceaccounts", json={"name": secrets.token_hex(4), "role": "Admin"}).json()["id"]
        token = admin.post(f"/api/serviceaccounts/{account}/tokens", json={"name": "t"}).json()["key"]
    folder = tmp_path_factory.mktemp("programs")
    env = {
        **os.environ,
        "GRAFANA_URL": grafana,
        "GRAFANA_TOKEN": token,
        "GRAFANA_ADMIN_ACCOUNT": ADMIN[0],
        "GRAFANA_ADMIN_PASSWORD": ADMIN[1],
        "HOME": str(folder),
        "NO_PROXY": "127.0.0.1",
    }

    def call(name, *words):
        made = subprocess.run(
            [installed(name), *words], capture_output=True, text=True, env=env, cwd=folder, timeout=280
        )
        assert made.returncode == 0, made.stderr[-2000:]
        return made.stdout

    call.folder = folder
    return call


@pytest.fixture
def board(admin):
    """A saved dashboard in a folder, with a word to be found."""
    folder = admin.post("/api/folders", json={"title": f"P {secrets.token_hex(3)}"}).json()["uid"]
    word, uid = f"w{secrets.token_hex(4)}", secrets.token_hex(4)
    panel = {"id": 1, "type": "text", "title": f"has {word}", "datasource": {"type": "prometheus", "uid": "prometheus"}}
    saved = {"dashboard": {"uid": uid, "title": f"T {uid}", "panels": [panel]}, "folderUid": folder}
    assert admin.post("/api/dashboards/db", json=saved).status_code == 200
    yield uid, folder, word
    admin.delete(f"/api/folders/{folder}")


def test_grafana_wtf_takes_the_inventory(run, board):
    uid, _, word = board
    info = json.loads(run("grafana-wtf", "--drop-cache", "info"))
    assert info["grafana"]["version"]
    assert uid in run("grafana-wtf", "--drop-cache", "find", word)
    used = json.loads(run("grafana-wtf", "explore", "datasources"))["used"]
    assert "prometheus" in {item["datasource"]["uid"] for item in used}
    permissions = json.loads(run("grafana-wtf", "explore", "permissions"))
    assert {item["type"] for item in permissions} == {"folder", "dashboard"}
    assert uid in run("grafana-wtf", "log", uid)
    assert "prometheus" in run("grafana-wtf", "plugins", "list")


def test_grafana_wtf_replaces_in_dashboards(run, board, admin):
    uid, _, word = board
    run("grafana-wtf", "--drop-cache", f"--select-dashboard={uid}", "replace", word, "another")
    kept = admin.get(f"/api/dashboards/uid/{uid}").json()["dashboard"]
    assert (kept["panels"][0]["title"], kept["version"]) == ("has another", 2)


def test_grafana_backup_saves_everything_and_brings_it_back(run, board, admin):
    uid, folder, word = board
    admin.post("/api/annotations", json={"text": f"note {word}", "tags": [word]})
    run("grafana-backup", "save")
    (archive,) = run.folder.glob("_OUTPUT_/*.tar.gz")
    admin.delete(f"/api/folders/{folder}")
    assert admin.get(f"/api/dashboards/uid/{uid}").status_code == 404
    run("grafana-backup", "restore", "--components=folders,dashboards,annotations", str(archive))
    back = admin.get(f"/api/dashboards/uid/{uid}").json()
    assert (back["dashboard"]["panels"][0]["title"], back["meta"]["folderUid"]) == (f"has {word}", folder)
    assert len(admin.get("/api/annotations", params={"tags": word}).json()) == 2
