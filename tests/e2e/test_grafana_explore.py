"""Explore in Chromium: completion, jumps with the time range kept, logs, traces, history, downloads."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect

from tests.e2e.browsing import (
    NEEDED,
    PHONE,
    Params,
    answering,
    chromium,
    fits_a_phone,
    logged_in,
    watched,
)
from tests.support.grafana import grafana_over

pytestmark = NEEDED
TRACE = "0af7651916cd43dd8448eb211c80319c"
WORDS = "parse error: unclosed left parenthesis"
WIDE = 60_000
NANOSECONDS = 1e15
Asked = list[tuple[str, Params]]


def series(query: str, path: str, params: Params) -> Any:
    """Two jobs with one value each."""
    jobs = [{"__name__": "http_requests_total", "job": job} for job in ("api", "worker")]
    if path.endswith("query_range"):
        start, end, step = (float(params[name][0]) for name in ("start", "end", "step"))
        if start > NANOSECONDS:  # Loki's
            start, end = start / 1e9, end / 1e9
        times = [start + i * step for i in range(int((end - start) / step) + 1)]
        return {
            "resultType": "matrix",
            "result": [{"metric": one, "values": [[t, "1"] for t in times]} for one in jobs],
        }
    return {"resultType": "vector", "result": [{"metric": one, "value": [time.time(), "1.5"]} for one in jobs]}


def lines(params: Params) -> Any:
    """Five lines of one stream, the newest a second old."""
    start, end = (int(params[name][0]) for name in ("start", "end"))
    now = int(time.time()) * 1_000_000_000
    times = [at for at in (now - i * 1_000_000_000 for i in range(1, 6)) if start <= at < end]
    text = {at: json.dumps({"n": at // 1_000_000_000, "trace_id": TRACE, "user": "needle"}) for at in times}
    stream = {"job": "api", "service": "api", "level": "error"}
    return {"resultType": "streams", "result": [{"stream": stream, "values": [[str(at), text[at]] for at in times]}]}


def trace() -> Any:
    """Two spans, a second ago."""
    start = int(time.time() * 1e6) - 1_000_000
    parent = [{"refType": "CHILD_OF", "traceID": TRACE, "spanID": "a"}]
    spans = [
        {"spanID": "a", "operationName": "GET /orders", "startTime": start, "duration": 5000, "references": []},
        {"spanID": "b", "operationName": "SELECT", "startTime": start + 100, "duration": 90, "references": parent},
    ]
    tag = [{"key": "db.system.name", "value": "postgresql"}]
    spans = [{"traceID": TRACE, "processID": "p", "tags": tag, "logs": [], **span} for span in spans]
    return {"traceID": TRACE, "spans": spans, "processes": {"p": {"serviceName": "api", "tags": []}}}


def fixed(path: str) -> Any:
    """Answers that do not depend on the question."""
    exemplar = {"labels": {"trace_id": TRACE}, "value": "0.42", "timestamp": time.time() - 60}
    field = {"label": "user", "type": "string", "cardinality": 1}
    return {
        "/api/v1/query_exemplars": [{"seriesLabels": {"job": "api"}, "exemplars": [exemplar]}],
        "/api/v1/label/__name__/values": ["http_requests_total", "up"],
        "/api/v1/metadata": {"http_requests_total": [{"type": "counter", "help": "All requests.", "unit": ""}]},
        "/api/v1/series": [{"__name__": "http_requests_total", "job": "api"}, {"__name__": "up", "job": "worker"}],
        "/api/v1/labels": ["__name__", "job"],
        "/api/v1/label/job/values": ["api", "worker"],
        "/loki/api/v1/labels": ["job", "service", "level"],
        "/loki/api/v1/label/job/values": ["api", "worker"],
        "/loki/api/v1/detected_fields": {"fields": [field]},
        "/api/services": ["api", "worker"],
        "/api/operations": [{"name": "GET /orders"}],
        "/api/traces": [trace()],
        f"/api/traces/{TRACE}": [trace()],
    }.get(path)


@pytest.fixture(scope="module")
def asked() -> Asked:
    """Paths and parameters that reached the data sources."""
    return []


@pytest.fixture(scope="module")
def grafana(asked: Asked, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address."""

    def answer(_method: str, path: str, params: Params, _body: Any) -> tuple[int, Any]:
        asked.append((path, params))
        query = params.get("query", [""])[0]
        if "broken" in query:
            return 400, {"status": "error", "errorType": "bad_data", "error": WORDS}
        if path == "/loki/api/v1/detected_fields":
            return 200, fixed(path)
        known = fixed(path)
        if known is None and path.startswith("/loki/") and not query.startswith("{"):
            known = series(query, path, params)
        elif known is None:
            known = lines(params) if path.startswith("/loki/") else series(query, path, params)
        return 200, {"status": "success", "data": known}

    folder, boards = tmp_path_factory.mktemp("grafana"), tmp_path_factory.mktemp("boards")
    with answering(answer) as source, grafana_over(source, folder, boards) as url:
        yield url


