"""Attribute values as Jaeger shows them: a type and a value, or one text."""

import base64
from typing import Any

import orjson

from pytake.embedded.jaeger.proto import AnyValue


def plain(value: AnyValue) -> Any:
    """A Python value; bytes become base64 text."""
    kind = value.WhichOneof("value")
    if kind is None:
        return ""
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: plain(item.value) for item in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, kind)


_TYPES = {
    "string_value": "string",
    "int_value": "int64",
    "double_value": "float64",
    "bool_value": "bool",
    "bytes_value": "binary",
}
LARGEST_EXACT = 2**53


def tag(key: str, value: AnyValue) -> dict[str, Any]:
    """A tag in Jaeger's JSON. An integer that JavaScript would round goes as text, lists and maps as JSON text."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return {"key": key, "type": "string", "value": value.string_value}
    if kind in ("array_value", "kvlist_value"):
        return {"key": key, "type": "string", "value": orjson.dumps(plain(value)).decode()}
    shown = plain(value)
    if kind == "int_value" and abs(shown) > LARGEST_EXACT:
        shown = str(shown)
    if kind == "double_value" and shown - shown != 0:
        return {"key": key, "type": "string", "value": tag_text(value)}
    return {"key": key, "type": _TYPES.get(kind or "", "string"), "value": shown}


def tag_text(value: AnyValue) -> str:
    """The text that a search compares with."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    if kind == "double_value":
        number = value.double_value
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    if kind in ("array_value", "kvlist_value"):
        return orjson.dumps(plain(value)).decode()
    return str(plain(value))
