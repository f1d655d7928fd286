"""What all receivers do with an OTLP request: check it, store it, count it."""

import asyncio
import time
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from pytake.embedded.jaeger.columns import Decoded, decode
from pytake.embedded.jaeger.generation import OverloadedError, StoreClosedError
from pytake.embedded.jaeger.proto import ExportTraceServiceRequest
from pytake.embedded.jaeger.store import Store
from pytake.telemetry import catalog_embedded as metrics

WAIT_SECONDS = 2.0
"""How long a request waits for room before its sender is told to come back."""
_POLL = 0.01


class MalformedError(ValueError):
    """The request can never be accepted (HTTP 400, INVALID_ARGUMENT)."""


class UnavailableError(Exception):
    """Not now: the sender shall try again (HTTP 503, UNAVAILABLE)."""

    retry_seconds = 1


@dataclass(frozen=True, slots=True)
class Accepted:
    """An acknowledged request; ``rejected`` of its spans have no usable id."""

    spans: int
    rejected: int
    decoded: Decoded | None = None

    @property
    def message(self) -> str:
        """What a partial success says."""
        return f"{self.rejected} spans have a trace or span id of zeros" if self.rejected else ""


class Receiver:
    """Checks requests and hands them to the store; one for each protocol, for the counters' labels."""

    def __init__(self, store: Store, receiver: str, transport: str) -> None:
        self._store = store
        labels = {"receiver": receiver, "transport": transport}
        self._accepted = metrics.JAEGER_ACCEPTED_SPANS.labels(**labels)
        self._refused = metrics.JAEGER_REFUSED_SPANS.labels(**labels)

    def check(self, body: bytes) -> Accepted:
        """Parse the whole request. Raises :class:`MalformedError`."""
        try:
            ExportTraceServiceRequest.FromString(body)
            decoded = decode(body)
        except (DecodeError, ValueError) as error:
            raise MalformedError(f"not an OTLP trace request: {error}") from error
        return Accepted(decoded.spans - decoded.unusable, decoded.unusable, decoded)

    def _count(self, accepted: Accepted, error: Exception | None) -> Accepted:
        if error is not None:
            self._refused.inc(accepted.spans + accepted.rejected)
            if isinstance(error, OSError):
                raise UnavailableError(f"cannot write to disk: {error.strerror}") from error
            raise error
        self._accepted.inc(accepted.spans)
        if accepted.rejected:
            self._refused.inc(accepted.rejected)
        return accepted

    def store(self, body: bytes) -> Accepted:
        """Check and store; returns when the request is on disk. For threads."""
        accepted = self.check(body)
        if not accepted.spans:
            return self._count(accepted, None)
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                self._store.append(body, accepted.spans, accepted.decoded)
            except OverloadedError as error:
                if time.monotonic() > deadline:
                    return self._count(accepted, _busy(error))
                time.sleep(_POLL)
            except (OSError, StoreClosedError) as error:
                return self._count(accepted, error if isinstance(error, OSError) else _busy(error))
            else:
                return self._count(accepted, None)

    async def store_async(self, body: bytes) -> Accepted:
        """:meth:`store` for the event loop."""
        accepted = self.check(body)
        if not accepted.spans:
            return self._count(accepted, None)
        loop = asyncio.get_running_loop()
        finished: asyncio.Future[Exception | None] = loop.create_future()

        def done(error: Exception | None) -> None:
            loop.call_soon_threadsafe(_finish, finished, error)

        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                self._store.submit(body, accepted.spans, done, accepted.decoded)
                break
            except OverloadedError as error:
                if time.monotonic() > deadline:
                    return self._count(accepted, _busy(error))
                await asyncio.sleep(_POLL)
            except StoreClosedError as error:
                return self._count(accepted, _busy(error))
        return self._count(accepted, await finished)


def _finish(future: "asyncio.Future[Exception | None]", error: Exception | None) -> None:
    if not future.done():
        future.set_result(error)


def _busy(error: Exception) -> UnavailableError:
    if isinstance(error, StoreClosedError):
        return UnavailableError("the server is stopping")
    return UnavailableError("more spans come in than can be indexed; send again later")
