"""Push bodies of OTLP logs (protobuf or JSON), mapped to streams as Loki documents it.

Chosen resource attributes become stream labels, the other resource and scope attributes and everything of the record
but its body become structured metadata; dots and other characters in names become ``_``.
"""

import base64
import re
from typing import Any

import orjson
import pyarrow as pa
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from pytake.embedded.loki.batch import StreamRows
from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.push.json_body import metadata_text

INDEX_ATTRIBUTES = frozenset(
    {
        "cloud.availability_zone", "cloud.region", "container.name", "deployment.environment",
        "deployment.environment.name", "k8s.cluster.name", "k8s.container.name", "k8s.cronjob.name",
        "k8s.daemonset.name", "k8s.deployment.name", "k8s.job.name", "k8s.namespace.name", "k8s.pod.name",
        "k8s.replicaset.name", "k8s.statefulset.name", "service.instance.id", "service.name", "service.namespace",
    }
)  # fmt: skip
_UNSAFE = re.compile(r"[^A-Za-z0-9_]")


def label_name(name: str) -> str:
    """An attribute's name as a label: ``service.name`` is ``service_name``."""
    safe = _UNSAFE.sub("_", name)
    return f"key_{safe}" if safe[:1].isdigit() else safe


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    match kind:
        case None:
            return ""
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "array_value":
            return [_plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: _plain(pair.value) for pair in value.kvlist_value.values}
        case _:
            return getattr(value, kind)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _flatten(prefix: str, value: Any, into: dict[str, str]) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _flatten(f"{prefix}_{key}", item, into)
    else:
        into[label_name(prefix)] = _text(value)


def _attributes(pairs: Any, into: dict[str, str]) -> None:
    for pair in pairs:
        _flatten(pair.key, _plain(pair.value), into)


def _record(record: Any, shared: dict[str, str], now_ns: int) -> tuple[int, str, str | None]:
    meta = dict(shared)
    _attributes(record.attributes, meta)
    if record.observed_time_unix_nano:
        meta["observed_timestamp"] = str(record.observed_time_unix_nano)
    if record.severity_number:
        meta["severity_number"] = str(record.severity_number)
    if record.severity_text:
        meta["severity_text"] = record.severity_text
    if record.flags:
        meta["flags"] = str(record.flags)
    if record.trace_id:
        meta["trace_id"] = record.trace_id.hex()
    if record.span_id:
        meta["span_id"] = record.span_id.hex()
    stamp = record.time_unix_nano or record.observed_time_unix_nano or now_ns
    return stamp, _text(_plain(record.body)), metadata_text(meta)


def _resource(resource_logs: Any, now_ns: int) -> StreamRows | None:
    labels: dict[str, str] = {}
    shared: dict[str, str] = {}
    for pair in resource_logs.resource.attributes:
        value = _plain(pair.value)
        if pair.key in INDEX_ATTRIBUTES:
            labels[label_name(pair.key)] = _text(value)
        else:
            _flatten(pair.key, value, shared)
    labels.setdefault("service_name", "unknown_service")
    rows: list[tuple[int, str, str | None]] = []
    for scope_logs in resource_logs.scope_logs:
        scope = dict(shared)
        _attributes(scope_logs.scope.attributes, scope)
        if scope_logs.scope.name:
            scope["scope_name"] = scope_logs.scope.name
        if scope_logs.scope.version:
            scope["scope_version"] = scope_logs.scope.version
        rows += [_record(record, scope, now_ns) for record in scope_logs.log_records]
    if not rows:
        return None
    stamps, lines, meta = zip(*rows, strict=True)
    packed = pa.array(meta, pa.string()) if any(meta) else None
    return StreamRows(labels, pa.array(stamps, pa.int64()), pa.array(lines, pa.string()), packed)


def _hex_ids_to_base64(data: Any) -> None:
    for resource in data.get("resourceLogs", ()):
        for scope in resource.get("scopeLogs", ()):
            for record in scope.get("logRecords", ()):
                for key in ("traceId", "spanId"):
                    if record.get(key):
                        record[key] = base64.b64encode(bytes.fromhex(record[key])).decode()


def decode(body: bytes, content_type: str, now_ns: int) -> list[StreamRows]:
    """Streams of an ``ExportLogsServiceRequest``; records without a time get ``now_ns``. Raises 400."""
    try:
        if "json" in content_type:
            data = orjson.loads(body)
            _hex_ids_to_base64(data)
            request = json_format.ParseDict(data, ExportLogsServiceRequest(), ignore_unknown_fields=True)
        else:
            request = ExportLogsServiceRequest.FromString(body)
    except (DecodeError, json_format.ParseError, orjson.JSONDecodeError, ValueError, AttributeError) as error:
        raise RequestError(400, f"couldn't parse OTLP logs: {error}") from error
    streams = (_resource(resource_logs, now_ns) for resource_logs in request.resource_logs)
    return [rows for rows in streams if rows is not None]
