"""What every log line of a request or job carries: the request id and bound fields."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

request_id: ContextVar[str] = ContextVar("pytake_request_id", default="")
"""Id of the current request or job, empty outside one."""
_fields: ContextVar[dict[str, Any]] = ContextVar("pytake_log_fields", default={})  # noqa: B039 (never changed in place)


def bound_fields() -> dict[str, Any]:
    """Return the fields bound in this context."""
    return _fields.get()


@contextmanager
def log_fields(**fields: Any) -> Iterator[None]:
    """Add ``fields`` to every log line within the block, in this task and those it starts."""
    token = _fields.set({**_fields.get(), **fields})
    try:
        yield
    finally:
        _fields.reset(token)
