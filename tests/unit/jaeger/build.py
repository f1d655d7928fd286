"""Short ways to make spans."""

import random
from typing import Any

from pytake.embedded.jaeger.generation import OverloadedError
from pytake.embedded.jaeger.proto import ExportTraceServiceRequest
from pytake.embedded.jaeger.store import Store

NOW_US = 1_790_000_000_000_000
_random = random.Random(7)


def ident(number: int, width: int = 16) -> bytes:
    """A readable id."""
    return number.to_bytes(width, "big")


def put(target: Any, key: str, value: object) -> None:
    """Add an attribute of the value's type."""
    held = target.add(key=key).value
    if isinstance(value, bool):
        held.bool_value = value
    elif isinstance(value, int):
        held.int_value = value
    elif isinstance(value, float):
        held.double_value = value
    elif isinstance(value, bytes):
        held.bytes_value = value
    elif isinstance(value, list):
        for item in value:
            held.array_value.values.add().string_value = item
    else:
        held.string_value = str(value)


def span(
    trace: int, number: int, *, service: str = "api", name: str = "GET /", parent: int = 0, at_ms: float = 0.0,
    ms: float = 10.0, kind: int = 2, error: bool = False, host: str = "", scope: str = "", **attributes: object,
) -> dict[str, Any]:  # fmt: skip
    """A span's description; ``at_ms`` is after ``NOW_US``."""
    return locals()


def request(*spans: dict[str, Any]) -> ExportTraceServiceRequest:
    """An OTLP request; a resource for each service and host."""
    out = ExportTraceServiceRequest()
    groups: dict[tuple[str, str, str], Any] = {}
    for item in spans:
        key = (item["service"], item["host"], item["scope"])
        if key not in groups:
            resource = out.resource_spans.add()
            put(resource.resource.attributes, "service.name", item["service"])
            if item["host"]:
                put(resource.resource.attributes, "host.name", item["host"])
            groups[key] = resource.scope_spans.add()
            groups[key].scope.name = item["scope"]
        made = groups[key].spans.add(trace_id=ident(item["trace"]), span_id=ident(item["number"], 8), name=item["name"])
        if item["parent"]:
            made.parent_span_id = ident(item["parent"], 8)
        made.kind = item["kind"]
        made.start_time_unix_nano = int((NOW_US + item["at_ms"] * 1000) * 1000)
        made.end_time_unix_nano = made.start_time_unix_nano + int(item["ms"] * 1e6)
        if item["error"]:
            made.status.code, made.status.message = 2, "it failed"
        for name, value in item["attributes"].items():
            put(made.attributes, name.replace("__", "."), value)
    return out


def body(*spans: dict[str, Any]) -> bytes:
    """A serialised request."""
    return request(*spans).SerializeToString()


def push(store: Store, *spans: dict[str, Any]) -> None:
    """Store spans, and come back when the store asks for it."""
    while True:
        try:
            store.append(body(*spans), len(spans))
        except OverloadedError:
            store.settle(30)
        else:
            return


def random_trace(trace: int, size: int = 20, at_ms: float = 0.0) -> list[dict[str, Any]]:
    """A trace over several services; every span has a unique ``message.id`` and a common ``http.route``."""
    return [
        span(
            trace, trace * 1000 + number, service=_random.choice(("api", "worker", "postgres")),
            name=f"operation {_random.randrange(5)}",
            parent=trace * 1000 + _random.randrange(1, number) if number > 1 else 0,
            at_ms=at_ms + number * 0.1, ms=_random.uniform(0.1, 50), error=_random.random() < 0.05,
            message__id=f"wamid.{trace}.{number}", http__route=f"/v1/{_random.randrange(4)}", attempt=number % 3,
        )
        for number in range(1, size + 1)
    ]  # fmt: skip
