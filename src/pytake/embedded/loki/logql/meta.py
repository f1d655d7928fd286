"""Structured metadata as the store keeps it: JSON object text and the detected level beside it."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

_NONE: Mapping[str, str] = {}


def metadata(text: str | None, level: str | None) -> Mapping[str, str]:
    """The labels of a row's structured metadata."""
    if not text:
        return {"detected_level": level} if level else _NONE
    found: dict[str, str] = orjson.loads(text)
    if level:
        found["detected_level"] = level
    return found
