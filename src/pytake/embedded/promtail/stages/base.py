"""What every pipeline stage has: it takes entries and gives entries, whole lists at a time for speed."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import re2
from prometheus_client import CollectorRegistry

from pytake.embedded.common.config import ConfigError
from pytake.embedded.promtail.entry import Entry
from pytake.telemetry import catalog_embedded as catalog


@dataclass
class Context:
    """What stages share: the job, the registry of the ``metrics`` stages, the clock (Unix seconds)."""

    job: str
    clock: Callable[[], float]
    custom_metrics: CollectorRegistry = field(default_factory=CollectorRegistry)
    dry_run: bool = False


class Stage(ABC):
    """One stage. A stage that holds entries back gives them from :meth:`flush` when their time is over."""

    @abstractmethod
    def run(self, entries: list[Entry]) -> list[Entry]:
        """Entries that go on. Entries that do not must be settled with :func:`drop` or held."""

    def flush(self, now: float, *, force: bool = False) -> list[Entry]:
        """Held entries whose wait is over at ``now`` (all with ``force``)."""
        return []


class PerEntry(Stage):
    """A stage that changes each entry by itself and drops none."""

    @abstractmethod
    def apply(self, entry: Entry) -> None:
        """Change ``entry``."""

    def run(self, entries: list[Entry]) -> list[Entry]:
        """Apply to each."""
        apply = self.apply
        for entry in entries:
            apply(entry)
        return entries


def drop(entry: Entry, reason: str) -> None:
    """The entry ends here; counted by ``reason`` and settled with its source."""
    catalog.LOGENTRY_DROPPED.inc(reason=reason)
    entry.settle()


class Options:
    """A stage's options with their path in the file; what is left over at :meth:`close` is an error."""

    def __init__(self, stage: str, where: str, value: Any) -> None:
        self.where = f"{where}.{stage}"
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise ConfigError(f"{self.where}: expected a mapping, found {type(value).__name__}")
        self._rest = dict(value)

    def take(self, key: str, default: Any = None) -> Any:
        """The option ``key`` or ``default``."""
        value = self._rest.pop(key, default)
        return default if value is None else value

    def need(self, key: str) -> Any:
        """The option ``key``; missing or empty is an error."""
        value = self._rest.pop(key, None)
        if value is None or value == "":
            raise ConfigError(f"{self.where}.{key}: required")
        return value

    def fail(self, text: str) -> ConfigError:
        """An error at this stage."""
        return ConfigError(f"{self.where}: {text}")

    def close(self) -> None:
        """Raise :class:`ConfigError` for options that nobody took."""
        if self._rest:
            raise ConfigError(f"{self.where}: field not found: {', '.join(sorted(self._rest))}")


def regex(pattern: str, options: Options) -> Any:
    """Compile as RE2 (Go's dialect); a fault is an error at the stage."""
    try:
        return re2.compile(pattern.replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!"))
    except re2.error as error:
        raise options.fail(f"invalid regular expression {pattern!r}: {error}") from error


def run_stages(stages: Sequence[Stage], entries: list[Entry]) -> list[Entry]:
    """Send ``entries`` through ``stages``."""
    for stage in stages:
        if not entries:
            return entries
        entries = stage.run(entries)
    return entries


def flush_stages(stages: Sequence[Stage], now: float, *, force: bool = False) -> list[Entry]:
    """What the stages give up at ``now``, each sent through the stages after it."""
    carried: list[Entry] = []
    for stage in stages:
        carried = stage.run(carried) if carried else []
        carried += stage.flush(now, force=force)
    return carried
