"""The pages of the embedded Jaeger in Chromium, over a server of their own."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from bench import jaeger_traces
from playwright.sync_api import Browser, Page, expect

from pytake.checks.pages import CHROMIUM
from pytake.embedded.jaeger.pages import STATIC
from tests.conformance.jaeger.server import OwnServer, Target
from tests.e2e.browsing import chromium

MESSAGES = 30
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not (STATIC / "index.html").exists(), reason="the pages are not built: `make web` builds them"),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium here"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    expect.set_options(timeout=30_000)
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server with the traces below."""
    server = OwnServer(tmp_path_factory.mktemp("pages"), PYTAKE_GRAFANA_URL="http://grafana.test")
    target = server.start()
    yield target
    assert server.process.stop() == 0, server.process.tail()


@pytest.fixture(scope="module")
def traces(jaeger: Target) -> list[str]:
    """Messages, some of them failed; their traces' ids, oldest first."""
    request, ids = jaeger_traces.messages(MESSAGES, seconds=1800)
    assert jaeger.send(request.SerializeToString()).status == 200
    return ids


@pytest.fixture
def page(browser: Browser, traces: list[str], request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page in the size that the test asks for; errors of its scripts fail the test."""
    width, height = getattr(request, "param", (1600, 1000))
    opened, faults = browser.new_page(viewport={"width": width, "height": height}), []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    yield opened
    opened.close()
    assert not faults


def _rows(page: Page) -> int:
    return page.locator(".timeline .row").count()


def test_ten_thousand_spans(page: Page, jaeger: Target) -> None:
    request, trace_id = jaeger_traces.large()
    assert jaeger.send(request.SerializeToString()).status == 200
    page.goto(f"{jaeger.query}/trace/{trace_id}")
    expect(page.locator(".trace-head")).to_contain_text("10000")
    expect(page.locator(".timeline .row").first).to_be_visible()
    assert _rows(page) < 100  # only those in sight exist
    page.locator(".timeline").evaluate("box => { box.scrollTop = box.scrollHeight; }")
    expect(page.locator('[data-index="9999"] .row')).to_be_visible()
    assert _rows(page) < 100
    page.get_by_title("Collapse all").click()
    expect(page.locator(".timeline .row")).to_have_count(1)
    page.get_by_role("tab", name="Graph", exact=True).click()
    expect(page.locator(".graph .node").first).to_be_visible()  # of services: there are too many operations


@pytest.mark.parametrize("page", [(1600, 1000), (390, 844)], indirect=True)
def test_a_span_and_the_way_to_its_logs(page: Page, jaeger: Target, traces: list[str]) -> None:
    page.goto(f"{jaeger.query}/trace/{traces[5]}")
    worker = page.locator(".row", has_text="process webhook")
    expect(worker.locator(".crit").nth(1)).to_be_attached()  # the queue did not end the critical path
    worker.click()
    detail = page.locator(".detail")
    for words in ("conversation.id", "Process", "Links"):
        expect(detail).to_contain_text(words)
    link = detail.get_by_role("link", name="Logs of this span").get_attribute("href")
    assert link is not None
    assert link.startswith("http://grafana.test/explore?")
    left = json.loads(parse_qs(urlsplit(link).query)["left"][0])
    span = next(
        span for span in jaeger.trace(traces[5])["spans"] if span["operationName"] == "process webhook"
    )  # fmt: skip
    assert f'trace_id="{traces[5]}"' in left["queries"][0]["expr"]
    assert int(left["range"]["from"]) <= span["startTime"] // 1000 <= int(left["range"]["to"])
    assert span["spanID"] in page.url  # the address opens the same span again
    page.reload()
    expect(page.locator(".detail")).to_contain_text("process webhook")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_events_of_a_span_that_failed(page: Page, jaeger: Target, traces: list[str]) -> None:
    failed = jaeger.search("pytake-worker", error="true")[0]["traceID"]
    page.goto(f"{jaeger.query}/trace/{failed}?uiFind=undeliverable")
    page.locator(".row.match").first.click()
    expect(page.locator(".detail")).to_contain_text("GraphApiError")


@pytest.mark.parametrize(("view", "what"), [("graph", ".node"), ("flame", ".flame button"), ("statistics", "tbody tr")])
def test_other_views(page: Page, jaeger: Target, traces: list[str], view: str, what: str) -> None:
    page.goto(f"{jaeger.query}/trace/{traces[0]}?view={view}")
    expect(page.locator(what)).to_have_count(len(jaeger_traces.WAY))


def test_a_search_of_jaegers_form(page: Page, jaeger: Target, traces: list[str]) -> None:
    query = "service=pytake-api&operation=all&lookback=1h&limit=50&maxDuration&minDuration&tags=%7B%7D"
    page.goto(f"{jaeger.query}/search?{query}")
    expect(page.locator(".card")).to_have_count(MESSAGES)
    expect(page.locator(".scatter circle")).to_have_count(MESSAGES)
    page.locator(".scatter circle").first.click()
    expect(page).to_have_url(re.compile("/trace/"))


def test_the_address_of_a_comparison(page: Page, jaeger: Target, traces: list[str]) -> None:
    page.goto(f"{jaeger.query}/trace/{traces[0]}...{traces[1]}")
    expect(page.locator("tbody tr")).to_have_count(len(jaeger_traces.WAY))
    assert traces[1] in unquote(page.url)


def test_calls_between_services(page: Page, jaeger: Target, traces: list[str]) -> None:
    page.goto(f"{jaeger.query}/dependencies?service=graph-api")
    row = page.locator("tbody tr", has_text="graph-api")
    expect(row).to_contain_text(str(MESSAGES))
    expect(row).not_to_contain_text(" 0.0 %")  # some failed
    expect(page.locator(".graph .node")).to_have_count(2)


@pytest.mark.parametrize("path", ["/api/traces/{}", "/api/v3/traces/{}"])
def test_a_file_is_opened(page: Page, jaeger: Target, traces: list[str], path: str, tmp_path: Path) -> None:
    exported = jaeger.get(path.format(traces[3])).json
    file = tmp_path / "trace.json"
    file.write_text(json.dumps(exported.get("result", exported)).replace(traces[3], "ab" * 16))
    page.goto(f"{jaeger.query}/search")
    page.locator("input[type=file]").set_input_files(file)
    page.locator(".card").click()
    expect(page.locator(".trace-head")).to_contain_text("ab" * 16)
    expect(page.locator(".timeline .row")).to_have_count(len(jaeger_traces.WAY))
