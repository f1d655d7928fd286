"""Where log lines go: standard output and rotating files, each with a bounded queue and a thread of its own."""

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from pytake.telemetry import catalog
from pytake.telemetry.labels import DropReason


class Sink:
    """Lines on their way to one place. Full: new lines are dropped and counted; the event loop never waits."""

    def __init__(self, write: Callable[[bytes], None], *, size: int, delay: float = 0.05, name: str = "log") -> None:
        """Start the thread; ``write`` is given whole lines, about every ``delay`` seconds."""
        self._write, self._size, self._delay = write, size, delay
        self._lines: deque[bytes] = deque()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"{name}-writer", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Queue one line (with its newline)."""
        if len(self._lines) >= self._size:
            catalog.LOGS_DROPPED.inc(reason=DropReason.QUEUE_FULL)
            return
        self._lines.append(line)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._delay)
            self._wake.clear()
            self._drain()

    def _drain(self) -> None:
        while self._lines:
            self._idle.clear()
            batch = [self._lines.popleft() for _ in range(min(len(self._lines), 1000))]
            try:
                self._write(b"".join(batch))
            except OSError:
                catalog.LOGS_DROPPED.inc(len(batch), reason=DropReason.EXPORT_FAILED)
        self._idle.set()

    def flush(self, timeout: float = 2.0) -> None:
        """Wait until everything is written, for at most ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self._wake.set()
            if not self._lines and self._idle.wait(0.01) and not self._lines:
                return

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits and stop the thread."""
        self.flush(timeout)
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout)
        if self._lines:
            catalog.LOGS_DROPPED.inc(len(self._lines), reason=DropReason.SHUTDOWN)


class RotatingFile:
    """A log file that several processes append to; whoever finds it full renames it, under a lock."""

    def __init__(self, path: Path, *, max_bytes: int, backups: int) -> None:
        """Open ``path`` for appending, creating its directory."""
        self.path, self._max, self._backups = path, max_bytes, backups
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._open()

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def write(self, data: bytes) -> None:
        """Append whole lines; a single write keeps lines of several processes apart."""
        self._rotate_if_full(len(data))
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def _moved(self) -> bool:
        try:
            return os.stat(self.path).st_ino != os.fstat(self._file).st_ino
        except FileNotFoundError:
            return True

    def _reopen(self) -> None:
        old, self._file = self._file, self._open()
        os.close(old)

    def _rotate_if_full(self, more: int) -> None:
        if self._moved():
            self._reopen()
        if os.fstat(self._file).st_size + more <= self._max:
            return
        with (self.path.parent / f".{self.path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._moved():
                self._rename()
        self._reopen()

    def _rename(self) -> None:
        numbered = [self.path, *(self.path.with_name(f"{self.path.name}.{n}") for n in range(1, self._backups + 1))]
        for older, newer in zip(reversed(numbered), reversed(numbered[:-1]), strict=False):
            if newer.exists():
                os.replace(newer, older)
        if not self._backups:
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def write_stdout(data: bytes) -> None:
    """Write to file descriptor 1, whatever ``sys.stdout`` is."""
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
