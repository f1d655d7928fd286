"""Jaeger's Thrift batches (binary protocol) to OTLP requests.

Spans are encoded by hand, and the encoding of tags with few values is remembered: building message objects span by span
would cost three times as much.
"""

import gc
import io
import resource
import struct
import sys
from importlib.resources import as_file, files
from typing import Any

import thriftpy2
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from thriftpy2.protocol.cybin import TCyBinaryProtocol  # type: ignore[attr-defined]  # compiled, no stub
from thriftpy2.transport.buffered import TCyBufferedTransport  # type: ignore[attr-defined]  # compiled, no stub

with as_file(files("pytake.telemetry").joinpath("jaeger.thrift")) as _path:
    # A name of its own: modules are shared by name, and these records have no constructors, which telemetry's need.
    _IDL = thriftpy2.load(str(_path), module_name="pytake_embedded_jaeger_thrift")
_STRING, _DOUBLE, _BOOL, _LONG, _BINARY = range(5)
_KINDS = {b"internal": 1, b"server": 2, b"client": 3, b"producer": 4, b"consumer": 5}
_KIND_FIELDS = {name: bytes((0x30, number)) for name, number in _KINDS.items()}
_IDS, _PARENT = struct.Struct(">2sqq2sq"), struct.Struct(">2sq")
_TIMES, _TIME, _FLAGS = struct.Struct("<cQcQ"), struct.Struct("<cQ"), struct.Struct("<2sI")
_CHILD_OF = KeyValue(key="opentracing.ref_type", value=AnyValue(string_value="child_of")).SerializeToString()
_CACHE_LIMIT, _CACHED_BYTES = 20_000, 256
_encoded: dict[Any, bytes] = {}
_heads: dict[Any, bytes] = {}
_STATUS = (b"otel.status_code", b"otel.status_description", b"w3c.tracestate")
_SPECIAL = frozenset((b"span.kind", b"error", *_STATUS))


def _lighten(*structs: Any) -> None:
    """Absent fields are the class's: the generated constructors, which set each to ``None``, cost half of a decode."""
    for struct_class in structs:
        for _, name, *_ in struct_class.thrift_spec.values():
            setattr(struct_class, name, None)
        del struct_class.__init__


_lighten(_IDL.Tag, _IDL.Log, _IDL.SpanRef, _IDL.Span, _IDL.Process, _IDL.Batch)


class ThriftError(ValueError):
    """The body is not a Jaeger batch."""


class _Source:
    """The body as a transport that says when it ends (the library's own memory buffer reads on into nothing)."""

    __slots__ = ("_read",)

    def __init__(self, body: bytes) -> None:
        self._read = io.BytesIO(body).read

    def read(self, size: int) -> bytes:
        data = self._read(size)
        if not data:
            raise EOFError("it ends too early")
        return data


def convert(body: bytes) -> bytes:
    """A batch as a serialised OTLP request. Raises :class:`ThriftError`."""
    return to_otlp(decode(body))


def decode(body: bytes) -> Any:
    """The batch (strings as bytes). Raises :class:`ThriftError`."""
    batch = _IDL.Batch()
    try:
        batch.read(TCyBinaryProtocol(TCyBufferedTransport(_Source(body), 65536), decode_response=False))
    except Exception as error:
        raise ThriftError(f"not a Thrift batch in the binary protocol: {error!r}") from error
    if batch.process is None or batch.spans is None or batch.process.serviceName is None:
        raise ThriftError("not a Thrift batch: process or spans are missing")
    return batch


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(tag: bytes, data: bytes) -> bytes:
    size = len(data)
    return tag + (bytes((size,)) if size < 0x80 else _varint(size)) + data


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _value(tag: Any) -> AnyValue:
    kind = tag.vType
    if kind == _DOUBLE:
        return AnyValue(double_value=tag.vDouble or 0.0)
    if kind == _BOOL:
        return AnyValue(bool_value=bool(tag.vBool))
    if kind == _LONG:
        return AnyValue(int_value=tag.vLong or 0)
    if kind == _BINARY:
        return AnyValue(bytes_value=tag.vBinary or b"")
    return AnyValue(string_value=_text(tag.vStr or b""))


def _pair(tag: Any) -> bytes:
    """An OTLP ``KeyValue`` of a tag."""
    key, value = tag.key, tag.vStr
    if tag.vType == _STRING and value is not None and key.isascii() and value.isascii():
        return _field(b"\x0a", key) + _field(b"\x12", _field(b"\x0a", value))
    return KeyValue(key=_text(key), value=_value(tag)).SerializeToString()


def _attribute(tag: Any) -> bytes:
    """A span's attribute field of a tag that is not a plain text; those that come again are remembered."""
    memo = (tag.key, tag.vType, tag.vLong, tag.vBool, tag.vDouble, tag.vBinary, tag.vStr)
    known = _encoded.get(memo)
    if known is None:
        known = _field(b"\x4a", _pair(tag))
        _remember(_encoded, memo, known)
    return known


def _head(key: bytes, size: int) -> bytes:
    """What comes before the value of a span's text attribute of ``size`` bytes: it depends on nothing else."""
    rest = _field(b"\x0a", _text(key).encode())
    text = b"\x0a" + _varint(size)
    value = b"\x12" + _varint(len(text) + size) + text
    head = b"\x4a" + _varint(len(rest) + len(value) + size) + rest + value
    _remember(_heads, (key, size), head)
    return head


