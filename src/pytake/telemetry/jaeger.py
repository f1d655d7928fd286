"""Exports spans as Jaeger Thrift over HTTP (``POST /api/traces``), as ``JAEGER_ENDPOINT`` asks for.

Written for installations that still have that address; new ones use OTLP. The translation follows OpenTelemetry's
mapping to Jaeger: kind, status and scope become tags, events become logs, links become references.
"""

import logging
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from importlib.resources import as_file, files
from typing import Any

import thriftpy2
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode
from thriftpy2.utils import serialize

log = logging.getLogger(__name__)
with as_file(files("pytake.telemetry").joinpath("jaeger.thrift")) as _path:
    model: Any = thriftpy2.load(str(_path), module_name="pytake_jaeger_thrift")

_KINDS = {kind: kind.name.lower() for kind in SpanKind if kind is not SpanKind.INTERNAL}


class JaegerThriftExporter(SpanExporter):
    """Posts batches to a Jaeger collector."""

    def __init__(self, endpoint: str, *, timeout: float = 10.0) -> None:
        """Send to ``endpoint`` (``http://host:14268/api/traces``); give up on a batch after ``timeout`` seconds."""
        self.endpoint, self._timeout = endpoint, timeout

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; FAILURE when the collector did not take all of them."""
        by_process: dict[Any, list[ReadableSpan]] = {}
        for span in spans:
            by_process.setdefault(span.resource, []).append(span)
        sent = [self._post(encode(batch(resource.attributes, group))) for resource, group in by_process.items()]
        return SpanExportResult.SUCCESS if all(sent) else SpanExportResult.FAILURE

    def _post(self, body: bytes) -> bool:
        request = urllib.request.Request(  # noqa: S310 (http or https: settings allow no other scheme)
            self.endpoint, data=body, headers={"content-type": "application/vnd.apache.thrift.binary"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:  # noqa: S310 (as above)
                return 200 <= int(response.status) < 300
        except urllib.error.HTTPError as fault:
            fault.close()
            log.warning("the Jaeger collector refused spans: HTTP %s", fault.code)
        except OSError as fault:
            log.warning("the Jaeger collector cannot be reached: %s", fault)
        return False

    def shutdown(self) -> None:
        """Nothing is kept open."""


def encode(value: Any) -> bytes:
    """Return a Thrift struct in the binary protocol."""
    encoded: bytes = serialize(value)  # the binary protocol is its default
    return encoded


def batch(resource: Mapping[str, Any], spans: Sequence[ReadableSpan]) -> Any:
    """Return the Thrift batch of one process's spans."""
    tags = [_tag(key, value) for key, value in resource.items() if key != "service.name"]
    process = model.Process(serviceName=str(resource.get("service.name", "unknown")), tags=tags)
    return model.Batch(process=process, spans=[_span(span) for span in spans])


def _span(span: ReadableSpan) -> Any:
    context = span.context
    if context is None:
        raise ValueError("a span without a context cannot be exported")
    high, low = _halves(context.trace_id)
    start, end = span.start_time or 0, span.end_time or span.start_time or 0
    return model.Span(
        traceIdLow=low,
        traceIdHigh=high,
        spanId=_signed(context.span_id),
        parentSpanId=_signed(span.parent.span_id) if span.parent is not None else 0,
        operationName=span.name,
        references=[_reference(link.context) for link in span.links],
        flags=int(context.trace_flags),
        startTime=start // 1000,
        duration=max(0, end - start) // 1000,
        tags=_tags(span),
        logs=[_log(event) for event in span.events],
    )


def _tags(span: ReadableSpan) -> list[Any]:
    tags = [_tag(key, value) for key, value in (span.attributes or {}).items()]
    if span.kind in _KINDS:
        tags.append(_tag("span.kind", _KINDS[span.kind]))
    if span.instrumentation_scope is not None:
        tags.append(_tag("otel.scope.name", span.instrumentation_scope.name))
    if span.status.status_code is not StatusCode.UNSET:
        tags.append(_tag("otel.status_code", span.status.status_code.name))
    if span.status.status_code is StatusCode.ERROR:
        tags.append(_tag("error", True))
        if span.status.description:
            tags.append(_tag("otel.status_description", span.status.description))
    return tags


def _log(event: Any) -> Any:
    fields = [_tag("event", event.name), *(_tag(key, value) for key, value in (event.attributes or {}).items())]
    return model.Log(timestamp=event.timestamp // 1000, fields=fields)


def _reference(context: Any) -> Any:
    high, low = _halves(context.trace_id)
    return model.SpanRef(
        refType=model.SpanRefType.FOLLOWS_FROM, traceIdLow=low, traceIdHigh=high, spanId=_signed(context.span_id)
    )


def _tag(key: str, value: Any) -> Any:
    kinds = model.TagType
    if isinstance(value, bool):
        return model.Tag(key=key, vType=kinds.BOOL, vBool=value)
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return model.Tag(key=key, vType=kinds.LONG, vLong=value)
    if isinstance(value, float):
        return model.Tag(key=key, vType=kinds.DOUBLE, vDouble=value)
    if isinstance(value, bytes):
        return model.Tag(key=key, vType=kinds.BINARY, vBinary=value)
    return model.Tag(key=key, vType=kinds.STRING, vStr=str(list(value) if isinstance(value, tuple) else value))


def _halves(trace_id: int) -> tuple[int, int]:
    return _signed(trace_id >> 64), _signed(trace_id & 0xFFFF_FFFF_FFFF_FFFF)


def _signed(value: int) -> int:
    """Thrift has no unsigned integers: the same 64 bits, read as signed."""
    return value - (1 << 64) if value >= 1 << 63 else value
