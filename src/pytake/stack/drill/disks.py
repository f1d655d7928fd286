"""Small file systems in a file, to be filled (needs root and loop devices)."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = 1_000_000


def may_mount() -> str | None:
    """Why no file system can be mounted here; ``None`` when one can."""
    if os.getuid() != 0:
        return "needs root, to mount a small file system of its own"
    if not Path("/dev/loop-control").exists():
        return "needs loop devices, to mount a small file system of its own"
    return None


@contextmanager
def small_disk(mount: Path, megabytes: int) -> Iterator[Path]:
    """An empty file system of that size at ``mount`` until the block ends."""
    image = mount.with_suffix(".img")
    mount.mkdir(exist_ok=True)
    image.write_bytes(b"")
    os.truncate(image, megabytes * 1_000_000)
    _run("mkfs.ext4", "-q", "-m", "0", str(image))
    _run("mount", "-o", "loop", str(image), str(mount))
    try:
        yield mount
    finally:
        _run("umount", str(mount))
        image.unlink()


def filled(path: Path, ratio: float) -> None:
    """Write a file until that share of its file system is used, or it is full."""
    with path.open("wb") as file, contextlib.suppress(OSError):
        while True:
            state = os.statvfs(path.parent)
            if 1 - state.f_bavail / state.f_blocks >= ratio:
                return
            file.write(b"x" * CHUNK)
            file.flush()


def unmount_below(folder: Path) -> None:
    """Unmount what a drill that was killed left mounted."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    for mount in mounts:
        if mount.startswith(f"{folder}/"):
            _run("umount", "-l", mount)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)
