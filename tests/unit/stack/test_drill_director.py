"""Which scenario starts when, and what becomes of one that cannot."""

import contextlib
import threading
from types import SimpleNamespace

import pytest

from pytake.stack.drill import run as running
from pytake.stack.drill.run import Director
from pytake.stack.drill.scenario import Part, Scenario
from tests.support.waiting import wait_until
from tests.unit.stack.support import ROOT

LABELS = {name: {"severity": "warning", "component": "api"} for name in ("ApiDown", "ApiHighErrorRate", "A", "B")}


@pytest.fixture
def scene():
    arena = SimpleNamespace(source=ROOT / "monitoring")
    return SimpleNamespace(arena=arena, ended=threading.Event(), scaled=lambda seconds: seconds / 1000)


@contextlib.contextmanager
def nothing(scene):
    yield


def made(name, *, uses=(), breaks=(), inject=nothing):
    return Scenario(name, name, inject, (name,), uses=frozenset(uses), breaks=frozenset(breaks))


def started(director):
    return [play.item.name for play in director.plays if play.begun]


def test_what_gets_along_starts_together_and_what_does_not_waits(scene):
    director = Director(scene, [made("A", breaks={Part.API}), made("B", uses={Part.API}), made("ApiDown")], LABELS)
    director.start_what_can({})
    assert started(director) == ["A", "ApiDown"]
    director.stop()
    director.start_what_can({})
    assert started(director) == ["A", "B", "ApiDown"]
    director.stop()


def test_one_whose_alert_is_active_or_would_be_hidden_waits(scene):
    director = Director(scene, [made("A"), made("ApiHighErrorRate")], LABELS)
    director.start_what_can({"A": "firing", "ApiDown": "firing"})
    assert started(director) == []
    director.start_what_can({})
    assert started(director) == ["A", "ApiHighErrorRate"]
    director.stop()


def test_one_that_would_hide_another_waits_until_that_has_arrived(scene):
    director = Director(scene, [made("ApiHighErrorRate"), made("ApiDown")], LABELS)
    director.start_what_can({})
    assert started(director) == ["ApiHighErrorRate"]
    director.courses[0].fault = "seen enough"
    director.start_what_can({})
    assert started(director) == ["ApiHighErrorRate", "ApiDown"]
    director.stop()


def test_one_that_can_never_begin_fails_with_what_stood_in_its_way(scene, monkeypatch):
    monkeypatch.setattr(running, "RESOLVE_SECONDS", -60_000)
    director = Director(scene, [made("A")], LABELS)
    director.start_what_can({"A": "firing"})
    assert director.courses[0].fault == "could not begin: active without a fault of the drill: A"
    assert director.done
    director.stop()


def test_a_fault_that_cannot_be_injected_is_told(scene):
    @contextlib.contextmanager
    def broken(scene):
        raise OSError("no such disk")
        yield

    director = Director(scene, [made("A", inject=broken)], LABELS)
    director.start_what_can({})
    wait_until(lambda: director.done, 10, "the end")
    assert director.courses[0].fault == "could not be injected: OSError: no such disk"


def test_stopping_removes_every_fault(scene):
    removed = []

    @contextlib.contextmanager
    def noted(scene):
        yield
        removed.append(True)

    director = Director(scene, [made("A", inject=noted), made("B", inject=noted)], LABELS)
    director.start_what_can({})
    director.stop()
    assert removed == [True, True]
