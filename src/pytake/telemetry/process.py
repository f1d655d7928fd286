"""Metrics of the process itself and of its event loop, and the thread that keeps read-not-counted gauges fresh."""

import asyncio
import gc
import threading
from collections.abc import Callable
from time import monotonic

import psutil

from pytake.telemetry import catalog, metrics

REFRESH_SECONDS = 5.0
LAG_INTERVAL = 0.25


class ProcessMetrics:
    """Reads CPU, memory, descriptors and threads of this process into the catalogue's metrics."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._cpu = self._collections = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """Read now."""
        with self._lock, self._process.oneshot():
            times, memory = self._process.cpu_times(), self._process.memory_info()
            cpu, collections = times.user + times.system, float(sum(s["collections"] for s in gc.get_stats()))
            catalog.PROCESS_CPU.inc(max(0.0, cpu - self._cpu))
            catalog.PROCESS_GC.inc(max(0.0, collections - self._collections))
            self._cpu, self._collections = cpu, collections
            catalog.PROCESS_RESIDENT.set(float(memory.rss))
            catalog.PROCESS_VIRTUAL.set(float(memory.vms))
            catalog.PROCESS_START.set(self._process.create_time())
            catalog.PROCESS_THREADS.set(float(self._process.num_threads()))
            catalog.PROCESS_FDS.set(float(self._process.num_fds()))
            catalog.PROCESS_MAX_FDS.set(float(self._process.rlimit(psutil.RLIMIT_NOFILE)[0]))


def count_series() -> None:
    """Say how many label sets each labelled metric uses of its budget."""
    for metric in tuple(metrics._STATE.metrics.values()):
        if metric.label_names and metric.children:
            catalog.SERIES.set(float(len(metric.children)), metric=metric.name)
            catalog.SERIES_BUDGET.set(float(metric.budget), metric=metric.name)


class Refresher:
    """Runs the collect hooks every few seconds, for pages that other processes of the service answer."""

    def __init__(self, interval: float = REFRESH_SECONDS) -> None:
        self._stop = threading.Event()
        self._interval = interval
        self._thread = threading.Thread(target=self._run, name="metrics-refresh", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            metrics.collect()

    def close(self) -> None:
        """Stop the thread."""
        self._stop.set()
        self._thread.join(2)


async def monitor_event_loop(interval: float = LAG_INTERVAL, clock: Callable[[], float] = monotonic) -> None:
    """Observe for ever how late the event loop runs a timer; the middleware starts this with the application."""
    series = catalog.EVENT_LOOP_LAG.labels()
    while True:
        due = clock() + interval
        await asyncio.sleep(interval)
        series.observe(max(0.0, clock() - due), trace_id=0)
