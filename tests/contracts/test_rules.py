"""The committed rules: clean for promtool and our lint, on metrics and labels that exist, with their runbooks."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from pytake.checks import known, runbooks
from pytake.checks.lint import DASHBOARD_URL, lint
from pytake.checks.promql import Labels, parse
from pytake.checks.rules import MONITORING, ROOT, RULES, alerts, load, recordings
from pytake.checks.slo import OUTPUT, STEP, render
from pytake.embedded.loki.logql import parse as parse_logql

RULE_FILES = sorted(RULES.glob("*.yml"))
PROMETHEUS = MONITORING / "prometheus"
DASHBOARDS = MONITORING / "grafana" / "dashboards"


def promtool(*arguments: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False, timeout=60, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_rules_have_no_findings() -> None:
    assert [str(finding) for finding in lint(load(), known.everything())] == []


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.stem)
def test_rule_files_are_clean_for_promtool(path: Path) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", path)


@pytest.mark.parametrize("targets", ["native", "compose"])
def test_the_configuration_is_clean_with_either_set_of_targets(targets: str, tmp_path: Path) -> None:
    shutil.copy(PROMETHEUS / "prometheus.yml", tmp_path)
    shutil.copytree(RULES, tmp_path / "rules")
    shutil.copytree(PROMETHEUS / "targets" / targets, tmp_path / "targets")
    assert "WARNING" not in promtool("check", "config", "--lint=all", "--lint-fatal", tmp_path / "prometheus.yml")


def test_the_federation_example_is_clean() -> None:
    promtool("check", "config", PROMETHEUS / "federation-example.yml")


def test_the_configuration_holds_no_address() -> None:
    text = "\n".join(line.split("#")[0] for line in (PROMETHEUS / "prometheus.yml").read_text().splitlines())
    assert not re.search(r"static_configs|localhost|\d+\.\d+\.\d+\.\d+|:\d{4}", text)


def test_both_sets_of_targets_have_a_file_for_each_job() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    for folder in ("native", "compose"):
        assert {path.stem for path in (PROMETHEUS / "targets" / folder).glob("*.yml")} == jobs
    for job in config["scrape_configs"]:
        assert job["file_sd_configs"] == [{"files": [f"targets/{job['job_name']}.yml"]}]
        assert job["sample_limit"] > 0


def test_every_job_that_must_be_there_is_in_target_missing() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    rule = next(rule for rule in alerts(load()) if rule.name == "TargetMissing")
    named = set(re.findall(r'job="([a-z-]+)"', rule.expr))
    assert named == {job["job_name"] for job in config["scrape_configs"]} - {"pytake-sandbox", "probe-tls"}


def test_blackbox_modules_exist_and_the_exporter_takes_the_file() -> None:
    path = MONITORING / "blackbox" / "blackbox.yml"
    modules = set(yaml.safe_load(path.read_text())["modules"])
    for probe in PROMETHEUS.glob("targets/*/probe-*.yml"):
        for group in yaml.safe_load(probe.read_text()):
            assert group["labels"]["__param_module"] in modules
    command = ["prometheus-blackbox-exporter", f"--config.file={path}", "--config.check"]
    assert subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 0


def test_the_slo_rules_are_those_of_the_slo_files() -> None:
    assert render() == OUTPUT.read_text(), "run `make generate`"
    assert OUTPUT.read_text().splitlines()[0].startswith("# generated")


def test_sums_over_records_know_the_interval_of_the_records() -> None:
    """``sum_over_time(x[1d]) * 30`` is a day's amount only where x is recorded every 30 s."""
    for rule in recordings(load()):
        if "sum_over_time" in rule.expr and "* " in rule.expr:
            for name in re.findall(r"sum_over_time\(([\w:]+)", rule.expr):
                intervals = {r.interval for r in recordings(load()) if r.name == name}
                assert intervals == {f"{STEP}s"}, rule.where


def test_pages_of_the_api_leave_time_to_notify_within_a_minute() -> None:
    """Scrape, evaluation, ``for`` (rounded up to the next evaluation) and Alertmanager's group_wait, at the worst."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    job = next(j for j in config["scrape_configs"] if j["job_name"] == "pytake-api")
    scrape = job.get("scrape_interval", config["global"]["scrape_interval"])
    rule = next(rule for rule in alerts(load()) if rule.name == "ApiDown")
    routes = yaml.safe_load((MONITORING / "alertmanager" / "alertmanager.yml").read_text())["route"]["routes"]
    wait = next(r["group_wait"] for r in routes if 'severity="critical"' in r["matchers"])
    assert sum(int(x.removesuffix("s")) for x in (scrape, rule.interval, rule.hold, rule.interval, wait)) <= 45


def test_dashboards_that_alerts_link_to_exist() -> None:
    uids = {json.loads(path.read_text()).get("uid") for path in DASHBOARDS.glob("**/*.json")}
    if not uids:
        pytest.skip("no dashboards are committed yet")
    for rule in alerts(load()):
        match = DASHBOARD_URL.fullmatch(rule.annotations["dashboard_url"])
        assert match, rule.where
        assert match["uid"] in uids, rule.where


# --- Runbooks -------------------------------------------------------------------------------------------------------
NAMES = sorted({rule.name for rule in alerts(load())})


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert runbooks.names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_runbook(name: str) -> None:
    """Sections in order; queries parse and ask for metrics and labels that exist; something to run, something to do."""
    book = runbooks.load(name)
    assert tuple(book.sections) == runbooks.SECTIONS
    assert all(book.sections.values())
    assert book.sections["Mitigation"].startswith("- ")
    assert book.of("promql"), "a runbook without a query"
    assert any(query.healthy for query in book.of("promql")), "no query says what is healthy"
    for query in book.of("promql"):
        labels = Labels(known.schema(known.everything()))
        labels.of(parse(query.text))
        assert [problem.text for problem in labels.problems] == [], query.text
    for query in book.of("logql"):
        parse_logql(query.text)
    for query in book.queries:
        assert query.language in {"promql", "logql", "bash"}
        assert query.title, "a fence without a line that says what it shows"


def test_runbooks_name_alerts_that_exist() -> None:
    """What is written like an alert (`TwoWords`) is one."""
    text = "".join(part for name in NAMES for part in runbooks.load(name).sections.values())
    named = set(re.findall(r"`((?:[A-Z][a-z]+){2,})`", text))
    assert named - set(NAMES) == {"PriceCategory"}


def test_runbooks_name_settings_that_exist() -> None:
    sources = "".join(p.read_text() for p in (ROOT / "src" / "pytake").glob("**/*settings*.py")).lower()
    for name in NAMES:
        text = (runbooks.RUNBOOKS / f"{name}.md").read_text()
        for setting in re.findall(r"`PYTAKE_([A-Z_]+)`", text):
            assert f"{setting.lower()}:" in sources or f"pytake_{setting.lower()}:" in sources, (
                f"{name}: PYTAKE_{setting}"
            )
