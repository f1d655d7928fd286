"""More workers beside the stack's own, to be frozen and killed."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from pytake.stack import native
from pytake.stack.drill.scene import Scene

READY_SECONDS = 30


class Worker:
    """One process."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def kill(self) -> None:
        """``kill -9``; nobody starts it again."""
        self._process.kill()
        self._process.wait()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Stand still."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


@contextmanager
def extra_worker(scene: Scene) -> Iterator[Worker]:
    """A worker of the drill's stack that Prometheus scrapes; ended with the block."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = native.worker(scene.arena)
    env = native.base_env() | dict(command.env) | {"PYTAKE_WORKER_METRICS_PORT": str(port)}
    process = subprocess.Popen(
        command.argv, env=env, cwd=command.cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        process_group=0,
    )  # fmt: skip
    try:
        scene.wait(lambda: _answers(port), READY_SECONDS)
        with scene.one_more_target("pytake-worker", port):
            yield Worker(process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False
