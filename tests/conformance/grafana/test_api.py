"""Grafana's HTTP API as its documentation describes it: access, dashboards, queries, the proxy."""

import secrets
import time

import httpx
import pytest
from grafana_client import GrafanaApi

from tests.conformance.grafana.conftest import ADMIN

MATRIX = {
    "resultType": "matrix",
    "result": [{"metric": {"__name__": "up", "job": "a"}, "values": [[1700000000, "1"], [1700000015, "NaN"]]}],
}


# ----------------------------------------------------------------------------------------------------------- access
def test_health_is_public_and_the_rest_is_not(grafana):
    assert httpx.get(f"{grafana}/api/health").json()["database"] == "ok"
    for path in ("/api/search", "/api/datasources", "/api/dashboards/uid/home", "/api/user"):
        assert httpx.get(grafana + path).status_code == 401
    assert httpx.post(f"{grafana}/api/ds/query", json={}).status_code == 401


def test_a_login_gives_a_session_that_a_logout_ends(grafana):
    with httpx.Client(base_url=grafana) as client:
        assert client.post("/login", json={"user": "admin", "password": "wrong"}).status_code == 401
        answer = client.post("/login", json={"user": ADMIN[0], "password": ADMIN[1]})
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert client.get("/api/user").json()["login"] == "admin"
        token = client.cookies["grafana_session"]
        client.get("/logout")
    assert httpx.get(f"{grafana}/api/user", cookies={"grafana_session": token}).status_code == 401


def test_another_sites_request_with_our_cookie_is_refused(grafana):
    with httpx.Client(base_url=grafana) as client:
        client.post("/login", json={"user": ADMIN[0], "password": ADMIN[1]})
        body = {"text": "x"}
        assert client.post("/api/annotations", json=body, headers={"Origin": "http://evil.example"}).status_code == 403
        assert client.post("/api/annotations", json=body, headers={"Origin": grafana}).status_code == 200


def test_guessing_is_slowed_down(grafana):
    login = f"nobody-{secrets.token_hex(3)}"
    codes = [
        httpx.post(f"{grafana}/login", json={"user": login, "password": "x"}, headers={}).status_code for _ in range(12)
    ]
    assert codes[0] == 401
    assert 429 in codes


def test_roles(grafana, admin):
    name = f"viewer-{secrets.token_hex(3)}"
    made = admin.post("/api/admin/users", json={"login": name, "password": "pass1234", "role": "Viewer"})
    assert made.status_code == 200
    with httpx.Client(base_url=grafana, auth=(name, "pass1234")) as viewer:
        assert viewer.get("/api/search").status_code == 200
        assert viewer.post("/api/dashboards/db", json={"dashboard": {"title": "x"}}).status_code == 403
        assert viewer.get("/api/org/users").status_code == 403
        assert admin.patch(f"/api/org/users/{made.json()['id']}", json={"role": "Editor"}).status_code == 200
        assert viewer.post("/api/dashboards/db", json={"dashboard": {"title": f"of {name}"}}).status_code == 200


def test_service_account_tokens(grafana, admin):
    account = admin.post("/api/serviceaccounts", json={"name": f"ci-{secrets.token_hex(3)}", "role": "Viewer"}).json()
    token = admin.post(f"/api/serviceaccounts/{account['id']}/tokens", json={"name": "t"}).json()
    assert token["key"].startswith("glsa_")
    headers = {"Authorization": f"Bearer {token['key']}"}
    assert httpx.get(f"{grafana}/api/search", headers=headers).status_code == 200
    admin.delete(f"/api/serviceaccounts/{account['id']}/tokens/{token['id']}")
    assert httpx.get(f"{grafana}/api/search", headers=headers).status_code == 401


# ------------------------------------------------------------------------------------------------------- dashboards
def test_provisioned_dashboards_are_there_and_refuse_changes(admin):
    found = admin.get("/api/search", params={"type": "dash-db", "tag": "pytake"}).json()
    assert {"home", "api-overview", "whatsapp-metrics", "infrastructure", "ai-metrics", "slo"} <= {
        hit["uid"] for hit in found
    }
    got = admin.get("/api/dashboards/uid/api-overview").json()
    assert got["meta"]["provisioned"] is True
    assert got["meta"]["folderTitle"] == "PyTake"
    assert got["dashboard"]["panels"]
    refused = admin.post("/api/dashboards/db", json={"dashboard": got["dashboard"], "overwrite": True})
    assert refused.status_code == 400
    assert "provisioned" in refused.json()["message"]
    assert admin.delete("/api/dashboards/uid/api-overview").status_code == 400


