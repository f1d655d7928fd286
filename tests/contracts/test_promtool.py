"""The rules' own unit tests (``monitoring/prometheus/tests``): they pass, and no rule is without one."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from pytake.checks.promql import parse, selectors
from pytake.checks.rules import RULES, TESTS, alerts, load, recordings

FILES = sorted(TESTS.glob("*_test.yml"))


def cases() -> list[dict]:
    return [case for path in FILES for case in yaml.safe_load(path.read_text())["tests"]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_rule_tests_pass(path: Path) -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", path.name], capture_output=True, text=True, check=False, timeout=110, cwd=TESTS
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_firing_and_a_quiet_case() -> None:
    seen: dict[bool, set[str]] = {True: set(), False: set()}
    for case in cases():
        for check in case.get("alert_rule_test", []):
            seen[bool(check["exp_alerts"])].add(check["alertname"])
    names = {rule.name for rule in alerts(load())}
    assert names - seen[True] == set(), "these never fire in a test"
    assert names - seen[False] == set(), "these are never quiet in a test"


def test_every_recording_rule_has_a_value() -> None:
    seen = set()
    for case in cases():
        for check in case.get("promql_expr_test", []):
            assert check["exp_samples"], f"{case['name']}: {check['expr']} expects nothing"
            seen |= {selector.name for selector in selectors(parse(check["expr"]))}
    assert {rule.name for rule in recordings(load())} - seen == set()


def test_no_case_tests_an_alert_that_is_gone() -> None:
    named = {check["alertname"] for case in cases() for check in case.get("alert_rule_test", [])}
    assert named - {rule.name for rule in alerts(load())} == set()


def test_groups_are_evaluated_in_the_order_of_the_files() -> None:
    """Without an order promtool takes any, and an alert sees the record of this or of the last evaluation."""
    for path in FILES:
        document = yaml.safe_load(path.read_text())
        groups = [
            group["name"]
            for file in document["rule_files"]
            for group in yaml.safe_load((RULES / Path(file).name).read_text())["groups"]
        ]
        assert document["group_eval_order"] == groups, path.name


def test_an_alert_without_a_test_would_be_noticed(tmp_path: Path) -> None:
    """The check itself: an alert that no case names is reported."""
    path = tmp_path / "new.yml"
    path.write_text("groups:\n- name: g\n  rules:\n  - alert: NobodyTestedThis\n    expr: up == 0\n")
    named = {check["alertname"] for case in cases() for check in case.get("alert_rule_test", [])}
    assert {rule.name for rule in alerts(load(tmp_path))} - named == {"NobodyTestedThis"}


def test_descriptions_are_rendered_with_values() -> None:
    """What an engineer reads has no template left in it and no error of one."""
    texts = [
        text
        for case in cases()
        for check in case.get("alert_rule_test", [])
        for alert in check["exp_alerts"]
        for text in alert["exp_annotations"].values()
    ]
    assert texts
    assert [text for text in texts if re.search(r"\{\{|<error|<no value>|%!", text)] == []
