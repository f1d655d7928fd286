"""Limits on pushes: what is checked on each stream's rows, and how fast a tenant and a stream may write."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa

from pytake.embedded.loki.batch import Array, StreamRows, pc
from pytake.embedded.loki.errors import PushError, Reason
from pytake.embedded.loki.settings import Limits
from pytake.embedded.loki.streams import Stream

Discard = Callable[[PushError, int, int], None]
"""Called with the error, the rows and the bytes that are dropped."""


class TokenBucket:
    """Bytes a second with a burst; ``take`` says whether there is room. Time is given in."""

    __slots__ = ("_at", "_tokens")

    def __init__(self, burst: float, now: float) -> None:
        self._tokens, self._at = burst, now

    def take(self, amount: float, rate: float, burst: float, now: float) -> bool:
        """Take ``amount`` when the bucket holds as much."""
        self._tokens = min(burst, self._tokens + (now - self._at) * rate)
        self._at = now
        if amount > self._tokens:
            return False
        self._tokens -= amount
        return True


class Rates:
    """Token buckets of tenants and streams."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tenants: dict[str, TokenBucket] = {}
        self._streams: dict[int, TokenBucket] = {}

    def check_tenant(self, tenant: str, lines: int, size: int, limits: Limits) -> None:
        """Raise :class:`PushError` 429 when the tenant writes too fast."""
        rate, burst = limits.ingestion_rate_mb * 2**20, limits.ingestion_burst_size_mb * 2**20
        now = self._clock()
        bucket = self._tenants.get(tenant)
        if bucket is None:
            bucket = self._tenants[tenant] = TokenBucket(burst, now)
        if not bucket.take(size, rate, burst, now):
            raise PushError(
                Reason.RATE_LIMITED,
                f"ingestion rate limit exceeded for user {tenant} (limit: {int(rate)} bytes/sec) while attempting to "
                f"ingest '{lines}' lines totaling '{size}' bytes, reduce log volume or contact your Loki "
                "administrator to see if the limit can be increased",
            )

    def check_stream(self, stream: Stream, size: int, limits: Limits) -> None:
        """Raise :class:`PushError` 429 when one stream writes too fast."""
        now = self._clock()
        bucket = self._streams.get(stream.sid)
        if bucket is None:
            bucket = self._streams[stream.sid] = TokenBucket(limits.per_stream_rate_limit_burst, now)
        if not bucket.take(size, limits.per_stream_rate_limit, limits.per_stream_rate_limit_burst, now):
            raise PushError(
                Reason.STREAM_RATE_LIMITED,
                f"Per stream rate limit exceeded (limit: {_megabytes(limits.per_stream_rate_limit)}/sec) while "
                f"attempting to ingest for stream '{stream.text}' totaling {_megabytes(size)}, consider splitting a "
                "stream via additional labels or contact your Loki administrator to see if the limit can be increased",
            )


def _megabytes(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            return f"{size:.4g}{unit}"
        size /= 1024
    raise AssertionError


def rfc3339(ns: int) -> str:
    """A time as Loki prints it in errors."""
    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _drop(rows: StreamRows, bad: Array, error: PushError, discard: Discard) -> None:
    lengths = pc.binary_length(rows.line.filter(bad))
    discard(error, len(lengths), int(pc.sum(lengths).as_py() or 0))
    rows.keep(pc.invert(bad))


def _check_times(rows: StreamRows, stream: Stream, limits: Limits, now_ns: int, discard: Discard) -> None:
    newest = now_ns + int(limits.creation_grace_period * 1e9)
    oldest = now_ns - int(limits.reject_old_samples_max_age * 1e9)
    span = pc.min_max(rows.ts)
    if limits.reject_old_samples and span["min"].as_py() < oldest:
        error = PushError(
            Reason.TOO_OLD,
            f"entry for stream '{stream.text}' has timestamp too old: {rfc3339(span['min'].as_py())}, oldest "
            f"acceptable timestamp is: {rfc3339(oldest)}",
        )
        _drop(rows, pc.less(rows.ts, oldest), error, discard)
    if span["max"].as_py() > newest:
        error = PushError(
            Reason.TOO_NEW,
            f"entry for stream '{stream.text}' has timestamp too new: {rfc3339(span['max'].as_py())}",
        )
        _drop(rows, pc.greater(rows.ts, newest), error, discard)


def _check_lines(rows: StreamRows, stream: Stream, limits: Limits, discard: Discard) -> None:
    if not limits.max_line_size or not len(rows.line):
        return
    lengths = pc.binary_length(rows.line)
    longest = pc.max(lengths).as_py()
    if longest <= limits.max_line_size:
        return
    if limits.max_line_size_truncate:
        cut = [line.encode()[: limits.max_line_size].decode("utf-8", "ignore") for line in rows.line.to_pylist()]
        rows.line = pa.array(cut, pa.string())
        return
    error = PushError(
        Reason.LINE_TOO_LONG,
        f"max entry size '{limits.max_line_size}' bytes exceeded for stream '{stream.text}' while adding an entry "
        f"with length '{longest}' bytes",
    )
    _drop(rows, pc.greater(lengths, limits.max_line_size), error, discard)


def _check_metadata(rows: StreamRows, stream: Stream, limits: Limits, discard: Discard) -> None:
    if rows.meta is None or not len(rows.meta) or rows.meta.null_count == len(rows.meta):
        return
    if not limits.allow_structured_metadata:
        error = PushError(
            Reason.METADATA_DISALLOWED,
            f"stream '{stream.text}' includes structured metadata, but this feature is disallowed. Please see "
            "`limits_config.allow_structured_metadata` or contact your Loki administrator to enable it.",
        )
        _drop(rows, pc.is_valid(rows.meta), error, discard)
        return
    sizes = pc.fill_null(pc.binary_length(rows.meta), 0)
    if pc.max(sizes).as_py() > limits.max_structured_metadata_size:
        error = PushError(
            Reason.METADATA_TOO_LARGE,
            f"stream '{stream.text}' has structured metadata too large: '{pc.max(sizes).as_py()}' bytes, limit: "
            f"'{limits.max_structured_metadata_size}' bytes. Please see `limits_config.max_structured_metadata_size` "
            "or contact your Loki administrator to increase it.",
        )
        _drop(rows, pc.greater(sizes, limits.max_structured_metadata_size), error, discard)
    counts = pc.fill_null(pc.count_substring(rows.meta, '":"'), 0)
    if len(counts) and pc.max(counts).as_py() > limits.max_structured_metadata_entries_count:
        error = PushError(
            Reason.METADATA_TOO_MANY,
            f"stream '{stream.text}' has too many structured metadata labels: '{pc.max(counts).as_py()}', limit: "
            f"'{limits.max_structured_metadata_entries_count}'. Please see "
            "`limits_config.max_structured_metadata_entries_count` or contact your Loki administrator to increase it.",
        )
        _drop(rows, pc.greater(counts, limits.max_structured_metadata_entries_count), error, discard)


def check_rows(rows: StreamRows, stream: Stream, limits: Limits, now_ns: int, discard: Discard) -> None:
    """Drop the rows that break a limit, telling ``discard``; what is left is to be stored."""
    _check_times(rows, stream, limits, now_ns, discard)
    _check_lines(rows, stream, limits, discard)
    _check_metadata(rows, stream, limits, discard)
