"""The syslog receiver: TCP (newline or octet-counted frames, TLS) and UDP; RFC 5424 and RFC 3164."""

import asyncio
import logging
import re
import ssl
import time
from collections.abc import Callable, Sequence

from pytake.embedded.common.config import ConfigError
from pytake.embedded.promtail.entry import Entry
from pytake.embedded.promtail.pipeline import Pipeline
from pytake.embedded.promtail.relabel import Rule, relabel, visible
from pytake.embedded.promtail.settings import Syslog
from pytake.embedded.promtail.sources.base import Source, TargetView, wait_while
from pytake.embedded.promtail.stages.timestamp import compile_layout, fast_rfc3339
from pytake.telemetry import catalog_embedded as catalog

log = logging.getLogger("promtail.syslog")
SEVERITIES = ("emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug")
FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "security", "console", "solaris-cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
)  # fmt: skip
_RFC5424 = re.compile(
    r"<(?P<pri>\d{1,3})>(?P<version>[1-9]\d?) (?P<time>\S+) (?P<host>\S+) (?P<app>\S+) (?P<proc>\S+) (?P<id>\S+) "
    r"(?P<data>-|(?:\[(?:\"(?:\\.|[^\"\\])*\"|[^\]\"])*\])+)(?: (?P<message>.*))?",
    re.DOTALL,
)
_RFC3164 = re.compile(
    r"<(?P<pri>\d{1,3})>(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (?P<host>\S+) "
    r"(?:(?P<app>[^\s:\[]+)(?:\[(?P<proc>[^\]]*)\])?: ?)?(?P<message>.*)",
    re.DOTALL,
)
_ELEMENT = re.compile(r"\[(?P<id>[^\s\]]+)(?P<params>(?: [^\s=\]]+=\"(?:\\.|[^\"\\])*\")*)\]")
_PARAM = re.compile(r" ([^\s=\]]+)=\"((?:\\.|[^\"\\])*)\"")
_NAME = re.compile(r"[^a-zA-Z0-9_]")
_stamp3164 = compile_layout("Jan _2 15:04:05")


class SyslogError(ValueError):
    """A message that is not syslog."""


def parse(message: str, form: str) -> tuple[dict[str, str], int | None, str, dict[str, str]]:
    """``__syslog_*`` labels, time (ns or None), text, structured data of a message; raises :class:`SyslogError`."""
    match = (_RFC5424 if form == "rfc5424" else _RFC3164).fullmatch(message)
    if match is None or int(match["pri"]) > 191:
        raise SyslogError(f"not a {form} message: {message[:80]!r}")
    priority = int(match["pri"])
    found = {
        "__syslog_message_severity": SEVERITIES[priority % 8],
        "__syslog_message_facility": FACILITIES[priority // 8],
    }
    for name, group in (("hostname", "host"), ("app_name", "app"), ("proc_id", "proc"), ("msg_id", "id")):
        value = match.groupdict().get(group)
        if value and value != "-":
            found[f"__syslog_message_{name}"] = value
    stamp = match["time"]
    at = fast_rfc3339(stamp) if form == "rfc5424" else _stamp3164(stamp)
    return found, at, (match["message"] or "").removeprefix("\ufeff"), _structured(match.groupdict().get("data") or "")


def _structured(data: str) -> dict[str, str]:
    found = {}
    for element in _ELEMENT.finditer(data):
        for name, value in _PARAM.findall(element["params"]):
            label = _NAME.sub("_", f"{element['id']}_{name}")
            found[f"__syslog_message_sd_{label}"] = re.sub(r"\\(.)", r"\1", value)
    return found


class SyslogSource(Source):
    """A listener of one scrape configuration."""

    def __init__(
        self, job: str, config: Syslog, rules: Sequence[Rule], pipeline: Pipeline, busy: Callable[[], bool]
    ) -> None:
        if config.listen_protocol not in ("tcp", "udp"):
            raise ConfigError(f"{job}: syslog.listen_protocol is tcp or udp, not {config.listen_protocol!r}")
        if config.syslog_format not in ("rfc5424", "rfc3164"):
            raise ConfigError(f"{job}: syslog.syslog_format is rfc5424 or rfc3164, not {config.syslog_format!r}")
        self._job, self._config, self._rules, self._pipeline, self._busy = job, config, rules, pipeline, busy
        self._server: asyncio.Server | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen."""
        host, _, port = self._config.listen_address.rpartition(":")
        host = host or "127.0.0.1"
        if self._config.listen_protocol == "udp":
            loop = asyncio.get_running_loop()
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(host, int(port))
            )
            self.port = self._transport.get_extra_info("sockname")[1]
            return
        self._server = await asyncio.start_server(
            self._connection, host, int(port), ssl=self._tls(), limit=self._config.max_message_length + 16
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def _tls(self) -> ssl.SSLContext | None:
        tls = self._config.tls_config
        if tls is None or tls.cert_file is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tls.ca_file) if tls.ca_file else None)
        context.load_cert_chain(tls.cert_file, tls.key_file)
        if tls.ca_file:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    async def stop(self) -> None:
        """Close the listener."""
        if self._server is not None:
            self._server.close()
        if self._transport is not None:
            self._transport.close()

    def views(self) -> list[TargetView]:
        """One row."""
        labels = self._config.labels
        return [TargetView("Syslog", self._job, True, labels, labels, {"address": self._config.listen_address})]

    def receive(self, raw: bytes, address: str) -> None:
        """One message."""
        config = self._config
        text = raw.decode("utf-8", errors="replace").rstrip("\r\n\0")
        if not text:
            return
        try:
            found, at, message, structured = parse(text, config.syslog_format)
        except ValueError as error:
            catalog.PROMTAIL_SYSLOG_ERRORS.inc()
            log.warning("syslog_unreadable", extra={"reason": str(error), "peer": address})
            return
        catalog.PROMTAIL_SYSLOG_ENTRIES.inc()
        base = {**config.labels, **found, "__syslog_connection_ip_address": address}
        if config.label_structured_data:
            base |= structured
        labels = relabel(self._rules, base)
        if labels is None:
            return
        now = time.time_ns()
        line = text if config.use_rfc5424_message else message
        self._pipeline.push([Entry(visible(labels), at if config.use_incoming_timestamp and at else now, line)])

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = str((writer.get_extra_info("peername") or ("",))[0])
        try:
            while True:
                await wait_while(self._busy)
                frame = await asyncio.wait_for(self._frame(reader), self._config.idle_timeout)
                if not frame:
                    break
                self.receive(frame, address)
        except (
            TimeoutError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            ValueError,
            ConnectionError,
        ) as error:
            log.info("syslog_connection_closed", extra={"peer": address, "reason": type(error).__name__})
        finally:
            writer.close()

    async def _frame(self, reader: asyncio.StreamReader) -> bytes:
        """One frame: ``<length> message`` (RFC 6587, octet counting) or a line."""
        first = await reader.read(1)
        if not first.isdigit():
            return first + await reader.readline() if first else b""
        length = first + await reader.readuntil(b" ")
        size = int(length)
        if size > self._config.max_message_length:
            raise ValueError(f"a message of {size} bytes is longer than max_message_length")
        return await reader.readexactly(size)


class _Datagrams(asyncio.DatagramProtocol):
    """UDP: one message a datagram."""

    def __init__(self, source: SyslogSource) -> None:
        self._source = source

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Hand it over."""
        self._source.receive(data, addr[0])
