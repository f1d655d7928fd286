"""Stores of one test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytake.embedded.jaeger.generation import StoreOptions
from pytake.embedded.jaeger.store import Store


@pytest.fixture
def make_store(tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Start a store in the test's directory; each call is a restart on the same files."""
    running: list[Store] = []

    def make(*, sampler: Any = None, on_spans: Any = None, clock: Any = None, **options: Any) -> Store:
        for old in running:
            old.close()
        running.clear()
        more = {"clock": clock} if clock else {}
        store = Store(tmp_path / "traces", StoreOptions(**options), sampler=sampler, on_spans=on_spans, **more)
        store.start()
        running.append(store)
        return store

    yield make
    for store in running:
        store.close()


@pytest.fixture
def store(make_store: Callable[..., Store]) -> Store:
    """A started store."""
    return make_store()
