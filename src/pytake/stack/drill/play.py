"""One scenario at work: its fault comes, stays until it has done its part, and goes, in a thread of its own."""

import contextlib
import threading
import time
from collections.abc import Callable

from pytake.stack.drill.scenario import Scenario
from pytake.stack.drill.scene import Scene
from pytake.stack.drill.watch import Course, Role

GRACE_SECONDS = 45.0
WATCH_SECONDS = 0.2


class Play:
    """A scenario and the courses of its alerts."""

    def __init__(self, scene: Scene, item: Scenario, severity: Callable[[str], str]) -> None:
        self.item = item
        self._scene = scene
        roles = {Role.SHOWN: item.alerts, Role.LATER: item.later, Role.HIDDEN: item.hidden}
        self.courses = [
            Course(name, severity(name), item.name, role) for role, names in roles.items() for name in names
        ]
        self._thread = threading.Thread(target=self._run, name=f"drill-{item.name}", daemon=True)
        self._given_up = False
        self.deadline = 0.0

    @property
    def begun(self) -> bool:
        """Whether it was started."""
        return self._given_up or self._thread.ident is not None

    @property
    def present(self) -> bool:
        """Whether its fault is there, or coming or going."""
        return self._thread.is_alive()

    @property
    def arriving(self) -> bool:
        """Whether it waits for alerts to arrive."""
        return self.present and not all(course.seen or course.fault for course in self.courses)

    def start(self) -> None:
        """Inject the fault."""
        for course in self.courses:
            course.injected = time.time()
        self._thread.start()

    def give_up(self, text: str) -> None:
        """It will not be started, for this reason."""
        self._given_up = True
        self.fail(text)

    def join(self, seconds: float) -> None:
        """Wait for the fault's end."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def fail(self, text: str) -> None:
        """All its alerts failed for this reason, unless they did for another before."""
        for course in self.courses:
            course.fault = course.fault or text

    def _run(self) -> None:
        with contextlib.ExitStack() as fault:
            try:
                fault.enter_context(self.item.inject(self._scene))
            except Exception as error:
                self.fail(f"could not be injected: {type(error).__name__}: {error}")
            else:
                self._hold()
            for course in self.courses:
                course.removed = time.time()
            try:
                fault.close()
            except Exception as error:
                self.fail(f"could not be removed: {type(error).__name__}: {error}")
            for course in self.courses:
                course.removed = time.time()

    def _hold(self) -> None:
        seconds = self._scene.scaled(self.item.detect) + self.item.settle + GRACE_SECONDS
        self.deadline = time.monotonic() + seconds
        while time.monotonic() < self.deadline and self.arriving and not self._scene.ended.is_set():
            time.sleep(WATCH_SECONDS)
        for course in self.courses:
            if not course.seen:
                course.fault = course.fault or course.verdict()
