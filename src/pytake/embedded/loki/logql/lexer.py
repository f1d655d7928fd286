"""Characters to tokens, as Loki's scanner sees them: `#` comments, Go strings, durations, byte sizes, `[5m]` as one.

A function name is a function only before `(` (or `by`, `without`), and inside `{}` every word is a label name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lark import Token
from lark.lexer import Lexer

from pytake.embedded.loki.logql.ast import Conversion, RangeOp, VectorOp
from pytake.embedded.loki.logql.errors import ParseError
from pytake.embedded.loki.logql.gostrings import unquote
from pytake.embedded.loki.logql.units import parse_bytes, parse_duration

KEYWORDS = frozenset(
    [
        "json",
        "logfmt",
        "regexp",
        "pattern",
        "unpack",
        "line_format",
        "label_format",
        "drop",
        "keep",
        "decolorize",
        "unwrap",
        "offset",
        "by",
        "without",
        "and",
        "or",
        "unless",
        "bool",
        "on",
        "ignoring",
        "group_left",
        "group_right",
    ]
)
SHOUTED = frozenset(("AND", "OR", "UNLESS", "BY", "WITHOUT"))
FUNCTIONS = {"ip": "IP", "vector": "VECTOR", "label_replace": "LABEL_REPLACE"}
FUNCTIONS |= {op.value: "RANGE_OP" for op in RangeOp}
FUNCTIONS |= {op.value: "VECTOR_OP" for op in VectorOp}
FUNCTIONS |= {conversion.value: "CONVERSION" for conversion in Conversion}
OPERATORS = ("|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", ">=", "<=", *"{}()|,=<>+-*/%^")

_SPACE = re.compile(r"(?:\s+|#[^\n]*)+")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_:]*")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_QUANTITY = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)[A-Za-zµμ](?:[A-Za-zµμ0-9.])*")
_DOUBLE = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_RAW = re.compile(r"`[^`]*`")
_FLAG = re.compile(r"--[a-z-]+")
_RANGE = re.compile(r"\[([^\]]*)\]")
_COMPARED = re.compile(r"\s*[=<>]")
"""What makes a keyword the name of a label; `!=` does not, it may begin a line filter."""
_CALL = re.compile(r"\s*(?:\(|(?:by|without)\b)")


class QueryLexer(Lexer):
    """The lexer that lark asks for tokens."""

    def __init__(self, lexer_conf: Any) -> None:
        self.names = {
            terminal.pattern.value: terminal.name
            for terminal in lexer_conf.terminals
            if getattr(terminal, "pattern", None) is not None
        }

    def lex(self, lexer_state: Any, parser_state: Any = None) -> Iterator[Token]:
        """Tokens of the text that lark hands over, values of literals still as written."""
        text = lexer_state if isinstance(lexer_state, str) else lexer_state.text
        text = getattr(text, "text", text)
        yield from _Scan(str(text), self.names)


class _Scan:
    def __init__(self, text: str, names: dict[str, str]) -> None:
        self.text, self.names, self.at, self.braces = text, names, 0, False

    def __iter__(self) -> Iterator[Token]:
        while True:
            blank = _SPACE.match(self.text, self.at)
            if blank:
                self.at = blank.end()
            if self.at >= len(self.text):
                return
            yield self._next()

    def _token(self, kind: str, end: int, value: str | None = None) -> Token:
        line, col = position(self.text, self.at)
        token = Token(kind, self.text[self.at : end] if value is None else value, self.at, line, col, end_pos=end)
        self.at = end
        return token

    def _fail(self, message: str) -> ParseError:
        return ParseError(message, *position(self.text, self.at))

    def _next(self) -> Token:
        char = self.text[self.at]
        if char in "\"`'":
            return self._string(char)
        if char == "[":
            return self._range()
        if char.isdigit() or (char == "." and self.text[self.at + 1 : self.at + 2].isdigit()):
            return self._quantity()
        if word := _WORD.match(self.text, self.at):
            return self._word(word)
        if flag := _FLAG.match(self.text, self.at):
            return self._token("PARSER_FLAG", flag.end())
        for operator in OPERATORS:
            if self.text.startswith(operator, self.at):
                self.braces = operator == "{" or (self.braces and operator != "}")
                return self._token(self.names.get(operator, operator), self.at + len(operator))
        raise self._fail(f"syntax error: unexpected {char!r}" if char.isprintable() else "invalid character")

    def _string(self, quote: str) -> Token:
        if quote == "'":
            raise self._fail("invalid char literal")
        found = (_RAW if quote == "`" else _DOUBLE).match(self.text, self.at)
        if not found:
            raise self._fail("literal not terminated")
        try:
            value = found[0][1:-1] if quote == "`" else unquote(found[0][1:-1])
        except ValueError:
            raise self._fail("invalid syntax") from None
        return self._token("STRING", found.end(), value)

    def _range(self) -> Token:
        found = _RANGE.match(self.text, self.at)
        if not found:
            raise self._fail("missing closing ']' in duration")
        body = found[1].strip()
        duration = parse_duration(body)
        if duration is None:
            raise self._fail(f'not a valid duration string: "{body}"')
        if duration <= 0:
            raise self._fail(f"duration must be greater than 0, got {body}")
        return self._token("RANGE", found.end(), str(duration))

    def _quantity(self) -> Token:
        if found := _QUANTITY.match(self.text, self.at):
            duration = parse_duration(found[0])
            if duration is not None:
                return self._token("DURATION", found.end(), str(duration))
            size = parse_bytes(found[0])
            if size is not None:
                return self._token("BYTES", found.end(), str(size))
        number = _NUMBER.match(self.text, self.at)
        assert number is not None, "called at a digit"
        return self._token("NUMBER", number.end())

    def _word(self, word: re.Match[str]) -> Token:
        name = word[0]
        if self.braces or (name in KEYWORDS and _COMPARED.match(self.text, word.end())):
            return self._token("IDENTIFIER", word.end())
        if name in SHOUTED:
            name = name.lower()
        if name in KEYWORDS:
            kind = "GROUP" if name.startswith("group_") else self.names.get(name, name.upper())
            return self._token(kind, word.end(), name)
        if name in FUNCTIONS and _CALL.match(self.text, word.end()):
            return self._token(self.names.get(name, FUNCTIONS[name]), word.end())
        if name == "variants" and _CALL.match(self.text, word.end()):
            raise self._fail("multi variant queries are no longer supported")
        return self._token("IDENTIFIER", word.end())


def position(text: str, at: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
