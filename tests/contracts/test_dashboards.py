"""Dashboards: generated, complete, and asking only for what exists."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from pytake.checks import dashboards, known, panels
from pytake.checks.rules import load

BOARDS = dashboards.load()
DATASOURCES = Path("monitoring/grafana/provisioning/datasources/datasources.yml")
REQUIRED = {
    "home",
    "api-overview",
    "whatsapp-metrics",
    "infrastructure",
    "ai-metrics",
    "slo",
    "monitoring-stack",
    "logs",
    "conversation",
}


SEED = {
    "api-overview": [
        "Service status and uptime", "Request rate and response times", "Error rate trends", "Performance percentiles",
    ],
    "whatsapp-metrics": [
        "Message volume and success rates", "API request performance", "Instance analysis", "Failure investigation",
    ],
    "infrastructure": [
        "System resource utilization", "Database and cache performance", "Connection pool status", "Storage metrics",
    ],
    "ai-metrics": ["Request volume by model", "Token usage and costs", "Performance analysis", "Error tracking"],
    "slo": ["Budgets", "Burn", "History"],
    "conversation": ["Messages and states", "Timeline", "Cost"],
}  # fmt: skip
"""Rows that were asked for by name."""


@pytest.fixture(scope="module")
def alerts():
    return dashboards.alerts_by_metric(load())


@pytest.fixture(scope="module")
def schema():
    return known.schema(known.everything())


def test_the_nine_dashboards_are_there_under_their_uids():
    assert {board["uid"] for board in BOARDS.values()} == REQUIRED
    assert {name.removesuffix(".json") for name in BOARDS} == REQUIRED


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_every_panel_is_complete_and_asks_for_what_exists(name, schema, alerts):
    assert [str(problem) for problem in dashboards.lint(name, BOARDS[name], schema, alerts)] == []


@pytest.mark.parametrize("uid", sorted(SEED))
def test_the_rows_that_were_asked_for_are_there_and_hold_panels(uid):
    items = BOARDS[f"{uid}.json"]["panels"]
    titles = [panel["title"] for panel in items if panel["type"] == "row"]
    assert [title for title in SEED[uid] if title not in titles] == []
    kinds = [panel["type"] for panel in items] + ["row"]
    assert not [a for a, b in pairwise(kinds) if a == b == "row"], "a row without panels"


def test_panels_that_may_be_empty_exist_and_say_why():
    keys = {f"{board['uid']} / {panel['title']}" for board in BOARDS.values() for panel in dashboards.panels(board)}
    listed = panels.may_be_empty()
    assert set(listed) <= keys
    assert all(len(reason) > 20 for reason in listed.values())
    assert len(listed) <= 5


def test_the_linter_sees_what_it_is_for(schema, alerts):
    board = {
        "uid": "x", "title": "X", "description": "d",
        "templating": {"list": [{"type": "datasource", "query": "prometheus", "name": "datasource"}]},
        "panels": [
            {"id": 1, "type": "timeseries", "title": "", "datasource": {"type": "prometheus", "uid": "fixed"},
             "fieldConfig": {"defaults": {}}, "targets": [{"expr": "rate(nothing_total[5m]) + $other"}]},
            {"id": 1, "type": "stat", "title": "T", "description": "d",
             "datasource": {"type": "prometheus", "uid": "${datasource}"},
             "fieldConfig": {"defaults": {"unit": "s"}}, "targets": [{"expr": "sum by (nolabel) (up"}]},
            {"id": 2, "type": "stat", "title": "T", "description": "d",
             "datasource": {"type": "prometheus", "uid": "${datasource}"}, "links": [{"title": "Runbook: NoSuchAlert"}],
             "fieldConfig": {"defaults": {"unit": "s"}},
             "targets": [{"expr": "histogram_quantile(0.9, rate(ai_request_duration_seconds_bucket[$__interval]))"},
                         {"expr": "increase(ai_cost_usd_total[1d])"}]},
            {"id": 3, "type": "stat", "title": "U", "description": "d",
             "datasource": {"type": "prometheus", "uid": "${datasource}"},
             "fieldConfig": {"defaults": {"unit": "s", "thresholds": {"steps": [{"value": None}, {"value": 2}]}}},
             "targets": [{"expr": "max(job:http_request_duration_seconds:p95_5m)"}]},
        ],
    }  # fmt: skip
    found = " | ".join(str(problem) for problem in dashboards.lint("x", board, schema, alerts))
    for words in (
        "no title",
        "no description",
        "no unit",
        "no variable",
        "fixed range",
        "unknown variables",
        "unknown_metric",
        "the id 1 stands twice",
        "the title stands twice",
        "percentiles belong in a recording rule",
        "a window of 24 h belongs in a recording rule",
        "NoSuchAlert, which does not exist",
        "no link to a runbook (ApiExtremeLatency, ApiHighLatency)",
    ):
        assert words in found, f"{words!r} in {found}"


def test_the_committed_files_are_what_the_builders_make():
    done = subprocess.run(
        [sys.executable, "-m", "pytake.stack.dashboards.build", "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_of_alerts_lead_to_dashboards_that_exist():
    uids = {board["uid"] for board in BOARDS.values()}
    for rule in load():
        if url := rule.annotations.get("dashboard_url"):
            assert url.split("/d/")[1].split("?")[0] in uids, rule.name


def test_data_sources_have_the_uids_that_links_use():
    text = DATASOURCES.read_text()
    assert {source["uid"] for source in yaml.safe_load(text)["datasources"]} == {
        "prometheus",
        "loki",
        "jaeger",
        "alertmanager",
    }
    for word in ("exemplarTraceIdDestinations", "derivedFields", "tracesToLogsV2"):
        assert word in text
