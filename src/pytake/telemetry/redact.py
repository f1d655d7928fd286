"""Takes secrets, tokens, phone numbers and message texts out of what is logged or traced.

By key: values of keys that name a secret, a phone number or a text are replaced whole. By form: bearer tokens, API keys,
``secret=…`` pairs and phone numbers are replaced inside any string, so also in exceptions, URLs and quoted JSON.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"
PHONE = "[phone]"
MAX_DEPTH = 8

_SECRET_PARTS = ("secret", "password", "passwd", "authorization", "apikey", "privatekey", "credential", "passphrase", "cookie")
_SECRET_ENDS = ("token", "signature", "signature256", "accesskey", "pwd", "dsn")
_PHONE_KEYS = frozenset(
    "phone phonenumber phones msisdn waid recipient recipientid to from sender displayphonenumber userid bsuid customer"
    " customerphone oncallnumber mobile telephone".split()
)
_TEXT_KEYS = frozenset(
    "text body content contents caption prompt completion answer reply messagebody messagetext customermessage payload"
    " rawbody messages transcript parameters components choices".split()
)
_NAMES = (
    r"access_token|refresh_token|verify_token|api[_-]?key|app_secret|client_secret|secret|token|password|passwd|pwd"
    r"|authorization|signature|cookie|appsecret_proof"
)
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[\w\-.~+/=]{6,}"), r"\1\2" + REDACTED),
    (re.compile(rf"(?i)([\"']?[\w.\-]*\b(?:[\w]+_)?(?:{_NAMES})[\"']?\s*[=:]\s*)(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|(?!\[redacted\]|bearer\b|basic\b)[^\s&,;\"'}})\]]+)"), r"\1" + REDACTED),
    (re.compile(r"([\"'](?:body|text|caption|content)[\"']\s*:\s*)(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"), r"\1" + '"[text]"'),
    (re.compile(r"\b(?:sk|pk|rk)-[\w\-]{8,}|\bEAA[A-Za-z0-9]{16,}|\bxox[a-z]-[\w\-]{8,}|\bgh[a-z]_\w{16,}|\beyJ[\w\-]{8,}\.[\w\-]+\.[\w\-]*"), REDACTED),
    (re.compile(r"(://)[^/\s:@]*:[^/\s@]+(@)"), r"\1" + REDACTED + r"\2"),
    (re.compile(r"\+\d[\d ().\-]{6,18}\d"), PHONE),
    (re.compile(r"(?<![\w.+\-:])\d{10,15}(?![\w\-:]|\.\d)"), PHONE),
)  # fmt: skip


@lru_cache(maxsize=4096)
def kind_of_key(key: str) -> str:
    """Return ``secret``, ``phone``, ``text``, ``id`` or nothing: how values under ``key`` are treated."""
    plain = re.sub(r"[^a-z0-9]", "", key.lower())
    if any(part in plain for part in _SECRET_PARTS) or plain.endswith(_SECRET_ENDS):
        return "secret"
    if plain in _PHONE_KEYS:
        return "phone"
    if plain in _TEXT_KEYS:
        return "text"
    return "id" if plain.endswith(("id", "ids", "timestamp", "time")) else ""


def redact_text(text: str) -> str:
    """Replace what has the form of a secret or a phone number."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def redact_value(key: str, value: Any, depth: int = 0) -> Any:
    """Return ``value`` as it may be logged under ``key``."""
    kind = kind_of_key(key)
    if value is None or isinstance(value, bool):
        return value
    if kind == "secret":
        return REDACTED
    if kind == "phone" and not isinstance(value, float):
        return PHONE
    if kind == "text" and not isinstance(value, int | float):
        return f"[text {len(value)}]" if isinstance(value, str | bytes | list | dict | tuple) else "[text]"
    if isinstance(value, str):
        return value if kind == "id" and value.isdigit() else redact_text(value)
    return _redact_container(key, value, depth)


def _redact_container(key: str, value: Any, depth: int) -> Any:
    if isinstance(value, int | float):
        return value
    if depth >= MAX_DEPTH:
        return "[deep]"
    if isinstance(value, Mapping):
        return {str(k): redact_value(str(k), v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value(key, item, depth + 1) for item in value]
    if isinstance(value, bytes | bytearray):
        return f"[bytes {len(value)}]"
    return redact_text(str(value))
