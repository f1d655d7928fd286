"""Following alerts through a drill: pending, firing, at people's channels, resolved, and told so."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import httpx

from pytake.stack.drill.channels import Inbox

CHANNELS = {
    "critical": frozenset({"slack", "email", "oncall"}),
    "warning": frozenset({"slack", "email"}),
    "none": frozenset({"heartbeat"}),
}


class Role(StrEnum):
    """What a scenario expects of an alert (see :mod:`~pytake.stack.drill.scenario`)."""

    SHOWN = "shown"
    LATER = "later"
    HIDDEN = "hidden"


@dataclass
class Course:
    """What happened to one alert. Times are Unix seconds, 0 for what has not happened."""

    alert: str
    severity: str
    scenario: str
    role: Role = Role.SHOWN
    injected: float = 0
    pending: float = 0
    firing: float = 0
    notified: dict[str, float] = field(default_factory=dict)
    removed: float = 0
    resolved: float = 0
    told: dict[str, float] = field(default_factory=dict)
    fault: str = ""

    @property
    def channels(self) -> frozenset[str]:
        """Channels that must get it."""
        return frozenset() if self.role is Role.HIDDEN else CHANNELS[self.severity]

    @property
    def seen(self) -> bool:
        """Whether the fault has done what it is there for, so that it can be removed."""
        return bool(self.firing) and (self.role is not Role.SHOWN or self.arrived)

    @property
    def arrived(self) -> bool:
        """Whether it fired and every channel got it."""
        return bool(self.firing) and self.channels <= self.notified.keys()

    @property
    def over(self) -> bool:
        """Whether it arrived, resolved, and every channel was told."""
        return self.arrived and bool(self.resolved) and self.channels <= self.told.keys()

    @property
    def done(self) -> bool:
        """Whether nothing more is waited for."""
        return self.over or bool(self.fault)

    @property
    def passed(self) -> bool:
        """Whether the whole course was run."""
        return self.over and not self.fault

    def verdict(self) -> str:
        """What is missing; empty when nothing is."""
        if self.passed or self.fault:
            return self.fault
        if not self.firing:
            return "stayed pending" if self.pending else "did not fire"
        if not self.arrived:
            return f"did not reach {', '.join(sorted(self.channels - self.notified.keys()))}"
        if not self.resolved:
            return "did not resolve"
        return f"{', '.join(sorted(self.channels - self.told.keys()))} not told that it is over"

    def row(self) -> dict[str, object]:
        """Figures for tables and JSON; seconds from injection, resolution from removal."""

        def since(at: float, start: float) -> float | None:
            return round(max(0.0, at - start), 1) if at else None

        return {
            "alert": self.alert, "severity": self.severity, "scenario": self.scenario, "passed": self.passed,
            "pending_s": since(self.pending, self.injected), "detected_s": since(self.firing, self.injected),
            "notified_s": since(max(self.notified.values(), default=0), self.injected),
            "resolved_s": since(self.resolved, self.removed),
            "told_s": since(max(self.told.values(), default=0), self.removed),
            "channels": sorted(self.notified), "role": self.role.value, "fault": self.fault,
        }  # fmt: skip


class Watcher:
    """Looks at Prometheus, Loki's ruler and the inbox, and writes down when each course got further."""

    def __init__(self, prometheus: str, loki: str, inbox: Inbox) -> None:
        self._client = httpx.Client(timeout=5, trust_env=False)
        self._pages = (f"{prometheus}/api/v1/alerts", f"{loki}/prometheus/api/v1/alerts")
        self._inbox = inbox
        self._known: list[dict[str, str]] = [{}, {}]

    def states(self) -> dict[str, str]:
        """The furthest state of each active alert; what was last known of a ruler that does not answer."""
        for number, page in enumerate(self._pages):
            try:
                alerts = self._client.get(page).raise_for_status().json()["data"]["alerts"]
            except (httpx.HTTPError, KeyError, ValueError):
                continue
            states: dict[str, str] = {}
            for alert in alerts:
                name = alert["labels"]["alertname"]
                if states.get(name) != "firing":
                    states[name] = alert["state"]
            self._known[number] = states
        return self._known[0] | self._known[1]

    def look(self, courses: Iterable[Course]) -> dict[str, str]:
        """Bring the courses up to date; gives the states."""
        states = self.states()
        for course in courses:
            if course.injected and not course.done:
                self._follow(course, states.get(course.alert), time.time())
        return states

    def _follow(self, course: Course, state: str | None, now: float) -> None:
        if state and not course.pending:
            course.pending = now
        if state == "firing" and not course.firing:
            course.firing = now
        for channel in course.channels - course.notified.keys():
            if found := self._inbox.first(course.alert, "firing", course.injected, frozenset({channel})):
                course.notified[channel] = found.at
        if course.notified and not course.firing:  # it fired and arrived between two looks
            course.firing = min(course.notified.values())
        if not (course.firing and course.removed):
            return
        # It may have been over before its fault was removed; one that comes back is not over.
        course.resolved = 0 if state else course.resolved or now
        for channel in course.channels & course.notified.keys():
            found = self._inbox.last(course.alert, channel)
            if found and found.status == "resolved" and found.at > course.notified[channel]:
                course.told.setdefault(channel, found.at)
            else:
                course.told.pop(channel, None)
