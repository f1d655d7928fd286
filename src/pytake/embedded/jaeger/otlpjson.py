"""OTLP's JSON: protobuf's own mapping, but with ids in hexadecimal and enums as numbers."""

import base64
import binascii
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.message import Message

from pytake.embedded.jaeger.proto import ExportTraceServiceRequest

_IDS = {"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"}
MAX_DEPTH = 100


def _convert(node: Any, *, to_wire: bool, depth: int = 0) -> Any:
    """The same JSON with ids as base64 (``to_wire``) or hexadecimal text."""
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(node, list):
        return [_convert(item, to_wire=to_wire, depth=depth + 1) for item in node]
    if not isinstance(node, dict):
        return node
    out = {}
    for key, value in node.items():
        if key in _IDS and isinstance(value, str):
            out[key] = base64.b64encode(bytes.fromhex(value)).decode() if to_wire else base64.b64decode(value).hex()
        else:
            out[key] = _convert(value, to_wire=to_wire, depth=depth + 1)
    return out


def parse(body: bytes) -> ExportTraceServiceRequest:
    """A request from its JSON; unknown fields are ignored, as OTLP demands. Raises ``ValueError``."""
    try:
        tree = _convert(orjson.loads(body), to_wire=True)
        if not isinstance(tree, dict):
            raise ValueError("expected an object")
        return json_format.ParseDict(tree, ExportTraceServiceRequest(), ignore_unknown_fields=True)
    except (json_format.ParseError, orjson.JSONDecodeError, binascii.Error, RecursionError) as error:
        raise ValueError(f"not an OTLP trace request in JSON: {error}") from error


def dump(message: Message) -> Any:
    """A message as JSON values."""
    return _convert(json_format.MessageToDict(message, use_integers_for_enums=True), to_wire=False)
