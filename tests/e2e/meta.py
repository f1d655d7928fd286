"""Webhook bodies written down from Meta's documentation, and a sender that signs them as Meta does.

They are not made by the sandbox on purpose: here the tests play Meta's part with the documented bytes.
"""

import hashlib
import hmac
import json
import secrets
import time
from typing import Any

import httpx

from tests.e2e.wire import HTTP

Json = dict[str, Any]


def wamid() -> str:
    """A message id that no other test has."""
    return f"wamid.HBgLMTU1NTAxMDA{secrets.token_hex(12).upper()}"


def change(number: Json, field: str, value: Json) -> Json:
    """Meta's frame around one change."""
    changes = [{"value": value, "field": field}]
    return {"object": "whatsapp_business_account", "entry": [{"id": number["waba_id"], "changes": changes}]}


def messages_value(number: Json, **parts: Any) -> Json:
    """``value`` of the field ``messages``."""
    metadata = {
        "display_phone_number": number["display_phone_number"],
        "phone_number_id": number["phone_number_id"],
    }
    return {"messaging_product": "whatsapp", "metadata": metadata} | parts


def text(number: Json, sender: str, body: str, *, message_id: str | None = None, name: str = "Kerry Fisher") -> Json:
    """A received text message, as the documentation shows it."""
    message = {
        "from": sender,
        "id": message_id or wamid(),
        "timestamp": str(int(time.time())),
        "text": {"body": body},
        "type": "text",
    }
    contacts = [{"profile": {"name": name}, "wa_id": sender}]
    return change(number, "messages", messages_value(number, contacts=contacts, messages=[message]))


def status(number: Json, message_id: str, state: str, recipient: str, **more: Any) -> Json:
    """A status of a message that the business sent."""
    entry = {"id": message_id, "status": state, "timestamp": str(int(time.time())), "recipient_id": recipient} | more
    return change(number, "messages", messages_value(number, statuses=[entry]))


PRICING = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility"}
FAILED = {
    "code": 131026,
    "title": "Message undeliverable",
    "message": "Message undeliverable",
    "error_data": {"details": "Message Undeliverable."},
    "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
}


def sign(secret: str, body: bytes) -> str:
    """``X-Hub-Signature-256``."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Meta:
    """Posts webhooks to the backend."""

    def __init__(self, url: str, secret: str) -> None:
        self.url = url
        self.secret = secret

    def post(self, payload: Json | bytes, *, secret: str | None = None, **headers: str) -> httpx.Response:
        """Sign (with another ``secret`` if given) and post; bytes go out as they are."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        own = {"content-type": "application/json", "x-hub-signature-256": sign(secret or self.secret, body)}
        return HTTP.post(self.url, content=body, headers=own | headers, timeout=10)
