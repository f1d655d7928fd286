"""The pages of the embedded Grafana in Chromium, over data sources that answer from a table."""

import gzip
import json
import math
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from pytake.embedded.grafana.app import STATIC
from tests.e2e.browsing import NEEDED, chromium
from tests.support.grafana import grafana_over

WORDS = "parse error: unclosed left parenthesis"
TRACE = "0af7651916cd43dd8448eb211c80319c"
pytestmark = NEEDED
Params = dict[str, list[str]]


def panel(number: int, kind: str, expr: str = "up", **more: Any) -> dict[str, Any]:
    """One panel of the test's dashboard; three stand in a line."""
    place = {"x": 8 * (number % 3), "y": 1 + 6 * (number // 3) + number // 6, "w": 8, "h": 6}
    target = {"refId": "A", "expr": expr, "legendFormat": "{{job}}", "range": True, **more.pop("target", {})}
    return {
        "id": number + 1,
        "type": kind,
        "title": f"The {kind}",
        "gridPos": place,
        "datasource": {"type": "prometheus", "uid": "prometheus"},
        "targets": [target],
        "options": {},
        "fieldConfig": {"defaults": {"unit": "short"}, "overrides": []},
        **more,
    }


def row(title: str, y: int) -> dict[str, Any]:
    """A row as builders write it: all have the number 0."""
    return {"id": 0, "type": "row", "title": title, "collapsed": False, "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}}


LOKI = {"type": "loki", "uid": "loki"}
NOW = {"instant": True, "range": False, "format": "table"}
PANELS = [
    panel(0, "timeseries", 'up{job=~"$job"}'),
    panel(1, "stat"),
    panel(2, "bargauge"),
    panel(3, "table", target=NOW, transformations=[{"id": "organize", "options": {"excludeByName": {"Time": True}}}]),
    panel(4, "text", options={"mode": "markdown", "content": "Some **strong** words"}),
    panel(5, "piechart"),
    panel(6, "heatmap", "buckets", target={"format": "heatmap", "legendFormat": "{{le}}"}),
    panel(7, "state-timeline"),
    panel(8, "logs", '{job="a"}', datasource=LOKI),
    panel(9, "gauge"),
    panel(10, "flowchart", target=NOW),
    panel(11, "timeseries", "broken(", links=[{"title": "Runbook", "url": "http://localhost/runbooks/Broken"}]),
]
BOARD = {
    "uid": "all-panels",
    "title": "All panels",
    "time": {"from": "now-1h", "to": "now"},
    "panels": [row("First row", 0), *PANELS[:6], row("Second row", 13), *PANELS[6:]],
    "templating": {
        "list": [
            {
                "name": "job",
                "type": "query",
                "query": "label_values(up, job)",
                "datasource": {"type": "prometheus", "uid": "prometheus"},
                "refresh": 2,
                "includeAll": True,
                "multi": True,
                "current": {"text": "All", "value": "$__all"},
            }
        ]
    },
}


FEATURES = {
    "uid": "features",
    "title": "Features",
    "time": {"from": "now-1h", "to": "now"},
    "templating": BOARD["templating"],
    "panels": [
        panel(0, "timeseries", 'up{job="seconds"}', title="Exemplars", target={"exemplar": True}),
        panel(1, "histogram", "up"),
        panel(2, "alertlist", options={"stateFilter": {"firing": True}}, targets=[]),
        panel(3, "dashlist", options={"showSearch": True, "showHeadings": False}, targets=[]),
        panel(4, "status-history"),
        panel(6, "stat", 'up{job="$job"}', title="Up: $job", repeat="job", repeatDirection="h"),
        {**row("Row of $job", 30), "id": 90, "repeat": "job"},
        {**panel(8, "stat", 'up{job="$job"}', title="In row $job"), "gridPos": {"x": 0, "y": 31, "w": 8, "h": 6}},
    ],
}


def span(params: Params) -> list[float]:
    """The moments of a range."""
    start, end, step = (float(params[name][0]) for name in ("start", "end", "step"))
    return [start + i * step for i in range(int((end - start) / step) + 1)]


def matrix(params: Params, labels: list[dict[str, str]]) -> Any:
    """A wave for each of the series."""
    rows = [
        {"metric": metric, "values": [[at, str(round(2 + i + math.sin(at / 600), 3))] for at in span(params)]}
        for i, metric in enumerate(labels)
    ]
    return {"resultType": "matrix", "result": rows}


def steady(params: Params) -> Any:
    """One series that is 1 at all times."""
    return {"resultType": "matrix", "result": [{"metric": {}, "values": [[at, "1"] for at in span(params)]}]}


def answer(path: str, params: Params, asked: list[str]) -> tuple[int, Any]:
    """What Prometheus or Loki say."""
    query = params.get("query", [""])[0]
    asked.append(query)
    jobs = [{"job": "api"}, {"job": "worker"}]
    if "broken" in query:
        return 400, {"status": "error", "errorType": "bad_data", "error": WORDS}
    if path == "/api/v1/label/job/values":
        return 200, {"status": "success", "data": ["api", "worker"]}
    if path == "/loki/api/v1/query_range":
        lines = [[str(int((time.time() - i) * 1e9)), f'{{"n":{i},"trace_id":"{TRACE}"}}'] for i in range(5)]
        data: Any = {"resultType": "streams", "result": [{"stream": {"job": "a", "level": "error"}, "values": lines}]}
    elif path == "/api/v1/query_range" and query.startswith("count("):
        data = steady(params)
    elif path == "/api/v1/query_range":
        data = matrix(params, [{"le": le} for le in ("0.1", "1", "+Inf")] if "buckets" in query else jobs)
    elif path == "/api/v1/query_exemplars":
        dots = [{"labels": {"trace_id": TRACE}, "value": "2.5", "timestamp": time.time() - 600}]
        data = [{"seriesLabels": {"job": "api"}, "exemplars": dots}] if "seconds" in query else []
    elif path == "/api/v1/alerts":
        alert = {
            "labels": {"alertname": "ApiDown", "severity": "critical"},
            "annotations": {"summary": "The API is down.", "runbook_url": "http://localhost/runbooks/ApiDown"},
            "state": "firing",
            "activeAt": "2026-01-01T00:00:00Z",
            "value": "1",
        }
        data = {"alerts": [alert]}
    else:
        data = {"resultType": "vector", "result": [{"metric": metric, "value": [time.time(), "1"]} for metric in jobs]}
    return 200, {"status": "success", "data": data}


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """Queries that reached the data sources."""
    return []


@pytest.fixture(scope="module")
def source(asked: list[str]) -> Iterator[str]:
    """An address that stands for Prometheus and Loki."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, body = answer(parts.path, parse_qs(parts.query), asked)
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def grafana(source: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The embedded server with the test's dashboard."""
    folder = tmp_path_factory.mktemp("grafana")
    boards = folder / "boards"
    boards.mkdir()
    (boards / "all.json").write_text(json.dumps(BOARD))
    (boards / "features.json").write_text(json.dumps(FEATURES))
    for old in (Path(__file__).parent / "dashboards").glob("*.json"):
        (boards / old.name).write_text(old.read_text())
    (boards / "home.json").write_text(json.dumps({"uid": "home", "title": "Home", "panels": [PANELS[4]]}))
    with grafana_over(source, folder, boards) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with chromium() as made:
        yield made


@pytest.fixture
def page(browser: Browser, grafana: str) -> Iterator[Page]:
    """A page of someone who is logged in; fails on errors that scripts throw."""
    context = browser.new_context(base_url=grafana, viewport={"width": 1600, "height": 1800}, color_scheme="dark")
    context.set_default_timeout(30_000)
    login = {"user": "admin", "password": "admin123"}
    assert context.request.post("/login", data=login, headers={"origin": grafana}).ok
    made, thrown = context.new_page(), list[str]()
    made.on("pageerror", lambda error: thrown.append(str(error)))
    yield made
    context.close()
    assert not thrown


def shown(page: Page, title: str) -> Any:
    """The panel with this title."""
    return page.locator("section", has=page.get_by_role("heading", name=title, exact=True)).first


def test_login_shows_the_servers_words_and_leads_back(browser: Browser, grafana: str) -> None:
    context = browser.new_context(base_url=grafana)
    page = context.new_page()
    page.goto("/d/all-panels/x")
    page.get_by_label("User").fill("admin")
    page.locator("[name=password]").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Invalid username or password")).to_be_visible(timeout=30_000)
    page.locator("[name=password]").fill("admin123")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/d/all-panels/**", timeout=30_000)
    context.close()


def test_every_panel_type_draws_its_data(page: Page) -> None:
    page.goto("/d/all-panels/x")
    expect(shown(page, "The table").get_by_text("worker").first).to_be_visible(timeout=30_000)
    expect(shown(page, "The timeseries").locator(".u-over").first).to_be_visible()
    expect(page.get_by_text("First row")).to_be_visible()
    expect(page.get_by_text("Second row")).to_be_visible()
    expect(shown(page, "The stat").get_by_text("worker")).to_be_visible()
    expect(shown(page, "The bargauge").get_by_text("worker")).to_be_visible()
    expect(shown(page, "The text").locator("strong", has_text="strong")).to_be_visible()
    expect(shown(page, "The piechart").locator("svg[role=img] path").first).to_be_visible()
    expect(shown(page, "The heatmap").locator(".u-over")).to_be_visible()
    expect(shown(page, "The state-timeline").get_by_text("worker")).to_be_visible()
    expect(shown(page, "The logs").get_by_text('"n":4')).to_be_visible()
    expect(shown(page, "The gauge").locator("svg[role=img] path").first).to_be_visible()
    expect(shown(page, "The flowchart").get_by_text("“flowchart” are not drawn here")).to_be_visible()
    expect(shown(page, "The flowchart").get_by_text("worker").first).to_be_visible()
    assert page.get_by_test_id("panel-error").all_inner_texts() == [WORDS]
    assert page.get_by_role("link", name="Runbook").get_attribute("href") == "http://localhost/runbooks/Broken"


def test_a_variable_in_the_address_reaches_the_query(page: Page, asked: list[str]) -> None:
    page.goto("/d/all-panels/x?var-job=worker&viewPanel=panel-1")
    expect(page.locator(".u-over").first).to_be_visible(timeout=30_000)
    assert 'up{job=~"worker"}' in asked
    assert page.get_by_text("The stat").count() == 0  # one panel fills the page
    page.get_by_role("button", name="All panels").click()
    expect(page.get_by_text("The stat", exact=True)).to_be_visible()
    assert "viewPanel" not in page.url
    assert "var-job=worker" in page.url


def test_panels_and_rows_repeat_for_the_values_of_a_variable(page: Page) -> None:
    page.goto("/d/features/x")
    for title in ("Up: api", "Up: worker", "In row api", "In row worker"):
        expect(shown(page, title)).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Row of worker")).to_be_visible()
    page.goto("/d/features/x?var-job=worker")
    expect(shown(page, "Up: worker")).to_be_visible(timeout=30_000)
    assert page.get_by_role("heading", name="Up: api").count() == 0


def test_exemplars_events_alerts_and_lists_are_drawn(page: Page, grafana: str) -> None:
    event = {"dashboardUID": "features", "time": int(time.time() * 1000) - 900_000, "text": "Deployed 1.2", "tags": []}
    assert page.request.post("/api/annotations", data=event, headers={"origin": grafana}).ok
    page.goto("/d/features/x")
    dot = shown(page, "Exemplars").get_by_test_id("exemplar")
    expect(dot).to_have_attribute("href", f"/explore?source=jaeger&query={TRACE}", timeout=30_000)
    expect(shown(page, "Exemplars").get_by_test_id("annotation").first).to_have_attribute("aria-label", "Deployed 1.2")
    assert int(shown(page, "The histogram").get_by_test_id("histogram").get_attribute("data-buckets") or 0) > 1
    expect(shown(page, "The alertlist").get_by_text("ApiDown")).to_be_visible()
    expect(shown(page, "The dashlist").get_by_role("link", name="All panels")).to_be_visible()
    expect(shown(page, "The status-history").get_by_text("worker")).to_be_visible()


def test_a_panel_says_what_it_asked_and_gives_its_data_away(page: Page) -> None:
    page.goto("/d/all-panels/x?inspect=panel-2&inspectTab=data")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click(timeout=30_000)
    assert "api" in Path(download.value.path()).read_text()
    page.get_by_role("tab", name="Query").click()
    expect(page.get_by_test_id("inspect-query")).to_contain_text('"expr": "up"')
    page.get_by_role("tab", name="Panel JSON").click()
    expect(page.get_by_test_id("inspect-json")).to_contain_text('"title": "The stat"')
    page.goto("/d/all-panels/x?inspect=panel-12&inspectTab=query")
    expect(page.get_by_role("alert").get_by_text(WORDS)).to_be_visible(timeout=30_000)


def test_a_shared_link_has_the_time_and_the_variables(page: Page) -> None:
    page.goto("/d/all-panels/x?var-job=worker&shareView=panel-1&from=now-15m&to=now")
    link = page.get_by_role("textbox", name="Link")
    expect(link).to_have_value(re.compile(r"var-job=worker.*from=\d{13}&to=\d{13}.*viewPanel=panel-1"), timeout=30_000)
    picture = page.get_by_role("textbox", name="Picture").input_value()
    assert "/render/d-solo/all-panels/x?" in picture
    assert "panelId=1" in picture
    page.get_by_text("Lock the time range").click()
    expect(link).to_have_value(re.compile("from=now-15m&to=now"))


def test_old_dashboards_look_like_new_ones(page: Page) -> None:
    page.goto("/d/old-27/x")
    graph = shown(page, "Old graph")
    expect(graph.locator(".u-over").first).to_be_visible(timeout=30_000)
    expect(graph.get_by_role("button", name="worker (right y-axis)")).to_be_visible()
    expect(shown(page, "Old single stat").get_by_text("running").first).to_be_visible()
    expect(shown(page, "Old gauge").locator("svg[role=img]").first).to_be_visible()
    expect(shown(page, "Old table").get_by_text("The job").first).to_be_visible()
    expect(shown(page, "Old text").locator("strong", has_text="long ago")).to_be_visible()
    expect(shown(page, "Someone's plugin").get_by_text("“natel-discrete-panel” are not drawn")).to_be_visible()
    assert page.get_by_test_id("panel-error").count() == 0
    page.goto("/d/old-rows/x")
    expect(shown(page, "Below").locator(".u-over").first).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Closed old row")).to_be_visible()
    assert page.get_by_role("heading", name="Hidden").count() == 0


def test_a_pasted_dashboard_is_imported_with_its_data_source_chosen(page: Page) -> None:
    old = json.loads((Path(__file__).parent / "dashboards/old-schema-27.json").read_text())
    page.goto("/dashboard/import")
    area = page.get_by_role("textbox", name="JSON of a dashboard")
    area.fill("{")
    page.get_by_role("button", name="Load").click(timeout=30_000)
    expect(page.get_by_text("This is no JSON")).to_be_visible()
    area.fill(json.dumps({**old, "uid": "imported", "title": "Imported"}))
    page.get_by_role("button", name="Load").click()
    expect(page.get_by_text("Prometheus", exact=True).first).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()
    page.wait_for_url("**/d/imported/**")
    expect(shown(page, "Old graph").locator(".u-over").first).to_be_visible(timeout=30_000)
    page.keyboard.press("d")
    page.keyboard.press("s")
    model = page.get_by_role("textbox", name="JSON model")
    expect(model).to_have_value(re.compile('"title": "Imported"'))
    model.fill(model.input_value().replace('"title": "Imported"', '"title": "Changed by hand"'))
    page.get_by_role("button", name="Save changes").click()
    expect(page).to_have_title("Changed by hand - PyTake", timeout=30_000)


def test_keys_lead_around_and_are_listed(page: Page) -> None:
    page.goto("/d/home/x")
    expect(page.locator("strong", has_text="strong")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Mark with a star").click()
    expect(page.get_by_role("button", name="Remove the star")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog").get_by_text("full screen")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    page.keyboard.press("k")
    page.wait_for_url("**kiosk**")
    page.keyboard.press("Escape")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("d")
    expect(page.get_by_role("heading", name="Dashboards")).to_be_visible()
    assert page.request.get("/api/user/stars").json() == ["home"]


def test_the_first_load_stays_small() -> None:
    names = re.findall(r'(?:src|href)="/public/build/(assets/[^"]+\.js)"', (STATIC / "index.html").read_text())
    assert names
    size = sum(len(gzip.compress((STATIC / name).read_bytes(), 9)) for name in names)
    assert size <= 850_000, f"{size} bytes of gzipped JavaScript before anything is drawn: move some behind lazy()"


def test_search_finds_by_title(page: Page) -> None:
    page.goto("/dashboards")
    page.get_by_placeholder("Search for dashboards").fill("all pan")
    expect(page.get_by_role("link", name="All panels")).to_be_visible(timeout=30_000)
    assert page.get_by_role("link", name="Home").count() == 1  # the menu's, not the dashboard's


def test_a_phone_needs_no_scrolling_to_the_side(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/d/all-panels/x")
    expect(page.locator(".u-over").first).to_be_visible(timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_kiosk_shows_the_panels_alone(page: Page) -> None:
    page.goto("/d/all-panels/x?kiosk")
    expect(page.locator(".u-over").first).to_be_visible(timeout=30_000)
    assert page.get_by_role("navigation").count() == 0
