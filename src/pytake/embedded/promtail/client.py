"""Batches of entries to Loki: protobuf and snappy over HTTP, back-off, at-least-once.

An entry is settled when Loki took its batch, or when the batch is given up (refused for good, or out of retries), which
is counted in ``promtail_dropped_entries_total``. Source: Promtail's ``clients`` section and Loki's push API page.
"""

import asyncio
import base64
import contextlib
import json
import logging
import random
import ssl
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import cramjam
import httpx

from pytake.embedded.promtail.entry import Entry, settle_all
from pytake.embedded.promtail.settings import Client as ClientSettings
from pytake.embedded.promtail.settings import Tls
from pytake.embedded.promtail.wire import push_request
from pytake.telemetry import catalog_embedded as catalog

log = logging.getLogger("promtail.client")
ENTRY_OVERHEAD = 24
RESERVED_TENANT = "__tenant_id__"
WAITING_BATCHES = 8
_RETRY = frozenset({429, 500, 502, 503, 504})


class Batch:
    """Entries of one tenant by stream."""

    __slots__ = ("entries", "size", "streams", "tenant")

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.streams: dict[str, list[Entry]] = {}
        self.entries = 0
        self.size = 0

    def add(self, stream: str, entry: Entry) -> None:
        """Put ``entry`` into ``stream`` (its labels as text)."""
        self.streams.setdefault(stream, []).append(entry)
        self.entries += 1
        self.size += len(entry.line) + ENTRY_OVERHEAD

    def encode(self) -> bytes:
        """The push request, snappy-compressed protobuf."""
        return bytes(cramjam.snappy.compress_raw(push_request(self.streams)))

    def settle(self) -> None:
        """Tell the sources."""
        for entries in self.streams.values():
            settle_all(entries)


