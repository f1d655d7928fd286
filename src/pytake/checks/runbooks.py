"""Runbooks (``docs/runbooks/<AlertName>.md``) as data: sections, and the queries in their fences.

A fence is ```` ```promql ````, ```` ```logql ```` or ```` ```bash ````; what stands on the line before it says what it
shows. A first line ``# healthy: <condition>`` tells when a value is fine: a comparison with a number, or ``nothing``
for a query whose answer should be empty. Without it the values are for reading.
"""

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pytake.checks.rules import RUNBOOKS

SECTIONS = ("Meaning", "Impact", "Diagnosis", "Mitigation")
NOTHING = "nothing"

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEALTHY = re.compile(r"^#\s*healthy:\s*(.+)$", re.MULTILINE)
_CONDITION = re.compile(r"(<=|>=|==|!=|<|>)\s*(-?\d+(?:\.\d+)?)")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


class RunbookError(ValueError):
    """There is no such runbook, or it is not in the form that we read; says what to do."""


@dataclass(frozen=True)
class Condition:
    """When a value is healthy."""

    text: str

    def __post_init__(self) -> None:
        if self.text != NOTHING and not _CONDITION.fullmatch(self.text):
            raise RunbookError(f"'healthy: {self.text}' is neither a comparison such as '< 0.05' nor '{NOTHING}'")

    @property
    def wants_nothing(self) -> bool:
        """Whether any answer at all is a bad one."""
        return self.text == NOTHING

    def holds(self, value: float) -> bool:
        """Whether the value is healthy; NaN (no traffic) is."""
        if self.wants_nothing:
            return False
        if math.isnan(value):
            return True
        match = _CONDITION.fullmatch(self.text)
        assert match is not None  # checked when it was made
        return _COMPARE[match[1]](value, float(match[2]))


@dataclass(frozen=True)
class Query:
    """One fence."""

    language: str
    title: str
    text: str
    healthy: Condition | None = None


@dataclass(frozen=True)
class Runbook:
    """One file."""

    name: str
    sections: dict[str, str]
    queries: tuple[Query, ...]

    def of(self, language: str) -> tuple[Query, ...]:
        """Fences of one language."""
        return tuple(query for query in self.queries if query.language == language)


def names(folder: Path = RUNBOOKS) -> list[str]:
    """Alerts that have a runbook."""
    return sorted(path.stem for path in folder.glob("*.md") if path.stem != "README")


def load(name: str, folder: Path = RUNBOOKS) -> Runbook:
    """Read one; raises :class:`RunbookError`."""
    path = folder / f"{name}.md"
    if not path.exists():
        close = [other for other in names(folder) if name.lower() in other.lower()]
        hint = f"; did you mean {', '.join(close[:5])}?" if close else "; `pytake runbook --list` shows all"
        raise RunbookError(f"no runbook {name}{hint}")
    text = path.read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    sections = {title.strip(): body.strip() for title, body in zip(parts[1::2], parts[2::2], strict=True)}
    return Runbook(name, sections, tuple(_queries(sections.get("Diagnosis", ""))))


def _queries(body: str) -> list[Query]:
    found = []
    end = 0
    for match in _FENCE.finditer(body):
        before = [line for line in body[end : match.start()].splitlines() if line.strip()]
        title = re.sub(r"^\d+\.\s*", "", before[-1]).rstrip(":") if before else ""
        healthy = _HEALTHY.search(match[2])
        text = _HEALTHY.sub("", match[2]).strip()
        found.append(Query(match[1], title, text, Condition(healthy[1].strip()) if healthy else None))
        end = match.end()
    return found
