"""One event of a webhook as it travels through the queue."""

from dataclasses import dataclass
from typing import Any

import orjson

from pytake.backend.webhooks.payload import Change, Entry, MessagesValue
from pytake.telemetry.labels import WebhookField


@dataclass(frozen=True)
class WebhookEvent:
    """``data`` is the message, the status, the error, or the whole value of another field, as Meta sent it."""

    field: WebhookField
    waba_id: str
    phone_number_id: str | None
    data: dict[str, Any]
    raw_field: str = ""
    contact: dict[str, Any] | None = None
    time: float | None = None

    def to_fields(self) -> dict[str, str]:
        """The queue's fields."""
        body = {
            "field": self.field.value,
            "waba_id": self.waba_id,
            "phone_number_id": self.phone_number_id,
            "data": self.data,
            "raw_field": self.raw_field,
            "contact": self.contact,
            "time": self.time,
        }
        return {"event": orjson.dumps(body).decode()}

    @classmethod
    def from_fields(cls, fields: dict[str, str]) -> "WebhookEvent":
        """Read the queue's fields; raises ``ValueError``, ``KeyError`` for what is none of ours."""
        body = orjson.loads(fields["event"])
        return cls(**(body | {"field": WebhookField(body["field"])}))


def split(changes: list[tuple[Entry, Change, MessagesValue | None]]) -> list[WebhookEvent]:
    """The events of a webhook: each is queued, tried again and buried by itself."""
    events: list[WebhookEvent] = []
    for entry, change, value in changes:
        if value is None:
            events.append(_other(entry, change))
        else:
            events += _messages(entry, change, value)
    return events


def _messages(entry: Entry, change: Change, value: MessagesValue) -> list[WebhookEvent]:
    number = value.metadata.phone_number_id
    contacts = change.value.get("contacts") or []

    def event(kind: WebhookField, data: dict[str, Any], contact: Any = None) -> WebhookEvent:
        stamp = data.get("timestamp")
        when = float(stamp) if isinstance(stamp, str) else None
        return WebhookEvent(kind, entry.id, number, data, change.field, contact, when)

    events = [
        event(WebhookField.MESSAGES, raw, _contact_of(raw, contacts)) for raw in change.value.get("messages") or []
    ]
    events += [event(WebhookField.STATUSES, raw) for raw in change.value.get("statuses") or []]
    events += [event(WebhookField.ERRORS, raw) for raw in change.value.get("errors") or []]
    return events


def _contact_of(message: dict[str, Any], contacts: list[dict[str, Any]]) -> dict[str, Any] | None:
    for contact in contacts:
        known = {contact.get("wa_id"), contact.get("user_id")} - {None, ""}
        if known & {message.get("from"), message.get("from_user_id")}:
            return contact
    return contacts[0] if len(contacts) == 1 else None


def _other(entry: Entry, change: Change) -> WebhookEvent:
    try:
        kind = WebhookField(change.field)
    except ValueError:
        kind = WebhookField.OTHER
    when = entry.time / 1000 if entry.time and entry.time > 10**11 else entry.time  # seconds, sometimes milliseconds
    return WebhookEvent(kind, entry.id, None, change.value, change.field, None, when)
