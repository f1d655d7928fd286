"""Spans of now, with random ids."""

import secrets
import time
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def request(
    service: str, *spans: dict[str, Any], trace_id: bytes | None = None
) -> tuple[str, ExportTraceServiceRequest]:
    """``(trace id, request)`` of one trace; a span gives name, ms, kind, error, parent (a number), tags, host."""
    trace_id = trace_id or secrets.token_bytes(16)
    out, ids, now = ExportTraceServiceRequest(), [secrets.token_bytes(8) for _ in spans], time.time_ns() - 10**9
    for number, item in enumerate(spans):
        resource = out.resource_spans.add()
        resource.resource.attributes.add(key="service.name").value.string_value = item.get("service", service)
        resource.resource.attributes.add(key="host.name").value.string_value = item.get("host", "node-1")
        scope = resource.scope_spans.add()
        scope.scope.name = "conformance"
        span = scope.spans.add(
            trace_id=trace_id, span_id=ids[number], name=item.get("name", "GET /"), kind=item.get("kind", 2)
        )
        if "parent" in item:
            span.parent_span_id = ids[item["parent"]]
        span.start_time_unix_nano = now + int(item.get("at_ms", number) * 1e6)
        span.end_time_unix_nano = span.start_time_unix_nano + int(item.get("ms", 10) * 1e6)
        if item.get("error"):
            span.status.code = 2
        for key, value in item.get("tags", {}).items():
            held = span.attributes.add(key=key).value
            if isinstance(value, bool):
                held.bool_value = value
            elif isinstance(value, int):
                held.int_value = value
            else:
                held.string_value = value
    return trace_id.hex(), out
