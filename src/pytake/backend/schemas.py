"""Kinds of text that requests may hold. PostgreSQL stores no NUL character, and nobody means one."""

from typing import Annotated

from fastapi import Path
from pydantic import StringConstraints

Line = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]+$")
]
"""One line of text."""
Words = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
"""A message's text: up to WhatsApp's 4,096 characters."""
Slug = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
"""Name of a WhatsApp number in the instances file."""
SlugPath = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
"""The same in a path."""