@pytest.fixture(scope="module")
def someone(grafana: str) -> Iterator[BrowserContext]:
    """Someone who is logged in."""
    with chromium() as browser, logged_in(browser, grafana) as made:
        yield made


@pytest.fixture
def page(someone: BrowserContext) -> Iterator[Page]:
    """A page of theirs."""
    with watched(someone) as made:
        yield made


def panes(page: Page) -> list[dict[str, Any]]:
    """What the address says."""
    return list(json.loads(parse_qs(urlsplit(page.url).query)["panes"][0]).values())


def editor(page: Page) -> Any:
    """The first query's editor."""
    return page.get_by_role("textbox", name="Query").first


def option(page: Page, name: str) -> Any:
    """What completion offers."""
    return page.locator(".cm-tooltip-autocomplete li", has_text=name).first


def test_promql_is_completed_and_run_from_the_keyboard(page: Page) -> None:
    page.goto("/explore")
    editor(page).click(timeout=WIDE)
    page.keyboard.type("http_re")
    expect(option(page, "http_requests_total")).to_be_visible()
    page.wait_for_timeout(100)  # CodeMirror takes no key in the first 75 ms, so that none is taken by mistake
    page.keyboard.press("Enter")
    page.keyboard.type("{")
    expect(option(page, "job")).to_be_visible()
    page.keyboard.type('job="')
    expect(option(page, "api")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.type("api")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("region", name="Newest values").get_by_text("worker")).to_be_visible()
    expect(page.locator(".u-over").first).to_be_visible()
    assert panes(page)[0]["queries"] == [{"refId": "A", "expr": 'http_requests_total{job="api"}'}]


def test_from_metrics_to_a_trace_to_logs_to_metrics_with_the_range_kept(page: Page) -> None:
    kept = {"from": "now-3h", "to": "now"}
    page.goto("/explore?source=prometheus&query=http_requests_total&from=now-3h&to=now")
    page.get_by_role("link", name=TRACE).click(timeout=WIDE)
    expect(page.get_by_test_id("trace").get_by_text("GET /orders").first).to_be_visible()
    assert panes(page)[0]["range"] == kept
    page.get_by_test_id("trace").get_by_role("button", name="SELECT").click()
    expect(page.get_by_text("postgresql")).to_be_visible()
    page.get_by_role("link", name="Logs of this trace").click()
    expect(page.get_by_test_id("log-line").first).to_be_visible()
    assert panes(page)[0]["range"] == kept
    assert TRACE in panes(page)[0]["queries"][0]["expr"]
    page.get_by_test_id("log-line").first.get_by_role("button").click()
    page.get_by_role("link", name="Metrics of api").click()
    expect(page.get_by_role("region", name="Newest values")).to_be_visible()
    assert panes(page)[0]["range"] == kept
    assert 'job="api"' in panes(page)[0]["queries"][0]["expr"]


def test_log_lines_are_marked_and_narrowed_and_have_surroundings(page: Page) -> None:
    page.goto('/explore?source=loki&query={job="api"} |= "needle"')
    line = page.get_by_test_id("log-line").first
    expect(line.locator("mark")).to_have_text("needle", timeout=WIDE)
    expect(page.get_by_role("region", name="Log volume")).to_be_visible()
    line.get_by_role("button").click()
    expect(page.get_by_role("link", name="Open the trace")).to_be_visible()
    page.get_by_role("button", name="Lines around it").click()
    around = page.get_by_test_id("log-context")
    expect(around.get_by_test_id("log-line")).to_have_count(5)
    expect(around.locator("[aria-current]")).to_have_count(1)
    page.keyboard.press("Escape")
    page.get_by_role("complementary", name="Fields").get_by_role("button", name="user").click()
    page.get_by_role("button", name="Only user=needle").first.click()
    page.wait_for_url("**%7C+json+%7C+user**")
    assert panes(page)[0]["queries"][0]["expr"] == '{job="api"} |= "needle" | json | user="needle"'


