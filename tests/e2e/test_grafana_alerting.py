"""Alerting in Chromium: alerts by state, silences, the routing tree, contact points, rules, history."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

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
WIDE = 60_000
RUNBOOK = "http://localhost/runbooks/ApiDown.md"
DASHBOARD = "http://localhost/d/api-overview"
SECRET = "hooks-secret-path"
SILENCED = {"alertname": "DiskFull", "severity": "warning"}
CONFIG = f"""
route:
  receiver: everyone
  routes:
    - matchers: [severity="critical"]
      receiver: pager
      routes:
        - matchers: [component=~"ai|ml"]
          receiver: ai-people
receivers:
  - name: everyone
    slack_configs: [{{channel: "#tickets", api_url: "http://slack.example/{SECRET}"}}]
  - name: pager
    webhook_configs: [{{url: "http://oncall.example/{SECRET}", send_resolved: false}}]
  - name: ai-people
inhibit_rules:
  - source_matchers: [alertname="ApiDown"]
    target_matchers: [alertname=~"Api.*"]
    equal: [environment]
"""


def alert(name: str, state: str, **labels: str) -> dict[str, Any]:
    """As Prometheus lists it."""
    annotations = {"summary": f"{name} it is.", "runbook_url": RUNBOOK, "dashboard_url": DASHBOARD}
    every = {"alertname": name, **labels}
    return {
        "labels": every,
        "annotations": annotations,
        "state": state,
        "activeAt": "2026-01-01T00:00:00Z",
        "value": "7",
    }


ALERTS = [
    alert("ApiDown", "firing", severity="critical"),
    alert("Slow", "pending", severity="warning"),
    alert("DiskFull", "firing", severity="warning"),
]


def rule(name: str, kind: str, **more: Any) -> dict[str, Any]:
    """As Prometheus lists it."""
    base = {"name": name, "type": kind, "query": f"{name} > 0", "health": "ok", "evaluationTime": 0.002}
    return {**base, "lastEvaluation": datetime.now(UTC).isoformat(), "labels": {}, **more}


RULES = [
    rule("ApiDown", "alerting", state="firing", duration=60, annotations={"runbook_url": RUNBOOK}, alerts=[]),
    rule("job:up:sum", "recording", health="err", lastError="many-to-many matching not allowed"),
]


class Manager:
    """An Alertmanager with one alert of its own and whatever is silenced."""

    def __init__(self) -> None:
        self.silences: dict[str, dict[str, Any]] = {}

    def answer(self, method: str, path: str, params: Params, body: Any) -> Any:
        """What its API says."""
        if path == "/api/v2/status":
            return {"config": {"original": CONFIG}}
        if path == "/api/v2/alerts":
            return [one for one in self.alerts() if all(self._has(one, text) for text in params.get("filter", []))]
        if method == "POST":
            number = body.get("id") or str(len(self.silences) + 1)
            self.silences[number] = {**body, "id": number, "status": {"state": "active"}}
            return {"silenceID": number}
        if method == "DELETE":
            self.silences[path.rsplit("/", 1)[1]]["status"]["state"] = "expired"
            return {}
        one = self.silences.get(path.rsplit("/", 1)[1])
        return one if one else list(self.silences.values())

    def alerts(self) -> list[dict[str, Any]]:
        """Both that fire; one of them is silenced."""
        return [self._alert({"alertname": "ApiDown", "severity": "critical"}, []), self._alert(SILENCED, ["0"])]

    def _alert(self, labels: dict[str, str], by: list[str]) -> dict[str, Any]:
        status = {"state": "suppressed" if by else "active", "silencedBy": by, "inhibitedBy": []}
        return {
            "labels": {**labels, "environment": "test"},
            "annotations": {"summary": "So it is."},
            "startsAt": "2026-01-01T00:00:00Z",
            "endsAt": "2026-01-01T01:00:00Z",
            "fingerprint": labels["alertname"],
            "receivers": [{"name": "pager"}],
            "status": status,
        }

    def _has(self, one: dict[str, Any], text: str) -> bool:
        name, value = text.split("=", 1)
        return bool(one["labels"].get(name) == json.loads(value))


def history(params: Params) -> Any:
    """``ALERTS`` of one alert, over the last ten minutes of the range."""
    start, end, step = (float(params[name][0]) for name in ("start", "end", "step"))
    times = [at for at in (start + i * step for i in range(int((end - start) / step))) if at > end - 600]
    series = [{"metric": {**ALERTS[0]["labels"], "alertstate": "firing"}, "values": [[at, "2"] for at in times]}]
    return {"resultType": "matrix", "result": series}


@pytest.fixture(scope="module")
def manager() -> Manager:
    """The Alertmanager of these tests."""
    return Manager()


@pytest.fixture(scope="module")
def grafana(manager: Manager, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address."""

    def answer(method: str, path: str, params: Params, body: Any) -> tuple[int, Any]:
        if path.startswith("/api/v2/"):
            return 200, manager.answer(method, path, params, body)
        group = {"name": "api", "file": "api.yml", "interval": 30, "evaluationTime": 0.004, "rules": RULES}
        sent = {"metric": {"integration": "webhook"}, "value": [time.time(), "12"]}
        data = {
            "/api/v1/alerts": {"alerts": ALERTS},
            "/api/v1/rules": {"groups": [group]},
            "/api/v1/query": {"resultType": "vector", "result": [sent]},
        }.get(path, {"groups": []})
        return 200, {"status": "success", "data": history(params) if path == "/api/v1/query_range" else data}

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


