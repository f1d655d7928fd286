"""Patterns: `<name> literal <_>` of the pattern stage, and `<_> literal` of the `|>` line filter."""

from __future__ import annotations

import re

from pytake.embedded.loki.logql.errors import ParseError

_CAPTURE = re.compile(r"<([A-Za-z_][A-Za-z0-9_]*)>")
Piece = tuple[str, bool]
"""Text and whether it is a capture's name."""


def pieces(pattern: str) -> list[Piece]:
    """Captures and literals in order."""
    found: list[Piece] = []
    at = 0
    for capture in _CAPTURE.finditer(pattern):
        if capture.start() > at:
            found.append((pattern[at : capture.start()], False))
        elif found and found[-1][1]:
            raise ParseError(
                f"invalid pattern: consecutive capture not allowed: found consecutive capture '<{found[-1][0]}>'"
                f" with '<{capture[1]}>'"
            )
        found.append((capture[1], True))
        at = capture.end()
    if at < len(pattern):
        found.append((pattern[at:], False))
    return found


class ParsePattern:
    """The pattern stage: names and values of a line.

    A capture reaches to the next literal, or to the line's end where that is missing, and then the parser stops.
    """

    def __init__(self, pattern: str) -> None:
        self.pieces = pieces(pattern)
        named = [text for text, capture in self.pieces if capture and text != "_"]
        if not named:
            raise ParseError("invalid pattern: at least one capture is required")
        for name in named:
            if named.count(name) > 1:
                raise ParseError(f"invalid pattern: duplicate capture name ({name})")
        self.names = tuple(named)

    def regex(self) -> str:
        """The same as an RE2 expression: nested optional groups say "as far as the literals go"."""
        first, rest = "", self.pieces
        if rest and not rest[0][1]:
            first, rest = re2_escape(rest[0][0]), rest[1:]
        tail = "$"
        for text, capture in reversed(rest):
            if capture:
                tail = (f"(?P<{text}>.*?)" if text != "_" else "(?:.*?)") + tail
            else:
                tail = f"(?:{re2_escape(text)}{tail if tail != '$' else '.*$'})?$"
        return f"(?s)^{first}{tail}"

    def parse(self, line: str) -> list[tuple[str, str]]:
        """Captured names and values, none where the line does not start as the pattern does."""
        found: list[tuple[str, str]] = []
        rest, todo = line, self.pieces
        if not line:
            return found
        if todo and not todo[0][1]:
            if not rest.startswith(todo[0][0]):
                return found
            rest, todo = rest[len(todo[0][0]) :], todo[1:]
        for index in range(0, len(todo), 2):
            name = todo[index][0]
            literal = todo[index + 1][0] if index + 1 < len(todo) else None
            end = rest.find(literal) if literal is not None else -1
            value = rest if end < 0 else rest[:end]
            if name != "_":
                found.append((name, value))
            if literal is None or end < 0:
                break
            rest = rest[end + len(literal) :]
        return found


class LinePattern:
    """The `|>` filter: the whole line has the pattern's literals in order, `<_>` standing for any text."""

    def __init__(self, pattern: str) -> None:
        self.pieces = pieces(pattern)
        for text, capture in self.pieces:
            if capture and text != "_":
                raise ParseError("invalid pattern filter: named captures are not allowed, use <_>")
        self.text = "(?s)^" + "".join(".*" if capture else re2_escape(text) for text, capture in self.pieces) + "$"


def re2_escape(text: str) -> str:
    """The text as an expression that matches it alone."""
    return "".join(c if c.isalnum() or c in "_ " or ord(c) > 127 else f"\\x{ord(c):02x}" for c in text)
