"""Traces to look at: a message's way through PyTake, and one of ten thousand spans."""

import random
import time

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

WAY = (
    # span, its parent, service, name, kind (OTLP), start and length as shares of the whole
    (0, -1, "pytake-api", "POST /webhooks/whatsapp", 2, 0.00, 0.08),
    (1, 0, "pytake-api", "XADD pytake:webhooks", 4, 0.03, 0.03),
    (2, 1, "pytake-worker", "process webhook", 5, 0.10, 0.88),
    (3, 2, "pytake-worker", "SELECT conversations", 3, 0.12, 0.05),
    (4, 3, "postgres", "SELECT conversations", 2, 0.13, 0.03),
    (5, 2, "pytake-worker", "GET conversation:context", 3, 0.18, 0.02),
    (6, 2, "pytake-worker", "chat gpt", 3, 0.22, 0.50),
    (7, 6, "openai", "POST /v1/chat/completions", 2, 0.24, 0.46),
    (8, 2, "pytake-worker", "INSERT messages", 3, 0.73, 0.04),
    (9, 8, "postgres", "INSERT messages", 2, 0.74, 0.02),
    (10, 2, "pytake-worker", "send message", 3, 0.78, 0.19),
    (11, 10, "graph-api", "POST /{phone_number_id}/messages", 2, 0.80, 0.16),
)


class Builder:
    """Collects spans into one OTLP request, a resource for each service."""

    def __init__(self) -> None:
        self.request = ExportTraceServiceRequest()
        self._scopes: dict[str, object] = {}

    def add(self, service: str, **fields: object) -> Span:
        """A new span of a service."""
        if service not in self._scopes:
            resource = self.request.resource_spans.add()
            for key, value in (("service.name", service), ("host.name", "node-1"), ("service.version", "1.4.2")):
                resource.resource.attributes.add(key=key).value.string_value = value
            self._scopes[service] = resource.scope_spans.add()
            self._scopes[service].scope.name = "pytake"
        return self._scopes[service].spans.add(**fields)


def message(builder: Builder, rng: random.Random, start_ns: int, link: bytes = b"") -> bytes:
    """One message's trace; some are slow, some fail. Returns its id."""
    trace_id, ids = rng.randbytes(16), [rng.randbytes(8) for _ in WAY]
    whole, failed = rng.lognormvariate(13.8, 0.5) * 1000, rng.random() < 0.15
    for number, parent, service, name, kind, begin, length in WAY:
        first = start_ns + int(begin * whole)
        span = builder.add(
            service, trace_id=trace_id, span_id=ids[number], parent_span_id=ids[parent] if parent >= 0 else b"",
            name=name, kind=kind, start_time_unix_nano=first, end_time_unix_nano=first + int(length * whole),
        )  # fmt: skip
        span.attributes.add(key="conversation.id").value.string_value = rng.randbytes(8).hex()
        span.attributes.add(key="pytake.attempt").value.int_value = 1
        if failed and number in (2, 10, 11):
            span.status.code, span.status.message = 2, "the recipient cannot be reached (131026)"
            event = span.events.add(name="exception", time_unix_nano=span.end_time_unix_nano - 1000)
            event.attributes.add(key="exception.type").value.string_value = "GraphApiError"
            event.attributes.add(key="exception.message").value.string_value = "(131026) Message undeliverable"
        if number == 2 and link:
            span.links.add(trace_id=link, span_id=rng.randbytes(8))
    return trace_id


def messages(count: int, seconds: float = 3600.0, seed: int = 1) -> tuple[ExportTraceServiceRequest, list[str]]:
    """A request of ``count`` messages of the last ``seconds``, and the ids of their traces."""
    builder, rng, now, link = Builder(), random.Random(seed), time.time_ns(), b""
    for number in range(count):
        link = message(builder, rng, now - int(seconds * 1e9 * (count - number) / count), link)
    ids = {span.trace_id.hex(): None for resource in builder.request.resource_spans[:1]
           for span in resource.scope_spans[0].spans}  # fmt: skip
    return builder.request, list(ids)


def large(spans: int = 10_000, seed: int = 2) -> tuple[ExportTraceServiceRequest, str]:
    """A trace of many spans, up to 60 deep, over eight services; and its id."""
    builder, rng, start = Builder(), random.Random(seed), time.time_ns() - 60_000_000_000
    trace_id, ids, depths, times = rng.randbytes(16), [], [], []
    for number in range(spans):
        parent = 0 if rng.random() < 0.2 else max(0, number - 1 - int(rng.expovariate(1 / 6)))
        depth = 0 if number == 0 else depths[parent] + 1
        if depth > 60:
            parent, depth = 0, 1
        first, last = (start, start + 30_000_000_000) if number == 0 else times[parent]
        length = last - first
        begin = first if number == 0 else first + int(length * rng.random() * 0.6)
        end = last if number == 0 else begin + max(1000, int((last - begin) * (0.3 + 0.7 * rng.random())))
        span = builder.add(
            f"service-{(depth + number % 3) % 8}", trace_id=trace_id, span_id=rng.randbytes(8),
            parent_span_id=ids[parent] if number else b"", name=f"operation {rng.randrange(40)}",
            kind=rng.randint(1, 3), start_time_unix_nano=begin, end_time_unix_nano=end,
        )  # fmt: skip
        for key in ("http.route", "server.address", "thread.name", "code.function", "message.id"):
            span.attributes.add(key=key).value.string_value = f"value {rng.randrange(10_000)}"
        if rng.random() < 0.01:
            span.status.code, span.status.message = 2, "timeout"
        ids.append(span.span_id)
        depths.append(depth)
        times.append((begin, end))
    return builder.request, trace_id.hex()
