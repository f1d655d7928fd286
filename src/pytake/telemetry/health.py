"""Health of a service: each dependency checked with a time-out, cached briefly, reported with latency and since when.

Probes cannot overload a dependency: a report is kept for :attr:`HealthRegistry.ttl` seconds and one that is being made
is shared by everybody who asks meanwhile (single flight).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pytake.telemetry import catalog
from pytake.telemetry.labels import Dependency
from pytake.telemetry.redact import redact_text


class HealthState(StrEnum):
    """``degraded`` works but slowly, or something that a request can do without is down."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Degraded(Exception):  # noqa: N818 (raised to say a state, not an error)
    """Raised by a check whose dependency works, but not well."""


Check = Callable[[], Awaitable[Any]]
"""Returns (details, when a dict) when well; raises :class:`Degraded` or any exception when not."""


@dataclass(frozen=True)
class CheckResult:
    """What one check found."""

    name: str
    state: HealthState
    critical: bool
    latency_seconds: float
    error: str | None
    since: float
    """Unix time at which this state began."""
    checked_at: float
    details: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dict."""
        return {
            "state": self.state.value, "critical": self.critical, "latency_seconds": round(self.latency_seconds, 6),
            "error": self.error, "since": _iso(self.since), "checked_at": _iso(self.checked_at),
            "details": self.details,
        }  # fmt: skip


@dataclass(frozen=True)
class HealthReport:
    """The state of the whole and of each dependency."""

    state: HealthState
    checks: dict[str, CheckResult]

    @property
    def status_code(self) -> int:
        """200 while healthy or degraded, 503 when unhealthy."""
        return 503 if self.state is HealthState.UNHEALTHY else 200

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dict."""
        return {"state": self.state.value, "dependencies": {name: c.as_dict() for name, c in self.checks.items()}}


@dataclass(frozen=True)
class _Registered:
    name: Dependency
    check: Check
    critical: bool
    ready: bool
    timeout: float
    degraded_after: float | None


class HealthRegistry:
    """The checks of one process."""

    def __init__(
        self, *, ttl: float = 2.0, refresh: float | None = 15.0,
        clock: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        """Keep a report for ``ttl`` seconds; ``clock`` and ``now`` are given by tests.

        From the first report on, everything is checked every ``refresh`` seconds too (None: only when asked): of
        several processes on one port a probe may reach the same one each time, and no gauge may grow old.
        """
        self.ttl, self._refresh = ttl, refresh
        self._refresher: asyncio.Task[None] | None = None
        self._clock, self._now = clock, now
        self._checks: dict[Dependency, _Registered] = {}
        self._since: dict[Dependency, tuple[HealthState, float]] = {}
        self._cached: dict[Dependency, tuple[float, CheckResult]] = {}
        self._running: dict[Dependency, asyncio.Task[CheckResult]] = {}

    def register(
        self, name: Dependency, check: Check, *, critical: bool, timeout: float = 2.0,
        degraded_after: float | None = None, ready: bool | None = None,
    ) -> None:  # fmt: skip
        """Add a check.

        ``critical``: the service is unhealthy without it (else degraded). ``timeout``: fails after this many seconds.
        ``degraded_after``: a pass slower than this is degraded. ``ready``: readiness asks it (default: when critical).
        """
        self._checks[name] = _Registered(
            name, check, critical, critical if ready is None else ready, timeout, degraded_after
        )

    async def report(self) -> HealthReport:
        """Return the state of everything, at most ``ttl`` seconds old."""
        self.keep_fresh()
        return await self._report(tuple(self._checks.values()))

    async def ready(self) -> HealthReport:
        """Return the state of what a request needs."""
        return await self._report(tuple(c for c in self._checks.values() if c.ready))

    def keep_fresh(self) -> None:
        """Check everything from now on, so that ``dependency_up`` tells of what nobody asks for."""
        if self._refresh is not None and (self._refresher is None or self._refresher.done()):
            self._refresher = asyncio.create_task(self._check_for_ever(self._refresh), name="health-refresh")

    async def _check_for_ever(self, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            await self._report(tuple(self._checks.values()))

    async def _report(self, checks: tuple[_Registered, ...]) -> HealthReport:
        results = await asyncio.gather(*(self._result(check) for check in checks))
        state = HealthState.HEALTHY
        for result in results:
            if result.state is HealthState.UNHEALTHY and result.critical:
                state = HealthState.UNHEALTHY
            elif result.state is not HealthState.HEALTHY and state is HealthState.HEALTHY:
                state = HealthState.DEGRADED
        return HealthReport(state, {result.name: result for result in results})

    async def _result(self, check: _Registered) -> CheckResult:
        cached = self._cached.get(check.name)
        if cached is not None and self._clock() - cached[0] < self.ttl:
            return cached[1]
        task = self._running.get(check.name)
        if task is None or task.done():
            task = self._running[check.name] = asyncio.create_task(self._run(check))
        return await asyncio.shield(task)

    async def _run(self, check: _Registered) -> CheckResult:
        started, state, error, details = self._clock(), HealthState.HEALTHY, None, {}
        try:
            async with asyncio.timeout(check.timeout):
                answer = await check.check()
            details = answer if isinstance(answer, dict) else {}
        except Degraded as fault:
            state, error = HealthState.DEGRADED, str(fault)
        except TimeoutError:
            state, error = HealthState.UNHEALTHY, f"no answer within {check.timeout:g} s"
        except Exception as fault:
            state, error = HealthState.UNHEALTHY, redact_text(f"{type(fault).__name__}: {fault}")
        latency = self._clock() - started
        if state is HealthState.HEALTHY and check.degraded_after is not None and latency > check.degraded_after:
            state, error = HealthState.DEGRADED, f"slow: {latency:.3f} s, expected {check.degraded_after:g} s at most"
        return self._record(check, state, error, latency, details)

    def _record(
        self, check: _Registered, state: HealthState, error: str | None, latency: float, details: dict[str, Any]
    ) -> CheckResult:
        before = self._since.get(check.name)
        if before is None or before[0] is not state:
            self._since[check.name] = (state, self._now())
        result = CheckResult(
            check.name.value, state, check.critical, latency, error, self._since[check.name][1], self._now(), details
        )
        self._cached[check.name] = (self._clock(), result)
        catalog.DEPENDENCY_UP.set(0.0 if state is HealthState.UNHEALTHY else 1.0, dependency=check.name)
        catalog.DEPENDENCY_CHECK.observe(latency, dependency=check.name)
        return result


def _iso(unix: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix))
