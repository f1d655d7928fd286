"""Spans of jobs: being postponed is no error (errors keep their whole trace)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span

from pytake.backend.queue.failures import Postpone
from pytake.telemetry.tracing import SpanKind, span


@contextmanager
def job_span(
    name: str,
    *,
    kind: SpanKind = SpanKind.CONSUMER,
    attributes: Mapping[str, Any] | None = None,
    context: Context | None = None,
    links: Sequence[Link] | None = None,
) -> Iterator[Span]:
    """A span; a :class:`Postpone` goes through it as an attribute, not as a failure."""
    postponed: Postpone | None = None
    with span(name, kind=kind, attributes=attributes, context=context, links=links) as current:
        try:
            yield current
        except Postpone as reason:
            current.set_attribute("pytake.postponed", str(reason))
            postponed = reason
    if postponed is not None:
        raise postponed
