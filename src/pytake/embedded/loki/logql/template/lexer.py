"""Template text to pieces: text between actions, and the tokens of each action."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytake.embedded.loki.logql.errors import TemplateError
from pytake.embedded.loki.logql.gostrings import unquote

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<raw>`[^`]*`)|(?P<char>'(?:[^'\\]|\\.)+')
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?))
    |(?P<variable>\$[A-Za-z0-9_]*)|(?P<field>\.[A-Za-z_][A-Za-z0-9_]*)|(?P<dot>\.)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<op>:=|=|\||\(|\)|,)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Tok:
    """A token; `glued` when no blank stands before it."""

    kind: str
    text: str
    glued: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """Tokens between `{{` and `}}` and the line they stand on."""

    tokens: tuple[Tok, ...]
    line: int


def split(source: str) -> list[str | Action]:
    """Texts and actions in order, blanks cut where `{{-` and `-}}` say so."""
    parts: list[str | Action] = []
    at, trim = 0, False
    while True:
        start = source.find("{{", at)
        text = source[at:] if start < 0 else source[at:start]
        if trim:
            text = text.lstrip(" \t\r\n")
        if start < 0:
            if text:
                parts.append(text)
            return parts
        body = start + 2
        if re.match(r"-\s", source[body : body + 2]):
            text, body = text.rstrip(" \t\r\n"), body + 1
        if text:
            parts.append(text)
        line = source.count("\n", 0, start) + 1
        tokens, at, trim = _action(source, body, line)
        if tokens:
            parts.append(Action(tokens, line))


def _action(source: str, at: int, line: int) -> tuple[tuple[Tok, ...], int, bool]:
    comment = re.compile(r"\s*/\*.*?\*/\s*(-?)\}\}", re.DOTALL).match(source, at)
    if comment:
        return (), comment.end(), comment[1] == "-"
    tokens: list[Tok] = []
    spaced = True
    while True:
        if source.startswith("}}", at):
            if not tokens:
                raise TemplateError(f"{line}: missing value for command")
            return tuple(tokens), at + 2, False
        if spaced and source.startswith("-}}", at):
            return tuple(tokens), at + 3, True
        found = _TOKEN.match(source, at)
        if not found:
            rest = source[at : at + 1]
            problem = "unclosed action" if not rest else "unterminated quoted string" if rest in "\"`'" else None
            raise TemplateError(f"{line}: {problem or f'unexpected {rest!r} in operand'}")
        kind = str(found.lastgroup)
        if kind != "space":
            tokens.append(Tok(kind, _value(kind, found[0], line), not spaced))
        spaced = kind == "space"
        at = found.end()


def _value(kind: str, text: str, line: int) -> str:
    try:
        if kind == "string":
            return unquote(text[1:-1])
        if kind == "char":
            return unquote(text[1:-1].replace("\\'", "'"))
    except ValueError:
        raise TemplateError(f"{line}: invalid syntax in {text}") from None
    return text[1:-1] if kind == "raw" else text
