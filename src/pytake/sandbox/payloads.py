"""Webhook bodies in the shapes that Meta documents, and their signature."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

from pytake.sandbox.settings import Instance

Json = dict[str, Any]


def new_wamid(recipient: str) -> str:
    """A message id of Meta's form: ``wamid.`` and base64 text."""
    raw = b"\x1d\x0b" + recipient.encode() + b"\x15\x02\x00\x11\x18\x12" + secrets.token_hex(9).upper().encode()
    return "wamid." + base64.b64encode(raw).decode()


def sign(secret: str, body: bytes) -> str:
    """The ``X-Hub-Signature-256`` header for a raw body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def encode(payload: Json) -> bytes:
    """Body bytes as Meta sends them: JSON with non-ASCII escaped."""
    return json.dumps(payload, separators=(",", ":")).encode()


def envelope(waba_id: str, field: str, value: Json, *, with_time: bool = False) -> Json:
    """One change in Meta's outer frame; account-level fields carry the entry's ``time``."""
    entry: Json = {"id": waba_id, "changes": [{"value": value, "field": field}]}
    if with_time:
        entry["time"] = int(time.time())
    return {"object": "whatsapp_business_account", "entry": [entry]}


def _messages_value(number: Instance) -> Json:
    return {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": number.display_phone_number,
            "phone_number_id": number.phone_number_id,
        },
    }


def inbound(number: Instance, message: Json, *, wa_id: str, name: str, user_id: str | None = None) -> Json:
    """A customer's message. ``message`` has ``id``, ``timestamp``, ``type`` and the type's object."""
    contact: Json = {"profile": {"name": name}, "wa_id": wa_id}
    if user_id is not None:
        contact["user_id"] = user_id
    value = _messages_value(number) | {"contacts": [contact], "messages": [{"from": wa_id} | message]}
    return envelope(number.waba_id, "messages", value)


def text_message(body: str, *, wamid: str, at: float, context: str | None = None) -> Json:
    """The ``messages[]`` entry of a text."""
    message: Json = {"id": wamid, "timestamp": str(int(at)), "type": "text", "text": {"body": body}}
    if context is not None:
        message["context"] = {"id": context}
    return message


def status(
    number: Instance,
    state: str,
    *,
    wamid: str,
    recipient: str,
    at: float,
    opaque: str | None = None,
    pricing: Json | None = None,
    conversation: Json | None = None,
    errors: list[Json] | None = None,
) -> Json:
    """A status of a message that the business sent. ``opaque`` is its ``biz_opaque_callback_data``."""
    entry: Json = {"id": wamid, "status": state, "timestamp": str(int(at)), "recipient_id": recipient}
    optional: Json = {
        "biz_opaque_callback_data": opaque,
        "conversation": conversation,
        "pricing": pricing,
        "errors": errors,
    }
    entry |= {name: value for name, value in optional.items() if value is not None}
    return envelope(number.waba_id, "messages", _messages_value(number) | {"statuses": [entry]})


def template_status(waba_id: str, template: Json, event: str) -> Json:
    """``message_template_status_update``."""
    value: Json = {
        "event": event,
        "message_template_id": int(template["id"]),
        "message_template_name": template["name"],
        "message_template_language": template["language"],
        "message_template_category": template["category"],
        "reason": "NONE",
    }
    if event == "PAUSED":
        value["other_info"] = {"title": "FIRST_PAUSE", "description": "Paused for 3 hours: low quality."}
    if event == "DISABLED":
        value["disable_info"] = {"disable_date": int(time.time())}
    return envelope(waba_id, "message_template_status_update", value, with_time=True)


def template_quality(waba_id: str, template: Json, old: str, new: str) -> Json:
    """``message_template_quality_update``."""
    value = {
        "previous_quality_score": old,
        "new_quality_score": new,
        "message_template_id": int(template["id"]),
        "message_template_name": template["name"],
        "message_template_language": template["language"],
    }
    return envelope(waba_id, "message_template_quality_update", value, with_time=True)


def phone_quality(number: Instance, event: str, tier: str) -> Json:
    """``phone_number_quality_update``: FLAGGED and UNFLAGGED, or a changed limit."""
    value = {
        "display_phone_number": number.display_phone_number,
        "event": event,
        "current_limit": tier,
        "max_daily_conversations_per_business": tier,
    }
    return envelope(number.waba_id, "phone_number_quality_update", value, with_time=True)


def account_update(number: Instance, event: str, state: str) -> Json:
    """``account_update`` with the account's ban state."""
    value: Json = {"phone_number": number.display_phone_number, "event": event}
    if event == "DISABLED_UPDATE":
        value["ban_info"] = {"waba_ban_state": state, "waba_ban_date": time.strftime("%B %d, %Y", time.gmtime())}
    elif event == "ACCOUNT_RESTRICTION":
        expires = int(time.time()) + 7 * 86400
        value["restriction_info"] = [
            {"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": expires},
        ]
    return envelope(number.waba_id, "account_update", value, with_time=True)


def account_alert(number: Instance, kind: str, description: str) -> Json:
    """``account_alerts``."""
    value = {
        "entity_type": "PHONE_NUMBER",
        "entity_id": number.phone_number_id,
        "alert_info": {
            "alert_severity": "CRITICAL",
            "alert_status": "ACTIVE",
            "alert_type": kind,
            "alert_description": description,
        },
    }
    return envelope(number.waba_id, "account_alerts", value, with_time=True)


def capability(waba_id: str, tier: str) -> Json:
    """``business_capability_update``: the portfolio's messaging limit."""
    value = {"max_daily_conversations_per_business": tier, "max_phone_numbers_per_waba": 25}
    return envelope(waba_id, "business_capability_update", value, with_time=True)
