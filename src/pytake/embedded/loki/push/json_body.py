"""Push bodies in JSON: ``{"streams": [{"stream": {...}, "values": [["<ns>", "<line>", {metadata}]]}]}``.

Clients from before Loki 1.0 send a stream as ``{"labels": "{a=\\"b\\"}", "entries": [{"ts": "...", "line": "..."}]}``.
"""

import json
from typing import Any

import orjson
import pyarrow as pa

from pytake.embedded.loki.api.params import parse_time
from pytake.embedded.loki.batch import Array, StreamRows
from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.labels import parse_labels


def _load(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        try:  # lone surrogates and bytes that are not UTF-8 become U+FFFD, as in Go
            text = json.loads(body.decode("utf-8", "replace"))
            return orjson.loads(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace"))
        except ValueError:
            raise RequestError(400, f"loghttp.PushRequest: {error}") from error


def metadata_text(pairs: dict[str, Any]) -> str | None:
    """Structured metadata as the store keeps it; raises :class:`RequestError` unless it maps strings to strings."""
    if not pairs:
        return None
    if not all(isinstance(value, str) for value in pairs.values()):
        raise RequestError(400, "loghttp.PushRequest: structured metadata values must be strings")
    return orjson.dumps(pairs, option=orjson.OPT_SORT_KEYS).decode()


def timestamps(values: tuple[Any, ...]) -> Array:
    """Nanoseconds of decimal strings."""
    try:
        return pa.array(values, pa.string()).cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
        raise RequestError(
            400, f"loghttp.PushRequest: values: timestamps must be strings of nanoseconds: {error}"
        ) from error


def _columns(values: list[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...] | None]:
    lengths = set(map(len, values)) if set(map(type, values)) == {list} else {0}
    if lengths == {2}:
        stamps, lines = zip(*values, strict=True)
        return stamps, lines, None
    if not lengths <= {2, 3}:
        raise RequestError(
            400, "loghttp.PushRequest: values: expected [timestamp, line] or [timestamp, line, metadata]"
        )
    stamps, lines, meta = zip(*((v[0], v[1], v[2] if len(v) == 3 else None) for v in values), strict=True)
    return stamps, lines, meta


def _current(stream: dict[str, Any]) -> tuple[Any, Any]:
    """Labels and values of a stream, whichever of the two forms it has."""
    if "labels" not in stream or "stream" in stream:
        return stream.get("stream"), stream.get("values")
    entries = stream.get("entries") or []
    if not isinstance(stream["labels"], str) or not isinstance(entries, list):
        raise RequestError(400, "loghttp.PushRequest: expected labels as text and entries as an array")
    if not all(isinstance(entry, dict) for entry in entries):
        raise RequestError(400, "loghttp.PushRequest: entries: expected objects with ts and line")
    times = (entry.get("ts", entry.get("timestamp")) for entry in entries)
    values = [[str(parse_time(str(at))), entry.get("line")] for at, entry in zip(times, entries, strict=True)]
    return parse_labels(stream["labels"]), values


def _rows(stream: Any) -> StreamRows | None:
    labels, values = _current(stream)
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise RequestError(400, "loghttp.PushRequest: stream: expected an object of strings")
    if not isinstance(values, list):
        raise RequestError(400, "loghttp.PushRequest: values: expected an array")
    if not values:
        return None
    stamps, lines, meta = _columns(values)
    try:
        texts = pa.array(lines, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError):
        raise RequestError(400, "loghttp.PushRequest: values: lines must be strings") from None
    if texts.null_count:
        raise RequestError(400, "loghttp.PushRequest: values: lines must be strings")
    if meta is None:
        return StreamRows(labels, timestamps(stamps), texts)
    if not all(item is None or isinstance(item, dict) for item in meta):
        raise RequestError(400, "loghttp.PushRequest: values: structured metadata must be an object")
    packed = pa.array([metadata_text(item) if item else None for item in meta], pa.string())
    return StreamRows(labels, timestamps(stamps), texts, packed)


def decode(body: bytes) -> list[StreamRows]:
    """Streams of a body; raises :class:`RequestError` 400 where it is not a push request."""
    request = _load(body)
    if not isinstance(request, dict) or not isinstance(request.get("streams"), list):
        raise RequestError(400, "loghttp.PushRequest: expected an object with streams")
    if not all(isinstance(stream, dict) for stream in request["streams"]):
        raise RequestError(400, "loghttp.PushRequest: streams: expected objects")
    return [rows for stream in request["streams"] if (rows := _rows(stream)) is not None]
