"""What a scenario is, and the register of them.

A scenario is a context manager: the fault is there inside of it and gone after it. Scenarios run side by side as far as
they leave each other alone: ``breaks`` names what a fault takes away from the others, ``uses`` what a fault needs whole
for its alerts to come about. An alert stands in one of three lists:

- ``alerts``: fires while the fault is there and arrives at its channels.
- ``later``: another alert of the fault holds it back; it arrives when that one is over (burn rates look back longer).
- ``hidden``: fires too, and another alert explains it; here it need not arrive (elsewhere it does).
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pytake.stack.drill.scene import Scene

Injection = Callable[[Scene], "contextlib.AbstractContextManager[None]"]


class Part(StrEnum):
    """A part of the stack that a fault may take away from other scenarios."""

    API = "api"
    FLOW = "flow"
    """Messages from customers to answers: webhooks, queue, worker, stores."""
    AI = "ai"
    META = "meta"
    """Sends of all numbers."""
    DATABASE = "database"
    REDIS = "redis"
    WORKER = "worker"
    SOCKETS = "sockets"
    LOKI = "loki"
    CHANNELS = "channels"
    """Alertmanager and the way to it; every scenario uses it."""
    PROMETHEUS = "prometheus"
    """Prometheus' configuration."""


@dataclass(frozen=True)
class Scenario:
    """One fault. ``detect`` are the seconds that its slowest alert may take at production intervals."""

    name: str
    what: str
    inject: Injection
    alerts: tuple[str, ...]
    later: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    uses: frozenset[Part] = frozenset()
    breaks: frozenset[Part] = frozenset()
    detect: float = 300
    settle: float = 0
    """Real seconds that the fault needs whatever the factor."""
    needs: Callable[[], str | None] = field(default=lambda: None)
    """Why this host cannot have the fault; ``None`` when it can."""

    @property
    def every(self) -> tuple[str, ...]:
        """All its alerts."""
        return (*self.alerts, *self.later, *self.hidden)

    def disturbs(self, other: "Scenario") -> bool:
        """Whether the two must not run at the same time."""
        mine, theirs = self.uses | {Part.CHANNELS}, other.uses | {Part.CHANNELS}
        return bool(self.breaks & (theirs | other.breaks) or other.breaks & mine or {*self.every} & {*other.every})


SCENARIOS: list[Scenario] = []


def scenario(
    what: str, *alerts: str, uses: tuple[Part, ...] = (), breaks: tuple[Part, ...] = (), **more: Any
) -> Callable[[Callable[[Scene], Iterator[None]]], Injection]:
    """Register a generator function as a scenario named like the function; they start in the order of registration."""

    def register(function: Callable[[Scene], Iterator[None]]) -> Injection:
        made = contextmanager(function)
        more.update(uses=frozenset(uses), breaks=frozenset(breaks))
        SCENARIOS.append(Scenario(function.__name__, what, made, alerts, **more))
        return made

    return register
