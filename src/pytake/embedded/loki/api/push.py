"""``/loki/api/v1/push`` and ``/otlp/v1/logs``."""

import asyncio
import errno
import time
from concurrent.futures import ThreadPoolExecutor

from pytake.embedded.loki.api.http import Request, Response, text
from pytake.embedded.loki.api.tail import Tails
from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.push.accept import Accepted, Acceptor
from pytake.embedded.loki.push.decode import Kind
from pytake.embedded.loki.store.store import Store

INLINE_BYTES = 32 << 10
WAIT_SECONDS = 15.0


class Push:
    """Takes pushes; large bodies are decoded in worker threads, small ones on the spot."""

    def __init__(self, store: Store, acceptor: Acceptor, tails: Tails) -> None:
        self._store, self._acceptor, self._tails = store, acceptor, tails
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="loki-decode")

    def close(self) -> None:
        """Stop the workers."""
        self._workers.shutdown(wait=True)

    async def loki(self, request: Request, tenant: str) -> Response:
        """Loki's own push API."""
        kind = Kind.JSON if request.header("content-type").startswith("application/json") else Kind.PROTOBUF
        return await self._push(request, tenant, kind)

    async def otlp(self, request: Request, tenant: str) -> Response:
        """OpenTelemetry logs."""
        content_type = request.header("content-type")
        if not content_type.startswith(("application/json", "application/x-protobuf")):
            return text(
                f"unsupported content type: {content_type}, supported: [application/json, application/x-protobuf]\n",
                415,
            )
        json = content_type.startswith("application/json")
        return await self._push(request, tenant, Kind.OTLP_JSON if json else Kind.OTLP_PROTOBUF)

    async def _push(self, request: Request, tenant: str, kind: Kind) -> Response:
        if "|" in tenant:
            raise RequestError(400, "multiple org IDs present")
        body = await request.body(self._store.settings.max_body_bytes)
        encoding = request.header("content-encoding").strip().lower()
        encoding = "" if encoding == "identity" else encoding
        if encoding == "snappy" and kind is Kind.PROTOBUF:
            encoding = ""
        await self._room()
        now_ns = time.time_ns()
        if len(body) <= INLINE_BYTES:
            accepted = self._acceptor.accept(kind, encoding, tenant, body, now_ns)
        else:
            loop = asyncio.get_running_loop()
            accepted = await loop.run_in_executor(
                self._workers, self._acceptor.accept, kind, encoding, tenant, body, now_ns
            )
        if accepted.record is not None:
            await self._store_batch(accepted)
        if accepted.error is not None:
            raise accepted.error
        return Response(204)

    async def _room(self) -> None:
        """Wait while memory is full of rows that are being written; 503 when that takes too long."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self._store.overloaded:
            if self._store.flush_error is not None:
                raise RequestError(503, f"cannot store more: {self._store.flush_error}")
            if time.monotonic() > deadline:
                raise RequestError(503, "too many rows wait to be written, try again later")
            await asyncio.sleep(0.005)

    async def _store_batch(self, accepted: Accepted) -> None:
        assert accepted.record is not None
        assert accepted.batch is not None
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[None] = loop.create_future()

        def finish(error: BaseException | None) -> None:
            if durable.done():
                return
            if error is None:
                durable.set_result(None)
            else:
                durable.set_exception(error)

        def done(error: BaseException | None) -> None:
            loop.call_soon_threadsafe(finish, error)

        self._store.append(accepted.record, accepted.batch, done)
        try:
            await durable
        except OSError as error:
            full = error.errno == errno.ENOSPC
            raise RequestError(500, "no space left on device" if full else f"write-ahead log: {error}") from error
        self._acceptor.recent.add(accepted.fingerprint)
        self._tails.publish(accepted.record.tenant, accepted.batch)
