"""Import of shared dashboards: inputs, folders, public numbers."""

import secrets

import pytest


def shared(**more):
    return {
        "title": f"Shared {secrets.token_hex(3)}",
        "uid": secrets.token_hex(4),
        "__inputs": [
            {"name": "DS_PROM", "type": "datasource", "pluginId": "prometheus", "label": "Prometheus"},
            {"name": "VAR_JOB", "type": "constant", "value": "node", "label": "job"},
        ],
        "__requires": [{"type": "grafana", "id": "grafana", "version": "6.0.0"}],
        "panels": [{"type": "graph", "datasource": "${DS_PROM}",
                    "targets": [{"expr": 'up{job="${VAR_JOB}",x="${other}"}'}]}],
        **more,
    }  # fmt: skip


INPUTS = [{"name": "DS_PROM", "type": "datasource", "pluginId": "prometheus", "value": "prometheus"}]


def test_inputs_are_filled_in_and_their_list_is_gone(admin):
    given = shared()
    answer = admin.post("/api/dashboards/import", json={"dashboard": given, "inputs": INPUTS, "overwrite": True}).json()
    assert answer["imported"] is True
    assert answer["importedUrl"].startswith(f"/d/{given['uid']}/")
    kept = admin.get(f"/api/dashboards/uid/{given['uid']}").json()["dashboard"]
    assert "__inputs" not in kept
    assert kept["panels"][0]["datasource"] == "prometheus"
    assert kept["panels"][0]["targets"][0]["expr"] == 'up{job="node",x="${other}"}'


@pytest.mark.parametrize("inputs", [[], [{"name": "DS_PROM", "type": "datasource", "value": "nobody"}]])
def test_a_data_source_that_is_not_chosen_is_named(admin, inputs):
    answer = admin.post("/api/dashboards/import", json={"dashboard": shared(), "inputs": inputs})
    assert answer.status_code == 400
    assert "DS_PROM" in answer.json()["message"]


def test_import_into_a_folder_and_over_an_older_one(admin):
    folder = admin.post("/api/folders", json={"title": f"I {secrets.token_hex(3)}"}).json()["uid"]
    body = {"dashboard": shared(), "inputs": INPUTS, "folderUid": folder}
    assert admin.post("/api/dashboards/import", json=body).json()["folderUid"] == folder
    assert admin.post("/api/dashboards/import", json=body).status_code == 412
    assert admin.post("/api/dashboards/import", json={**body, "overwrite": True}).status_code == 200


def test_import_over_a_provisioned_dashboard_is_refused(admin):
    body = {"dashboard": shared(uid="slo"), "inputs": INPUTS, "overwrite": True}
    answer = admin.post("/api/dashboards/import", json=body)
    assert answer.status_code == 400
    assert "provisioned" in answer.json()["message"]


def test_a_public_number_is_fetched_from_the_catalogue(admin, fresh):
    fresh.answers["/gnet/dashboards/1860"] = (200, {"id": 1860, "name": "x", "json": {"title": "x"}})
    assert admin.get("/api/gnet/dashboards/1860").json()["json"] == {"title": "x"}
    fresh.answers["/gnet/dashboards/5"] = (404, {"message": "not found"})
    answer = admin.get("/api/gnet/dashboards/5")
    assert (answer.status_code, "Dashboard 5 not found" in answer.json()["message"]) == (404, True)


def test_a_catalogue_that_fails_leads_to_pasting(admin, fresh):
    fresh.answers["/gnet/dashboards/7"] = (500, {})
    answer = admin.get("/api/gnet/dashboards/7")
    assert answer.status_code == 502
    assert "paste the dashboard's JSON" in answer.json()["message"]
