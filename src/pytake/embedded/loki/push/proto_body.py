"""Push bodies in protobuf (snappy-compressed): through ``ptars`` into Arrow, with upb where ptars refuses."""

from itertools import pairwise
from typing import Any

import numpy as np
import ptars
import pyarrow as pa
from google.protobuf.message import DecodeError

from pytake.embedded.common.loki_push_pb import LossyPushRequest, PushRequest
from pytake.embedded.loki.batch import Array, StreamRows
from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.labels import parse_labels
from pytake.embedded.loki.push.json_body import metadata_text

_handler = ptars.HandlerPool([PushRequest.DESCRIPTOR.file]).get_for_message(PushRequest.DESCRIPTOR)


def _metadata(entries: Array) -> Array | None:
    lists = entries.field("structured_metadata")
    pairs = lists.flatten()
    if not len(pairs):
        return None
    names, values = pairs.field("name").to_pylist(), pairs.field("value").to_pylist()
    offsets = lists.offsets.to_numpy()
    offsets = offsets - offsets[0]
    texts = [
        metadata_text(dict(zip(names[a:b], values[a:b], strict=True))) if b > a else None for a, b in pairwise(offsets)
    ]
    return pa.array(texts, pa.string())


def _arrow(body: bytes) -> list[StreamRows]:
    streams: Array = _handler.list_to_record_batch([body]).column("streams")
    streams = streams.flatten()
    result: list[StreamRows] = []
    for index, text in enumerate(streams.field("labels").to_pylist()):
        entries = streams.field("entries")[index].values
        if entries is None or not len(entries):
            continue
        stamps = entries.field("timestamp").cast(pa.int64())
        if stamps.null_count:
            stamps = stamps.fill_null(0)
        result.append(StreamRows(parse_labels(text), stamps, entries.field("line"), _metadata(entries)))
    return result


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _slow(body: bytes) -> list[StreamRows]:
    request: Any = LossyPushRequest.FromString(body)
    result = []
    for stream in request.streams:
        if not stream.entries:
            continue
        stamps = [entry.timestamp.seconds * 1_000_000_000 + entry.timestamp.nanos for entry in stream.entries]
        lines = [_text(entry.line) for entry in stream.entries]
        meta = [
            metadata_text({_text(pair.name): _text(pair.value) for pair in entry.structured_metadata})
            for entry in stream.entries
        ]
        packed = pa.array(meta, pa.string()) if any(meta) else None
        result.append(
            StreamRows(
                parse_labels(_text(stream.labels)),
                pa.array(np.array(stamps, np.int64)),
                pa.array(lines, pa.string()),
                packed,
            )
        )
    return result


def decode(body: bytes) -> list[StreamRows]:
    """Streams of a ``PushRequest``; text that is not UTF-8 gets U+FFFD. Raises :class:`RequestError` 400."""
    try:
        return _arrow(body)
    except RequestError:
        raise
    except Exception:  # (ptars raises bare exceptions: bad UTF-8, bad wire data)
        try:
            return _slow(body)
        except DecodeError as error:
            raise RequestError(400, f"unable to decode protobuf: {error}") from error