def test_alerts_by_state_with_their_ways_on(page: Page) -> None:
    page.goto("/alerting")
    cards = page.get_by_role("article")
    expect(cards).to_have_count(3, timeout=WIDE)
    down = page.get_by_role("article", name="ApiDown, firing")
    assert down.get_by_role("link", name="Runbook").get_attribute("href") == RUNBOOK
    assert down.get_by_role("link", name="Dashboard").get_attribute("href") == DASHBOARD
    expect(down.get_by_role("link", name="Goes to pager")).to_be_visible()
    expect(down.get_by_text("value 7")).to_be_visible()
    expect(page.get_by_role("article", name="DiskFull, silenced")).to_be_visible()
    page.get_by_role("radio", name="pending 1").check(force=True)
    expect(cards).to_have_count(1)
    page.get_by_role("radio", name="all 3").check(force=True)
    page.get_by_placeholder("Search").fill("severity!=critical disk")
    expect(cards).to_have_count(1)


def test_alerts_are_walked_and_silenced_by_keys(page: Page) -> None:
    page.goto("/alerting/alerts")
    first = page.get_by_role("article", name="ApiDown, firing")
    first.focus(timeout=WIDE)
    page.keyboard.press("j")
    expect(page.get_by_role("article", name="Slow, pending")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_placeholder("Search")).to_be_focused()
    page.keyboard.press("Escape")
    expect(first).to_be_focused()
    page.keyboard.press("s")
    expect(page.get_by_role("textbox", name="Value").first).to_have_value("ApiDown")


def test_a_silence_is_made_with_a_preview_changed_and_ended(page: Page, manager: Manager) -> None:
    page.goto("/alerting")
    page.get_by_role("article", name="ApiDown, firing").get_by_role("button", name="Silence").click(timeout=WIDE)
    affected = page.get_by_role("region", name="Affected alerts")
    expect(affected.get_by_text("1 alert has these labels now")).to_be_visible()
    page.get_by_role("textbox", name="Value").first.fill("Other")
    expect(affected.get_by_text("No alert has these labels now")).to_be_visible()
    page.get_by_role("textbox", name="Value").first.fill("ApiDown")
    page.get_by_role("button", name="4 h").click()
    page.get_by_label("Why").fill("The new release")
    expect(page.get_by_label("Your name")).to_have_value("admin")
    page.get_by_role("form").get_by_role("button", name="Silence", exact=True).click()
    card = page.get_by_role("article", name="The new release")
    expect(card).to_be_visible()
    made = manager.silences["1"]
    assert {"name": "alertname", "value": "ApiDown", "isRegex": False, "isEqual": True} in made["matchers"]
    length = datetime.fromisoformat(made["endsAt"]) - datetime.fromisoformat(made["startsAt"])
    assert timedelta(hours=3.9) < length < timedelta(hours=4.1)
    card.get_by_role("button", name="Edit").click()
    expect(page.get_by_label("Why")).to_have_value("The new release")
    page.get_by_label("Why").fill("The release after it")
    page.get_by_role("button", name="Save").click()
    card = page.get_by_role("article", name="The release after it")
    card.get_by_role("button", name="Expire").click()
    expect(page.get_by_text("Nothing is silenced.")).to_be_visible()
    assert [one["status"]["state"] for one in manager.silences.values()] == ["expired"]


def test_the_tree_shows_where_an_alert_goes(page: Page) -> None:
    page.goto("/alerting/routes")
    labels = page.get_by_role("textbox", name="Labels")
    labels.fill("severity=critical, component=ml", timeout=WIDE)
    expect(page.get_by_role("status").filter(has_text="It goes to ai-people.")).to_be_visible()
    expect(page.get_by_test_id("route-taken")).to_contain_text("ai-people")
    labels.fill("severity=warning")
    expect(page.get_by_test_id("route-taken")).to_contain_text("everyone")
    expect(page.get_by_text('alertname=~"Api.*"')).to_be_visible()


def test_contact_points_are_told_without_their_secrets(page: Page) -> None:
    page.goto("/alerting/notifications")
    pager = page.get_by_role("article", name="pager")
    expect(pager.get_by_text("http://oncall.example")).to_be_visible(timeout=WIDE)
    expect(pager.get_by_text("12 sent in a day")).to_be_visible()
    expect(page.get_by_role("article", name="everyone").get_by_text("#tickets")).to_be_visible()
    expect(page.get_by_role("article", name="ai-people").get_by_text("sends to nobody")).to_be_visible()
    assert SECRET not in page.content()


def test_rules_tell_their_health_and_their_time(page: Page) -> None:
    page.goto("/alerting/list")
    group = page.get_by_role("region", name="api")
    expect(group.get_by_text("1 failing")).to_be_visible(timeout=WIDE)
    expect(group.get_by_text("took 4 ms")).to_be_visible()
    page.get_by_role("radio", name="failing 1").check(force=True)
    expect(group.get_by_text("many-to-many matching not allowed")).to_be_visible()
    expect(group.get_by_text("job:up:sum", exact=True)).to_be_visible()
    expect(group.get_by_text("ApiDown", exact=True)).to_have_count(0)


def test_history_shows_states_over_time(page: Page) -> None:
    page.goto("/alerting/history?from=now-1h&to=now")
    changes = page.get_by_role("region", name="Changes of state")
    expect(changes.get_by_text("ApiDown", exact=True).first).to_be_visible(timeout=WIDE)
    expect(changes.get_by_text("firing", exact=True).first).to_be_visible()
    expect(page.get_by_title("firing").first).to_be_visible()
    assert "from=now-1h" in page.url


def test_alerting_fits_a_phone(page: Page) -> None:
    page.set_viewport_size(PHONE)
    for path, text in (("alerts", "ApiDown it is."), ("list", "1 failing"), ("routes", "All alerts")):
        page.goto(f"/alerting/{path}")
        expect(page.get_by_text(text).first).to_be_visible(timeout=WIDE)
        assert fits_a_phone(page), path
