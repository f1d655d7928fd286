"""An alert's course: what counts as arrived, over, failed; and which alert hides which."""

import httpx
import pytest
import yaml

from pytake.stack.drill import rules
from pytake.stack.drill.channels import Inbox
from pytake.stack.drill.inhibition import Inhibition
from pytake.stack.drill.watch import Course, Role, Watcher
from tests.unit.stack.support import ROOT


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
def states():
    return {}


@pytest.fixture
def watcher(inbox, states, monkeypatch):
    made = Watcher("http://prometheus.invalid", "http://loki.invalid", inbox)

    def answer(request: httpx.Request) -> httpx.Response:
        own = {} if "loki" in request.url.host else states
        alerts = [{"labels": {"alertname": name}, "state": state} for name, state in own.items()]
        return httpx.Response(200, json={"data": {"alerts": alerts}})

    monkeypatch.setattr(made, "_client", httpx.Client(transport=httpx.MockTransport(answer)))
    return made


def course(role: Role = Role.SHOWN) -> Course:
    return Course("A", "warning", "scenario", role, injected=1)


def send(inbox: Inbox, status: str) -> None:
    for channel in ("slack", "email"):
        inbox.add(channel, "A", status, "")


def test_the_whole_course(watcher, inbox, states):
    one = course()
    states["A"] = "pending"
    watcher.look([one])
    assert one.verdict() == "stayed pending"
    states["A"] = "firing"
    watcher.look([one])
    assert one.verdict() == "did not reach email, slack"
    send(inbox, "firing")
    watcher.look([one])
    assert one.seen
    one.removed = 2
    watcher.look([one])
    assert one.verdict() == "did not resolve"
    states.clear()
    watcher.look([one])
    assert one.verdict() == "email, slack not told that it is over"
    send(inbox, "resolved")
    watcher.look([one])
    assert one.passed
    assert one.row()["passed"] is True


def test_one_that_comes_back_is_not_over(watcher, inbox, states):
    one = course()
    states["A"] = "firing"
    send(inbox, "firing")
    watcher.look([one])
    one.removed = 2
    states.clear()
    watcher.look([one])
    states["A"] = "firing"
    send(inbox, "resolved")
    send(inbox, "firing")
    watcher.look([one])
    assert not one.over


def test_a_hidden_alert_fires_and_need_not_arrive(watcher, states):
    one = course(Role.HIDDEN)
    states["A"] = "firing"
    watcher.look([one])
    assert one.seen
    one.removed = 2
    states.clear()
    watcher.look([one])
    assert one.passed


def test_one_held_back_lets_the_fault_go_before_it_arrives(watcher, inbox, states):
    one = course(Role.LATER)
    states["A"] = "firing"
    watcher.look([one])
    assert one.seen
    assert not one.arrived
    one.removed = 2
    send(inbox, "firing")
    watcher.look([one])
    assert one.arrived


def test_one_that_arrived_between_two_looks_has_fired(watcher, inbox):
    one = course()
    send(inbox, "firing")
    watcher.look([one])
    assert one.firing


def test_a_ruler_that_does_not_answer_leaves_what_was_known(watcher, states, monkeypatch):
    states["A"] = "firing"
    assert watcher.states() == {"A": "firing"}
    down = httpx.MockTransport(lambda request: httpx.Response(503))
    monkeypatch.setattr(watcher, "_client", httpx.Client(transport=down))
    assert watcher.states() == {"A": "firing"}


def test_who_hides_whom_is_alertmanagers_own_rule():
    configuration = yaml.safe_load((ROOT / "monitoring" / "alertmanager" / "alertmanager.yml").read_text())
    inhibition = Inhibition(configuration, rules.alerts(ROOT))
    assert inhibition.hides("ApiDown", "ApiUnreachable")
    assert inhibition.hides("WhatsAppMetaOutage", "WhatsAppDeliveryCollapse"), "by component and severity"
    assert not inhibition.hides("WhatsAppMetaOutage", "WhatsAppTokenExpired"), "which it excepts"
    assert not inhibition.hides("ApiUnreachable", "ApiDown")
    assert not inhibition.hides("WhatsAppTokenExpired", "WhatsAppFailuresOurs"), "of one number only"