def test_logql_is_completed(page: Page) -> None:
    page.goto("/explore?source=loki")
    editor(page).click(timeout=WIDE)
    page.keyboard.type("{jo")
    expect(option(page, "job")).to_be_visible()
    page.keyboard.type('b="')
    expect(option(page, "worker")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("End")
    page.keyboard.type(" | us")
    expect(option(page, "user")).to_be_visible()


def test_lines_arrive_while_one_looks(page: Page) -> None:
    opened: list[WebSocketRoute] = []
    page.route_web_socket(lambda url: "/loki/api/v1/tail" in url, lambda socket: opened.append(socket))
    page.goto('/explore?source=loki&query={job="api"}')
    page.get_by_role("button", name="Live").click(timeout=WIDE)
    expect(page.get_by_text("listening")).to_be_visible()
    assert parse_qs(urlsplit(opened[0].url).query)["query"] == ['{job="api"}']
    held = {"stream": {"job": "api"}, "values": [[str(time.time_ns()), "fresh from the tail"]]}
    opened[0].send(json.dumps({"streams": [held], "dropped_entries": []}))
    expect(page.get_by_text("fresh from the tail")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("fresh from the tail")).to_have_count(0)


def test_traces_are_searched(page: Page, asked: Asked) -> None:
    page.goto("/explore?source=jaeger&query=api")
    page.get_by_label("Tags").fill("error=true http.route=/a", timeout=WIDE)
    page.get_by_label("Longer than").fill("1ms")
    page.get_by_label("Longer than").press("Enter")
    page.wait_for_url("**minDuration**")
    expect(page.get_by_role("region", name="Traces").get_by_role("link", name="api: GET /orders")).to_be_visible()
    sent = [params for path, params in asked if path == "/api/traces"][-1]
    assert (sent["service"], sent["minDuration"]) == (["api"], ["1ms"])
    assert json.loads(sent["tags"][0]) == {"error": "true", "http.route": "/a"}
    page.get_by_label("Trace id").fill(TRACE)
    page.get_by_label("Trace id").press("Enter")
    expect(page.get_by_test_id("trace")).to_be_visible()


def test_a_refused_query_shows_itself_and_the_servers_words(page: Page) -> None:
    page.goto("/explore?source=prometheus&query=broken(")
    error = page.get_by_test_id("query-error")
    expect(error.get_by_text(WORDS)).to_be_visible(timeout=WIDE)
    expect(error.get_by_text("broken(")).to_be_visible()


def test_queries_are_remembered(page: Page) -> None:
    page.goto("/explore")
    editor(page).click(timeout=WIDE)
    page.keyboard.insert_text("up == 1")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("region", name="Newest values")).to_be_visible()
    page.goto("/explore?source=loki")
    page.get_by_role("button", name="History").click()
    page.get_by_role("button", name="up == 1").click()
    expect(page.get_by_role("region", name="Newest values")).to_be_visible()
    assert panes(page)[0]["datasource"] == "prometheus"


def test_results_are_saved_as_files(page: Page, tmp_path: Path) -> None:
    page.goto("/explore?source=prometheus&query=up")
    expect(page.get_by_role("region", name="Newest values")).to_be_visible(timeout=WIDE)
    for kind in ("CSV", "JSON"):
        page.get_by_role("button", name="Download").click()
        with page.expect_download() as loading:
            page.get_by_role("menuitem", name=kind).click()
        loading.value.save_as(tmp_path / kind)
    assert "worker" in (tmp_path / "CSV").read_text()
    assert json.loads((tmp_path / "JSON").read_text())[0]["job"] == "api"


def test_links_of_grafanas_older_form_and_two_panes(page: Page) -> None:
    left = {"datasource": "Loki", "queries": [{"expr": '{job="api"}'}], "range": {"from": "now-2h", "to": "now"}}
    page.goto(f"/explore?left={json.dumps(left)}")
    expect(page.get_by_test_id("log-line").first).to_be_visible(timeout=WIDE)
    page.get_by_role("button", name="Split").click()
    right = page.get_by_role("region", name="Right pane")
    expect(right.get_by_test_id("log-line").first).to_be_visible()
    assert [pane["range"]["from"] for pane in panes(page)] == ["now-2h", "now-2h"]
    page.go_back()
    expect(right).to_have_count(0)


def test_explore_fits_a_phone(page: Page) -> None:
    page.set_viewport_size(PHONE)
    page.goto('/explore?source=loki&query={job="api"}')
    expect(page.get_by_test_id("log-line").first).to_be_visible(timeout=WIDE)
    assert fits_a_phone(page)
    page.goto(f"/explore?source=jaeger&query={TRACE}")
    expect(page.get_by_test_id("trace")).to_be_visible()
    assert fits_a_phone(page)
