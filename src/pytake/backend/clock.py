"""Time with a zone."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def from_unix(seconds: float) -> datetime:
    """Meta's timestamps."""
    return datetime.fromtimestamp(seconds, UTC)
