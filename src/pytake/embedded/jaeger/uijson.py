"""Traces in the JSON of Jaeger's query API, and back to OTLP."""

import binascii
from typing import Any

from pytake.embedded.jaeger import values
from pytake.embedded.jaeger.adjust import Node, host_of, tree
from pytake.embedded.jaeger.columns import ERROR, UNKNOWN_SERVICE
from pytake.embedded.jaeger.proto import (
    ExportTraceServiceRequest,
    InstrumentationScope,
    KeyValue,
    Resource,
    Span,
    Status,
)
from pytake.embedded.jaeger.search import KINDS, StoredSpan

_PARENT_LINK = "child_of"
_REFERENCE_KEY = "opentracing.ref_type"


def trace_json(items: list[StoredSpan], *, raw: bool = False, max_skew_ns: int | None = None) -> dict[str, Any]:
    """A trace as ``/api/traces`` shows it; ``raw`` leaves clocks alone."""
    resources = {key: Resource.FromString(key) for key in {item.resource for item in items}}
    nodes = tree(items, {key: host_of(value.attributes) for key, value in resources.items()}, adjust=not raw,
                 max_skew_ns=max_skew_ns)  # fmt: skip
    names: dict[bytes, str] = {}
    processes: dict[str, Any] = {}
    for node in nodes:
        if node.item.resource not in names:
            names[node.item.resource] = name = f"p{len(names) + 1}"
            processes[name] = _process(resources[node.item.resource])
    scopes = {key: _scope_tags(key) for key in {item.scope for item in items}}
    trace_id = items[0].span.trace_id.hex()
    return {
        "traceID": trace_id,
        "spans": [_span(node, trace_id, names[node.item.resource], scopes[node.item.scope]) for node in nodes],
        "processes": processes,
        "warnings": None,
    }


def _process(resource: Resource) -> dict[str, Any]:
    tags, service = [], UNKNOWN_SERVICE
    for item in resource.attributes:
        if item.key == "service.name":
            service = item.value.string_value or UNKNOWN_SERVICE
        else:
            tags.append(values.tag(item.key, item.value))
    return {"serviceName": service, "tags": tags}


def _scope_tags(encoded: bytes) -> list[dict[str, Any]]:
    scope = InstrumentationScope.FromString(encoded)
    named = (("otel.scope.name", scope.name), ("otel.scope.version", scope.version))
    tags = [{"key": key, "type": "string", "value": value} for key, value in named if value]
    return tags + [values.tag(item.key, item.value) for item in scope.attributes]


def _text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "type": "string", "value": value}


def _span(node: Node, trace_id: str, process: str, scope: list[dict[str, Any]]) -> dict[str, Any]:
    span = node.item.span
    tags = scope + [values.tag(item.key, item.value) for item in span.attributes]
    keys = {tag["key"] for tag in tags}
    if 0 < span.kind < len(KINDS) and "span.kind" not in keys:
        tags.append(_text("span.kind", KINDS[span.kind]))
    if span.status.code:
        tags.append(_text("otel.status_code", "ERROR" if span.status.code == ERROR else "OK"))
        if span.status.code == ERROR and "error" not in keys:
            tags.append({"key": "error", "type": "bool", "value": True})
        if span.status.message:
            tags.append(_text("otel.status_description", span.status.message))
    if span.trace_state:
        tags.append(_text("w3c.tracestate", span.trace_state))
    start = node.start // 1000
    return {
        "traceID": trace_id,
        "spanID": node.span_id.hex(),
        "flags": span.flags & 0xFF,
        "operationName": span.name,
        "references": _references(node, trace_id),
        "startTime": start,
        "duration": node.duration // 1000,
        "tags": tags,
        "logs": [_log(event, node.moved) for event in span.events],
        "processID": process,
        "warnings": node.warnings or None,
    }


def _references(node: Node, trace_id: str) -> list[dict[str, str]]:
    references = []
    if node.parent:
        references.append({"refType": "CHILD_OF", "traceID": trace_id, "spanID": node.parent.hex()})
    for link in node.item.span.links:
        kind = "FOLLOWS_FROM"
        if any(item.key == _REFERENCE_KEY and item.value.string_value == _PARENT_LINK for item in link.attributes):
            kind = "CHILD_OF"
        reference = {"refType": kind, "traceID": link.trace_id.hex(), "spanID": link.span_id.hex()}
        if reference not in references:
            references.append(reference)
    return references


