"""What a person keeps: preferences, stars, annotations."""

import secrets
import time

import httpx
import pytest


@pytest.fixture
def viewer(grafana, admin):
    name = f"v-{secrets.token_hex(4)}"
    admin.post("/api/admin/users", json={"login": name, "password": "pass1234", "role": "Viewer"})
    with httpx.Client(base_url=grafana, auth=(name, "pass1234")) as client:
        yield client


@pytest.fixture
def dashboard(admin):
    uid = secrets.token_hex(4)
    admin.post("/api/dashboards/db", json={"dashboard": {"uid": uid, "title": f"D {uid}"}})
    yield uid
    admin.delete(f"/api/dashboards/uid/{uid}")


# ------------------------------------------------------------------------------------------------------ preferences
def test_preferences_begin_empty_and_put_replaces_them(viewer):
    assert viewer.get("/api/user/preferences").json()["theme"] == ""
    body = {"theme": "light", "timezone": "America/Sao_Paulo", "weekStart": "monday"}
    assert viewer.put("/api/user/preferences", json=body).json() == {"message": "Preferences updated"}
    assert viewer.get("/api/user/preferences").json()["timezone"] == "America/Sao_Paulo"
    viewer.put("/api/user/preferences", json={"theme": "dark"})
    kept = viewer.get("/api/user/preferences").json()
    assert (kept["theme"], kept["timezone"]) == ("dark", "")


def test_patch_leaves_the_other_preferences(viewer):
    viewer.put("/api/user/preferences", json={"theme": "light", "timezone": "utc"})
    viewer.patch("/api/user/preferences", json={"theme": "dark"})
    kept = viewer.get("/api/user/preferences").json()
    assert (kept["theme"], kept["timezone"]) == ("dark", "utc")


@pytest.mark.parametrize(
    ("body", "code"),
    [({"theme": "pink"}, 400), ({"timezone": "Mars/Olympus"}, 400), ({"weekStart": "x"}, 400),
     ({"homeDashboardUID": "no-such"}, 404)],
)  # fmt: skip
def test_preferences_that_mean_nothing_are_refused(viewer, body, code):
    assert viewer.put("/api/user/preferences", json=body).status_code == code


def test_the_organisations_preferences_need_an_administrator(viewer, admin):
    assert viewer.put("/api/org/preferences", json={"theme": "light"}).status_code == 403
    assert admin.patch("/api/org/preferences", json={"weekStart": "monday"}).status_code == 200
    assert viewer.get("/api/org/preferences").json()["weekStart"] == "monday"


def test_the_preferred_home_dashboard_is_the_home(viewer, dashboard):
    before = viewer.get("/api/dashboards/home").json()["dashboard"]["uid"]
    assert before != dashboard
    viewer.put("/api/user/preferences", json={"homeDashboardUID": dashboard})
    assert viewer.get("/api/dashboards/home").json()["dashboard"]["uid"] == dashboard


# ------------------------------------------------------------------------------------------------------------ stars
def test_stars_belong_to_a_person(viewer, admin, dashboard):
    assert viewer.post(f"/api/user/stars/dashboard/uid/{dashboard}").json() == {"message": "Dashboard starred!"}
    assert viewer.get("/api/user/stars").json() == [dashboard]
    assert viewer.get(f"/api/dashboards/uid/{dashboard}").json()["meta"]["isStarred"] is True
    assert admin.get(f"/api/dashboards/uid/{dashboard}").json()["meta"]["isStarred"] is False
    assert [hit["uid"] for hit in viewer.get("/api/search", params={"starred": "true"}).json()] == [dashboard]
    assert viewer.delete(f"/api/user/stars/dashboard/uid/{dashboard}").json() == {"message": "Dashboard unstarred"}
    assert viewer.get("/api/search", params={"starred": "true"}).json() == []


def test_what_does_not_exist_cannot_be_starred(viewer):
    assert viewer.post("/api/user/stars/dashboard/uid/no-such").status_code == 404


# ------------------------------------------------------------------------------------------------------ annotations
@pytest.fixture
def tag():
    return f"t-{secrets.token_hex(4)}"


