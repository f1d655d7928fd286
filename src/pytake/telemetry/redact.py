"""Takes secrets, tokens, phone numbers and message texts out of what is logged or traced.

By key: what stands under a key that names a secret, a phone number or a text is replaced whole. By form: bearer tokens,
API keys, ``secret=…`` pairs, quoted message bodies and phone numbers are replaced inside any string, so also in
exceptions, URLs and quoted JSON. Ids stay: a value under ``…_id`` may be long and all digits (Meta's are).
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"
PHONE = "[phone]"
TEXT = "[text]"
MAX_DEPTH = 8
MAX_TEXT = 20_000
"""Longer strings are cut: no rule may take long, and a line stays a line."""

_SECRET_PARTS = (
    "secret", "password", "passwd", "authorization", "apikey", "privatekey", "credential", "passphrase", "cookie",
    "appsecretproof",
)  # fmt: skip
_SECRET_ENDS = ("token", "tokens", "signature", "signature256", "accesskey", "pwd", "dsn", "databaseurl", "redisurl")
_PHONE_KEYS = frozenset({
    "phone", "phonenumber", "phones", "phonenumbers", "msisdn", "waid", "recipient", "recipientid", "recipientuserid",
    "to", "from", "sender", "displayphonenumber", "userid", "bsuid", "customer", "customerphone", "customerid",
    "caller", "oncallnumber", "mobile", "telephone", "contact", "contacts", "profilename", "email",
})  # fmt: skip
_TEXT_KEYS = frozenset({
    "text", "body", "content", "contents", "caption", "prompt", "completion", "answer", "reply", "messagebody",
    "messagetext", "messages", "customermessage", "payload", "rawbody", "requestbody", "responsebody", "transcript",
    "parameters", "components", "choices", "interactive",
})  # fmt: skip
_WHOLE = {"secret": REDACTED, "phone": PHONE, "text": TEXT}
_ID_ENDS = ("id", "ids", "timestamp", "wamid")

_QUOTED = r"""\\?"(?:[^"\\]|\\[^"])*\\?"|'(?:[^'\\]|\\.)*'"""
_HIDDEN_NAMES = (
    r"(?:[\w\-.]*(?:token|secret|password|passwd|pwd|api[_\-]?key|access[_\-]?key|private[_\-]?key|signature(?:-256)?"
    r"|authorization|cookie|appsecret_proof))"
)
_TEXT_NAMES = r"(?:body|text|caption|content|prompt|reply)"
_PHONE_NAMES = r"(?:wa_id|from|to|recipient_id|display_phone_number|phone(?:_number)?|user_id|msisdn)"


def _rule(pattern: str, replacement: str | Callable[[re.Match[str]], str]) -> tuple[re.Pattern[str], Any]:
    return re.compile(pattern), replacement


_RULES = (
    # `Bearer abc`, `Basic abc`
    _rule(r"(?i)\b(bearer|basic)((?:\s|%20)+)(?!\[)[\w\-.~+/=]{4,}", rf"\1\2{REDACTED}"),
    # `"body": "…"` in quoted JSON or a dict's repr, before secrets: a text may look like anything
    _rule(rf"""(?i)(\\?["']{_TEXT_NAMES}\\?["']\s*:\s*)(?:{_QUOTED})""", rf'\1"{TEXT}"'),
    _rule(rf"""(?i)(\\?["']{_PHONE_NAMES}\\?["']\s*:\s*)(?:{_QUOTED})""", rf'\1"{PHONE}"'),
    # `token=abc`, `"api_key": "abc"`, `X-Api-Key: abc`
    _rule(
        rf"""(?i)(?<![\w\-.])(\\?["']?{_HIDDEN_NAMES}\\?["']?\s*(?:=|:|%3D)\s*)"""
        rf"""(?:(?:bearer|basic)\s+\[redacted\]|{_QUOTED}|(?!\[redacted\])[^\s&,;"'}})\]]+)""",
        rf"\1{REDACTED}",
    ),
    # keys and tokens known by their beginning; JSON web tokens
    _rule(r"\b(?:sk|pk|rk|whsec)[-_][\w\-]{8,}", REDACTED),
    _rule(r"\bEAA[A-Za-z0-9]{16,}|\bxox[a-z]-[\w\-]{8,}|\b(?:gh[a-z]|glsa)_\w{16,}|\bAKIA[A-Z0-9]{12,}", REDACTED),
    _rule(r"\beyJ[\w\-]{8,}\.[\w\-]+\.[\w\-]*", REDACTED),
    # `https://user:password@host`
    _rule(r"(://)[^/\s:@]*:[^/\s@]+(@)", rf"\1{REDACTED}\2"),
    # `+55 (11) 99999-8888`, also percent-encoded
    _rule(r"(?:\+|%2[Bb])\d(?:[ ().\-]{0,2}\d){6,16}", PHONE),
    # a phone number as WhatsApp writes it: 10 to 15 digits that are not part of a longer word, number or date
    _rule(r"(?<![\w.+\-:])\d{10,15}(?![\w\-:]|\.\d)", PHONE),
)  # fmt: skip
_SUSPECT = re.compile(
    r"""[=:@+]|%2|\d{10}|[bB]earer|[bB]asic|BEARER|BASIC|sk[-_]|pk[-_]|rk-|whsec|EAA|xox|gh._|glsa_|AKIA|eyJ"""
)
"""Most strings hold nothing of the kind; this one look saves the rules."""


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
    return "id" if plain.endswith(_ID_ENDS) else ""


def redact_text(text: str) -> str:
    """Replace what has the form of a secret, a quoted message text or a phone number."""
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}[cut {len(text) - MAX_TEXT}]"
    if not _SUSPECT.search(text):
        return text
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def redact_value(key: str, value: Any, depth: int = 0) -> Any:
    """Return ``value`` as it may be logged under ``key``: JSON-ready, at most :data:`MAX_DEPTH` levels deep."""
    if value is None or isinstance(value, bool):
        return value
    kind = kind_of_key(key)
    if isinstance(value, int | float):
        return _redact_number(kind, value)
    if kind in _WHOLE:
        return _WHOLE[kind]
    if isinstance(value, str):
        return value if kind == "id" and value.isdigit() else redact_text(value)
    return _redact_container(key, value, depth)


def _redact_number(kind: str, value: float) -> Any:
    """Counts are kept (``max_tokens=100``, ``messages=3``); a number as long as a phone's is not."""
    if kind == "phone" and abs(value) >= 1e7:
        return PHONE
    return REDACTED if kind == "secret" and abs(value) >= 1e9 else value


def _redact_container(key: str, value: Any, depth: int) -> Any:
    if depth >= MAX_DEPTH:
        return "[deep]"
    if isinstance(value, Mapping):
        return {redact_text(str(k)): redact_value(str(k), v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value(key, item, depth + 1) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[bytes {len(value)}]"
    return redact_text(str(value))