def _remember(memory: dict[Any, bytes], key: Any, value: bytes) -> None:
    if len(memory) >= _CACHE_LIMIT:
        memory.clear()
    if len(value) <= _CACHED_BYTES:
        memory[key] = value


def to_otlp(batch: Any) -> bytes:
    """A serialised OTLP request. Raises :class:`ThriftError` on values that a span cannot have."""
    try:
        process = batch.process
        service = KeyValue(key="service.name", value=AnyValue(string_value=_text(process.serviceName)))
        process_bytes = b"".join(
            _field(b"\x0a", pair) for pair in (service.SerializeToString(), *map(_pair, process.tags or ()))
        )
        spans = b"".join([_field(b"\x12", _span(span)) for span in batch.spans])
    except (TypeError, AttributeError, struct.error, ValueError, OverflowError) as error:
        raise ThriftError(f"a span or process lacks a required field or has a wrong value: {error!r}") from error
    return _field(b"\x0a", _field(b"\x0a", process_bytes) + _field(b"\x12", spans))


def _span(span: Any) -> bytes:
    start = span.startTime * 1000
    parent, links = span.parentSpanId, b""
    if span.references:
        parent, links = _references(span)
    parts = [
        _IDS.pack(b"\x0a\x10", span.traceIdHigh, span.traceIdLow, b"\x12\x08", span.spanId),
        _TIMES.pack(b"\x39", start, b"\x41", start + span.duration * 1000),
        _field(b"\x2a", span.operationName),
    ]
    if parent:
        parts.append(_PARENT.pack(b"\x22\x08", parent))
    special: dict[bytes, Any] = {}
    for tag in span.tags or ():
        key, value = tag.key, tag.vStr
        if key in _SPECIAL:
            special[key] = tag
        elif value is not None and tag.vType == _STRING and value.isascii():
            size = len(value)
            parts += (_heads.get((key, size)) or _head(key, size), value)
        else:
            parts.append(_attribute(tag))
    if special:
        parts.append(_specials(special))
    if links:
        parts.append(links)
    if span.logs:
        parts += [_field(b"\x5a", _event(log)) for log in span.logs]
    if span.flags:
        parts.append(_FLAGS.pack(b"\x85\x01", span.flags & 0xFF))
    return b"".join(parts)


def _specials(tags: dict[bytes, Any]) -> bytes:
    """Kind, status and trace state: tags in Jaeger, fields in OTLP."""
    out = b""
    kind = tags.get(b"span.kind")
    if kind is not None:
        if len(tags) == 1 and kind.vStr in _KIND_FIELDS:
            return _KIND_FIELDS[kind.vStr]
        number = _KINDS.get(kind.vStr)
        out += bytes((0x30, number)) if number else _attribute(kind)
    code, error = tags.get(b"otel.status_code"), tags.get(b"error")
    failed = error is not None and (error.vBool is True or error.vStr == b"true")
    if code is not None:
        failed = failed or code.vStr == b"ERROR"
    elif error is not None and not failed:
        out += _attribute(error)
    message = tags.get(b"otel.status_description")
    number = 2 if failed else 1 if code is not None and code.vStr == b"OK" else 0
    status = (_field(b"\x12", message.vStr or b"") if message is not None else b"") + (
        bytes((0x18, number)) if number else b""
    )
    state = tags.get(b"w3c.tracestate")
    if state is not None:
        out += _field(b"\x1a", state.vStr or b"")
    return out + (_field(b"\x7a", status) if status else b"")


def _references(span: Any) -> tuple[int, bytes]:
    parent, links = span.parentSpanId, b""
    for reference in span.references:
        same = (reference.traceIdLow, reference.traceIdHigh) == (span.traceIdLow, span.traceIdHigh)
        if reference.refType == 0 and same and parent in (0, reference.spanId):
            parent = reference.spanId
            continue
        body = _IDS.pack(b"\x0a\x10", reference.traceIdHigh, reference.traceIdLow, b"\x12\x08", reference.spanId)
        if reference.refType == 0:
            body += _field(
                b"\x22",
                KeyValue(key="opentracing.ref_type", value=AnyValue(string_value="child_of")).SerializeToString(),
            )
        links += _field(b"\x6a", body)
    return parent, links


def _event(log: Any) -> bytes:
    out, named = _TIME.pack(b"\x09", log.timestamp * 1000), False
    for field in log.fields:
        if not named and field.key in (b"event", b"message") and field.vType == _STRING:
            out += _field(b"\x12", (field.vStr or b""))
            named = True
        else:
            out += _field(b"\x1a", _pair(field))
    return out


FRAME = struct.Struct("<BI")
MAX_MEMORY = 2 * 2**30
"""Address space of a converting process: what a hostile batch claims must not take the machine's memory."""


def _serve() -> None:
    """Convert batches from standard input to standard output until it ends; frames of status, length, bytes."""
    gc.disable()  # a batch is a tree: counting references frees it, and looking for cycles in it costs half of the time
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    source, target = sys.stdin.buffer, sys.stdout.buffer
    target.write(b"!")
    target.flush()
    while header := source.read(FRAME.size):
        _, length = FRAME.unpack(header)
        try:
            status, answer = 0, convert(source.read(length))
        except ThriftError as error:
            status, answer = 1, str(error).encode()
        target.write(FRAME.pack(status, len(answer)) + answer)
        target.flush()


if __name__ == "__main__":
    _serve()
