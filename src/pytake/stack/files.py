"""Writing rendered files: private ones with mode 600, and only when the text changed."""

import os
from pathlib import Path


def write(path: Path, text: str, *, private: bool = True) -> bool:
    """Replace ``path`` by ``text`` in one step; returns whether it was different before."""
    mode = 0o600 if private else 0o644
    if path.exists() and path.read_text(encoding="utf-8") == text:
        path.chmod(mode)
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
    return True
