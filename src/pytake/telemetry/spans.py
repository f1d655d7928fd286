"""Spans whose keeping is decided when their local root ends.

The OpenTelemetry SDK decides at the start: a trace that was not sampled has no record, also when it fails. Here every
span is recorded in a light form (an eighth of the SDK's cost), spans of a trace that was not sampled wait in their
:class:`LocalTrace`, and when the local root ends in an error or was slow they are exported after all. Everything else
is OpenTelemetry: these are API spans in the API's context, sampling is parent-based on the trace id's ratio, and
exporters get the SDK's ``ReadableSpan``.
"""

import random
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
_random = random.Random().getrandbits  # noqa: S311 (ids, not secrets)
Sink = Callable[["RecordingSpan"], None]


class LocalTrace:
    """The part of one trace that this process records."""

    __slots__ = ("buffer", "closed", "sampled", "sink", "state", "trace_id")

    def __init__(self, trace_id: int, sampled: bool, sink: Sink, state: TraceState | None = None) -> None:
        self.trace_id, self.sampled, self.sink, self.state = trace_id, sampled, sink, state
        self.buffer: list[RecordingSpan] = []
        self.closed = False

    def ended(self, span: "RecordingSpan") -> None:
        """Export the span, or hold it until the local root ends."""
        if self.sampled:
            self.sink(span)
        elif not self.closed and len(self.buffer) < MAX_BUFFERED:
            self.buffer.append(span)

    def keep(self) -> None:
        """Sample this trace after all: export what waits and all that still comes."""
        self.sampled = True
        waiting, self.buffer = self.buffer, []
        for span in waiting:
            self.sink(span)

    def close(self) -> None:
        """Forget what waits; the local root ended well."""
        self.closed = True
        self.buffer = []


class RecordingSpan(trace.Span):
    """One span; cheap to make, turned into the SDK's form only when it is exported."""

    def __init__(
        self, local: LocalTrace, name: str, kind: SpanKind, parent: SpanContext | None, *, root: bool,
        attributes: Mapping[str, Any] | None, links: Sequence[Link] | None, start_time: int | None, policy: "Policy",
        scope: InstrumentationScope | None,
    ) -> None:  # fmt: skip
        self.local, self.name, self.kind, self.parent, self.root = local, name, kind, parent, root
        self.span_id = _random(64) or 1
        self.attributes: dict[str, Any] = dict(attributes) if attributes else {}
        self.links: list[Link] = list(links) if links else []
        self.events: list[Event] = []
        self.status: Status | None = None
        self.start = start_time or time.time_ns()
        self.finish: int | None = None
        self.scope = scope
        self._policy = policy
        self._context: SpanContext | None = None

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
            self.attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Set several attributes."""
        if self.finish is None:
            self.attributes.update(attributes)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """Add an event, at most :data:`MAX_EVENTS`."""
        if self.finish is None and len(self.events) < MAX_EVENTS:
            self.events.append(Event(name, attributes, timestamp))

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """Point at a span of another trace."""
        if self.finish is None and context.is_valid:
            self.links.append(Link(context, attributes))

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
            "exception.type": f"{kind.__module__}.{kind.__qualname__}" if kind.__module__ != "builtins" else kind.__name__,
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
        self.finish = end_time or time.time_ns()
        local = self.local
        local.ended(self)
        if self.root and not local.sampled:
            if self._policy.keeps(self):
                local.keep()
            else:
                local.close()

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

    def readable(self, resource: Resource) -> ReadableSpan:
        """Return the SDK's form for exporters."""
        local = self.local
        context = SpanContext(local.trace_id, self.span_id, False, _SAMPLED, local.state)
        return ReadableSpan(
            name=self.name, context=context, parent=self.parent, resource=resource, attributes=self.attributes,
            events=self.events, links=self.links, kind=self.kind, status=self.status or Status(StatusCode.UNSET),
            start_time=self.start, end_time=self.finish, instrumentation_scope=self.scope,
        )  # fmt: skip


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
        """Decide at the end of a local root that was not sampled."""
        if not self.keep_errors:
            return False
        return root.failed or (root.finish or 0) - root.start > self.slow_ns


class Provider(trace.TracerProvider):
    """Makes tracers whose spans end up in ``sink``."""

    def __init__(self, policy: Policy, sink: Sink) -> None:
        self.policy, self.sink = policy, sink

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
        if isinstance(above, RecordingSpan):
            local, parent, root = above.local, above.get_span_context(), False
        else:
            local, parent, root = *self._enter(above.get_span_context()), True
        return RecordingSpan(
            local, name, kind, parent, root=root, attributes=attributes, links=links, start_time=start_time,
            policy=self._provider.policy, scope=self._scope,
        )  # fmt: skip

    def _enter(self, remote: SpanContext) -> tuple[LocalTrace, SpanContext | None]:
        parent = remote if remote.is_valid else None
        trace_id = parent.trace_id if parent else _random(128) or 1
        sampled = self._provider.policy.samples(trace_id, parent)
        return LocalTrace(trace_id, sampled, self._provider.sink, parent.trace_state if parent else None), parent

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
