"""Hooks on a SQLAlchemy engine: metrics and client spans of statements, metrics of the pool.

Both run from the same events, once a statement. The statement's text has placeholders, never values.
"""

import re
import time
import weakref
from functools import lru_cache, partial
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from sqlalchemy import event
from sqlalchemy.engine import Engine

from pytake.telemetry import catalog, metrics, tracing
from pytake.telemetry.labels import OTHER, DatabaseOperation, Outcome, PoolState

_TABLE = re.compile(r"\b(?:from|into|update|join)\s+(?:only\s+)?[\"`]?(?:\w+[\"`]?\.[\"`]?)?(\w+)", re.IGNORECASE)
_AFTER_WITH = re.compile(r"\)\s*(select|insert|update|delete)\b", re.IGNORECASE)
_VERBS = {member.value: member for member in DatabaseOperation}
_MAX_TEXT = 2000


@lru_cache(maxsize=2048)
def _what(statement: str) -> tuple[str, str]:
    """Return kind and table of a statement; behind ``WITH`` those of the statement that the names are for."""
    words = statement.lstrip(" \t\n(").split(None, 1)
    verb = words[0].lower() if words else ""
    if verb == "with":
        later = _AFTER_WITH.search(statement)
        verb, statement = (later[1].lower(), statement[later.start(1) :]) if later else (verb, statement)
    if verb not in _VERBS:
        return DatabaseOperation.OTHER, OTHER
    found = _TABLE.search(statement)
    return _VERBS[verb], found[1].lower() if found else OTHER


def _sync(engine: Any) -> Engine:
    sync: Engine = getattr(engine, "sync_engine", engine)
    return sync


class _EngineHooks:
    """The events of one engine."""

    def __init__(self, engine: Engine) -> None:
        self.measure = self.trace = False
        self._attributes = {
            "db.system.name": {"postgresql": "postgresql", "sqlite": "sqlite"}.get(
                engine.dialect.name, engine.dialect.name
            ),
            "db.namespace": engine.url.database or "",
            "server.address": engine.url.host or "",
        }
        if engine.url.port:
            self._attributes["server.port"] = engine.url.port  # type: ignore[assignment] # attributes are of mixed types
        event.listen(engine, "before_cursor_execute", self.before)
        event.listen(engine, "after_cursor_execute", self.after)
        event.listen(engine, "handle_error", self.failed)

    def before(self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        operation, table = _what(statement)
        span = None
        if self.trace and trace.get_current_span().is_recording():
            name = f"{operation.upper()} {table}" if table != OTHER else operation.upper()
            attributes = {
                **self._attributes,
                "db.operation.name": operation.upper(),
                "db.query.text": statement[:_MAX_TEXT],
            }
            if table != OTHER:
                attributes["db.collection.name"] = table
            span = tracing.start(name, SpanKind.CLIENT, attributes)
        if context is not None:
            context._pytake = (time.perf_counter(), operation, table, span)

    def after(self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        self._finish(context, None)

    def failed(self, error: Any) -> None:
        self._finish(error.execution_context, error.original_exception)

    def _finish(self, context: Any, fault: BaseException | None) -> None:
        found = getattr(context, "_pytake", None)
        if found is None:
            return
        context._pytake = None
        started, operation, table, span = found
        if span is not None:
            if fault is not None:
                state = getattr(fault, "sqlstate", None) or getattr(fault, "pgcode", None)
                span.set_attribute("error.type", state or type(fault).__qualname__)
                if state:
                    span.set_attribute("db.response.status_code", state)
                span.set_status(Status(StatusCode.ERROR, type(fault).__name__))
            span.end()
        if self.measure:
            status = Outcome.SUCCESS if fault is None else Outcome.ERROR
            catalog.DB_QUERIES.inc(operation=operation, table=table, status=status)
            catalog.DB_DURATION.observe(time.perf_counter() - started, operation=operation, table=table)


def _hooks(engine: Engine) -> _EngineHooks:
    found = getattr(engine, "_pytake_hooks", None)
    if found is None:
        found = _EngineHooks(engine)
        engine._pytake_hooks = found  # type: ignore[attr-defined] # kept with the engine it belongs to
    return found


def trace_engine(engine: Any) -> None:
    """Give each statement a client span."""
    _hooks(_sync(engine)).trace = True


def measure_engine(engine: Any) -> None:
    """Count and time each statement; watch the pool."""
    sync = _sync(engine)
    hooks = _hooks(sync)
    if hooks.measure:
        return
    hooks.measure = True
    _time_checkout(sync.pool)
    metrics.on_collect(partial(_pool_state, weakref.ref(sync)))


def _time_checkout(pool: Any) -> None:
    take = pool.connect

    def connect() -> Any:
        started = time.perf_counter()
        try:
            return take()
        finally:
            catalog.DB_POOL_WAIT.observe(time.perf_counter() - started)

    pool.connect = connect


def _pool_state(engine: "weakref.ref[Engine]") -> None:
    """Read the pool when a page is made: its events come before a connection is back in it."""
    found = engine()
    pool: Any = found.pool if found is not None else None
    if not hasattr(pool, "checkedout"):
        return
    catalog.DB_POOL.set(float(pool.checkedout()), state=PoolState.IN_USE)
    catalog.DB_POOL.set(float(pool.checkedin()), state=PoolState.IDLE)
    catalog.DB_POOL.set(float(pool.size() + getattr(pool, "_max_overflow", 0)), state=PoolState.LIMIT)
