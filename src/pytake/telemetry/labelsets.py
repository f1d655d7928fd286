"""Which values a label may have: closed enumerations, configured names, bounded open sets."""

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

from pytake.telemetry.labels import OTHER, Bounded, Configured

LabelSpec = type[StrEnum] | Configured | Bounded
_configured: dict[str, set[str]] = {}
_seen: dict[int, set[str]] = {}


class UndeclaredLabelError(ValueError):
    """A label value that its declaration does not allow."""

    def __init__(self, metric: str, label: str, value: str) -> None:
        super().__init__(
            f"{metric}: {label}={value!r} is not declared; see pytake.telemetry.labels, "
            "or register configured names with configure_label()"
        )


@lru_cache(maxsize=256)
def _enum_values(spec: type[StrEnum]) -> frozenset[str]:
    return frozenset(member.value for member in spec)


@lru_cache(maxsize=64)
def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def configure(name: str, values: Iterable[str]) -> None:
    """Add configured names; they stay allowed for the life of the process."""
    _configured.setdefault(name, set()).update(values)


def allowed(spec: LabelSpec, value: str) -> bool:
    """Tell whether ``value`` may be used, remembering new values of bounded sets."""
    if isinstance(spec, type):
        return value in _enum_values(spec)
    if value == OTHER:
        return True
    if isinstance(spec, Configured):
        names = _configured.get(spec.name, ())
        return value in names and (len(names) <= spec.limit or value in sorted(names)[: spec.limit])
    seen = _seen.setdefault(id(spec), set())
    if value in seen:
        return True
    if len(seen) >= spec.limit or not _form(spec.pattern).fullmatch(value):
        return False
    seen.add(value)
    return True


def members(spec: LabelSpec) -> list[str]:
    """Return the values that can be listed now: members, configured names; none for a bounded set."""
    if isinstance(spec, type):
        return [member.value for member in spec]
    return sorted(_configured.get(spec.name, ()))[: spec.limit] if isinstance(spec, Configured) else []


def capacity(specs: Iterable[LabelSpec]) -> int:
    """Return how many label sets these declarations allow at most."""
    total = 1
    for spec in specs:
        total *= len(_enum_values(spec)) if isinstance(spec, type) else spec.limit + 1
    return total
