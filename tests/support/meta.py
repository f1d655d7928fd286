"""Webhook bodies as Meta sends them, signed."""

import hashlib
import hmac
import json
import time
import uuid
from typing import Any

Json = dict[str, Any]
SECRET = "app-secret"
NUMBER = {"display_phone_number": "15550100001", "phone_number_id": "106540352242922"}
ACCOUNT = "102290129340398"
CUSTOMER = "5511987654321"


def signature(body: bytes, secret: str = SECRET) -> str:
    """The X-Hub-Signature-256 header."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def new_wamid() -> str:
    """A message id nobody has used."""
    return f"wamid.{uuid.uuid4().hex.upper()}"


def envelope(field: str, value: Json, account: str = ACCOUNT, **entry: Any) -> Json:
    """One change in Meta's frame."""
    change = {"field": field, "value": value}
    return {"object": "whatsapp_business_account", "entry": [{"id": account, "changes": [change], **entry}]}


def messages_value(number: Json = NUMBER, **parts: Any) -> Json:
    """The value of the field ``messages``."""
    return {"messaging_product": "whatsapp", "metadata": number, **parts}


def text(
    body: str = "Hello",
    *,
    wamid: str | None = None,
    wa_id: str | None = CUSTOMER,
    user_id: str | None = None,
    at: float | None = None,
    number: Json = NUMBER,
    name: str = "Ana",
) -> Json:
    """A customer's text message."""
    contact: Json = {"profile": {"name": name}}
    contact |= {"wa_id": wa_id} if wa_id else {}
    contact |= {"user_id": user_id} if user_id else {}
    message = {
        "id": wamid or new_wamid(),
        "timestamp": str(int(at or time.time())),
        "type": "text",
        "text": {"body": body},
    }
    message |= {"from": wa_id} if wa_id else {}
    return envelope("messages", messages_value(number, contacts=[contact], messages=[message]))


def status(
    wamid: str,
    state: str,
    *,
    opaque: str | None = None,
    at: float | None = None,
    code: int | None = None,
    pricing: Json | None = None,
    number: Json = NUMBER,
) -> Json:
    """A status of one of our messages."""
    entry: Json = {"id": wamid, "status": state, "timestamp": str(int(at or time.time())), "recipient_id": CUSTOMER}
    if opaque is not None:
        entry["biz_opaque_callback_data"] = opaque
    if code is not None:
        entry["errors"] = [{"code": code, "title": "failed", "message": "failed", "error_data": {"details": "d"}}]
    if pricing is not None:
        entry["pricing"] = pricing
    return envelope("messages", messages_value(number, statuses=[entry]))


def encode(payload: Json) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a webhook request."""
    body = json.dumps(payload, separators=(",", ":")).encode()
    return body, {"x-hub-signature-256": signature(body), "content-type": "application/json"}
