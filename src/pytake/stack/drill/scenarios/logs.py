"""Loki and what it reads."""

import resource
import threading
import time
from collections.abc import Iterator

from pytake.stack.drill.scenario import Part, scenario
from pytake.stack.drill.scene import Scene

WEEKS_AGO = 30 * 86400


@scenario("a service writes errors", "LogErrorBurst", uses=(Part.LOKI,), detect=400)
def error_burst(scene: Scene) -> Iterator[None]:
    """Twenty lines of level error a second in a log file that Promtail reads."""
    ended = threading.Event()

    def write() -> None:
        while not ended.wait(0.5):
            for _ in range(10):
                scene.write_log("pytake-drill", "error", "drill_error")

    with scene.thread(write, ended):
        yield


@scenario("lines with a wrong clock", "LogLinesDropped", uses=(Part.LOKI,), detect=900)
def old_lines(scene: Scene) -> Iterator[None]:
    """Lines of last month are pushed to Loki, which takes none older than a week."""
    ended = threading.Event()
    with scene.thread(lambda: _push(scene, ended, WEEKS_AGO), ended):
        yield


def _push(scene: Scene, ended: threading.Event, age: float) -> None:
    while not ended.wait(0.5):
        stamp = str(int((time.time() - age) * 1e9))
        body = {"streams": [{"stream": {"job": "drill"}, "values": [[stamp, "a line"]] * 10}]}
        with scene.tolerated():
            scene.http.post(f"{scene.url('loki')}/loki/api/v1/push", json=body)


@scenario("Loki may write no file any longer", "LokiRequestErrors", breaks=(Part.LOKI,), detect=900)
def full_loki(scene: Scene) -> Iterator[None]:
    """A quota of no bytes a file; Promtail, and the drill beside it, push until Loki takes their lines."""
    ended = threading.Event()
    pid = scene.pid("loki")
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        with scene.thread(lambda: _push(scene, ended, 0), ended):
            yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
