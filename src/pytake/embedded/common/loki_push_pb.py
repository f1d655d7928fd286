"""Protobuf messages of Loki's push API, declared here field by field (wire-compatible; no generated file needed)."""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

_F = descriptor_pb2.FieldDescriptorProto


def _message(
    file: descriptor_pb2.FileDescriptorProto, name: str, *fields: tuple[str, int, int, str | None, bool]
) -> None:
    message = file.message_type.add(name=name)
    for field, number, kind, type_name, repeated in fields:
        label = _F.LABEL_REPEATED if repeated else _F.LABEL_OPTIONAL
        message.field.add(name=field, number=number, type=kind, type_name=type_name, label=label)


def _file(package: str, text: int) -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    file.dependency.append(timestamp_pb2.DESCRIPTOR.name)
    pair, entry, stream = (f".{package}.{name}" for name in ("LabelPair", "Entry", "Stream"))
    stamp = ".google.protobuf.Timestamp"
    _message(file, "LabelPair", ("name", 1, text, None, False), ("value", 2, text, None, False))
    _message(
        file,
        "Entry",
        ("timestamp", 1, _F.TYPE_MESSAGE, stamp, False),
        ("line", 2, text, None, False),
        ("structured_metadata", 3, _F.TYPE_MESSAGE, pair, True),
    )
    _message(
        file,
        "Stream",
        ("labels", 1, text, None, False),
        ("entries", 2, _F.TYPE_MESSAGE, entry, True),
        ("hash", 3, _F.TYPE_UINT64, None, False),
    )
    _message(file, "PushRequest", ("streams", 1, _F.TYPE_MESSAGE, stream, True))
    return file


def _push_request(package: str, text: int) -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(_file(package, text).SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.PushRequest"))


PushRequest = _push_request("pytake.lokipush", _F.TYPE_STRING)
"""``streams`` of ``labels`` (``{job="x"}``) and ``entries`` (``timestamp``, ``line``, ``structured_metadata``)."""
LossyPushRequest = _push_request("pytake.lokipushbytes", _F.TYPE_BYTES)
"""The same with bytes for text: reads what clients send that is not UTF-8."""
