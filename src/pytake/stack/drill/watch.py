"""Following one alert through a drill: pending, firing, at people's channels, resolved, and told so."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx

from pytake.stack.drill.channels import Inbox

CHANNELS = {
    "critical": frozenset({"slack", "email", "oncall"}),
    "warning": frozenset({"slack", "email"}),
    "none": frozenset({"heartbeat"}),
}


@dataclass
class Course:
    """What happened to one alert. Times are Unix seconds, 0 for what has not happened."""

    alert: str
    severity: str
    scenario: str
    hidden: bool = False
    """Whether another alert of the scenario is meant to hide its notification."""
    injected: float = 0
    pending: float = 0
    firing: float = 0
    notified: dict[str, float] = field(default_factory=dict)
    removed: float = 0
    resolved: float = 0
    told: float = 0
    fault: str = ""

    @property
    def channels(self) -> frozenset[str]:
        """Channels that must have got it."""
        return frozenset() if self.hidden else CHANNELS[self.severity]

    @property
    def arrived(self) -> bool:
        """Whether it fired and every channel got it."""
        return bool(self.firing) and self.channels <= self.notified.keys()

    @property
    def over(self) -> bool:
        """Whether it resolved and the channels were told (a watchdog has no end)."""
        return bool(self.resolved) and (self.hidden or bool(self.told))

    @property
    def passed(self) -> bool:
        """Whether the whole course was run."""
        return self.arrived and self.over and not self.fault

    def row(self) -> dict[str, object]:
        """Figures for tables and JSON; seconds from injection, resolution from removal."""

        def since(at: float, start: float) -> float | None:
            return round(at - start, 1) if at else None

        return {
            "alert": self.alert, "severity": self.severity, "scenario": self.scenario, "passed": self.passed,
            "pending_s": since(self.pending, self.injected), "detected_s": since(self.firing, self.injected),
            "notified_s": since(max(self.notified.values(), default=0), self.injected),
            "resolved_s": since(self.resolved, self.removed), "told_s": since(self.told, self.removed),
            "channels": sorted(self.notified), "hidden": self.hidden, "fault": self.fault,
        }  # fmt: skip


class Watcher:
    """Looks at Prometheus and the inbox and writes down when each course got further."""

    def __init__(self, prometheus: str, inbox: Inbox) -> None:
        self._client = httpx.Client(base_url=prometheus, timeout=5, trust_env=False)
        self._inbox = inbox

    def states(self) -> dict[str, str]:
        """The furthest state of each active alert; empty while Prometheus does not answer."""
        try:
            alerts = self._client.get("/api/v1/alerts").raise_for_status().json()["data"]["alerts"]
        except (httpx.HTTPError, KeyError, ValueError):
            return {}
        states: dict[str, str] = {}
        for alert in alerts:
            name = alert["labels"]["alertname"]
            if states.get(name) != "firing":
                states[name] = alert["state"]
        return states

    def look(self, courses: Iterable[Course]) -> None:
        """Bring the courses up to date."""
        states, now = self.states(), time.time()
        for course in courses:
            state = states.get(course.alert)
            if not course.removed:
                self._rising(course, state, now)
            elif not course.resolved and states and state is None:
                course.resolved = now
            if course.removed and not course.told:
                found = self._inbox.first(course.alert, "resolved", course.removed, course.channels)
                course.told = found.at if found else 0

    def _rising(self, course: Course, state: str | None, now: float) -> None:
        if state and not course.pending:
            course.pending = now
        if state == "firing" and not course.firing:
            course.firing = now
        for channel in course.channels - course.notified.keys():
            if found := self._inbox.first(course.alert, "firing", course.injected, frozenset({channel})):
                course.notified[channel] = found.at
