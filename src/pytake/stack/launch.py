"""Becomes a component's process: run by path with nothing but the standard library, so that it costs some 20 ms.

``python -I -S launch.py ENV_FILE COMMAND...``: ends what an earlier process of the component left behind, adds the
variables of the file (lines ``export NAME='value'``), and becomes the command. Secrets come this way: neither arguments
nor the supervisor's configuration hold any.

A server with several processes that is killed leaves the others holding its port; the new one could never start.
"""

import os
import shlex
import signal
import sys
import time
from pathlib import Path

LEAVE_SECONDS = 10.0
MARKER = "PYTAKE_COMPONENT"


def leftovers(marker: str) -> list[int]:
    """Other processes whose environment says that they belong to the component."""
    wanted, own = f"{MARKER}={marker}".encode(), os.getpid()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != own:
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue  # gone, or another user's
    return found


def end_leftovers(marker: str) -> None:
    """Ask them to end; kill those that do not in time."""
    deadline = time.monotonic() + LEAVE_SECONDS
    number = signal.SIGTERM
    while pids := leftovers(marker):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        time.sleep(0.1)
        if time.monotonic() > deadline:
            number = signal.SIGKILL


def variables(path: str) -> dict[str, str]:
    """The variables of an environment file."""
    words = shlex.split(Path(path).read_text(encoding="utf-8"))
    return dict(word.split("=", 1) for word in words if word != "export")


def main() -> None:
    """Become the command."""
    env_file, *command = sys.argv[1:]
    end_leftovers(os.environ[MARKER])
    os.execvpe(command[0], command, os.environ | variables(env_file))  # noqa: S606 (the point of it; arguments are ours)


if __name__ == "__main__":
    main()
