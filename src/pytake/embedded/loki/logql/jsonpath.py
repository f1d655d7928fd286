"""Expressions of the json stage: `my.list[0]["field"]`."""

from __future__ import annotations

import re
from functools import lru_cache

from pytake.embedded.loki.logql.errors import ParseError
from pytake.embedded.loki.logql.gostrings import unquote

Path = tuple[str | int, ...]
_STEP = re.compile(
    r'\.?(?P<field>[A-Za-z_][A-Za-z0-9_]*)|\[\s*(?P<index>\d+)\s*\]|\[\s*"(?P<quoted>(?:[^"\\]|\\.)*)"\s*\]'
)


@lru_cache(maxsize=1024)
def parse_path(expression: str) -> Path:
    """Keys and indexes of the expression, outermost first."""
    steps: list[str | int] = []
    at = 0
    while at < len(expression):
        found = _STEP.match(expression, at)
        dotted = found is not None and found[0].startswith(".")
        if not found or (found["field"] is not None and dotted == (at == 0)):
            raise ParseError(f"cannot parse expression [{expression}]: syntax error: unexpected {expression[at]!r}")
        if found["field"] is not None:
            steps.append(found["field"])
        elif found["index"] is not None:
            steps.append(int(found["index"]))
        else:
            steps.append(unquote(found["quoted"]))
        at = found.end()
    if not steps:
        raise ParseError(f"cannot parse expression [{expression}]: syntax error: unexpected $end")
    return tuple(steps)
