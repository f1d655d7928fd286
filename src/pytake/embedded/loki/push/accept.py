"""Taking a push: decode, check, count, and what the client is told about what was not taken."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from pytake.embedded.loki.batch import Batch, StreamRows
from pytake.embedded.loki.errors import PushError
from pytake.embedded.loki.limits import Rates, check_rows
from pytake.embedded.loki.push.decode import Kind, decode
from pytake.embedded.loki.settings import Limits
from pytake.embedded.loki.store.record import Record, body_of_rows
from pytake.embedded.loki.store.store import Store
from pytake.telemetry import catalog_embedded as metrics

REMEMBER_SECONDS = 600.0
REMEMBER_BODIES = 4096


@dataclass(slots=True)
class Accepted:
    """What is to be stored of a request (nothing when ``batch`` is None), and the error for the client."""

    record: Record | None
    batch: Batch | None
    error: PushError | None
    fingerprint: bytes = b""


class RecentBodies:
    """Bodies taken lately: a client that did not hear our answer sends the same bytes again, and that counts once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: OrderedDict[bytes, float] = OrderedDict()

    def known(self, fingerprint: bytes) -> bool:
        """Whether these bytes were taken in the last minutes."""
        at = self._seen.get(fingerprint)
        return at is not None and self._clock() - at < REMEMBER_SECONDS

    def add(self, fingerprint: bytes) -> None:
        """Remember a body that is stored now."""
        self._seen[fingerprint] = self._clock()
        self._seen.move_to_end(fingerprint)
        while len(self._seen) > REMEMBER_BODIES:
            self._seen.popitem(last=False)


class Acceptor:
    """Decides what of a request is stored; called from worker threads."""

    def __init__(self, store: Store, rates: Rates, limits_of: Callable[[str], Limits]) -> None:
        self._store, self._rates, self._limits_of = store, rates, limits_of
        self.recent = RecentBodies()

    def accept(self, kind: Kind, encoding: str, tenant: str, body: bytes, now_ns: int) -> Accepted:
        """Decode and check one request. Raises :class:`RequestError` when it cannot be read at all."""
        fingerprint = hashlib.blake2b(body, digest_size=16, key=tenant.encode()[:64]).digest()
        limits = self._limits_of(tenant)
        streams, _ = decode(kind, encoding, body, now_ns=now_ns, limit=self._store.settings.max_body_bytes)
        if self.recent.known(fingerprint):
            return Accepted(None, None, None)
        metrics.LOKI_LINES_RECEIVED.inc(sum(len(rows.ts) for rows in streams), tenant=tenant)
        kept, sids, error = self._check(streams, tenant, limits, now_ns)
        if not kept:
            return Accepted(None, None, error)
        batch = self._store.prepare(tenant, kept, sids)
        self._rate(tenant, batch, limits)
        metrics.LOKI_BYTES_RECEIVED.inc(batch.nbytes, tenant=tenant)
        if error is None:
            record = Record(kind, encoding, tenant, now_ns, body)
        else:
            record = Record(Kind.JSON, "", tenant, now_ns, body_of_rows(kept))
        return Accepted(record, batch, error, fingerprint)

    def _check(
        self, streams: list[StreamRows], tenant: str, limits: Limits, now_ns: int
    ) -> tuple[list[StreamRows], list[int], PushError | None]:
        kept: list[StreamRows] = []
        sids: list[int] = []
        errors: list[PushError] = []

        def discard(error: PushError, lines: int, size: int) -> None:
            errors.append(error)
            metrics.LOKI_DISCARDED_SAMPLES.inc(lines, reason=error.reason, tenant=tenant)
            metrics.LOKI_DISCARDED_BYTES.inc(size, reason=error.reason, tenant=tenant)

        for rows in streams:
            try:
                stream = self._store.streams.resolve(tenant, rows.labels, limits)
                check_rows(rows, stream, limits, now_ns, discard)
                if len(rows.ts):
                    self._rates.check_stream(stream, rows.nbytes, limits)
            except PushError as error:
                discard(error, len(rows.ts), rows.nbytes)
                continue
            if len(rows.ts):
                kept.append(rows)
                sids.append(stream.sid)
        return kept, sids, errors[-1] if errors else None

    def _rate(self, tenant: str, batch: Batch, limits: Limits) -> None:
        try:
            self._rates.check_tenant(tenant, len(batch), batch.nbytes, limits)
        except PushError as error:
            metrics.LOKI_DISCARDED_SAMPLES.inc(len(batch), reason=error.reason, tenant=tenant)
            metrics.LOKI_DISCARDED_BYTES.inc(batch.nbytes, reason=error.reason, tenant=tenant)
            raise
