"""Spans whose keeping is decided when their local root ends.

The OpenTelemetry SDK decides at the start: a trace that was not sampled has no record, also when it fails. Here every
span is recorded in a light form (an eighth of the SDK's cost), spans of a trace that was not sampled wait in their
:class:`LocalTrace`, and when the local root ends in an error or was slow they are exported after all. Everything else
is OpenTelemetry: these are API spans in the API's context, sampling is parent-based on the trace id's ratio, and
exporters get the SDK's ``ReadableSpan``.
"""

import random
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import time_ns
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes, AttributeValue

MAX_BUFFERED = 256
"""Spans that a trace which is not sampled may hold until its local root ends."""
MAX_EVENTS = 64
_SAMPLED, _UNSAMPLED = TraceFlags(TraceFlags.SAMPLED), TraceFlags(TraceFlags.DEFAULT)
random_bits = random.Random().getrandbits  # noqa: S311 (ids, not secrets)
Sink = Callable[["RecordingSpan"], None]
Redact = Callable[[str, Any], Any]


class LocalTrace:
    """The part of one trace that this process records."""

    __slots__ = ("buffer", "closed", "provider", "root_id", "sampled", "state", "trace_id")

    def __init__(self, trace_id: int, sampled: bool, provider: "Provider", state: TraceState | None = None) -> None:
        self.trace_id, self.sampled, self.provider, self.state = trace_id, sampled, provider, state
        self.root_id = 0
        """Span id of the local root; not the span itself: a cycle would be left to the garbage collector."""
        self.buffer: list[RecordingSpan] | None = None
        self.closed = False

    def ended(self, span: "RecordingSpan") -> None:
        """Export the span, or hold it until the local root ends; a root decides whether the trace is kept."""
        if self.sampled:
            self.provider.sink(span)
        elif span.span_id != self.root_id:
            if not self.closed:
                self._hold(span)
        elif self.provider.policy.keeps(span):
            self.keep()
            self.provider.sink(span)
        else:
            self.closed, self.buffer = True, None

    def _hold(self, span: "RecordingSpan") -> None:
        if self.buffer is None:
            self.buffer = [span]
        elif len(self.buffer) < MAX_BUFFERED:
            self.buffer.append(span)

    def keep(self) -> None:
        """Sample this trace after all: export what waits and all that still comes."""
        self.sampled = True
        waiting, self.buffer = self.buffer, None
        for span in waiting or ():
            self.provider.sink(span)


class RecordingSpan(trace.Span):
    """One span; cheap to make, turned into the SDK's form only when it is exported."""

    attributes: dict[str, Any] | None = None
    links: Sequence[Link] | None = None
    events: list[Event] | None = None
    status: Status | None = None
    finish: int | None = None
    timed = False
    """Whether being slow is a reason to keep its trace."""
    scope: InstrumentationScope | None = None
    _context: SpanContext | None = None

    def __init__(
        self, local: LocalTrace, name: str, kind: SpanKind, parent: SpanContext | None,
        attributes: dict[str, Any] | None = None, start: int | None = None,
    ) -> None:  # fmt: skip
        """Start now, or at ``start`` (Unix nanoseconds); ``attributes`` is kept, not copied."""
        self.local, self.name, self.kind, self.parent = local, name, kind, parent
        self.span_id = random_bits(64) or 1
        self.start = start or time_ns()
        if attributes:
            self.attributes = attributes

    def get_span_context(self) -> SpanContext:
        """Return the identity that children and other services are given."""
        found = self._context
        if found is None or found.trace_flags.sampled != self.local.sampled:
            flags = _SAMPLED if self.local.sampled else _UNSAMPLED
            found = self._context = SpanContext(self.local.trace_id, self.span_id, False, flags, self.local.state)
        return found

    def is_recording(self) -> bool:
        """Tell whether the span is still open."""
        return self.finish is None

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Set one attribute."""
        if self.finish is None:
            if self.attributes is None:
                self.attributes = {}
            self.attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Set several attributes."""
        if self.finish is None:
            self.attributes = {**(self.attributes or {}), **attributes}

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """Add an event, at most :data:`MAX_EVENTS`."""
        if self.events is None:
            self.events = []
        if self.finish is None and len(self.events) < MAX_EVENTS:
            self.events.append(Event(name, attributes, timestamp))

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """Point at a span of another trace."""
        if self.finish is None and context.is_valid:
            self.links = [*(self.links or ()), Link(context, attributes)]

    def update_name(self, name: str) -> None:
        """Rename the span."""
        self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the outcome; ``OK`` is final, as the specification wants."""
        if self.status is not None and self.status.status_code is StatusCode.OK:
            return
        self.status = status if isinstance(status, Status) else Status(status, description)

    def record_exception(
        self, exception: BaseException, attributes: Attributes = None, timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:  # fmt: skip
        """Add an ``exception`` event with type, message and stack."""
        kind = type(exception)
        found: dict[str, AttributeValue] = {
            "exception.type": f"{kind.__module__}.{kind.__qualname__}"
            if kind.__module__ != "builtins"
            else kind.__name__,
            "exception.message": str(exception),
            "exception.stacktrace": "".join(traceback.format_exception(exception)),
        }
        self.add_event("exception", {**found, **(attributes or {})}, timestamp)

    @property
    def failed(self) -> bool:
        """Whether the status is an error."""
        return self.status is not None and self.status.status_code is StatusCode.ERROR

    def end(self, end_time: int | None = None) -> None:
        """Finish; a local root decides here whether its trace is kept."""
        if self.finish is not None:
            return
        self.finish = end_time or time_ns()
        self.local.ended(self)

    def __exit__(self, exc_type: Any, exc_val: BaseException | None, exc_tb: Any) -> None:
        """Note an exception and end."""
        if exc_val is not None:
            self.fail(exc_val)
        self.end()

    def fail(self, exception: BaseException) -> None:
        """Record ``exception`` and set the error status."""
        self.record_exception(exception)
        self.set_attribute("error.type", type(exception).__qualname__)
        self.set_status(Status(StatusCode.ERROR, f"{type(exception).__name__}: {exception}"))

    def readable(self, resource: Resource, redact: Redact | None = None) -> ReadableSpan:
        """Return the SDK's form for exporters; ``redact`` is given each attribute's key and value."""
        if redact is not None:
            self._redacted(redact)
        local = self.local
        context = SpanContext(local.trace_id, self.span_id, False, _SAMPLED, local.state)
        return ReadableSpan(
            name=self.name, context=context, parent=self.parent, resource=resource,
            attributes=self.attributes or {}, events=self.events or (), links=self.links or (), kind=self.kind,
            status=self.status or Status(StatusCode.UNSET), start_time=self.start, end_time=self.finish,
            instrumentation_scope=self.scope,
        )  # fmt: skip

    def _redacted(self, redact: Redact) -> None:
        """Redact in place: spans are exported once they have ended, by every exporter in the same form."""
        self.attributes = {key: redact(key, value) for key, value in (self.attributes or {}).items()}
        self.events = [
            Event(
                event.name,
                {key: redact(key, value) for key, value in (event.attributes or {}).items()},
                event.timestamp,
            )
            for event in self.events or ()
        ]
        if self.status is not None and self.status.description:
            description = str(redact("description", self.status.description))
            self.status = Status(self.status.status_code, description)


class Policy:
    """Which traces are kept: the sampler's share, and errors and slow ones besides."""

    def __init__(
        self, *, ratio: float = 1.0, parent_based: bool = True, keep_errors: bool = True, slower_than: float = 2.0
    ) -> None:
        """Keep ``ratio`` of new traces; follow the parent's decision when ``parent_based``."""
        self.bound = round(ratio * (1 << 64))
        self.parent_based, self.keep_errors, self.slow_ns = parent_based, keep_errors, int(slower_than * 1e9)

    def samples(self, trace_id: int, parent: SpanContext | None) -> bool:
        """Decide at the start, the same in every service for the same trace id."""
        if parent is not None and self.parent_based:
            return parent.trace_flags.sampled
        return (trace_id & 0xFFFF_FFFF_FFFF_FFFF) < self.bound

    def keeps(self, root: RecordingSpan) -> bool:
        """Decide at the end of a local root that was not sampled: kept when it failed, or is a slow request.

        Jobs and sockets are slow by nature; :attr:`RecordingSpan.timed` is for requests alone.
        """
        if not self.keep_errors:
            return False
        return root.failed or (root.timed and (root.finish or 0) - root.start > self.slow_ns)


