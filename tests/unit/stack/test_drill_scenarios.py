"""Every alert is in a scenario where it arrives, or is listed with a reason and a promtool test that names it."""

from pathlib import Path

import pytest

from pytake.stack.drill import rules, scenarios  # noqa: F401 (importing scenarios registers them)
from pytake.stack.drill.not_provoked import NOT_PROVOKED
from pytake.stack.drill.run import UnknownAlert, chosen
from pytake.stack.drill.scenario import SCENARIOS, Part, Scenario
from tests.unit.stack.support import ROOT

KNOWN = rules.alerts(ROOT)
ARRIVING = {name for item in SCENARIOS for name in (*item.alerts, *item.later)}
TESTS = ROOT / "monitoring" / "prometheus" / "tests"


def test_every_alert_is_provoked_or_listed_as_not():
    assert ARRIVING | set(NOT_PROVOKED) == set(KNOWN)
    assert not ARRIVING & set(NOT_PROVOKED)


def test_at_least_eighty_of_a_hundred_are_provoked():
    assert len(ARRIVING) >= 0.8 * len(KNOWN)


@pytest.mark.parametrize("name", NOT_PROVOKED)
def test_what_is_not_provoked_has_a_promtool_test_that_stands_for_it(name):
    assert f"alertname: {name}" in (TESTS / NOT_PROVOKED[name].test).read_text()
    assert len(NOT_PROVOKED[name].reason) > 20


@pytest.mark.parametrize("item", SCENARIOS, ids=lambda item: item.name)
def test_a_scenario_names_alerts_that_exist_and_says_what_it_does(item: Scenario):
    assert {*item.every} <= set(KNOWN)
    assert item.what
    assert len({*item.every}) == len(item.every)


def test_names_of_scenarios_are_unique():
    assert len({item.name for item in SCENARIOS}) == len(SCENARIOS)


def test_what_breaks_a_part_runs_apart_from_what_uses_it():
    def made(name: str, *, uses: set[Part] = frozenset(), breaks: set[Part] = frozenset()) -> Scenario:  # type: ignore[assignment]  # frozenset() is empty
        return Scenario(name, name, None, (name,), uses=frozenset(uses), breaks=frozenset(breaks))  # type: ignore[arg-type]  # not injected

    using, breaking, other = made("a", uses={Part.API}), made("b", breaks={Part.API}), made("c", uses={Part.REDIS})
    assert using.disturbs(breaking)
    assert breaking.disturbs(using)
    assert breaking.disturbs(made("d", breaks={Part.API}))
    assert not using.disturbs(made("e", uses={Part.API}))
    assert not breaking.disturbs(other)
    assert made("f", breaks={Part.CHANNELS}).disturbs(other), "every scenario needs Alertmanager"
    assert other.disturbs(made("c")), "an alert has one course at a time"


def test_an_alert_is_chosen_where_it_arrives():
    assert [item.name for item in chosen(["ApiUnreachable"], KNOWN, NOT_PROVOKED)] == ["locked_out_of_database"]
    assert [item.name for item in chosen(["ApiDown"], KNOWN, NOT_PROVOKED)] == ["api_down"]
    assert chosen([], KNOWN, NOT_PROVOKED) == SCENARIOS


@pytest.mark.parametrize(
    ("name", "says"), [("NoSuchAlert", "is no alert"), (next(iter(NOT_PROVOKED)), "not provoked: it")]
)
def test_what_cannot_be_drilled_is_refused_by_name(name, says):
    with pytest.raises(UnknownAlert, match=says):
        chosen([name], KNOWN, NOT_PROVOKED)


def test_alerts_come_from_both_rulers(tmp_path: Path):
    assert "LogErrorBurst" in KNOWN
    assert KNOWN["ApiDown"]["severity"] == "critical"
