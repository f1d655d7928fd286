"""Meta's words for quality and limits as ours."""

import re

from pytake.telemetry.labels import QualityRating

_NUMBER = re.compile(r"(?:TIER_)?(\d{1,9})(K?)")


def quality_of(value: object) -> QualityRating:
    """GREEN, YELLOW, RED; anything else is unknown."""
    word = str(value).lower()
    return QualityRating(word) if word in {*QualityRating} else QualityRating.UNKNOWN


def limit_of(value: object) -> tuple[int | None, bool]:
    """Unique users in 24 h, and whether there is no limit: ``TIER_10K`` -> (10000, False)."""
    word = str(value).upper()
    if "UNLIMITED" in word or word == "-1":
        return None, True
    found = _NUMBER.fullmatch(word)
    return (int(found[1]) * (1000 if found[2] else 1), False) if found else (None, False)
