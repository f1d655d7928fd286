"""Several processes of one service as one set of metrics: values in mapped files under a common directory.

``<metrics_dir>/<service>/`` holds, for each process, ``<id>.values`` (the block of doubles it counts in) and
``<id>.series`` (which slots belong to which series, one JSON line each), and ``retired.json`` with the sums of the
processes that ended. A process holds a lock on its values file as long as it lives, so ``kill -9`` is noticed at once,
whatever became of its process id. What it had counted is in the file to the last event: sums never go down. Its gauges
vanish.

Whoever answers ``/metrics`` merges: own block, living peers, retired sums. All readers and joiners take the directory's
lock; when the last process ended, the next one to join starts afresh.
"""

import fcntl
import json
import mmap
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from pytake.telemetry import metrics as m
from pytake.telemetry.store import DEFAULT_SLOTS, HEADER_SLOTS, SLOT_BYTES, Store

LOCK_SECONDS = 2.0
Key = tuple[str, tuple[str, ...]]
Sums = dict[Key, list[float]]


class SharedMetricsError(RuntimeError):
    """The common directory cannot be used; says which and what to do."""


@dataclass
class Peer:
    """Another process's files, followed as they grow."""

    path: Path
    file: FileIO
    store: Store
    offset: int = 0
    series: list[tuple[Key, int, int]] = field(default_factory=list)
    """``(key, first slot, number of slots)`` of every series seen so far."""

    @classmethod
    def open(cls, path: Path) -> "Peer":
        """Map the values file ``path`` for reading."""
        file = FileIO(path, "r")
        block = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        return cls(path, file, Store.reading(block))

    @property
    def alive(self) -> bool:
        """Whether the process still holds the lock on its file."""
        try:
            fcntl.flock(self.file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self.file, fcntl.LOCK_UN)
        return False

    def follow(self) -> None:
        """Read the series lines that are new; an unfinished last line waits for the next time."""
        with self.path.with_suffix(".series").open("rb") as lines:
            lines.seek(self.offset)
            data = lines.read()
        whole = data[: data.rfind(b"\n") + 1]
        self.offset += len(whole)
        for line in whole.splitlines():
            name, slot, slots, values = json.loads(line)
            metric = m._STATE.metrics.get(name)
            if metric is not None and metric.slots == slots and len(values) == len(metric.label_names):
                self.series.append(((name, tuple(values)), slot, slots))

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()