def test_saving_keeps_versions_and_notices_others_changes(admin):
    uid = secrets.token_hex(4)
    first = admin.post("/api/dashboards/db", json={"dashboard": {"uid": uid, "title": "mine", "version": 0}}).json()
    assert (first["status"], first["version"]) == ("success", 1)
    assert (
        admin.post("/api/dashboards/db", json={"dashboard": {"uid": uid, "title": "mine 2", "version": 1}}).json()[
            "version"
        ]
        == 2
    )
    stale = admin.post("/api/dashboards/db", json={"dashboard": {"uid": uid, "title": "mine 3", "version": 1}})
    assert (stale.status_code, stale.json()["status"]) == (412, "version-mismatch")
    assert [v["version"] for v in admin.get(f"/api/dashboards/uid/{uid}/versions").json()["versions"]] == [2, 1]
    admin.post(f"/api/dashboards/uid/{uid}/restore", json={"version": 1})
    assert admin.get(f"/api/dashboards/uid/{uid}").json()["dashboard"]["title"] == "mine"
    assert admin.delete(f"/api/dashboards/uid/{uid}").status_code == 200
    assert admin.get(f"/api/dashboards/uid/{uid}").status_code == 404


def test_a_deleted_dashboard_leaves_nothing_behind(admin):
    board = {"dashboard": {"uid": secrets.token_hex(4), "title": "again"}}
    uid = board["dashboard"]["uid"]
    for _ in range(2):
        assert admin.post("/api/dashboards/db", json=board).json()["version"] == 1
        note = admin.post("/api/annotations", json={"text": "of it", "dashboardUID": uid}).json()["id"]
        admin.delete(f"/api/dashboards/uid/{uid}")
        assert admin.get(f"/api/annotations/{note}").status_code == 404
        assert admin.get(f"/api/dashboards/uid/{uid}/versions").status_code == 404


def test_folders_and_search(admin):
    folder = admin.post("/api/folders", json={"title": f"F {secrets.token_hex(2)}"}).json()
    uid = secrets.token_hex(4)
    admin.post("/api/dashboards/db", json={"dashboard": {"uid": uid, "title": f"in {uid}"}, "folderUid": folder["uid"]})
    (hit,) = admin.get("/api/search", params={"query": f"IN {uid}"}).json()
    assert (hit["uid"], hit["folderUid"], hit["url"]) == (uid, folder["uid"], f"/d/{uid}/in-{uid}")
    assert admin.delete("/api/folders/pytake").status_code == 400
    assert admin.delete(f"/api/folders/{folder['uid']}").status_code == 200


def test_annotations(admin):
    at = int(time.time() * 1000)
    made = admin.post("/api/annotations", json={"time": at, "text": "deploy", "tags": ["deploy", "v1"]}).json()
    (found,) = [
        a
        for a in admin.get("/api/annotations", params={"from": at, "to": at, "tags": "deploy"}).json()
        if a["id"] == made["id"]
    ]
    assert found["text"] == "deploy"
    assert admin.delete(f"/api/annotations/{made['id']}").status_code == 200


# ---------------------------------------------------------------------------------------------------------- queries
def query(admin, *queries, start="1700000000000", end="1700000600000"):
    return admin.post("/api/ds/query", json={"queries": list(queries), "from": start, "to": end}).json()["results"]


def test_a_range_query_becomes_a_frame_a_series(admin, fresh):
    fresh.answers["/api/v1/query_range"] = (200, {"status": "success", "data": MATRIX})
    asked = {"refId": "A", "datasource": {"uid": "prometheus"}, "expr": "rate(x[$__rate_interval])", "range": True,
             "intervalMs": 15000, "legendFormat": "job {{job}}"}  # fmt: skip
    (frame,) = query(admin, asked)["A"]["frames"]
    names = [field["name"] for field in frame["schema"]["fields"]]
    assert names == ["Time", "up"]
    assert frame["schema"]["fields"][1]["labels"] == {"job": "a"}
    assert frame["schema"]["fields"][1]["config"]["displayNameFromDS"] == "job a"
    assert frame["data"]["values"] == [[1700000000000, 1700000015000], [1.0, None]]
    assert fresh.asked[-1][2]["query"] == ["rate(x[40s])"]
    assert fresh.asked[-1][2]["step"] == ["15"]


