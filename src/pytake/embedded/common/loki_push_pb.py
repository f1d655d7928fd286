"""Protobuf messages of Loki's push API, declared here field by field (wire-compatible; no generated file needed)."""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

_PACKAGE = "pytake.lokipush"
_F = descriptor_pb2.FieldDescriptorProto


def _message(
    file: descriptor_pb2.FileDescriptorProto, name: str, *fields: tuple[str, int, int, str | None, bool]
) -> None:
    message = file.message_type.add(name=name)
    for field, number, kind, type_name, repeated in fields:
        label = _F.LABEL_REPEATED if repeated else _F.LABEL_OPTIONAL
        message.field.add(name=field, number=number, type=kind, type_name=type_name, label=label)


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="pytake_loki_push.proto", package=_PACKAGE, syntax="proto3")
    file.dependency.append(timestamp_pb2.DESCRIPTOR.name)
    pair, entry, stream = (f".{_PACKAGE}.{name}" for name in ("LabelPair", "Entry", "Stream"))
    _message(file, "LabelPair", ("name", 1, _F.TYPE_STRING, None, False), ("value", 2, _F.TYPE_STRING, None, False))
    _message(
        file,
        "Entry",
        ("timestamp", 1, _F.TYPE_MESSAGE, ".google.protobuf.Timestamp", False),
        ("line", 2, _F.TYPE_STRING, None, False),
        ("structured_metadata", 3, _F.TYPE_MESSAGE, pair, True),
    )
    _message(
        file,
        "Stream",
        ("labels", 1, _F.TYPE_STRING, None, False),
        ("entries", 2, _F.TYPE_MESSAGE, entry, True),
        ("hash", 3, _F.TYPE_UINT64, None, False),
    )
    _message(file, "PushRequest", ("streams", 1, _F.TYPE_MESSAGE, stream, True))
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
_pool.AddSerializedFile(_file().SerializeToString())


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


PushRequest = _class("PushRequest")
"""``streams`` of ``labels`` (``{job="x"}``) and ``entries`` (``timestamp``, ``line``, ``structured_metadata``)."""
