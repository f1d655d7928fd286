"""Running waves of scenarios and writing down each alert's course."""

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from pytake.stack.drill.scenarios import SCENARIOS, Scenario
from pytake.stack.drill.scene import Scene
from pytake.stack.drill.watch import Course, Watcher

LOOK_SECONDS = 0.5
QUIET_SECONDS = 120
DONE = "done:"
"""Begins the report of a wave that is over."""
RESOLVE_SECONDS = 1200
"""How long an alert may stay after its fault at production intervals: its widest window and a group interval."""

Report = Callable[[Sequence[Course], str], None]


class UnknownAlert(ValueError):  # noqa: N818 (the name says what happened)
    """A name that is no alert of the rules, or one that no scenario provokes; the message says which and why."""


def chosen(alerts: Sequence[str], known: dict[str, str], not_provoked: dict[str, str]) -> list[Scenario]:
    """Scenarios that provoke ``alerts`` (all when empty). Raises :class:`UnknownAlert`."""
    provoked = {name for item in SCENARIOS for name in (*item.alerts, *item.hidden)}
    for name in alerts:
        if name not in known:
            raise UnknownAlert(f"{name} is no alert of monitoring/prometheus/rules")
        if name not in provoked:
            raise UnknownAlert(f"{name} is not provoked: {not_provoked.get(name, 'no scenario has it yet')}")
    if not alerts:
        return list(SCENARIOS)
    return [item for item in SCENARIOS if set(alerts) & {*item.alerts, *item.hidden}]


def run(scene: Scene, scenarios: Iterable[Scenario], severities: dict[str, str], report: Report) -> list[Course]:
    """Run the scenarios wave by wave; a failure of one does not stop the others."""
    watcher = Watcher(scene.url("prometheus"), scene.inbox)
    courses: list[Course] = []
    report([], "waiting for a quiet stack: what alarmed while it started must be over")
    scene.wait(lambda: set(watcher.states()) == {"Watchdog"}, QUIET_SECONDS)
    for wave, members in groupby(sorted(scenarios, key=lambda item: item.wave), key=lambda item: item.wave):
        group = list(members)
        if any(item.name == "silent_watchdog" for item in group):
            courses.append(_watchdog(scene, group[0], report))
            continue
        rows = _wave(scene, watcher, group, severities, _numbered(report, wave))
        courses += rows
        report(rows, f"{DONE} wave {wave}")
    return courses


def _numbered(report: Report, wave: int) -> Report:
    return lambda courses, text: report(courses, f"wave {wave}: {text}")


def _wave(
    scene: Scene, watcher: Watcher, group: Sequence[Scenario], severities: dict[str, str], report: Report
) -> list[Course]:
    courses = {item.name: _courses(item, severities) for item in group}
    rows = [course for found in courses.values() for course in found]
    with contextlib.ExitStack() as faults:
        for item in group:
            _inject(scene, item, courses[item.name], faults, report, rows)
        limit = max(scene.scaled(item.detect) + item.settle for item in group) + 45
        _follow(watcher, rows, lambda: all(c.arrived or c.fault for c in rows), limit, report, "fault is there")
        report(rows, "removing the fault")
        for course in rows:
            course.removed = time.time()
        _close(faults, rows)
    for course in rows:
        if not course.arrived and not course.fault:
            missing = sorted(course.channels - course.notified.keys())
            course.fault = "did not fire" if not course.firing else f"did not reach {', '.join(missing)}"
    limit = scene.scaled(RESOLVE_SECONDS) + 60
    _follow(watcher, rows, lambda: all(c.over or c.fault for c in rows), limit, report, "fault is gone")
    for course in rows:
        if not course.over and not course.fault:
            course.fault = "did not resolve" if not course.resolved else "the channels were not told that it is over"
    return rows


def _courses(item: Scenario, severities: dict[str, str]) -> list[Course]:
    shown = [Course(name, severities[name], item.name) for name in item.alerts]
    return shown + [Course(name, severities[name], item.name, hidden=True) for name in item.hidden]


def _inject(
    scene: Scene, item: Scenario, courses: Sequence[Course], faults: contextlib.ExitStack, report: Report,
    rows: Sequence[Course],
) -> None:  # fmt: skip
    report(rows, f"injecting: {item.what}")
    for course in courses:
        course.injected = time.time()
    try:
        faults.enter_context(item.inject(scene))
    except Exception as error:
        for course in courses:
            course.fault = f"could not be injected: {type(error).__name__}: {error}"


def _close(faults: contextlib.ExitStack, rows: Sequence[Course]) -> None:
    try:
        faults.close()
    except Exception as error:
        for course in rows:
            course.fault = course.fault or f"a fault of this wave could not be removed: {type(error).__name__}: {error}"


def _follow(
    watcher: Watcher, rows: Sequence[Course], done: Callable[[], bool], seconds: float, report: Report, text: str
) -> None:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        watcher.look(rows)
        report(rows, f"{text}, {max(0, deadline - time.monotonic()):.0f} s at most")
        time.sleep(LOOK_SECONDS)
    watcher.look(rows)


def _watchdog(scene: Scene, item: Scenario, report: Report) -> Course:
    """The watchdog is proven the other way round: its messages come, stop with the fault, and come again."""
    course = Course("Watchdog", "none", item.name)

    def beats(since: float) -> int:
        return sum(note.channel == "heartbeat" and note.at > since for note in scene.inbox.all())

    interval = scene.scaled(240) + scene.scaled(60)
    report([course], "waiting for a heartbeat")
    if not scene.wait(lambda: beats(0) > 0, 2 * interval + 30):
        course.fault = "no heartbeat arrived"
        return course
    course.injected = time.time()
    with item.inject(scene):
        down = time.time()
        report([course], "the heartbeat must stop")
        scene.wait(lambda: False, 2 * interval)
        if beats(down + 5):
            course.fault = "heartbeats arrived although Alertmanager was down"
        course.pending = course.firing = time.time()
        course.notified["heartbeat"] = course.firing
    course.removed = time.time()
    if scene.wait(lambda: beats(course.removed) > 0, 2 * interval + 30):
        course.resolved = course.told = time.time()
    else:
        course.fault = course.fault or "the heartbeat did not come back"
    return course