class Client:
    """One Loki. :meth:`push` is called from the event loop only; :meth:`run` sends until it is cancelled."""

    def __init__(self, settings: ClientSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.host = settings.name or urlsplit(settings.url).netloc
        self._clock = clock
        self._open: dict[str, Batch] = {}
        self._since: dict[str, float] = {}
        self._queue: asyncio.Queue[Batch] = asyncio.Queue()
        self._labels: dict[tuple[tuple[str, str], ...], str] = {}
        self._in_flight = 0
        self._external = dict(settings.external_labels)
        self._sent = catalog.PROMTAIL_SENT_ENTRIES.labels(host=self.host)
        self._sent_bytes = catalog.PROMTAIL_SENT_BYTES.labels(host=self.host)
        self._encoded = catalog.PROMTAIL_ENCODED_BYTES.labels(host=self.host)
        self._retries = catalog.PROMTAIL_BATCH_RETRIES.labels(host=self.host)

    @property
    def busy(self) -> bool:
        """Whether sources should wait: enough batches are on their way."""
        return self._queue.qsize() + self._in_flight >= WAITING_BATCHES

    def push(self, entries: list[Entry]) -> None:
        """Take entries into batches."""
        limit = self.settings.batchsize
        for entry in entries:
            tenant = entry.tenant or self.settings.tenant_id
            batch = self._open.get(tenant)
            if batch is None:
                batch = self._open[tenant] = Batch(tenant)
                self._since[tenant] = self._clock()
            batch.add(self._stream(entry.labels), entry)
            if batch.size >= limit:
                self._close(tenant)

    def tick(self, *, force: bool = False) -> None:
        """Send batches that waited long enough."""
        now = self._clock()
        for tenant in [t for t, since in self._since.items() if force or now - since >= self.settings.batchwait]:
            self._close(tenant)

    def _close(self, tenant: str) -> None:
        self._queue.put_nowait(self._open.pop(tenant))
        del self._since[tenant]

    def _stream(self, labels: dict[str, str]) -> str:
        key = tuple(labels.items())
        known = self._labels.get(key)
        if known is None:
            if len(self._labels) > 10_000:
                self._labels.clear()
            shown = {name: value for name, value in (labels | self._external).items() if not name.startswith("__")}
            pairs = ", ".join(
                f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in sorted(shown.items())
            )
            known = self._labels[key] = f"{{{pairs}}}"
        return known

    async def run(self) -> None:
        """Send batches one after another."""
        async with _http(self.settings) as http:
            while True:
                batch = await self._queue.get()
                self._in_flight = 1
                try:
                    await self._deliver(http, batch)
                finally:
                    self._in_flight = 0
                    self._queue.task_done()

    async def drain(self, seconds: float) -> None:
        """Wait until everything is sent, at most ``seconds``."""
        self.tick(force=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._queue.join(), seconds)

    async def _deliver(self, http: httpx.AsyncClient, batch: Batch) -> None:
        body = batch.encode()
        headers = {"Content-Type": "application/x-protobuf", "User-Agent": "promtail/pytake", **self.settings.headers}
        if batch.tenant:
            headers["X-Scope-OrgID"] = batch.tenant
        backoff, tries = self.settings.backoff_config, 0
        while True:
            status, words = await self._post(http, body, headers)
            self._encoded.inc(len(body))
            if 200 <= status < 300:
                self._sent.inc(batch.entries)
                self._sent_bytes.inc(len(body))
                break
            tries += 1
            limited = status == 429 and self.settings.drop_rate_limited_batches
            if (status not in _RETRY and status > 0) or limited or tries == backoff.max_retries:
                self._give_up(batch, status, words)
                break
            self._retries.inc()
            wait = min(backoff.max_period, backoff.min_period * 2 ** min(tries - 1, 30))
            log.warning("batch_retry", extra={"host": self.host, "status": status, "answer": words, "wait": wait})
            await asyncio.sleep(wait * (0.5 + random.random() / 2))  # noqa: S311 (jitter, not cryptography)
        batch.settle()

    async def _post(self, http: httpx.AsyncClient, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        started = time.perf_counter()
        status, words = -1, ""
        try:
            answer = await http.post(self.settings.url, content=body, headers=headers | self._authorization())
            status, words = answer.status_code, answer.text[:512] if answer.status_code >= 300 else ""
        except httpx.HTTPError as error:
            words = f"{type(error).__name__}: {error}"
        catalog.PROMTAIL_REQUEST_SECONDS.observe(
            time.perf_counter() - started, status_code=str(status) if status > 0 else "-1", host=self.host
        )
        return status, words

    def _authorization(self) -> dict[str, str]:
        settings = self.settings
        token = settings.bearer_token
        if settings.bearer_token_file:
            token = settings.bearer_token_file.read_text().strip()
        if token:
            return {"Authorization": f"Bearer {token}"}
        if settings.basic_auth:
            auth = settings.basic_auth
            password = auth.password_file.read_text().strip() if auth.password_file else auth.password
            pair = base64.b64encode(f"{auth.username}:{password}".encode()).decode()
            return {"Authorization": f"Basic {pair}"}
        return {}

    def _give_up(self, batch: Batch, status: int, words: str) -> None:
        reason = "rate_limited" if status == 429 else "ingester_error"
        catalog.PROMTAIL_DROPPED_ENTRIES.inc(batch.entries, host=self.host, reason=reason)
        log.error(
            "batch_given_up",
            extra={
                "host": self.host,
                "status": status,
                "answer": words,
                "entries": batch.entries,
                "tenant": batch.tenant,
            },
        )


def _http(settings: ClientSettings) -> httpx.AsyncClient:
    verify: ssl.SSLContext | bool = _context(settings.tls_config) if settings.tls_config else True
    return httpx.AsyncClient(
        timeout=settings.timeout, verify=verify, follow_redirects=settings.follow_redirects,
        proxy=settings.proxy_url or None, trust_env=False,
    )  # fmt: skip


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file else None)
    if tls.cert_file:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
