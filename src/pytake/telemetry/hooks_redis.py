"""Hooks on a redis client (asyncio or not): metrics and client spans of commands and pipelines, never their values."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from inspect import iscoroutinefunction
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from pytake.telemetry import catalog, tracing
from pytake.telemetry.labels import Outcome

BLOCKING = frozenset({"XREAD", "XREADGROUP", "BLPOP", "BRPOP", "BZPOPMIN", "BZPOPMAX", "BLMOVE", "WAIT"})
"""Commands that wait by design: counted, but not timed or traced, since their duration says nothing."""


class _RedisHooks:
    """What is done around each command of one client."""

    def __init__(self, client: Any) -> None:
        self.measure = self.trace = False
        found = client.connection_pool.connection_kwargs
        self._attributes = {
            "db.system.name": "redis", "db.namespace": str(found.get("db", 0)),
            "server.address": found.get("host", found.get("path", "")), "server.port": found.get("port", 0),
        }  # fmt: skip
        client.execute_command = self._wrap(client.execute_command, None)
        make = client.pipeline
        client.pipeline = lambda *args, **kwargs: self._pipeline(make(*args, **kwargs))

    def _pipeline(self, pipeline: Any) -> Any:
        pipeline.execute = self._wrap(pipeline.execute, "PIPELINE")
        return pipeline

    def _wrap(self, call: Callable[..., Any], fixed: str | None) -> Callable[..., Any]:
        return partial(self._around if iscoroutinefunction(call) else self._around_sync, call, fixed)

    async def _around(self, call: Callable[..., Awaitable[Any]], fixed: str | None, *args: Any, **kwargs: Any) -> Any:
        begun = self._begin(fixed, args)
        try:
            answer = await call(*args, **kwargs)
        except BaseException as fault:
            self._end(begun, fault)
            raise
        self._end(begun, None)
        return answer

    def _around_sync(self, call: Callable[..., Any], fixed: str | None, *args: Any, **kwargs: Any) -> Any:
        begun = self._begin(fixed, args)
        try:
            answer = call(*args, **kwargs)
        except BaseException as fault:
            self._end(begun, fault)
            raise
        self._end(begun, None)
        return answer

    def _begin(self, fixed: str | None, args: tuple[Any, ...]) -> tuple[float, str, Any]:
        command = fixed or str(args[0]).split(" ", 1)[0].upper()
        span = None
        if self.trace and command not in BLOCKING and trace.get_current_span().is_recording():
            attributes = {**self._attributes, "db.operation.name": command}
            span = tracing.start(command, SpanKind.CLIENT, attributes)
        return time.perf_counter(), command, span

    def _end(self, begun: tuple[float, str, Any], fault: BaseException | None) -> None:
        started, command, span = begun
        if span is not None:
            if fault is not None:
                span.set_attribute("error.type", type(fault).__qualname__)
                if isinstance(fault, Exception):  # to be cancelled is not an error
                    span.set_status(Status(StatusCode.ERROR, type(fault).__name__))
            span.end()
        if self.measure:
            failed = fault is not None and isinstance(fault, Exception)
            catalog.REDIS_OPERATIONS.inc(operation=command, status=Outcome.ERROR if failed else Outcome.SUCCESS)
            if command not in BLOCKING:
                catalog.REDIS_DURATION.observe(time.perf_counter() - started, operation=command)


def _hooks(client: Any) -> _RedisHooks:
    found: _RedisHooks | None = getattr(client, "_pytake_hooks", None)
    if found is None:
        found = client._pytake_hooks = _RedisHooks(client)
    return found


def trace_redis(client: Any) -> None:
    """Give each command within a trace a client span; an idle queue's polling would make traces of one span."""
    _hooks(client).trace = True


def measure_redis(client: Any) -> None:
    """Count and time each command."""
    _hooks(client).measure = True
