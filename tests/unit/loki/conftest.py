"""A store with its query parts in a temporary directory, and short ways to push and ask."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from pytake.embedded.loki.errors import PushError
from pytake.embedded.loki.limits import Rates
from pytake.embedded.loki.push.accept import Acceptor
from pytake.embedded.loki.push.decode import Kind
from pytake.embedded.loki.query.engine import Engine
from pytake.embedded.loki.query.index import Index
from pytake.embedded.loki.rowsource import Needs
from pytake.embedded.loki.settings import Settings
from pytake.embedded.loki.store.compact import Compactor
from pytake.embedded.loki.store.deletes import Deletes
from pytake.embedded.loki.store.store import Store

SECOND = 10**9
EVER = 2**62
NO_NEEDS = Needs()


def body(streams: Sequence[tuple[Mapping[str, str], Sequence[tuple[Any, ...]]]]) -> bytes:
    """A JSON push body of (labels, [(ns, line[, metadata])])."""
    return orjson.dumps(
        {
            "streams": [
                {"stream": dict(labels), "values": [[str(value[0]), *value[1:]] for value in values]}
                for labels, values in streams
            ]
        }
    )


@dataclass
class Kit:
    """The parts under test."""

    settings: Settings
    store: Store
    acceptor: Acceptor
    engine: Engine
    deletes: Deletes
    compactor: Compactor
    index: Index

    def push(
        self,
        values: Sequence[tuple[Any, ...]],
        labels: Mapping[str, str] | None = None,
        tenant: str = "fake",
        now: int | None = None,
    ) -> PushError | None:
        """Push lines and wait until they are durable; the error that the client would see."""
        raw = body([(labels or {"job": "test"}, values)])
        accepted = self.acceptor.accept(Kind.JSON, "", tenant, raw, now or time.time_ns())
        if accepted.record is not None and accepted.batch is not None:
            done, errors = threading.Event(), []

            def finish(error: BaseException | None) -> None:
                errors.append(error)
                done.set()

            self.store.append(accepted.record, accepted.batch, finish)
            assert done.wait(10)
            if errors[0] is not None:
                raise errors[0]
            self.acceptor.recent.add(accepted.fingerprint)
        return accepted.error

    def rows(
        self, columns: str = "line", tenant: str = "fake", needs: Needs = NO_NEEDS, where: str = "true"
    ) -> list[Any]:
        """Rows of everything stored, in the order of time."""
        with self.engine.query([tenant], -EVER, EVER) as (source, running):
            relation = source.relation(None, -EVER, EVER, needs)
            return running.execute(f"SELECT {columns} FROM {relation} WHERE {where} ORDER BY ts").fetchall()

    def lines(self, tenant: str = "fake") -> list[str]:
        """All lines in the order of time."""
        return [row[0] for row in self.rows(tenant=tenant)]

    def close(self) -> None:
        """Stop cleanly."""
        self.compactor.close()
        self.store.close()
        self.engine.close()


def open_kit(settings: Settings) -> Kit:
    """Open a store with its parts."""
    store = Store(settings)
    deletes = Deletes(store)
    return Kit(
        settings, store, Acceptor(store, Rates(), settings.limits_of), Engine(store, settings, deletes.hidden), deletes,
        Compactor(store, deletes), Index(store),
    )  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a data directory of the test's own."""
    return Settings(data_dir=tmp_path, retention_enabled=True, delete_cancel_period=0.0, raw="auth_enabled: false\n")


@pytest.fixture
def make_kit(settings: Settings) -> Iterator[Callable[..., Kit]]:
    """Opens kits; those still open at the end are closed."""
    kits: list[Kit] = []

    def make(**changes: Any) -> Kit:
        kits.append(open_kit(replace(settings, **changes)))
        return kits[-1]

    yield make
    for kit in kits:
        if not kit.store._stopping:
            kit.close()


@pytest.fixture
def kit(make_kit: Callable[..., Kit]) -> Kit:
    """One open store."""
    return make_kit()
