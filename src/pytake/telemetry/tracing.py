"""Traces: starting spans, carrying them across queues and services, and what libraries' calls look like in them."""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pytake.telemetry.spans import Provider, RecordingSpan, Tracer

__all__ = [
    "SpanKind", "current_trace_id", "extract", "inject", "instrument_httpx", "instrument_redis",
    "instrument_sqlalchemy", "link", "span", "tracer",
]  # fmt: skip

_propagator = TraceContextTextMapPropagator()
_provider: Provider | None = None
_tracer: Tracer | None = None


def set_provider(provider: Provider | None) -> None:
    """Record through ``provider``; None switches tracing off. :mod:`~pytake.telemetry.setup` calls it.

    It is not made OpenTelemetry's global provider: FastAPI and others start to trace by themselves once there is one.
    """
    global _provider, _tracer  # noqa: PLW0603 (one provider a process)
    _provider = provider
    _tracer = provider.get_tracer("pytake") if provider is not None else None


def provider() -> Provider | None:
    """Return the provider, for libraries that take one; None while tracing is off."""
    return _provider


def start(
    name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Mapping[str, Any] | None = None
) -> RecordingSpan | None:
    """Start a span under the current one without making it current; None while tracing is off. The caller ends it."""
    return _tracer.start_span(name, None, kind, attributes) if _tracer is not None else None


def tracer(name: str) -> trace.Tracer:
    """Return an OpenTelemetry tracer, for code written against that API."""
    return _provider.get_tracer(name) if _provider is not None else trace.NoOpTracer()


def inject(carrier: MutableMapping[str, str]) -> MutableMapping[str, str]:
    """Write ``traceparent`` (and ``tracestate``) of the current span into ``carrier``; return it."""
    _propagator.inject(carrier)
    return carrier


def extract(carrier: Mapping[str, str]) -> Context:
    """Return the context of a span in another process: give it to ``span(context=...)`` or :func:`link`."""
    return _propagator.extract(carrier)


def link(carrier: Mapping[str, str]) -> list[Link]:
    """Return a link to the span in ``carrier`` (none when it carries none), for ``span(links=...)``."""
    found = trace.get_current_span(extract(carrier)).get_span_context()
    return [Link(found)] if found.is_valid else []


def current_trace_id() -> int:
    """Return the current trace's id when that trace is sampled, else 0: what an exemplar may point at."""
    found = trace.get_current_span()
    if isinstance(found, RecordingSpan):
        return found.local.trace_id if found.local.sampled else 0
    context = found.get_span_context()
    return context.trace_id if context.trace_flags.sampled else 0


class span:  # noqa: N801 (used as a function: `with span("work"):`)
    """Start a span and make it the current one within the block (``with`` or ``async with`` are alike: use ``with``).

    An exception is recorded, sets the error status and goes on. ``context`` is the parent's (from :func:`extract`),
    by default the current one. Without tracing the block gets a span that records nothing.
    """

    __slots__ = ("_args", "_span", "_token")

    def __init__(
        self, name: str, *, kind: SpanKind = SpanKind.INTERNAL, attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None, context: Context | None = None,
    ) -> None:  # fmt: skip
        self._args = (name, context, kind, attributes, links)
        self._span: Span = trace.INVALID_SPAN
        self._token: Any = None

    def __enter__(self) -> Span:
        """Start."""
        if _tracer is not None:
            self._span = _tracer.start_span(*self._args)
            self._token = context_api.attach(trace.set_span_in_context(self._span, self._args[1]))
        return self._span

    def __exit__(self, exc_type: Any, exc_val: BaseException | None, exc_tb: Any) -> None:
        """Note an exception and end."""
        if self._token is not None:
            context_api.detach(self._token)
        if isinstance(self._span, RecordingSpan):
            if exc_val is not None and isinstance(exc_val, Exception):
                self._span.fail(exc_val)
            self._span.end()


def instrument_sqlalchemy(engine: Any) -> None:
    """Give each SQL statement of ``engine`` (sync or async) a client span, within a trace that has begun."""
    from pytake.telemetry.hooks_sqlalchemy import trace_engine  # noqa: PLC0415 (not every process has SQLAlchemy loaded)

    trace_engine(engine)


def instrument_redis(client: Any) -> None:
    """Give each command and pipeline of ``client`` a client span, within a trace that has begun."""
    from pytake.telemetry.hooks_redis import trace_redis  # noqa: PLC0415 (as above)

    trace_redis(client)


def instrument_httpx(client: Any) -> None:
    """Give each request of ``client`` a client span and send ``traceparent`` along."""
    from pytake.telemetry.hooks_httpx import trace_httpx  # noqa: PLC0415 (as above)

    trace_httpx(client)
