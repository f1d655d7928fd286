"""Stream labels: the text form ``{a="b"}``, checks with Loki's words, and the discovered ``service_name``."""

import re
from collections.abc import Mapping

import orjson

from pytake.embedded.loki.errors import PushError, Reason
from pytake.embedded.loki.settings import Limits

_PAIR = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*("(?:[^"\\]|\\.)*"|`[^`]*`)\s*(,|$)')
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPE = re.compile(r"\\(?:[abfnrtv\\\"']|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3})")
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "'": "'"}


def _unescape(match: re.Match[str]) -> str:
    code = match.group(0)[1:]
    if code in _SIMPLE:
        return _SIMPLE[code]
    return chr(int(code[1:], 16) if code[0] in "xuU" else int(code, 8))


def unquote(text: str) -> str:
    """The value of a Go string literal (double-quoted or raw)."""
    return text[1:-1] if text[0] == "`" else _ESCAPE.sub(_unescape, text[1:-1])


def quote(value: str) -> str:
    """A Go string literal of ``value``."""
    return orjson.dumps(value).decode()


def format_labels(labels: Mapping[str, str]) -> str:
    """The canonical text: sorted, ``{a="b", c="d"}``."""
    return "{" + ", ".join(f"{name}={quote(value)}" for name, value in sorted(labels.items())) + "}"


def parse_labels(text: str) -> dict[str, str]:
    """Labels of ``{a="b", c="d"}``. Raises :class:`PushError` (``invalid_labels``, ``duplicate_label_names``)."""
    body = text.strip()
    if not (body.startswith("{") and body.endswith("}")):
        raise PushError(Reason.INVALID_LABELS, f"error parsing labels {text} with error: expected a selector in braces")
    body = body[1:-1].strip()
    labels: dict[str, str] = {}
    at = 0
    while at < len(body):
        match = _PAIR.match(body, at)
        if match is None:
            raise PushError(
                Reason.INVALID_LABELS,
                f"error parsing labels {text} with error: parse error at line 1, col {at + 2}: syntax error",
            )
        name, value, _ = match.groups()
        if name in labels:
            raise PushError(Reason.DUPLICATE_LABELS, f"stream '{text}' has duplicate label name: '{name}'")
        labels[name] = unquote(value)
        at = match.end()
    return labels


def check_labels(labels: Mapping[str, str], limits: Limits) -> None:
    """Raise :class:`PushError` with Loki's words when the labels break a limit."""
    if not labels:
        raise PushError(Reason.MISSING_LABELS, "error at least one label pair is required per stream")
    text = None
    count = len(labels) - ("service_name" in labels)
    if count > limits.max_label_names_per_series:
        text = format_labels(labels)
        raise PushError(
            Reason.TOO_MANY_LABELS,
            f"entry for stream '{text}' has {count} label names; limit {limits.max_label_names_per_series}",
        )
    for name, value in labels.items():
        if not _NAME.fullmatch(name):
            raise PushError(
                Reason.INVALID_LABELS,
                f"error parsing labels {format_labels(labels)} with error: invalid label name: {name}",
            )
        if len(name) > limits.max_label_name_length:
            raise PushError(
                Reason.LABEL_NAME_TOO_LONG, f"stream '{format_labels(labels)}' has label name too long: '{name}'"
            )
        if len(value) > limits.max_label_value_length:
            raise PushError(
                Reason.LABEL_VALUE_TOO_LONG, f"stream '{format_labels(labels)}' has label value too long: '{value}'"
            )


def complete(labels: Mapping[str, str], limits: Limits) -> dict[str, str]:
    """Sorted labels without empty values, with ``service_name`` discovered when that is on."""
    kept = {name: value for name, value in sorted(labels.items()) if value != ""}
    if kept and limits.discover_service_name and "service_name" not in kept:
        found = next((kept[name] for name in limits.discover_service_name if name in kept), "unknown_service")
        kept["service_name"] = found
        kept = dict(sorted(kept.items()))
    return kept
