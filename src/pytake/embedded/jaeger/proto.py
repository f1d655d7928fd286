"""OTLP messages, whole and trimmed.

The trimmed ones are wire-compatible with OTLP and name only what the store looks at, so that decoding costs little:
``Columns`` decodes what becomes columns, with every attribute value left as the bytes of its ``AnyValue``; ``Raw``
decodes the same request with each span left as its own bytes. Rust (ptars) decodes straight to Arrow; when it refuses
what protobuf's own parser takes, the slower parser below gives the same columns.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from ptars import HandlerPool

from pytake.embedded.jaeger.arrow import pa

__all__ = [
    "AnyValue", "ExportTraceServiceRequest", "InstrumentationScope", "KeyValue", "Resource", "Span", "Status",
    "decode_columns",
    "decode_raw",
]  # fmt: skip

_F = descriptor_pb2.FieldDescriptorProto
_BYTES, _STRING, _MESSAGE, _TIME, _ENUM = (
    _F.TYPE_BYTES, _F.TYPE_STRING, _F.TYPE_MESSAGE, _F.TYPE_FIXED64, _F.TYPE_INT32,
)  # fmt: skip
_TRIMMED: dict[str, list[tuple[str, int, Any, bool]]] = {
    "Pair": [("key", 1, _STRING, False), ("value", 2, _BYTES, False)],
    "Status": [("code", 3, _ENUM, False)],
    "Event": [("name", 2, _STRING, False), ("attributes", 3, "Pair", True)],
    "ColumnSpan": [
        ("trace_id", 1, _BYTES, False), ("span_id", 2, _BYTES, False), ("parent_span_id", 4, _BYTES, False),
        ("name", 5, _STRING, False), ("kind", 6, _ENUM, False), ("start", 7, _TIME, False), ("end", 8, _TIME, False),
        ("attributes", 9, "Pair", True), ("events", 11, "Event", True), ("status", 15, "Status", False),
    ],
    "ColumnScope": [("scope", 1, _BYTES, False), ("spans", 2, "ColumnSpan", True)],
    "ColumnResource": [("resource", 1, _BYTES, False), ("scope_spans", 2, "ColumnScope", True)],
    "Columns": [("resource_spans", 1, "ColumnResource", True)],
    "RawScope": [("spans", 2, _BYTES, True)],
    "RawResource": [("scope_spans", 2, "RawScope", True)],
    "Raw": [("resource_spans", 1, "RawResource", True)],
}  # fmt: skip


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="pytake_trimmed_otlp.proto", package="pytake.otlp", syntax="proto3")
    for name, fields in _TRIMMED.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            label = _F.LABEL_REPEATED if repeated else _F.LABEL_OPTIONAL
            if isinstance(kind, str):
                message.field.add(
                    name=field, number=number, type=_MESSAGE, type_name=f".pytake.otlp.{kind}", label=label
                )
            else:
                message.field.add(name=field, number=number, type=kind, label=label)
    return file


_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(_file())
_HANDLERS = HandlerPool([_POOL.FindFileByName("pytake_trimmed_otlp.proto")])
_DESCRIPTORS = {name: _POOL.FindMessageTypeByName(f"pytake.otlp.{name}") for name in ("Columns", "Raw")}
_FAST = {name: _HANDLERS.get_for_message(descriptor) for name, descriptor in _DESCRIPTORS.items()}


def _plain(message: Any) -> dict[str, Any]:
    """A message as dictionaries and lists, every field present: what Arrow builds arrays from."""
    out: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            out[field.name] = list(value) if field.is_repeated else value
        elif field.is_repeated:
            out[field.name] = [_plain(item) for item in value]
        else:
            out[field.name] = _plain(value)
    return out


def _decode_slowly(name: str, bodies: list[bytes]) -> Any:
    """The same record batch from protobuf's own parser."""
    parse = message_factory.GetMessageClass(_DESCRIPTORS[name]).FromString
    field = _FAST[name].schema().field(0)
    column = [_plain(parse(body))["resource_spans"] for body in bodies]
    return pa.RecordBatch.from_arrays([pa.array(column, type=field.type)], names=[field.name])


def _decode(name: str, bodies: list[bytes]) -> Any:
    try:
        return _FAST[name].list_to_record_batch(bodies)
    except ValueError:
        return _decode_slowly(name, bodies)


def decode_columns(bodies: list[bytes]) -> Any:
    """Arrow record batch of ``Columns``, one row a request. The bodies have been parsed by protobuf before."""
    return _decode("Columns", bodies)


def decode_raw(bodies: list[bytes]) -> Any:
    """Arrow record batch of ``Raw``, one row a request."""
    return _decode("Raw", bodies)
