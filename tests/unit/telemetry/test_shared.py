"""Several processes on one port: whoever is scraped shows the sums of all, and no sum goes down when one is killed."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pytake.telemetry import metrics as m
from pytake.telemetry import shared as sh

GET = ("http_requests_total", "GET", "/items", "200")


class Worker:
    """One process of the service."""

    def __init__(self, directory: Path) -> None:  # ready once :meth:`wait` returns
        command = [sys.executable, "-m", "tests.unit.telemetry.counting_process", str(directory)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def wait(self) -> "Worker":
        assert self._line() == "ready"
        return self

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().decode().strip()

    def tell(self, command: str) -> str:
        assert self.process.stdin
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        return self._line()

    def scrape(self) -> dict[tuple[str, ...], float]:
        return {key: value for key, (value, _) in self.samples().items()}

    def samples(self) -> dict[tuple[str, ...], tuple[float, object]]:
        size = int(self.tell("render"))
        assert self.process.stdout
        page = self.process.stdout.read(size).decode()
        return {
            (sample.name, *sample.labels.values()): (sample.value, sample.exemplar)
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        }

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(how)
        self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()


Start = Callable[[int], list[Worker]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    workers: list[Worker] = []

    def begin(count: int) -> list[Worker]:
        new = [Worker(tmp_path) for _ in range(count)]
        workers.extend(new)
        return [worker.wait() for worker in new]

    yield begin
    for worker in workers:
        if worker.process.poll() is None:
            worker.kill()


def test_every_process_shows_the_sums_of_all(start: Start) -> None:
    one, two, three = start(3)
    for number, worker in enumerate((one, two, three), 1):
        worker.tell(f"count {number}")
    assert [worker.scrape()[GET] for worker in (one, two, three)] == [6, 6, 6]


def test_no_sum_goes_down_when_processes_are_killed(start: Start) -> None:
    one, two, three = start(3)
    for worker in (one, two, three):
        worker.tell("count 10")
        worker.tell("observe 1")
    two.kill()
    assert one.scrape()[GET] == 30
    three.kill()
    (late,) = start(1)
    late.tell("count 1")
    for worker in (one, late, one):
        found = worker.scrape()
        assert found[GET] == 31
        assert found["http_request_duration_seconds_count", "GET", "/items"] == 3


def test_what_a_process_counted_just_before_kill_9_is_there(start: Start) -> None:
    one, two = start(2)
    post = ("http_requests_total", "POST", "/items", "200")
    two.tell("run")
    seen = 0.0
    deadline = time.monotonic() + 5
    while seen < 1000 and time.monotonic() < deadline:
        now = one.scrape().get(post, 0.0)
        assert now >= seen
        seen = now
    two.kill()
    after = one.scrape()[post]
    assert after >= seen >= 1000
    assert one.scrape()[post] == after


def test_gauges_are_merged_as_declared_and_those_of_the_dead_vanish(start: Start) -> None:
    one, two = start(2)
    one.tell("gauge 1")
    two.tell("gauge 0")
    keys = [
        ("http_requests_in_flight",),
        ("dependency_up", "redis"),
        ("whatsapp_last_webhook_timestamp_seconds", "other"),
    ]
    found = one.scrape()
    assert [found[key] for key in keys] == [1, 0, 1]  # sum, min, max
    one.kill()
    found = two.scrape()
    assert [found[key] for key in keys] == [0, 0, 0]


def test_exemplars_come_from_every_process(start: Start) -> None:
    one, two = start(2)
    two.tell("observe 43981")
    value, exemplar = one.samples()["http_request_duration_seconds_bucket", "GET", "/items", "0.5"]
    assert value == 1
    assert exemplar.labels == {"trace_id": f"{43981:032x}"}  # type: ignore[attr-defined]


def test_the_newest_exemplar_of_all_processes_is_shown(start: Start) -> None:
    one, two = start(2)
    for turn, worker in enumerate((one, two, one), 1):
        worker.tell(f"observe {turn}")
        _, exemplar = two.samples()["http_request_duration_seconds_bucket", "GET", "/items", "0.5"]
        assert exemplar.labels == {"trace_id": f"{turn:032x}"}  # type: ignore[attr-defined]


def test_the_files_of_dead_processes_are_removed(start: Start, tmp_path: Path) -> None:
    one, *others = start(3)
    for other in others:
        other.tell("count 1")
        other.kill()
    assert one.scrape()[GET] == 2
    assert len(list((tmp_path / "service").glob("*.values"))) == 1
    assert len(list((tmp_path / "service").glob("*.series"))) == 1


def test_workers_that_crash_unscraped_do_not_fill_the_disk(start: Start, tmp_path: Path) -> None:
    (one,) = start(1)
    for _ in range(2):
        (other,) = start(1)
        other.tell("count 1")
        other.kill()
    start(1)
    assert len(list((tmp_path / "service").glob("*.values"))) == 2
    assert one.scrape()[GET] == 2


def test_a_crash_between_folding_and_unlinking_counts_nobody_twice(start: Start, tmp_path: Path) -> None:
    one, two = start(2)
    two.tell("count 5")
    kept = {path: path.read_bytes() for path in (tmp_path / "service").glob(f"{two.process.pid}-*")}
    two.kill()
    assert one.scrape()[GET] == 5
    for path, data in kept.items():
        path.write_bytes(data)  # as if the one who folded had died before it could unlink
    assert one.scrape()[GET] == 5
    assert start(1)[0].scrape()[GET] == 5


def test_a_service_that_starts_alone_starts_afresh(start: Start, tmp_path: Path) -> None:
    (one,) = start(1)
    one.tell("count 5")
    one.kill()
    assert GET not in start(1)[0].scrape()


def test_an_orderly_end_keeps_the_sums(start: Start) -> None:
    one, two = start(2)
    two.tell("count 5")
    two.tell("leave")
    two.tell("count 100")  # no longer part of the service
    assert one.scrape()[GET] == 5


def test_a_torn_last_line_waits_for_the_rest(start: Start, tmp_path: Path) -> None:
    one, two = start(2)
    two.tell("count 5")
    (series,) = (tmp_path / "service").glob(f"{two.process.pid}-*.series")
    with series.open("ab") as file:
        file.write(b'["http_requests_total",12')
    assert one.scrape()[GET] == 5


def test_a_lock_that_is_held_gives_no_page_rather_than_a_wrong_one(
    tmp_path: Path, own_metrics: m._State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sh, "LOCK_SECONDS", 0.05)
    shared = sh.SharedMetrics(tmp_path, "service")
    shared.join()
    try:
        with (tmp_path / "service" / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            status, _, body = m.metrics_response()
        assert status == 503
        assert b"is held" in body
        assert m.metrics_response()[0] == 200
    finally:
        shared.leave()


def test_bound_series_follow_into_the_shared_file(tmp_path: Path, own_metrics: m._State) -> None:
    counter = m.counter("x_total", "X.").labels()
    seconds = m.histogram("x_seconds", "X.", exemplars=True).labels()
    counter.inc(3)
    seconds.observe(0.2, trace_id=5)
    shared = sh.SharedMetrics(tmp_path, "service")
    shared.join()
    try:
        counter.inc()
        page = m.render(True).decode()
        assert "x_total 4.0" in page
        assert f"{5:032x}" in page
    finally:
        shared.leave()
    counter.inc()
    assert counter.get() == 1


def test_a_forked_child_counts_for_itself(tmp_path: Path, own_metrics: m._State) -> None:
    counter = m.counter("x_total", "X.").labels()
    shared = sh.SharedMetrics(tmp_path, "service")
    shared.join()
    try:
        counter.inc()
        child = os.fork()
        if not child:
            counter.inc(100)
            os._exit(0)
        os.waitpid(child, 0)
        assert b"x_total 1.0" in m.render()
    finally:
        shared.leave()


def test_a_directory_that_cannot_be_used_says_what_to_do(tmp_path: Path, own_metrics: m._State) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(sh.SharedMetricsError, match="PYTAKE_METRICS_DIR"):
        sh.SharedMetrics(tmp_path / "file", "service").join()
