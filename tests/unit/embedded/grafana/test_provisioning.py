"""Provisioning: files that change, variables, a lost state, dashboards as others wrote them over the years."""

import json
import os
import shutil
from pathlib import Path

import pytest

from pytake.embedded.grafana.provisioning import ProvisioningError
from tests.unit.embedded.grafana.conftest import write_board

OLD = sorted(Path(__file__).parent.joinpath("boards").glob("*.json"))


async def uids(client):
    return {hit["uid"] for hit in (await client.get("/api/search", params={"type": "dash-db"})).json()}


async def test_files_that_come_change_and_go_are_noticed(grafana, files):
    path = write_board(files, "one")
    async with grafana() as (client, _):
        assert await uids(client) == {"one"}
        write_board(files, "two")
        write_board(files, "one", description="changed")
        os.utime(path, (1, 1))
        assert await uids(client) == {"one", "two"}
        assert (await client.get("/api/dashboards/uid/one")).json()["dashboard"]["description"] == "changed"
        path.unlink()
        assert await uids(client) == {"two"}


async def test_a_file_that_breaks_leaves_its_last_good_state(grafana, files):
    path = write_board(files, "one", description="good")
    async with grafana() as (client, _):
        assert await uids(client) == {"one"}
        path.write_text("{ half")
        assert (await client.get("/api/dashboards/uid/one")).json()["dashboard"]["description"] == "good"


async def test_a_lost_state_loses_no_provisioned_dashboard(grafana, files):
    write_board(files, "one")
    async with grafana() as (client, _):
        await client.post("/api/dashboards/db", json={"dashboard": {"uid": "saved", "title": "Saved"}})
        assert await uids(client) == {"one", "saved"}
    shutil.rmtree(files / "state")
    async with grafana() as (client, _):
        assert await uids(client) == {"one"}
        assert (await client.get("/api/dashboards/uid/one")).status_code == 200


async def test_provisioned_dashboards_refuse_a_save_unless_their_provider_allows_it(grafana, files):
    write_board(files, "one")
    async with grafana() as (client, _):
        body = {"dashboard": {"uid": "one", "title": "Mine now"}, "overwrite": True}
        answer = await client.post("/api/dashboards/db", json=body)
        assert (answer.status_code, answer.json()["message"]) == (400, "Cannot save provisioned dashboard")
        provider = files / "provisioning/dashboards/all.yml"
        provider.write_text(provider.read_text().replace("allowUiUpdates: false", "allowUiUpdates: true"))
        assert (await client.post("/api/admin/provisioning/dashboards/reload")).status_code == 200
        assert (await client.post("/api/dashboards/db", json=body)).status_code == 200
        assert (await client.get("/api/dashboards/uid/one")).json()["dashboard"]["title"] == "Mine now"


async def test_variables_of_the_environment_are_filled_in_and_secrets_stay_inside(grafana):
    async with grafana() as (client, server):
        answer = await client.get("/api/datasources/uid/prometheus")
        assert answer.json()["url"] == "http://127.0.0.1:1"
        assert answer.json()["jsonData"]["note"] == "$__rate_interval"
        assert "pr0m" not in (await client.get("/api/datasources")).text + answer.text
        assert server.sources["prometheus"].password == "pr0m"


async def test_data_sources_are_read_again_when_asked_and_a_fault_keeps_the_old(grafana, files):
    path = files / "provisioning/datasources/all.yml"
    good = path.read_text()
    async with grafana() as (client, _):
        path.write_text("datasources: [{name: x}]")
        answer = await client.post("/api/admin/provisioning/datasources/reload")
        assert (answer.status_code, "needs name and type" in answer.json()["message"]) == (500, True)
        assert len((await client.get("/api/datasources")).json()) == 2
        path.write_text(good + "- {name: Loki, uid: loki, type: loki, url: 'http://127.0.0.1:1'}\n")
        assert (await client.post("/api/admin/provisioning/datasources/reload")).status_code == 200
        assert (await client.get("/api/datasources/uid/loki")).status_code == 200


async def test_contact_points_of_files_are_shown_without_their_secrets(grafana, files):
    folder = files / "provisioning/alerting"
    folder.mkdir()
    (folder / "points.yml").write_text(
        "apiVersion: 1\ncontactPoints:\n- name: team\n  receivers:\n"
        "  - {uid: t1, type: slack, settings: {recipient: '#ops', token: xoxb-1}}\n"
    )
    async with grafana() as (client, _):
        (point,) = (await client.get("/api/v1/provisioning/contact-points")).json()
    assert (point["name"], point["type"], point["provenance"]) == ("team", "slack", "file")
    assert point["settings"] == {"recipient": "#ops", "token": "<secret>"}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("datasources", "datasources: [{name: x}]", "needs name and type"),
        ("datasources", "datasources: [{name: a, type: loki, uid: u}, {name: b, type: loki, uid: u}]", "stands twice"),
        ("dashboards", "providers: [{name: x}]", "has no options.path"),
        ("alerting", "contactPoints: [{receivers: []}]", "needs a name"),
        ("datasources", "a: [", "all.yml"),
    ],
)
async def test_a_faulty_file_is_named_at_the_start(grafana, files, name, text, words):
    (files / "provisioning" / name).mkdir(exist_ok=True)
    (files / "provisioning" / name / "all.yml").write_text(text)
    with pytest.raises(ProvisioningError, match=words):
        async with grafana():
            pass


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
async def test_dashboards_of_every_age_are_passed_on_as_they_are(grafana, files, path):
    shutil.copy(path, files / "boards")
    given = json.loads(path.read_text())
    async with grafana() as (client, _):
        (uid,) = await uids(client)
        shown = (await client.get(f"/api/dashboards/uid/{uid}")).json()
    assert shown["meta"]["provisioned"] is True
    for key in set(given) - {"id", "uid", "version"}:
        assert shown["dashboard"][key] == given[key]


async def test_a_folder_of_many_ages_is_all_there(grafana, files, caplog):
    for path in OLD:
        shutil.copy(path, files / "boards")
    async with grafana() as (client, _):
        assert len(await uids(client)) == len(OLD) >= 4
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
