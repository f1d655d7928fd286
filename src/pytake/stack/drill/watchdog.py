"""The watchdog is proven the other way round: its messages come, stop with the fault, and come again."""

import time
from collections.abc import Callable, Mapping, Sequence

from pytake.stack.drill.scenario import Scenario
from pytake.stack.drill.scene import Scene
from pytake.stack.drill.watch import Course, Role, Watcher

RESOLVE_SECONDS = 600


def watchdog(
    scene: Scene, watcher: Watcher, item: Scenario, labels: Mapping[str, Mapping[str, str]],
    report: Callable[[Sequence[Course], str], None],
) -> list[Course]:  # fmt: skip
    """Take Alertmanager away; see the heartbeat stop and come back, and what Prometheus says of it arrive late."""
    beat = Course("Watchdog", "none", item.name)
    late = [Course(name, labels[name]["severity"], item.name, Role.LATER) for name in item.later]
    courses = [beat, *late]

    def beats(since: float) -> int:
        return sum(note.channel == "heartbeat" and note.at > since for note in scene.inbox.all())

    interval = scene.scaled(240) + scene.scaled(60)
    report(courses, "waiting for a heartbeat")
    if not scene.wait(lambda: beats(0) > 0, 2 * interval + 30):
        beat.fault = "no heartbeat arrived"
    for course in courses:
        course.injected = time.time()
    with item.inject(scene):
        down = time.time()
        report(courses, "Alertmanager is down: the heartbeat must stop")
        _follow(scene, watcher, late, 2 * interval, lambda: False)
        if beats(down + 5):
            beat.fault = "heartbeats arrived although Alertmanager was down"
        beat.pending = beat.firing = beat.notified["heartbeat"] = time.time()
    for course in courses:
        course.removed = time.time()
    report(courses, "Alertmanager is back: the heartbeat must come again")
    if scene.wait(lambda: beats(beat.removed) > 0, 2 * interval + 30):
        beat.resolved = beat.told["heartbeat"] = time.time()
    else:
        beat.fault = beat.fault or "the heartbeat did not come back"
    _follow(scene, watcher, late, scene.scaled(RESOLVE_SECONDS) + 60, lambda: all(c.done for c in late))
    for course in late:
        course.fault = course.verdict()
    return courses


def _follow(
    scene: Scene, watcher: Watcher, courses: Sequence[Course], seconds: float, done: Callable[[], bool]
) -> None:
    def look() -> bool:
        watcher.look(courses)
        return done()

    scene.wait(look, seconds)
