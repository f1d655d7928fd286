"""Starting in order with stubs: gates on readiness, early exits noticed, one error raised, migrations once."""

import asyncio
from dataclasses import replace

import pytest

from pytake.stack import deploy, owners
from pytake.stack.components import BY_NAME, COMPONENTS
from pytake.stack.deploy import Once, start
from pytake.stack.errors import StackError
from pytake.stack.supervisor import ProcessInfo, State


class Recorder:
    """A supervisor whose programs do what the test says, and a progress display that remembers."""

    def __init__(self, states=None) -> None:
        self.events: list[str] = []
        self.scripted = states or {}
        self.running: set[str] = set()

    def info(self):
        found = {}
        for component in COMPONENTS:
            script = self.scripted.get(component.name)
            state = State.STOPPED
            if component.name in self.running:
                state = script.pop(0) if script else State.RUNNING
            found[component.name] = ProcessInfo(component.name, state, 1, 1, 0, "")
        return found

    def start(self, name):
        self.events.append(f"start {name}")
        self.running.add(name)

    def say(self, text):
        pass

    def update(self, component, state):
        if state == "ready":
            self.events.append(f"ready {component}")


@pytest.fixture
def plain(stack, monkeypatch):
    """No real ports, databases or waiting."""
    monkeypatch.setattr(owners, "require_free", lambda *_: None)
    monkeypatch.setattr(deploy, "SETTLE", {})
    monkeypatch.setattr(deploy, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(deploy.migrations, "migrate", lambda _: None)
    return stack


def answering(*answers):
    """A probe that gives these answers, then is content."""
    left = list(answers)

    async def probe(stack, port):
        return left.pop(0) if left else None

    return probe


def components(**probes):
    names = {name.replace("_", "-"): probe for name, probe in probes.items()}
    return [replace(BY_NAME[name], ready=probe) for name, probe in names.items()]


async def test_a_component_waits_until_those_it_depends_on_are_ready(plain):
    chosen = components(
        pytake_api=answering(), postgres=answering("connect: refused", "starting up"), redis=answering("LOADING")
    )
    recorder = Recorder()
    started = await start(plain, recorder, chosen, recorder)
    assert set(started) == {"pytake-api", "postgres", "redis"}
    assert recorder.events.index("start pytake-api") > recorder.events.index("ready postgres")
    assert recorder.events.index("start pytake-api") > recorder.events.index("ready redis")


async def test_what_runs_is_not_started_again(plain):
    recorder = Recorder()
    recorder.running = {"redis"}
    assert await start(plain, recorder, components(redis=answering()), recorder) == []
    assert recorder.events == ["ready redis"]


async def test_one_that_keeps_ending_is_noticed_early_with_the_end_of_its_log(plain):
    (plain.logs / "redis.log").write_text("Bad directive\n")
    recorder = Recorder({"redis": [State.STARTING, State.BACKOFF] * 3})
    with pytest.raises(StackError, match="redis ends right after its start") as error:
        await start(plain, recorder, components(redis=answering()), recorder)
    assert "Bad directive" in str(error.value)


async def test_one_that_never_gets_ready_is_given_up_with_its_last_answer(plain, monkeypatch):
    monkeypatch.setenv("PYTAKE_START_TIMEOUT", "0.05")
    impatient = type(plain).load(plain.root)
    recorder = Recorder()
    chosen = components(redis=answering(*["PING: LOADING"] * 10_000))
    with pytest.raises(StackError, match=r"redis is not ready after 0 s: PING: LOADING"):
        await start(impatient, recorder, chosen, recorder)


async def test_what_does_not_depend_on_a_failure_is_started_all_the_same(plain, monkeypatch):
    def refuse(stack, component):
        if component.name in {"redis", "jaeger"}:
            raise StackError(f"no port for {component.name}")

    monkeypatch.setattr(owners, "require_free", refuse)
    recorder = Recorder()
    chosen = components(
        redis=answering(), jaeger=answering(), pytake_api=answering(), grafana=answering(), postgres=answering()
    )
    with pytest.raises(StackError) as error:
        await start(plain, recorder, chosen, recorder)
    assert "no port for redis" in str(error.value)
    assert "no port for jaeger" in str(error.value)
    assert "not started, since they depend on it: pytake-api" in str(error.value)
    assert {event for event in recorder.events if "ready" in event} == {"ready postgres", "ready grafana"}


async def test_the_database_is_migrated_once_for_api_and_worker(plain, monkeypatch):
    calls = []
    monkeypatch.setattr(deploy.migrations, "migrate", calls.append)
    recorder = Recorder()
    await start(plain, recorder, components(pytake_api=answering(), pytake_worker=answering()), recorder)
    assert len(calls) == 1


async def test_a_step_that_failed_for_one_is_tried_for_the_next():
    calls = []

    def step():
        calls.append(1)
        if len(calls) == 1:
            raise StackError("no")

    once = Once(step)
    results = await asyncio.gather(once(), once(), once(), return_exceptions=True)
    assert [type(result) for result in results] == [StackError, type(None), type(None)]
    assert len(calls) == 2
