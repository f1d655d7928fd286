"""Dashboards: generated, complete, and asking only for what exists."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pytake.checks import dashboards, known
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


@pytest.fixture(scope="module")
def schema():
    return known.schema(known.everything())


def test_the_nine_dashboards_are_there_under_their_uids():
    assert {board["uid"] for board in BOARDS.values()} == REQUIRED
    assert {name.removesuffix(".json") for name in BOARDS} == REQUIRED


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_every_panel_is_complete_and_asks_for_what_exists(name, schema):
    assert [str(problem) for problem in dashboards.lint(name, BOARDS[name], schema)] == []


def test_the_linter_sees_what_it_is_for(schema):
    board = {
        "uid": "x", "title": "X", "description": "d",
        "templating": {"list": [{"type": "datasource", "query": "prometheus", "name": "datasource"}]},
        "panels": [
            {"id": 1, "type": "timeseries", "title": "", "datasource": {"type": "prometheus", "uid": "fixed"},
             "fieldConfig": {"defaults": {}}, "targets": [{"expr": "rate(nothing_total[5m]) + $other"}]},
            {"id": 1, "type": "stat", "title": "T", "description": "d",
             "datasource": {"type": "prometheus", "uid": "${datasource}"},
             "fieldConfig": {"defaults": {"unit": "s"}}, "targets": [{"expr": "sum by (nolabel) (up"}]},
        ],
    }  # fmt: skip
    found = " | ".join(str(problem) for problem in dashboards.lint("x", board, schema))
    for words in (
        "no title",
        "no description",
        "no unit",
        "no variable",
        "fixed range",
        "unknown variables",
        "unknown_metric",
        "stands twice",
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
