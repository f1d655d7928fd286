"""Archived traces: one compressed OTLP file a trace, which retention does not touch."""

import os
from pathlib import Path

import zstandard

from pytake.embedded.jaeger.proto import ExportTraceServiceRequest
from pytake.embedded.jaeger.search import StoredSpan
from pytake.embedded.jaeger.uijson import otlp
from pytake.embedded.jaeger.wal import sync_directory

MAX_BYTES = 512 * 2**20


class Archive:
    """A directory of traces."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def _path(self, trace_id: bytes) -> Path:
        return self._directory / f"{trace_id.hex()}.otlp.zst"

    def put(self, trace_id: bytes, spans: list[StoredSpan]) -> None:
        """Keep a trace; durable on return. Raises ``OSError``."""
        self._directory.mkdir(parents=True, exist_ok=True)
        body = zstandard.ZstdCompressor(level=3).compress(otlp([spans]).SerializeToString())
        partial = self._path(trace_id).with_suffix(".tmp")
        with partial.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(self._path(trace_id))
        sync_directory(self._directory)

    def get(self, trace_id: bytes) -> list[StoredSpan]:
        """The spans of an archived trace, none when it is not archived."""
        try:
            body = self._path(trace_id).read_bytes()
        except FileNotFoundError:
            return []
        request = ExportTraceServiceRequest.FromString(zstandard.ZstdDecompressor().decompress(body, MAX_BYTES))
        return [
            StoredSpan(
                span, resource.resource.SerializeToString(), scope.scope.SerializeToString(), span.SerializeToString()
            )
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
