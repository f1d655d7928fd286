"""Spans for the trace benchmarks: traces of 20 spans over 8 services; of 8 attributes a span one is unique.

Requests are made once and then varied in place (ids, times, unique values), so that a generator costs little beside the
server and no two spans are alike.
"""

import random
import struct
import time
from dataclasses import dataclass

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SERVICES = ("pytake-api", "pytake-worker", "postgres", "redis", "openai", "graph-api", "billing", "inbox")
OPERATIONS = 12
SPANS_PER_TRACE = 20
SPANS_PER_REQUEST = 500
RESOURCE = {
    "service.version": "1.4.2", "host.name": "node-1", "deployment.environment.name": "production",
    "telemetry.sdk.language": "python",
}  # fmt: skip


@dataclass
class Template:
    """A serialised request and where its varying bytes are."""

    body: np.ndarray
    traces: np.ndarray
    ids: np.ndarray
    times: np.ndarray
    hexes: np.ndarray


def _request(rng: random.Random) -> tuple[ExportTraceServiceRequest, list[bytes]]:
    request, scopes, hexes = ExportTraceServiceRequest(), {}, []
    for service in SERVICES:
        resource = request.resource_spans.add()
        for key, value in (("service.name", service), *RESOURCE.items()):
            resource.resource.attributes.add(key=key).value.string_value = value
        scopes[service] = resource.scope_spans.add()
        scopes[service].scope.name = "pytake"
    for _ in range(SPANS_PER_REQUEST // SPANS_PER_TRACE):
        trace_id, start, ids = rng.randbytes(16), rng.randrange(10**9), []
        conversation = rng.randbytes(12).hex()
        for number in range(SPANS_PER_TRACE):
            service = SERVICES[0] if number == 0 else rng.choice(SERVICES)
            span = scopes[service].spans.add(trace_id=trace_id, span_id=rng.randbytes(8), kind=rng.randint(1, 5))
            span.parent_span_id = rng.choice(ids) if ids else b""
            ids.append(span.span_id)
            span.name = f"{service} operation {rng.randrange(OPERATIONS)}"
            span.start_time_unix_nano = start + number * 100_000 + rng.randrange(100_000)
            span.end_time_unix_nano = span.start_time_unix_nano + int(rng.lognormvariate(17, 1.5))
            failed = rng.random() < 0.02
            message = rng.randbytes(12).hex()
            hexes += [conversation, message]
            texts = {"http.request.method": rng.choice(("GET", "POST")), "http.route": f"/v1/r{rng.randrange(30)}",
                     "server.address": f"10.0.0.{rng.randrange(1, 20)}", "conversation.id": conversation,
                     "message.id": f"wamid.{message}", "network.protocol.version": "1.1"}  # fmt: skip
            for key, value in texts.items():
                span.attributes.add(key=key).value.string_value = value
            span.attributes.add(key="http.response.status_code").value.int_value = 500 if failed else 200
            span.attributes.add(key="thread.id").value.int_value = rng.randrange(1, 64)
            if failed:
                span.status.code, span.status.message = 2, "timeout"
    return request, hexes


def _places(body: bytes, needles: set[bytes]) -> np.ndarray:
    found = []
    for needle in needles:
        at = body.find(needle)
        while at >= 0:
            found.append(range(at, at + len(needle)))
            at = body.find(needle, at + 1)
    return np.array(found)


def _times(spans: list) -> set[bytes]:
    """Start and end times as they are encoded, with their field's tag."""
    starts = {b"\x39" + struct.pack("<Q", span.start_time_unix_nano) for span in spans}
    return starts | {b"\x41" + struct.pack("<Q", span.end_time_unix_nano) for span in spans}


def template(seed: int) -> Template:
    """A request to vary."""
    request, hexes = _request(random.Random(seed))
    body = request.SerializeToString()
    spans = [span for resource in request.resource_spans for span in resource.scope_spans[0].spans]
    return Template(
        np.frombuffer(body, np.uint8),
        _places(body, {b"\x0a\x10" + span.trace_id for span in spans})[:, 2:],
        _places(body, {span.span_id for span in spans}),
        _places(body, _times(spans))[:, 1:],
        _places(body, {text.encode() for text in hexes}),
    )


def vary(template: Template, rng: np.random.Generator, start_ns: int) -> bytes:
    """A new request whose traces begin at about ``start_ns``."""
    body = template.body.copy()
    body[template.traces] ^= rng.integers(1, 256, 16, np.uint8)
    body[template.ids] ^= rng.integers(1, 256, 8, np.uint8)
    times = body[template.times].copy().view("<u8") + np.uint64(start_ns)
    body[template.times] = times.view(np.uint8).reshape(-1, 8)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    shift = rng.integers(0, 16, template.hexes.shape[1])
    value = np.searchsorted(digits, body[template.hexes])
    body[template.hexes] = digits[(value + shift) % 16]
    return body.tobytes()


def requests(count: int, *, seconds: float = 3600.0, end: float | None = None, seed: int = 1) -> list[bytes]:
    """``count`` OTLP requests of 500 spans, spread evenly over the ``seconds`` before ``end`` (default: now)."""
    rng = np.random.default_rng(seed)
    templates = [template(seed * 1000 + number) for number in range(20)]
    first = int(((end or time.time()) - seconds) * 1e9)
    return [
        vary(templates[number % len(templates)], rng, first + int(number * seconds * 1e9 / count))
        for number in range(count)
    ]  # fmt: skip


def trace_ids(body: bytes) -> list[str]:
    """Ids of the traces of a request."""
    request = ExportTraceServiceRequest.FromString(body)
    spans = [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
    return sorted({span.trace_id.hex() for span in spans})


# --- Jaeger Thrift (binary protocol) ---------------------------------------------------------------------------------
def _string(number: int, value: bytes) -> bytes:
    return struct.pack(">bhi", 11, number, len(value)) + value


def _tag(key: str, value: str | int) -> bytes:
    kind = struct.pack(">bhi", 8, 2, 0 if isinstance(value, str) else 3)
    held = _string(3, value.encode()) if isinstance(value, str) else struct.pack(">bhq", 10, 6, value)
    return _string(1, key.encode()) + kind + held + b"\0"


def thrift_requests(count: int, *, end: float | None = None, seed: int = 1) -> list[bytes]:
    """``count`` Jaeger batches of 500 spans, 9 tags a span."""
    rng, now = random.Random(seed), int((end or time.time()) * 1e6)
    process = _string(1, b"pytake-api") + struct.pack(">bhbi", 15, 2, 12, 1) + _tag("host.name", "node-1") + b"\0"
    out = []
    for _ in range(count):
        spans = []
        for number in range(SPANS_PER_REQUEST):
            if number % SPANS_PER_TRACE == 0:
                trace, parent = (rng.getrandbits(63), rng.getrandbits(63)), 0
            own = rng.getrandbits(63)
            values = {
                "http.request.method": rng.choice(("GET", "POST")), "http.route": f"/v1/r{rng.randrange(30)}",
                "server.address": f"10.0.0.{rng.randrange(1, 20)}", "conversation.id": rng.randbytes(12).hex(),
                "message.id": f"wamid.{rng.randbytes(12).hex()}", "network.protocol.version": "1.1",
                "span.kind": "server", "http.response.status_code": 200, "thread.id": rng.randrange(1, 64),
            }  # fmt: skip
            tags = [_tag(key, value) for key, value in values.items()]
            fields = [struct.pack(">bhq", 10, at, value) for at, value in enumerate((*trace, own, parent), 1)]
            fields += [_string(5, f"operation {rng.randrange(OPERATIONS)}".encode()), struct.pack(">bhi", 8, 7, 1)]
            fields += [struct.pack(">bhq", 10, 8, now), struct.pack(">bhq", 10, 9, rng.randrange(100, 300_000))]
            spans.append(b"".join(fields) + struct.pack(">bhbi", 15, 10, 12, len(tags)) + b"".join(tags) + b"\0")
            parent = own
        out.append(
            struct.pack(">bh", 12, 1) + process + struct.pack(">bhbi", 15, 2, 12, len(spans)) + b"".join(spans) + b"\0"
        )
    return out
