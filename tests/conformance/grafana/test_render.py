"""Pictures: their size, who may ask, what the browser may do."""

import shutil
import struct

import httpx
import pytest

from pytake.embedded.grafana.pages import STATIC

needs_browser = pytest.mark.skipif(
    not shutil.which("chromium") or not (STATIC / "index.html").exists(),
    reason="needs Chromium and the built pages (make web)",
)


def size(png):
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", png[16:24])


@pytest.fixture
def drawn(admin, fresh):
    """A dashboard with one panel of text, and one that asks Prometheus."""
    fresh.answers["/api/v1/query_range"] = (200, {"status": "success", "data": {"resultType": "matrix", "result": []}})
    panels = [
        {"id": 1, "type": "text", "title": "Words", "options": {"mode": "markdown", "content": "hello"},
         "gridPos": {"x": 0, "y": 0, "w": 12, "h": 6}},
        {"id": 2, "type": "timeseries", "title": "Lines", "datasource": {"type": "prometheus", "uid": "prometheus"},
         "targets": [{"refId": "A", "expr": "up{job='$job'}"}], "gridPos": {"x": 0, "y": 6, "w": 12, "h": 40}},
    ]  # fmt: skip
    variable = {"name": "job", "type": "custom", "query": "a,b", "current": {"value": "a", "text": "a"}}
    board = {
        "uid": "drawn",
        "title": "Drawn",
        "panels": panels,
        "templating": {"list": [variable]},
        "schemaVersion": 41,
    }
    admin.post("/api/dashboards/db", json={"dashboard": board, "overwrite": True})
    yield "drawn"
    admin.delete("/api/dashboards/uid/drawn")


@needs_browser
def test_a_dashboard_and_a_panel_become_pictures_of_the_wanted_size(admin, fresh, drawn):
    params = {"width": 640, "height": 360, "from": 1700000000000, "to": 1700003600000, "var-job": "b", "theme": "light"}
    whole = admin.get(f"/render/d/{drawn}/x", params=params, timeout=60)
    assert whole.headers["content-type"] == "image/png", whole.text
    assert size(whole.content) == (640, 360)
    panel = admin.get(f"/render/d-solo/{drawn}/x", params={**params, "panelId": 2, "scale": 2}, timeout=60)
    assert size(panel.content) == (1280, 720)
    asked = [query for _, path, query in fresh.asked if path == "/api/v1/query_range"]
    assert asked[-1]["query"] == ["up{job='b'}"]
    assert float(asked[-1]["start"][0]) == pytest.approx(1_700_000_000, abs=60)


@needs_browser
def test_a_whole_page_is_as_high_as_it_is_and_themes_differ(admin, drawn):
    def picture(theme):
        answer = admin.get(f"/render/d/{drawn}", params={"width": 600, "height": -1, "theme": theme}, timeout=60)
        return answer.content

    assert size(picture("dark"))[1] > 1200
    assert picture("dark") != picture("light")


@needs_browser
def test_a_page_that_is_not_drawn_in_time_is_given_up(admin, fresh, drawn):
    admin.get(f"/render/d/{drawn}", timeout=60)  # the browser runs
    fresh.delay = 3.0
    try:
        answer = admin.get(f"/render/d/{drawn}", params={"timeout": 1, "from": "now-2h"}, timeout=60)
    finally:
        fresh.delay = 0.0
    assert answer.status_code == 504
    assert "within 1 s" in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("d/no-such", 404, "Dashboard not found"),
        ("d-solo/slo/x", 400, "panelId"),
        ("d-solo/slo/x?panelId=99999", 404, "Panel 99999"),
        ("d/slo?width=wide", 400, "no number"),
    ],
)
def test_pictures_of_nothing_are_refused(admin, path, code, words):
    answer = admin.get(f"/render/{path}")
    assert (answer.status_code, words in answer.json()["message"]) == (code, True)


def test_nobody_draws_without_a_login(grafana):
    assert httpx.get(f"{grafana}/render/d/slo").status_code == 401
    assert httpx.get(f"{grafana}/api/search", cookies={"renderKey": "guess"}).status_code == 401