class Provider(trace.TracerProvider):
    """Makes tracers whose spans end up in ``sink``."""

    def __init__(self, policy: Policy, sink: Sink) -> None:
        self.policy, self.sink = policy, sink

    def root(
        self, name: str, kind: SpanKind, parent: SpanContext | None, attributes: dict[str, Any] | None = None,
        start: int | None = None,
    ) -> RecordingSpan:  # fmt: skip
        """Start the local root of a trace: a new one, or one that ``parent`` began in another process."""
        if parent is None:
            trace_id = random_bits(128) or 1
            local = LocalTrace(trace_id, self.policy.samples(trace_id, None), self)
        else:
            sampled = self.policy.samples(parent.trace_id, parent)
            local = LocalTrace(parent.trace_id, sampled, self, parent.trace_state)
        span = RecordingSpan(local, name, kind, parent, attributes, start)
        local.root_id = span.span_id
        return span

    def get_tracer(
        self, instrumenting_module_name: str, instrumenting_library_version: str | None = None,
        schema_url: str | None = None, attributes: Attributes = None,
    ) -> "Tracer":  # fmt: skip
        """Return a tracer."""
        return Tracer(self, InstrumentationScope(instrumenting_module_name, instrumenting_library_version, schema_url))


class Tracer(trace.Tracer):
    """Starts spans."""

    def __init__(self, provider: Provider, scope: InstrumentationScope | None = None) -> None:
        self._provider, self._scope = provider, scope

    def start_span(
        self, name: str, context: Context | None = None, kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None, links: Sequence[Link] | None = None, start_time: int | None = None,
        record_exception: bool = True, set_status_on_exception: bool = True,
    ) -> RecordingSpan:  # fmt: skip
        """Start a span under the current one (or the one in ``context``)."""
        above = trace.get_current_span(context)
        kept = dict(attributes) if attributes else None
        if isinstance(above, RecordingSpan):
            span = RecordingSpan(above.local, name, kind, above.get_span_context(), kept, start_time)
        else:
            remote = above.get_span_context()
            span = self._provider.root(name, kind, remote if remote.is_valid else None, kept, start_time)
        span.scope = self._scope
        if links:
            span.links = links
        return span

    @contextmanager
    def start_as_current_span(  # type: ignore[override] # the API's own decorator also serves as one for functions
        self, name: str, context: Context | None = None, kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None, links: Sequence[Link] | None = None, start_time: int | None = None,
        record_exception: bool = True, set_status_on_exception: bool = True, end_on_exit: bool = True,
    ) -> Iterator[RecordingSpan]:  # fmt: skip
        """Start a span and make it the current one within the block."""
        span = self.start_span(name, context, kind, attributes, links, start_time)
        token = context_api.attach(trace.set_span_in_context(span, context))
        try:
            yield span
        except Exception as fault:
            if record_exception and set_status_on_exception:
                span.fail(fault)
            raise
        finally:
            context_api.detach(token)
            if end_on_exit:
                span.end()
