"""Go's regular expressions through RE2, compiled once.

Line filters let the dot match a newline, label matchers are anchored and do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import re2

from pytake.embedded.loki.logql.ast import Matcher, MatchOp
from pytake.embedded.loki.logql.errors import ParseError

LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_QUIET = re2.Options()
_QUIET.log_errors = False


def normal(pattern: str) -> str:
    """The pattern with Go's newer `(?<name>` written as `(?P<name>`, which every RE2 knows."""
    if "(?<" not in pattern:
        return pattern
    out, at, in_class = [], 0, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            out.append(pattern[at : at + 2])
            at += 2
            continue
        if not in_class and pattern.startswith("(?<", at) and pattern[at + 3 : at + 4] not in ("=", "!"):
            out.append("(?P<")
            at += 3
            continue
        in_class = char == "[" or (in_class and char != "]")
        out.append(char)
        at += 1
    return "".join(out)


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """The compiled pattern; ParseError in Go's words where it does not compile."""
    try:
        return re2.compile(pattern, _QUIET)
    except re2.error as problem:
        detail = problem.args[0] if problem.args else ""
        text = detail.decode() if isinstance(detail, bytes) else str(detail)
        raise ParseError(f"error parsing regexp: {_go_words(text, pattern)}") from None


_GO = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid named capture group": "invalid named capture",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid repetition size": "invalid repeat count",
    "trailing \\": "trailing backslash at end of expression",
}
"""RE2's words for a mistake, and those of Go's regexp package, which Loki's users see."""


def _go_words(text: str, pattern: str) -> str:
    """Go's message: its words and the piece of the expression in backticks."""
    words, _, piece = text.partition(": ")
    shown = pattern if words in ("missing )", "unexpected )") else piece
    return f"{_GO.get(words, words)}: `{shown}`"


def line_pattern(pattern: str) -> str:
    """The text of a line filter's expression, as RE2 and DuckDB take it."""
    normal_form = normal(pattern)
    compiled(normal_form)
    return f"(?s:{normal_form})"


def line(pattern: str) -> Any:
    """A line filter's expression: search with it."""
    return compiled(line_pattern(pattern))


def anchored_pattern(pattern: str) -> str:
    """The text of a label matcher's expression: both ends anchored."""
    normal_form = normal(pattern)
    compiled(normal_form)
    return f"^(?:{normal_form})$"


def anchored(pattern: str) -> Any:
    """A label matcher's expression: search with it."""
    return compiled(anchored_pattern(pattern))


def group_names(pattern: str) -> Sequence[str | None]:
    """Names of the groups in order, None for groups without one."""
    found = compiled(normal(pattern))
    names: dict[int, str] = {index: name for name, index in found.groupindex.items()}
    named = re.findall(r"\(\?P<([^>]*)>", normal(pattern))
    if len(named) > len(names):  # RE2 refuses duplicates itself; kept for engines that do not
        return named
    return [names.get(index) for index in range(1, found.groups + 1)]


@lru_cache(maxsize=4096)
def matcher_test(matcher: Matcher) -> Callable[[str], bool]:
    """A test of one label value (empty text for an absent label)."""
    value = matcher.value
    if matcher.op is MatchOp.EQ:
        return lambda text: text == value
    if matcher.op is MatchOp.NE:
        return lambda text: text != value
    search = anchored(value).search
    if matcher.op is MatchOp.RE:
        return lambda text: search(text) is not None
    return lambda text: search(text) is None


def matches(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether a stream with these labels belongs to the selector."""
    return all(matcher_test(matcher)(labels.get(matcher.name, "")) for matcher in matchers)


_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")


def expand(found: Any, template: str) -> str:
    """Go's `Regexp.Expand`: `$1`, `${1}`, `$name`; unknown groups are empty."""

    def group(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        try:
            return found.group(int(name) if name.isdigit() else name) or ""
        except (IndexError, KeyError, re2.error):
            return ""

    return _REFERENCE.sub(group, template)
