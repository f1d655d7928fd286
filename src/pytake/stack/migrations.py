"""Database migrations of the backend, applied before its first process starts."""

import importlib.util
import subprocess
import sys

from pytake.stack.errors import StackError
from pytake.stack.layout import Stack
from pytake.stack.native import backend_env, base_env

MODULE = "pytake.backend.migrate"


def migrate(stack: Stack) -> None:
    """Run the backend's migrations in a process of their own.

    Raises:
        StackError: a migration failed; the message holds the end of what it printed.
    """
    if importlib.util.find_spec(MODULE) is None:
        return
    done = subprocess.run(
        [sys.executable, "-m", MODULE],
        env=base_env() | backend_env(stack),
        cwd=stack.root,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        output = (done.stdout + done.stderr).strip()[-2000:]
        raise StackError(
            f"the database's migrations failed:\n{output}", hint="the data is as it was before the failed step"
        )
