"""A control group with little memory, so that the kernel's out-of-memory killer can be seen at work on one process."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

V1 = Path("/sys/fs/cgroup/memory")
V2 = Path("/sys/fs/cgroup")
NAME = f"pytake-drill-{os.getpid()}"


def _home() -> tuple[Path, str] | None:
    """The folder of memory groups and the name of the limit's file; ``None`` where there are none."""
    if (V1 / "memory.limit_in_bytes").exists():
        return V1, "memory.limit_in_bytes"
    if "memory" in _read(V2 / "cgroup.subtree_control"):
        return V2, "memory.max"
    return None


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def unavailable() -> str | None:
    """Why no group can be made here; ``None`` when one can."""
    home = _home()
    if os.getuid() != 0 or home is None or not os.access(home[0], os.W_OK):
        return "needs root and a memory control group, so that the kernel kills a process of the drill and no other"
    return None


@contextmanager
def limited(size: int) -> Iterator[str]:
    """A group of ``size`` bytes; gives the shell words by which a shell joins it."""
    home = _home()
    if home is None:
        raise OSError("there are no memory control groups here")
    folder = home[0] / NAME
    folder.mkdir(exist_ok=True)
    try:
        (folder / home[1]).write_text(str(size))
        with contextlib.suppress(OSError):  # no swap: only where it is accounted
            (folder / ("memory.memsw.limit_in_bytes" if home[0] == V1 else "memory.swap.max")).write_text(
                str(size if home[0] == V1 else 0)
            )
        yield f"echo $$ > {folder}/cgroup.procs && "
    finally:
        folder.rmdir()
