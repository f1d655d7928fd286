"""Reading the stack's log files: their ends, and following them."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytake.stack.components import Component
from pytake.stack.layout import Stack

CHUNK = 64 * 1024


def files_of(stack: Stack, component: Component) -> list[Path]:
    """Log files of a component: its own JSON log where it writes one, else what the supervisor captured."""
    own = stack.logs / f"{component.name}.log"
    captured = stack.logs / component.log_name
    if component.module and own.exists():
        return [own]
    return [captured] if captured.exists() else []


def tail(path: Path, count: int) -> list[str]:
    """The last ``count`` lines of a file; empty when there is none."""
    if not path.exists() or count <= 0:
        return []
    with path.open("rb") as file:
        end = file.seek(0, 2)
        data = b""
        while end > 0 and data.count(b"\n") <= count:
            step = min(CHUNK, end)
            end -= step
            file.seek(end)
            data = file.read(step) + data
    return [line.decode(errors="replace") for line in deque(data.splitlines(), maxlen=count)]


def follow(paths: Sequence[Path], *, poll: float = 0.2) -> Iterator[tuple[Path, str]]:
    """Lines as they are written, from now on; a rotated or truncated file is read on from its new beginning."""
    seen = {path: (path.stat().st_ino, path.stat().st_size) if path.exists() else (0, 0) for path in paths}
    rest = dict.fromkeys(paths, b"")
    while True:
        quiet = True
        for path in paths:
            if not path.exists():
                continue
            number, size = path.stat().st_ino, path.stat().st_size
            known, offset = seen[path]
            if number != known or size < offset:
                offset = 0
            if size > offset:
                with path.open("rb") as file:
                    file.seek(offset)
                    data = rest[path] + file.read(CHUNK)
                    offset = file.tell()
                *lines, rest[path] = data.split(b"\n")
                yield from ((path, line.decode(errors="replace")) for line in lines)
                quiet = False
            seen[path] = (number, offset)
        if quiet:
            time.sleep(poll)
