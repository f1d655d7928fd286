"""Local receivers that stand for Slack, the mail server, the on-call service and the heartbeat service.

They speak the real protocols (Slack's incoming webhook, SMTP, Alertmanager's webhook), so what is proven is the whole
way from Alertmanager to the wire.
"""

import email
import email.policy
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, Session

MAX_BODY = 4_000_000
# pytake.title of monitoring/alertmanager/templates: [FIRING 2] critical api: AlertName (instance)
_TITLE = re.compile(r"\[(?P<status>FIRING|RESOLVED)[^\]]*\][^:]*: (?P<alert>\w+)")


@dataclass(frozen=True)
class Notification:
    """One arrival: which channel, which alert, firing or resolved, when (Unix seconds), the text as sent."""

    channel: str
    alert: str
    status: str
    at: float
    text: str = field(repr=False)


class Inbox:
    """What arrived, in order; safe to read while receivers write."""

    def __init__(self) -> None:
        self._arrived: list[Notification] = []
        self._changed = threading.Condition()

    def add(self, channel: str, alert: str, status: str, text: str) -> None:
        """Note an arrival now."""
        with self._changed:
            self._arrived.append(Notification(channel, alert, status.lower(), time.time(), text))
            self._changed.notify_all()

    def all(self) -> list[Notification]:
        """Everything so far."""
        with self._changed:
            return list(self._arrived)

    def first(self, alert: str, status: str, since: float, channels: frozenset[str]) -> Notification | None:
        """The first arrival of ``alert`` in ``status`` after ``since`` at one of ``channels``, or ``None``."""
        for item in self.all():
            if item.alert == alert and item.status == status and item.at >= since and item.channel in channels:
                return item
        return None

    def last(self, alert: str, channel: str) -> Notification | None:
        """The newest arrival of ``alert`` at a channel, or ``None``."""
        return next((item for item in reversed(self.all()) if (item.alert, item.channel) == (alert, channel)), None)


@dataclass(frozen=True)
class Channels:
    """The open receivers: their inbox and the variables that point Alertmanager at them."""

    inbox: Inbox
    environment: dict[str, str]
    refuse: set[str]
    """Alerts whose messages Slack's receiver answers with 400 while they stand here."""


@contextmanager
def open_channels(host: str = "127.0.0.1") -> Iterator[Channels]:
    """Receivers on free ports of ``host`` until the block ends."""
    inbox = Inbox()
    refuse: set[str] = set()
    port = _free_port(host)
    mail = Controller(_Mail(inbox), hostname=host, port=port)
    http = ThreadingHTTPServer((host, 0), _handler(inbox, refuse))
    thread = threading.Thread(target=http.serve_forever, name="drill-http", daemon=True)
    thread.start()
    mail.start()
    try:
        base = f"http://{host}:{http.server_address[1]}"
        yield Channels(
            inbox,
            {
                "SLACK_WEBHOOK_URL": f"{base}/slack",
                "SMTP_HOST": host,
                "SMTP_PORT": str(port),
                "SMTP_REQUIRE_TLS": "false",
                "SMTP_USERNAME": "",
                "ALERT_EMAIL_TO": "oncall@drill.invalid",
                "ONCALL_WEBHOOK_URL": f"{base}/oncall",
                "HEARTBEAT_WEBHOOK_URL": f"{base}/heartbeat",
            },
            refuse,
        )
    finally:
        mail.stop()
        http.shutdown()
        http.server_close()
        thread.join()


def _free_port(host: str) -> int:
    """aiosmtpd's controller cannot take port 0: it knocks at the port that it was given."""
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])


class _Mail:
    """aiosmtpd's handler: a mail's subject is the notification's title."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle_DATA(self, server: object, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        content = envelope.content or b""
        message = email.message_from_bytes(
            content if isinstance(content, bytes) else content.encode(), policy=email.policy.default
        )
        body = message.get_body(("plain", "html"))
        _note(self._inbox, "email", str(message["Subject"]), body.get_content() if body else "")
        return "250 OK"


def _note(inbox: Inbox, channel: str, title: str, text: str) -> None:
    if match := _TITLE.search(title):
        inbox.add(channel, match["alert"], match["status"], f"{title}\n{text}")
    else:
        inbox.add(channel, "", "unknown", f"{title}\n{text}")


def _take(inbox: Inbox, channel: str, payload: dict[str, Any]) -> None:
    if channel == "slack":
        for attachment in payload.get("attachments", []):
            _note(inbox, channel, attachment.get("title", ""), attachment.get("text", ""))
        return
    for alert in payload.get("alerts", []):
        inbox.add(channel, alert["labels"].get("alertname", ""), alert["status"], json.dumps(alert))


def _handler(inbox: Inbox, refuse: set[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """POST /slack, /oncall, /heartbeat."""

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            channel = self.path.strip("/")
            if channel not in {"slack", "oncall", "heartbeat"} or not 0 < length <= MAX_BODY:
                self.send_error(404)
                return
            body = self.rfile.read(length)
            if channel == "slack" and any(f": {alert}".encode() in body for alert in refuse):
                self.send_error(400, explain="invalid_payload")
                return
            try:
                _take(inbox, channel, json.loads(body))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                self.send_error(400, explain=str(error))
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            """Quiet: the drill prints a table of its own."""

    return Handler