def test_a_query_that_fails_says_why_and_the_others_answer(admin, fresh):
    fresh.answers["/api/v1/query_range"] = (400, {"status": "error", "error": "parse error: unexpected end of input"})
    fresh.answers["/api/v1/query"] = (
        200,
        {"data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "2"]}]}},
    )
    found = query(
        admin,
        {"refId": "A", "datasource": {"uid": "prometheus"}, "expr": "sum("},
        {"refId": "B", "datasource": {"uid": "prometheus"}, "expr": "2", "instant": True, "range": False},
        {"refId": "C", "datasource": {"uid": "nobody"}, "expr": "1"},
    )
    assert "unexpected end of input" in found["A"]["error"]
    assert found["B"]["frames"][0]["data"]["values"][1] == [2.0]
    assert "not found" in found["C"]["error"]


def test_the_same_question_is_asked_once(admin, fresh):
    fresh.answers["/api/v1/query_range"] = (200, {"status": "success", "data": MATRIX})
    one = {"datasource": {"uid": "prometheus"}, "expr": f"up + {secrets.randbelow(10**9)}"}
    query(admin, *[{**one, "refId": letter} for letter in "ABCDE"])
    assert len(fresh.asked) == 1


def test_logs_and_traces(admin, fresh):
    line = {
        "resultType": "streams",
        "result": [{"stream": {"service": "x"}, "values": [["1700000000000000001", "hello"]]}],
    }
    fresh.answers["/loki/api/v1/query_range"] = (200, {"status": "success", "data": line})
    (frame,) = query(
        admin, {"refId": "A", "datasource": {"uid": "loki"}, "expr": '{service="x"}', "queryType": "range"}
    )["A"]["frames"]
    assert [field["name"] for field in frame["schema"]["fields"]] == ["labels", "Time", "Line", "tsNs", "id"]
    span = {
        "traceID": "t",
        "spanID": "s",
        "operationName": "op",
        "startTime": 1700000000000000,
        "duration": 5,
        "processID": "p",
        "tags": [],
    }
    fresh.answers["/api/traces/t"] = (
        200,
        {"data": [{"traceID": "t", "spans": [span], "processes": {"p": {"serviceName": "svc"}}}]},
    )
    (frame,) = query(admin, {"refId": "A", "datasource": {"uid": "jaeger"}, "query": "t"})["A"]["frames"]
    assert frame["schema"]["meta"]["preferredVisualisationType"] == "trace"
    assert frame["data"]["values"][4] == ["svc"]


@pytest.mark.parametrize("bad", [{"queries": []}, {}, {"queries": [{"refId": "A"}], "from": "yesterday"}])
def test_a_bad_query_is_a_clear_400(admin, bad):
    answer = admin.post("/api/ds/query", json=bad)
    assert answer.status_code == 400
    assert answer.json()["message"]


# ------------------------------------------------------------------------------------------------------------ proxy
def test_the_proxy_passes_questions_on(admin, fresh):
    fresh.answers["/api/v1/label/job/values"] = (200, {"status": "success", "data": ["a"]})
    answer = admin.get("/api/datasources/proxy/uid/prometheus/api/v1/label/job/values", params={"match[]": "up"})
    assert answer.json()["data"] == ["a"]
    assert fresh.asked[-1] == ("GET", "/api/v1/label/job/values", {"match[]": ["up"]})


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "prometheus/../../api/admin", 404),
        ("GET", "prometheus/%2e%2e/secret", 400),
        ("POST", "prometheus/-/reload", 403),
        ("POST", "prometheus/api/v1/admin/tsdb/delete_series", 403),
        ("GET", "unknown/api", 404),
        ("DELETE", "loki/loki/api/v1/x", 403),
        ("POST", "prometheus/-/quit", 403),
    ],
)
def test_the_proxy_passes_nothing_else_on(admin, fresh, method, path, code):
    answer = admin.request(method, f"/api/datasources/proxy/uid/{path}")
    assert answer.status_code == code
    assert fresh.asked == []


def test_views_of_alerts(admin, fresh):
    fresh.answers["/api/v1/rules"] = (200, {"status": "success", "data": {"groups": []}})
    assert admin.get("/api/prometheus/prometheus/api/v1/rules").json()["data"] == {"groups": []}
    fresh.answers["/api/v2/silences"] = (200, [])
    assert admin.get("/api/alertmanager/alertmanager/api/v2/silences").json() == []


# ---------------------------------------------------------------------------------------------------------- clients
def test_grafana_client_works_unchanged(grafana):
    host, port = grafana.removeprefix("http://").split(":")
    api = GrafanaApi(auth=ADMIN, host=host, port=int(port), protocol="http")
    assert api.health.check()["version"]
    assert {d["uid"] for d in api.datasource.list_datasources()} >= {"prometheus", "loki", "jaeger"}
    assert api.dashboard.get_dashboard("slo")["dashboard"]["title"] == "SLOs"
    folder = api.folder.create_folder(f"C {secrets.token_hex(2)}")
    saved = api.dashboard.update_dashboard(
        {"dashboard": {"title": f"client {secrets.token_hex(3)}"}, "folderUid": folder["uid"], "overwrite": True}
    )
    assert api.search.search_dashboards(folder_uids=[folder["uid"]]) or saved["status"] == "success"
    api.dashboard.delete_dashboard(saved["uid"])
    assert api.user.get_actual_user()["login"] == "admin"


def test_errors_name_what_is_not_there(embedded, admin):
    assert "not part of the embedded Grafana" in admin.get("/api/nothing").json()["message"]
    assert admin.post("/api/dashboards/db", content=b"{").status_code == 400
    assert admin.post("/api/datasources", json={}).status_code == 403


def test_metrics_and_headers(grafana):
    answer = httpx.get(f"{grafana}/metrics")
    assert "grafana_http_request_duration_seconds_bucket" in answer.text
    headers = httpx.get(f"{grafana}/login").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in headers["content-security-policy"]