def _log(event: Any, moved: int) -> dict[str, Any]:
    fields = [_text("event", event.name)] if event.name else []
    fields += [values.tag(item.key, item.value) for item in event.attributes]
    return {"timestamp": (event.time_unix_nano + moved) // 1000, "fields": fields}


def otlp(traces: list[list[StoredSpan]], *, adjust: bool = False) -> ExportTraceServiceRequest:
    """The spans as an OTLP request, grouped by resource and scope; ``adjust`` corrects clocks as the JSON does."""
    request = ExportTraceServiceRequest()
    for items in traces:
        groups: dict[tuple[bytes, bytes], Any] = {}
        by_resource: dict[bytes, Any] = {}
        moved = _moved(items) if adjust else {}
        for item in items:
            if item.resource not in by_resource:
                by_resource[item.resource] = added = request.resource_spans.add()
                added.resource.ParseFromString(item.resource)
            key = (item.resource, item.scope)
            if key not in groups:
                groups[key] = scope = by_resource[item.resource].scope_spans.add()
                scope.scope.ParseFromString(item.scope)
            span = groups[key].spans.add()
            span.CopyFrom(item.span)
            if shift := moved.get(id(item), 0):
                span.start_time_unix_nano += shift
                span.end_time_unix_nano += shift
    return request


def _moved(items: list[StoredSpan]) -> dict[int, int]:
    hosts = {key: host_of(Resource.FromString(key).attributes) for key in {item.resource for item in items}}
    return {id(node.item): node.moved for node in tree(items, hosts, adjust=True)}


# --- import ----------------------------------------------------------------------------------------------------------
def identity(text: object, width: int) -> bytes:
    """An id of ``width`` bytes from hexadecimal text; missing leading zeros are added. Raises ``ValueError``."""
    if not isinstance(text, str) or not 0 < len(text) <= 2 * width:
        raise ValueError(f"not an id of at most {2 * width} hexadecimal digits: {text!r}")
    try:
        return bytes.fromhex(text.rjust(2 * width, "0"))
    except ValueError:
        raise ValueError(f"not a hexadecimal id: {text!r}") from None


def set_tag(target: KeyValue, tag: dict[str, Any]) -> None:
    """Fill an OTLP attribute from a tag of Jaeger's JSON. Raises ``ValueError`` on a value not of its type."""
    target.key, value, kind = str(tag["key"]), tag.get("value"), tag.get("type", "string")
    if kind == "bool":
        target.value.bool_value = value in (True, "true")
    elif kind == "int64":
        target.value.int_value = int(value or 0)
    elif kind == "float64":
        target.value.double_value = float(value or 0)
    elif kind == "binary":
        target.value.bytes_value = binascii.a2b_base64(str(value or ""))
    else:
        target.value.string_value = str(value if value is not None else "")


_STATUS_KEYS = (
    "span.kind",
    "otel.status_code",
    "otel.status_description",
    "w3c.tracestate",
    "otel.scope.name",
    "otel.scope.version",
)


def from_json(document: Any) -> ExportTraceServiceRequest:
    """OTLP of what the query API or the page exports: ``{"data": [trace, ...]}``, a list of traces or one trace.

    Raises ``ValueError`` saying what is wrong.
    """
    traces = document.get("data", [document]) if isinstance(document, dict) else document
    if not isinstance(traces, list) or not all(isinstance(trace, dict) and "spans" in trace for trace in traces):
        raise ValueError('expected {"data": [{"spans": [...], "processes": {...}}]} as Jaeger exports it')
    request = ExportTraceServiceRequest()
    try:
        for trace in traces:
            _import_trace(request, trace)
    except (KeyError, TypeError, AttributeError, OverflowError, binascii.Error) as error:
        raise ValueError(f"a span or process is not in Jaeger's form: {error!r}") from error
    return request


def _import_trace(request: ExportTraceServiceRequest, trace: dict[str, Any]) -> None:
    groups: dict[tuple[str, str, str], Any] = {}
    for entry in trace["spans"]:
        tags = {tag["key"]: tag for tag in entry.get("tags") or []}
        name, version = (str(tags.get(key, {}).get("value", "")) for key in ("otel.scope.name", "otel.scope.version"))
        key = (str(entry.get("processID", "")), name, version)
        if key not in groups:
            process = entry.get("process") or trace.get("processes", {})[key[0]]
            added = request.resource_spans.add()
            added.resource.attributes.add(key="service.name").value.string_value = process["serviceName"]
            for tag in process.get("tags") or []:
                set_tag(added.resource.attributes.add(), tag)
            groups[key] = added.scope_spans.add()
            groups[key].scope.name, groups[key].scope.version = name, version
        _import_span(groups[key].spans.add(), entry, tags)


def _import_span(span: Span, entry: dict[str, Any], tags: dict[str, Any]) -> None:
    span.trace_id, span.span_id = identity(entry["traceID"], 16), identity(entry["spanID"], 8)
    span.name, span.flags = str(entry.get("operationName", "")), int(entry.get("flags") or 0)
    span.start_time_unix_nano = int(entry["startTime"]) * 1000
    span.end_time_unix_nano = span.start_time_unix_nano + int(entry["duration"]) * 1000
    for reference in entry.get("references") or []:
        trace_id, span_id = identity(reference["traceID"], 16), identity(reference["spanID"], 8)
        if reference["refType"] == "CHILD_OF" and trace_id == span.trace_id and not span.parent_span_id:
            span.parent_span_id = span_id
        else:
            span.links.add(trace_id=trace_id, span_id=span_id)
    for key, tag in tags.items():
        if key not in _STATUS_KEYS and not (key == "error" and "otel.status_code" in tags):
            set_tag(span.attributes.add(), tag)
    kind = tags.get("span.kind", {}).get("value", "")
    span.kind = Span.SpanKind.ValueType(KINDS.index(kind) if kind in KINDS else 0)
    status = tags.get("otel.status_code", {}).get("value")
    failed = status == "ERROR" or tags.get("error", {}).get("value") in (True, "true")
    span.status.code = Status.StatusCode.ValueType(ERROR if failed else 1 if status == "OK" else 0)
    span.status.message = str(tags.get("otel.status_description", {}).get("value", ""))
    span.trace_state = str(tags.get("w3c.tracestate", {}).get("value", ""))
    for log in entry.get("logs") or []:
        event = span.events.add(time_unix_nano=int(log["timestamp"]) * 1000)
        for field in log.get("fields") or []:
            if field["key"] == "event" and not event.name:
                event.name = str(field["value"])
            else:
                set_tag(event.attributes.add(), field)
