"""The machine: CPU, disks, memory."""

import contextlib
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

from pytake.stack.drill import cgroup
from pytake.stack.drill.disks import filled, may_mount, small_disk
from pytake.stack.drill.scenario import Part, scenario
from pytake.stack.drill.scene import Scene

HALF_FULL, STEP = 0.62, 0.0004


@scenario("a disk fills up little by little", "HostDiskFilling", detect=6500, needs=may_mount)
def filling_disk(scene: Scene) -> Iterator[None]:
    """A small file system of the drill's own that gets fuller all the time (needs root)."""
    with small_disk(scene.arena.state / "filling", 64) as mount:
        filled(mount / "base", HALF_FULL)
        ended = threading.Event()

        def fill() -> None:
            with (mount / "more").open("ab") as more:
                while not ended.wait(max(1.0, 15 / scene.factor)):
                    with contextlib.suppress(OSError):
                        more.write(b"x" * int(64_000_000 * STEP))
                        more.flush()

        with scene.thread(fill, ended):
            yield


@scenario(
    "a disk is full",
    "HostDiskFull",
    "DependencyUnhealthy",
    "LogDiskFull",
    uses=(Part.LOKI,),
    detect=600,
    needs=may_mount,
)
def full_disk(scene: Scene) -> Iterator[None]:
    """The backend's data folder lies on a small file system that is full; who writes there logs what he was told."""
    with small_disk(scene.arena.disk, 8) as mount:
        for attempt in range(20):
            try:
                (mount / f"filler{attempt}").write_bytes(b"x" * 1_000_000)
            except OSError as error:
                scene.write_log("pytake-drill", "error", f"cannot write: {os.strerror(error.errno or 0)}")
        yield


def _burn(ended: Any) -> None:
    while not ended.is_set():
        sum(number * number for number in range(20_000))


@scenario("all cores are busy", "HostHighCpu", detect=1200)
def busy_host(scene: Scene) -> Iterator[None]:
    """A process a core."""
    context = multiprocessing.get_context("spawn")
    ended = context.Event()
    processes = [context.Process(target=_burn, args=(ended,), daemon=True) for _ in range(os.cpu_count() or 1)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        ended.set()
        for process in processes:
            process.join(10)


@scenario("a process is killed for its memory", "HostOutOfMemoryKill", "LogOutOfMemory", uses=(Part.LOKI,), detect=400,
          needs=cgroup.unavailable)  # fmt: skip
def out_of_memory(scene: Scene) -> Iterator[None]:
    """In a control group of its own with 16 MB; what the shell says of it is logged."""
    with cgroup.limited(16_000_000) as join:
        hungry = f"{join}exec {sys.executable} -c 'bytearray(200_000_000)'"
        for _ in range(2):
            done = subprocess.run(["/bin/sh", "-c", hungry], capture_output=True, check=False, timeout=60)
            scene.write_log("pytake-drill", "error", f"child ended by signal {-done.returncode}: out of memory")
    yield
