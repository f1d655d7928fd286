"""Zipkin v2 JSON spans to OTLP."""

import ipaddress
from typing import Any

import orjson

from pytake.embedded.jaeger.proto import ExportTraceServiceRequest, Resource, Span, Status
from pytake.embedded.jaeger.uijson import identity

_KINDS = {"SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
_REMOTE = {"serviceName": "peer.service", "ipv4": "net.peer.ip", "ipv6": "net.peer.ip", "port": "net.peer.port"}


class ZipkinError(ValueError):
    """The body is not a list of Zipkin v2 spans."""


def to_otlp(body: bytes) -> bytes:
    """A serialised OTLP request. Raises :class:`ZipkinError` saying what is wrong."""
    try:
        spans = orjson.loads(body)
        if not isinstance(spans, list):
            raise ZipkinError("expected a list of spans")
        request = ExportTraceServiceRequest()
        groups: dict[bytes, Any] = {}
        for entry in spans:
            resource = _resource(entry)
            key = resource.SerializeToString(deterministic=True)
            if key not in groups:
                added = request.resource_spans.add(resource=resource)
                groups[key] = added.scope_spans.add()
            _fill(groups[key].spans.add(), entry)
        return request.SerializeToString()
    except ZipkinError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ZipkinError(f"not Zipkin v2 spans: {error!r}") from error


def _resource(entry: dict[str, Any]) -> Resource:
    local = entry.get("localEndpoint") or {}
    resource = Resource()
    resource.attributes.add(key="service.name").value.string_value = str(local.get("serviceName") or "unknown_service")
    for key, name in (("ipv4", "host.ip"), ("ipv6", "host.ip")):
        if local.get(key):
            resource.attributes.add(key=name).value.string_value = str(ipaddress.ip_address(local[key]))
            break
    return resource


def _fill(span: Span, entry: dict[str, Any]) -> None:
    span.trace_id, span.span_id = identity(entry["traceId"], 16), identity(entry["id"], 8)
    if entry.get("parentId"):
        span.parent_span_id = identity(entry["parentId"], 8)
    span.name = str(entry.get("name") or "")
    span.kind = Span.SpanKind.ValueType(_KINDS.get(entry.get("kind") or "", 0))
    span.start_time_unix_nano = int(entry.get("timestamp") or 0) * 1000
    span.end_time_unix_nano = span.start_time_unix_nano + int(entry.get("duration") or 0) * 1000
    for key, value in (entry.get("tags") or {}).items():
        if key == "error":
            span.status.code = Status.STATUS_CODE_ERROR
            span.status.message = "" if value == "true" else str(value)
        else:
            span.attributes.add(key=key).value.string_value = str(value)
    remote = entry.get("remoteEndpoint") or {}
    for key, name in (
        ("serviceName", "peer.service"),
        ("ipv4", "net.peer.ip"),
        ("ipv6", "net.peer.ip"),
        ("port", "net.peer.port"),
    ):
        if remote.get(key):
            span.attributes.add(key=name).value.string_value = str(remote[key])
    for annotation in entry.get("annotations") or []:
        span.events.add(time_unix_nano=int(annotation["timestamp"]) * 1000, name=str(annotation["value"]))
