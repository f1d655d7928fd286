"""Go's string literals: `strconv.Unquote` and `strconv.Quote`."""

from __future__ import annotations

import re

_SIMPLE = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
}
_QUOTED = {value: "\\" + key for key, value in _SIMPLE.items()}
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))", re.DOTALL
)


def unquote(body: str) -> str:
    """The value of a double-quoted literal's inside; ValueError where Go refuses the escape."""
    if "\\" not in body:
        return body
    raw = bytearray()
    last = 0
    for found in _ESCAPE.finditer(body):
        raw += body[last : found.start()].encode()
        simple, octal, byte, short, long, other = found.groups()
        if simple is not None:
            raw += _SIMPLE[simple].encode()
        elif octal is not None or byte is not None:
            value = int(octal, 8) if octal is not None else int(byte, 16)
            if value > 255:
                raise ValueError(f"escape out of range: {found[0]}")
            raw.append(value)
        elif short is not None or long is not None:
            raw += chr(int(short or long, 16)).encode("utf-8", "strict")
        else:
            raise ValueError(f"unknown escape: \\{other}")
        last = found.end()
    raw += body[last:].encode()
    return raw.decode("utf-8", "replace")


def quote(value: str) -> str:
    """A double-quoted literal, as `strconv.Quote` writes it."""
    out = []
    for char in value:
        if char in _QUOTED:
            out.append(_QUOTED[char])
        elif char.isprintable():
            out.append(char)
        elif ord(char) < 0x80:
            out.append(f"\\x{ord(char):02x}")
        else:
            out.append(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}")
    return '"' + "".join(out) + '"'
