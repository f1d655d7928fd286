"""Running scenarios side by side, as far as they get along, and writing down each alert's course."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import yaml

from pytake.stack.drill.inhibition import Inhibition
from pytake.stack.drill.not_provoked import NotProvoked
from pytake.stack.drill.play import Play
from pytake.stack.drill.scenario import SCENARIOS, Scenario
from pytake.stack.drill.scene import Scene
from pytake.stack.drill.watch import Course, Watcher
from pytake.stack.drill.watchdog import watchdog

LOOK_SECONDS = 0.5
QUIET_SECONDS = 120
RESOLVE_SECONDS = 1200
"""How long an alert may stay after its fault at production intervals: its widest window and a group interval."""
BURN_SECONDS = 270
"""Real seconds that the slowest error budget takes beyond that in a fast drill, counted from the last fault."""
SHARED = frozenset({"HostHighCpu"})
"""What other work on the host prolongs: such an alert may last until the drill's last fault is over."""
AT_ONCE = 14
"""Scenarios at the same time: more are too much for a small host."""

Report = Callable[[Sequence[Course], str], None]


class UnknownAlert(ValueError):  # noqa: N818 (the name says what happened)
    """A name that is no alert of the rules, or one that no scenario provokes; the message says which and why."""


def chosen(
    alerts: Sequence[str], known: Mapping[str, object], not_provoked: Mapping[str, NotProvoked]
) -> list[Scenario]:
    """Scenarios that provoke ``alerts`` (all when empty). Raises :class:`UnknownAlert`."""
    provoked = {name for item in SCENARIOS for name in item.every}
    for name in alerts:
        if name not in known:
            raise UnknownAlert(f"{name} is no alert of monitoring/prometheus/rules or monitoring/loki/rules")
        if name not in provoked:
            why = f"it {not_provoked[name].reason}" if name in not_provoked else "no scenario has it yet"
            raise UnknownAlert(f"{name} is not provoked: {why}")
    if not alerts:
        return list(SCENARIOS)
    left, found = set(alerts), []
    for shown in (True, False):  # where it arrives rather than where it is hidden
        for item in SCENARIOS:
            names = {*item.alerts, *item.later} if shown else {*item.hidden}
            if left & names:
                later = tuple(name for name in item.later if name in alerts)  # they take minutes
                found.append(replace(item, later=later, hidden=tuple(name for name in item.hidden if name in alerts)))
                left -= names
    return found


class Director:
    """Decides which scenario starts when. They start in their order as soon as nothing speaks against it."""

    def __init__(self, scene: Scene, scenarios: Sequence[Scenario], labels: Mapping[str, Mapping[str, str]]) -> None:
        self._scene = scene
        source = scene.arena.source / "alertmanager" / "alertmanager.yml"
        self._inhibition = Inhibition(yaml.safe_load(source.read_text(encoding="utf-8")), labels)
        self.plays = [Play(scene, item, lambda name: labels[name]["severity"]) for item in scenarios]
        self._busy, self._patience = time.monotonic(), scene.scaled(RESOLVE_SECONDS) + 60
        self.courses = [course for play in self.plays for course in play.courses]

    @property
    def present(self) -> list[Play]:
        """Those whose fault is there."""
        return [play for play in self.plays if play.present]

    def start_what_can(self, states: Mapping[str, str]) -> None:
        """Start what may start now."""
        waiting: list[Play] = []
        for play in (play for play in self.plays if not play.begun):
            present = self.present
            blocked = any(play.item.disturbs(other.item) for other in [*present, *waiting])
            if not blocked and len(present) < AT_ONCE and not self._against(play, present, states):
                play.start()
            else:
                waiting.append(play)
        if self.present or not waiting:
            self._busy = time.monotonic()
        elif time.monotonic() - self._busy > self._patience:
            active = ", ".join(sorted({*states} - {"Watchdog"}))
            waiting[0].give_up(f"could not begin: active without a fault of the drill: {active}")

    def _against(self, play: Play, present: Sequence[Play], states: Mapping[str, str]) -> bool:
        """Whether an alert of it is still active or owed a message, is hidden now, or would hide another's."""
        shown = play.item.alerts
        if any(name in states for name in shown if name != "Watchdog") or self._owed(play):
            return True
        if any(self._inhibition.hides(name, own) for name in states for own in shown):
            return True
        others = [name for other in present if other.arriving for name in other.item.alerts]
        return any(self._inhibition.hides(own, name) for own in play.item.every for name in others)

    def _owed(self, play: Play) -> bool:
        names = {*play.item.alerts, *play.item.later}
        return any(course.alert in names and course.injected and not course.done for course in self.courses
                   if course not in play.courses)  # fmt: skip

    def judge_what_is_late(self) -> None:
        """Courses whose time to resolve is over have failed; error budgets may wait for the last fault's end."""
        now = time.time()
        idle = not self.present and all(play.begun for play in self.plays)
        last = max((course.removed for course in self.courses), default=0)
        limit = self._scene.scaled(RESOLVE_SECONDS) + 60
        for play in self.plays:
            if play.present or not play.begun:
                continue
            for course in play.courses:
                slow = "Burn" in course.alert or course.alert in SHARED
                start, more = (last, BURN_SECONDS) if slow else (course.removed, 0)
                if not course.done and (idle or not slow) and now > start + limit + more:
                    course.fault = course.verdict()

    @property
    def done(self) -> bool:
        """Whether every scenario has run and every course is done."""
        return all(play.begun and not play.present for play in self.plays) and all(c.done for c in self.courses)

    def stop(self) -> None:
        """Remove what faults there are."""
        self._scene.ended.set()
        for play in self.plays:
            play.join(60)


def run(
    scene: Scene, scenarios: Sequence[Scenario], labels: Mapping[str, Mapping[str, str]], report: Report
) -> list[Course]:
    """Run the scenarios; a failure of one does not stop the others."""
    watcher = Watcher(scene.url("prometheus"), scene.url("loki"), scene.inbox)
    last = [item for item in scenarios if item.name == "silent_watchdog"]
    director = Director(scene, [item for item in scenarios if item not in last], labels)
    report([], "waiting for a quiet stack: what alarmed while it started must be over")
    scene.wait(lambda: set(watcher.states()) <= {"Watchdog", *SHARED}, QUIET_SECONDS)
    try:
        while not director.done:
            states = watcher.look(director.courses)
            director.start_what_can(states)
            director.judge_what_is_late()
            report(director.courses, _text(director))
            time.sleep(LOOK_SECONDS)
        courses = director.courses
        for item in last:
            courses += watchdog(scene, watcher, item, labels, report)
    finally:
        director.stop()
    report(courses, "done")
    return courses


def _text(director: Director) -> str:
    present = [play.item.name for play in director.present]
    to_come = sum(not play.begun for play in director.plays)
    left = sum(not course.done for course in director.courses)
    return f"{left} alerts to follow, {to_come} faults to come, at work: {', '.join(present) or 'none'}"
