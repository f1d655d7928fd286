"""Child processes that die with the test process, log to a file, and can be stopped or killed."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class Process:
    """One child process; ``log`` holds what it wrote. ``user`` is dropped to when the tests run as root."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        cwd: Path | None = None,
        die_with: str = "TERM",
    ) -> None:
        self.command = [str(part) for part in command]
        self.log = log
        self.env = dict(env) if env is not None else None
        self.user = user if os.geteuid() == 0 else None
        self.cwd = cwd
        self.die_with = die_with
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its output is appended to the log."""
        prefix: list[str] = []
        if shutil.which("setpriv"):
            prefix = ["setpriv", "--pdeathsig", self.die_with]
            if self.user:
                prefix += ["--reuid", self.user, "--regid", self.user, "--init-groups"]
            prefix.append("--")
        with self.log.open("ab") as out:
            self._child = subprocess.Popen(
                [*prefix, *self.command],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id of the running child."""
        assert self._child is not None, "not started"
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the child is there."""
        return self._child is not None and self._child.poll() is None

    def check(self) -> None:
        """Raise with the end of the log when the child has ended by itself."""
        if self._child is not None and self._child.poll() is not None:
            raise AssertionError(f"{self.command[0]} ended with {self._child.returncode}:\n{self.tail()}")

    def tail(self, characters: int = 3000) -> str:
        """The end of what it wrote."""
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 15.0) -> int:
        """Ask it to end, kill it after ``timeout`` seconds; returns the exit code."""
        child = self._child
        if child is None:
            return 0
        if child.poll() is None:
            child.send_signal(number)
            try:
                child.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        return child.wait()

    def kill(self) -> None:
        """``kill -9`` of the child and of its children (its whole process group)."""
        if self._child is not None and self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
