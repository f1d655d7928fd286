"""Stages built from YAML as an operator writes them, run on lines."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from pytake.embedded.promtail.entry import Entry
from pytake.embedded.promtail.stages import Context, build_stages
from pytake.embedded.promtail.stages.base import flush_stages, run_stages


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Pipe:
    """A pipeline under test."""

    def __init__(self, text: str, clock: Clock) -> None:
        self.clock = clock
        self.registry = CollectorRegistry()
        self.stages = build_stages(yaml.safe_load(text), "stages", Context("test", clock, self.registry))

    def __call__(self, *lines: str, labels: dict[str, str] | None = None) -> list[Entry]:
        entries = [Entry(dict(labels or {"job": "t"}), int(self.clock() * 1e9), line) for line in lines]
        return run_stages(self.stages, entries)

    def flush(self, *, force: bool = False) -> list[Entry]:
        return flush_stages(self.stages, self.clock(), force=force)

    def one(self, line: str, **kwargs: Any) -> Entry:
        (entry,) = self(line, **kwargs)
        return entry


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pipe(clock: Clock) -> Callable[[str], Pipe]:
    return lambda text: Pipe(text, clock)