class SharedMetrics:
    """This process's place among the processes of its service."""

    def __init__(self, directory: Path, service: str) -> None:
        """Use ``directory/service``; :meth:`join` starts."""
        self.directory = directory / service
        self._peers: dict[str, Peer] = {}
        self._retired: Sums = {}
        self._folded: list[str] = []
        self._retired_stamp: tuple[int, int] | None = None
        self._id = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._values: FileIO | None = None
        self._series: FileIO | None = None

    # --- this process -------------------------------------------------------------------------------------------
    def join(self) -> None:
        """Move every metric of this process into its own file in the directory."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with self._locked(), m.LOCK:
                self._start_afresh_when_alone()
                store = self._create()
                self._move(store)
        except OSError as fault:
            msg = (
                f"cannot share metrics in {self.directory}: {fault}; make it writable with"
                f" {DEFAULT_SLOTS * SLOT_BYTES >> 20} MB free, or unset PYTAKE_METRICS_DIR"
            )
            raise SharedMetricsError(msg) from fault
        os.register_at_fork(after_in_child=self.leave)

    def _create(self) -> Store:
        path = self.directory / f"{self._id}.values"
        self._values = FileIO(path, "x+")
        fcntl.flock(self._values, fcntl.LOCK_EX)
        os.posix_fallocate(self._values.fileno(), 0, DEFAULT_SLOTS * SLOT_BYTES)
        self._series = FileIO(path.with_suffix(".series"), "x")
        return Store(mmap.mmap(self._values.fileno(), DEFAULT_SLOTS * SLOT_BYTES))

    def _move(self, store: Store) -> None:
        for metric in m._STATE.metrics.values():
            for child in metric.children.values():
                numbers = child.read(metric.slots)
                slot = store.allocate(metric.slots)
                store.copy_from(child._store, child.slot, slot, len(numbers))
                child.bind(store, slot)
                self._announce(metric, child)
        m._STATE.store = store
        m._STATE.on_series = self._announce
        m._STATE.shared = self

    def _announce(self, metric: "m.Metric[Any]", child: Any) -> None:
        if self._series is not None:
            line = json.dumps([metric.name, child.slot, metric.slots, child.values], separators=(",", ":"))
            self._series.write(line.encode() + b"\n")

    def leave(self) -> None:
        """Count on in private memory; the values stay in the directory, as those of a process that ended."""
        if self._values is None:
            return
        with m.LOCK:
            m._STATE.shared, m._STATE.on_series = None, lambda _metric, _child: None
            m._STATE.store = store = Store()
            for metric in m._STATE.metrics.values():
                metric.forget_into(store)
        for file in (self._values, self._series):
            if file is not None:
                file.close()
        self._values = self._series = None

    # --- the directory ------------------------------------------------------------------------------------------
    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.directory / "lock").open("w") as lock:
            deadline = time.monotonic() + LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        msg = f"{self.directory}/lock is held for over {LOCK_SECONDS:g} s; is a process stopped?"
                        raise SharedMetricsError(msg) from None
                    time.sleep(0.005)
            yield

    def _start_afresh_when_alone(self) -> None:
        self._find_peers()
        if any(peer.alive for peer in self._peers.values()):
            self._settle()  # a service whose workers crash again and again must not fill the disk
            return
        for peer in self._peers.values():
            peer.close()
        self._peers.clear()
        for path in self.directory.iterdir():
            if path.name != "lock":
                path.unlink()

    def _find_peers(self) -> None:
        found = {path.name: path for path in self.directory.glob("*.values") if path.stem != self._id}
        for gone in self._peers.keys() - found.keys():
            self._peers.pop(gone).close()
        for name in found.keys() - self._peers.keys():
            self._peers[name] = Peer.open(found[name])

    def merged(self) -> "Merged":
        """Return the values of all processes as one; what dead ones counted is folded into the retired sums."""
        with self._locked():
            living = self._settle()
            return Merged.of(self._retired, living)

    def _settle(self) -> list[Peer]:
        """Bring peers and retired sums up to date; return the living."""
        self._find_peers()
        living: list[Peer] = []
        dead: list[Peer] = []
        for peer in self._peers.values():
            peer.follow()
            (living if peer.alive else dead).append(peer)
        self._read_retired()
        if dead:
            self._retire(dead)
        return living

    # --- processes that ended -----------------------------------------------------------------------------------
    def _read_retired(self) -> None:
        path = self.directory / "retired.json"
        try:
            stat = path.stat()
        except FileNotFoundError:
            return
        if (stat.st_ino, stat.st_mtime_ns) == self._retired_stamp:
            return
        loaded = json.loads(path.read_bytes())
        self._folded = loaded["folded"]
        self._retired = {(name, tuple(values)): numbers for name, values, numbers in loaded["sums"]}
        self._retired_stamp = (stat.st_ino, stat.st_mtime_ns)

    def _retire(self, dead: list[Peer]) -> None:
        """Add the dead to the sums, once each: a crash between writing and unlinking is told by the list of names."""
        for peer in dead:
            if peer.path.name not in self._folded:
                add_sums(self._retired, peer)
        names = [peer.path.name for peer in dead]
        path = self.directory / "retired.json"
        draft = path.with_suffix(f".{self._id}")
        sums = [[name, values, numbers] for (name, values), numbers in self._retired.items()]
        draft.write_text(json.dumps({"folded": names, "sums": sums}), encoding="utf-8")
        os.replace(draft, path)
        self._retired_stamp = None
        for peer in dead:
            peer.path.with_suffix(".series").unlink(missing_ok=True)
            peer.path.unlink(missing_ok=True)
            self._peers.pop(peer.path.name).close()
        self._read_retired()


def add_sums(sums: Sums, peer: Peer) -> None:
    """Add the counters and histograms of ``peer`` to ``sums``."""
    numbers = peer.store.numbers(0, peer.store.used)
    for key, slot, _slots in peer.series:
        metric = m._STATE.metrics[key[0]]
        if metric.kind == "gauge":
            continue
        found = numbers[slot : slot + metric.value_slots]
        before = sums.get(key)
        sums[key] = found if before is None else [a + b for a, b in zip(before, found, strict=True)]


@dataclass
class Merged:
    """What this process does not count itself: sums of other processes, their gauges, their exemplars."""

    sums: dict[str, dict[tuple[str, ...], list[float]]]
    gauges: dict[str, dict[tuple[str, ...], list[float]]]
    peers: dict[Key, list[tuple[Store, int]]]
    """Where living peers keep the exemplars of a series."""

    @classmethod
    def of(cls, retired: Sums, living: list[Peer]) -> "Merged":
        """Merge retired sums and living peers."""
        total: Sums = dict(retired)
        merged = cls({}, {}, {})
        for peer in living:
            add_sums(total, peer)
            merged._take_rest(peer)
        for (name, values), numbers in total.items():
            merged.sums.setdefault(name, {})[values] = numbers
        return merged

    def _take_rest(self, peer: Peer) -> None:
        used = peer.store.used
        for key, slot, slots in peer.series:
            metric = m._STATE.metrics[key[0]]
            if metric.kind == "gauge":
                value = peer.store.doubles[slot]
                if HEADER_SLOTS <= slot < used and value == value:  # noqa: PLR0124 (NaN differs from itself)
                    self.gauges.setdefault(key[0], {}).setdefault(key[1], []).append(value)
            elif slots > metric.value_slots:
                self.peers.setdefault(key, []).append((peer.store, slot + metric.value_slots))
