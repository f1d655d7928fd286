"""logfmt as go-logfmt reads it: ``key=value key="quoted \\" value" flag``."""

import re

_PAIR = re.compile(r'\s*([^\s="]+)(?:=(?:"((?:\\.|[^"\\])*)"|([^\s"]*)))?(?=\s|$)')
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")


def decode_logfmt(line: str) -> dict[str, str]:
    """Values by key, the first of equal keys; stops at the first fault and gives what came before it."""
    found: dict[str, str] = {}
    position = 0
    while match := _PAIR.match(line, position):
        key, quoted, plain = match.groups()
        found.setdefault(key, _unescape(quoted) if quoted is not None else plain or "")
        position = match.end()
    return found


def _unescape(value: str) -> str:
    if "\\" not in value:
        return value
    return _ESCAPE.sub(lambda m: chr(int(m[1][1:], 16)) if len(m[1]) == 5 else _ESCAPES.get(m[1], m[1]), value)
