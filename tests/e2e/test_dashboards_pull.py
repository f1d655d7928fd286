"""``pytake dashboards diff`` and ``pull`` against the embedded Grafana: a saved copy and a file come back."""

import copy
import json
import shutil

import httpx
import pytest
from typer.testing import CliRunner

from pytake.stack.dashboards.cli import app
from tests.support.grafana import grafana_over
from tests.unit.stack.support import ROOT, clean_environment

pytestmark = pytest.mark.e2e
ADMIN = ("admin", "admin123")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder, boards = tmp_path_factory.mktemp("grafana"), tmp_path_factory.mktemp("boards")
    with grafana_over("http://127.0.0.1:9", folder, boards) as address:
        yield address


@pytest.fixture
def run(url, tmp_path, monkeypatch):
    clean_environment(monkeypatch)
    shutil.copytree(ROOT / "monitoring/grafana/dashboards", tmp_path / "monitoring/grafana/dashboards")
    for name, value in {
        "PYTAKE_ROOT": str(tmp_path), "PYTAKE_GRAFANA_URL": url, "GF_SECURITY_ADMIN_PASSWORD": "admin123",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return lambda *words: CliRunner().invoke(app, list(words))


def saved(url, model):
    httpx.post(f"{url}/api/dashboards/db", json={"dashboard": model, "overwrite": True}, auth=ADMIN).raise_for_status()


def committed(tmp_path, uid="slo"):
    return json.loads((tmp_path / f"monitoring/grafana/dashboards/{uid}.json").read_text())


def burning(model):
    return next(one for one in model["panels"] if one["title"] == "Burn rate now")


def test_a_copy_saved_in_the_page_is_seen_and_brought_back(run, url, tmp_path):
    model = copy.deepcopy(committed(tmp_path))
    burning(model)["fieldConfig"]["defaults"]["max"] = 20
    saved(url, model | {"uid": "my-copy", "id": None, "title": "SLOs copy"})
    seen = run("diff", "slo", "--json")
    assert seen.exit_code == 1, seen.output
    assert json.loads(seen.output) == [
        {
            "uid": "slo",
            "differences": [
                {"path": "panels / Burn rate now / fieldConfig / defaults / max", "committed": 14.4, "edited": 20}
            ],
        }
    ]
    pulled = run("pull", "slo")
    assert pulled.exit_code == 0, pulled.output
    assert "make generate" in pulled.output
    assert burning(committed(tmp_path))["fieldConfig"]["defaults"]["max"] == 20
    patch = json.loads((tmp_path / "monitoring/grafana/edits/slo.json").read_text())
    assert patch == {"panels": {"Burn rate now": {"fieldConfig": {"defaults": {"max": 20}}}}}
    assert run("diff", "slo").exit_code == 0


def test_a_copy_of_another_name_and_a_file_are_edits_of_what_is_named(run, url, tmp_path):
    model = committed(tmp_path, "home") | {"refresh": "5s", "uid": "mine", "title": "Mine", "id": None}
    saved(url, model)
    assert run("diff", "mine", "--as", "home").exit_code == 1
    file = tmp_path / "export.json"
    file.write_text(json.dumps(model))
    assert run("pull", "--file", str(file), "--as", "home").exit_code == 0
    assert committed(tmp_path, "home")["refresh"] == "5s"
    assert committed(tmp_path, "home")["title"] == "PyTake"


def test_a_wrong_password_and_no_grafana_are_told_apart_from_differences(run, monkeypatch):
    monkeypatch.setenv("GF_SECURITY_ADMIN_PASSWORD", "wrong")
    refused = run("diff")
    assert refused.exit_code == 3
    assert "GRAFANA_TOKEN" in refused.output
    monkeypatch.setenv("PYTAKE_GRAFANA_URL", "http://127.0.0.1:9")
    assert run("diff").exit_code == 3
    assert run("check").exit_code == 3
    assert run("diff", "--file", "/etc/hostname", "--as", "no-such").exit_code != 0