def test_an_annotation_is_found_by_time_dashboard_panel_and_tags(admin, tag, dashboard):
    at = 1_700_000_000_000
    where = {"dashboardUID": dashboard, "panelId": 2}
    body = {**where, "time": at, "timeEnd": at + 60_000, "text": "outage", "tags": [tag, "x"]}
    made = admin.post("/api/annotations", json=body).json()
    assert made["message"] == "Annotation added"

    def found(**params):
        return [a["id"] for a in admin.get("/api/annotations", params={"tags": tag, **params}).json()]

    assert found() == [made["id"]]
    assert found(**{"from": at + 30_000, "to": at + 90_000}) == [made["id"]]
    assert found(**{"from": at + 61_000}) == []
    assert found(dashboardUID=dashboard, panelId=2) == [made["id"]]
    assert found(dashboardUID="other") == []
    assert found(tags=[tag, "absent"]) == []
    assert found(tags=[tag, "absent"], matchAny="true") == [made["id"]]
    one = admin.get(f"/api/annotations/{made['id']}").json()
    assert (one["text"], one["timeEnd"], one["dashboardUID"], one["panelId"]) == ("outage", at + 60_000, dashboard, 2)


def test_the_limit_counts_what_matches_and_not_what_was_looked_at(admin, tag):
    base = int(time.time() * 1000)
    admin.post("/api/annotations", json={"time": base - 10_000, "text": "old", "tags": [tag]})
    for number in range(3):
        admin.post("/api/annotations", json={"time": base + number, "text": "newer", "tags": []})
    assert [a["text"] for a in admin.get("/api/annotations", params={"tags": tag, "limit": 1}).json()] == ["old"]


def test_put_replaces_and_patch_changes_a_part(admin, tag):
    number = admin.post("/api/annotations", json={"time": 1000, "text": "a", "tags": [tag, "b"]}).json()["id"]
    assert admin.patch(f"/api/annotations/{number}", json={"text": "c"}).json()["message"] == "Annotation patched"
    assert admin.get(f"/api/annotations/{number}").json()["tags"] == [tag, "b"]
    answer = admin.put(f"/api/annotations/{number}", json={"time": 2000, "timeEnd": 3000, "text": "d"})
    assert answer.json()["message"] == "Annotation updated"
    now = admin.get(f"/api/annotations/{number}").json()
    assert (now["text"], now["time"], now["timeEnd"], now["tags"]) == ("d", 2000, 3000, [])


def test_annotation_tags_are_counted(admin, tag):
    for _ in range(2):
        admin.post("/api/annotations", json={"text": "x", "tags": [tag]})
    answer = admin.get("/api/annotations/tags", params={"tag": tag}).json()
    assert answer == {"result": {"tags": [{"tag": tag, "count": 2}]}}


def test_graphite_annotations_and_mass_deletion(admin, tag, dashboard):
    made = admin.post("/api/annotations/graphite", json={"what": "deploy", "tags": f"{tag} v2", "when": 1_700_000_000})
    one = admin.get(f"/api/annotations/{made.json()['id']}").json()
    assert (one["time"], one["tags"]) == (1_700_000_000_000, [tag, "v2"])
    admin.post("/api/annotations", json={"text": "p", "dashboardUID": dashboard, "panelId": 5, "tags": [tag]})
    admin.post("/api/annotations/mass-delete", json={"dashboardUID": dashboard, "panelId": 5})
    assert [a["text"] for a in admin.get("/api/annotations", params={"tags": tag}).json()] == ["deploy"]


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "x", "time": "noon"}, {"text": "x", "tags": "a"}])
def test_annotations_that_mean_nothing_are_refused(admin, body):
    assert admin.post("/api/annotations", json=body).status_code == 400


def test_viewers_read_annotations_and_write_none(viewer, admin, tag):
    number = admin.post("/api/annotations", json={"text": "x", "tags": [tag]}).json()["id"]
    assert viewer.get("/api/annotations", params={"tags": tag}).json()
    assert viewer.post("/api/annotations", json={"text": "y"}).status_code == 403
    assert viewer.patch(f"/api/annotations/{number}", json={"text": "y"}).status_code == 403
    assert viewer.delete(f"/api/annotations/{number}").status_code == 403
    assert admin.get("/api/annotations", params={"limit": "many"}).status_code == 400
