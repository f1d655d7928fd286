"""Delivery: several clients, sizes and waits of batches, giving up, dry runs of files, the journal."""

import json
import os
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.conformance.promtail.conftest import COMMAND, NotingLoki, Promtail
from tests.support.waiting import wait_until


@pytest.fixture
def second(loki: NotingLoki):
    """One more Loki."""
    server = NotingLoki()
    yield server
    server.close()


def other(promtail: Promtail, url: str) -> dict[str, object]:
    return {**promtail.config["clients"][0], "url": url, "name": "second"}


def test_every_client_gets_every_line(promtail, loki, second, write):
    promtail.config["clients"].append(other(promtail, second.url) | {"external_labels": {"to": "second"}})
    write("a.log", "1", "2")
    promtail.scrape("a.log")
    promtail.start()
    promtail.wait_lines(2)
    wait_until(lambda: second.lines() == ["1", "2"], 10, "the second Loki's lines")
    assert 'to="second"' in second.entries[0][0]
    assert "to=" not in loki.entries[0][0]


def test_a_client_that_fails_holds_the_position_and_gets_its_lines_later(promtail, loki, second, write):
    """kill -9 while one of two Lokis refuses: after the restart that one has every line too."""
    second.answers = [503] * 1000
    promtail.config["clients"].append(other(promtail, second.url))
    write("a.log", "1", "2")
    promtail.scrape("a.log")
    promtail.start()
    promtail.wait_lines(2)
    wait_until(lambda: second.requests > 2, 10, "refused pushes")
    promtail.kill()
    second.answers = []
    promtail.start()
    wait_until(lambda: set(second.lines()) == {"1", "2"}, 15, "the second Loki's lines")


def test_batches_by_size(promtail, loki, write):
    promtail.config["clients"][0] |= {"batchsize": 1000, "batchwait": "5s"}
    write("a.log", *(f"{n:0100d}" for n in range(100)))
    promtail.scrape("a.log")
    promtail.start()
    promtail.wait_lines(96)  # what fills batches; the rest waits for its time
    assert loki.requests >= 10


def test_batches_by_time(promtail, loki, write):
    promtail.config["clients"][0] |= {"batchwait": "1s"}
    promtail.scrape("a.log")
    write("a.log", "1")
    promtail.start()
    promtail.wait_lines(1)
    for number in range(2, 6):
        write("a.log", str(number))
        time.sleep(0.1)
    promtail.wait_lines(5)
    assert loki.requests <= 3


def test_out_of_retries_a_batch_is_counted_and_the_next_goes_on(promtail, loki, write):
    loki.answers = [500] * 3
    promtail.config["clients"][0]["backoff_config"]["max_retries"] = 3
    write("a.log", "lost")
    promtail.scrape("a.log")
    promtail.start()
    wait_until(lambda: loki.requests == 3, 10, "three tries")
    write("a.log", "kept")
    assert promtail.wait_lines(1) == ["kept"]
    page = httpx.get(f"{promtail.url}/metrics").text
    dropped = [line for line in page.splitlines() if line.startswith("promtail_dropped_entries_total{")]
    assert sum(float(line.rsplit(" ", 1)[1]) for line in dropped) == 1


def test_back_off_grows(promtail, loki, write):
    promtail.config["clients"][0]["backoff_config"] = {"min_period": "100ms", "max_period": "10s", "max_retries": 0}
    loki.answers = [503] * 4
    write("a.log", "1")
    promtail.scrape("a.log")
    promtail.start()
    began = time.monotonic()
    promtail.wait_lines(1, 20)
    assert loki.requests == 5
    assert time.monotonic() - began >= (0.1 + 0.2 + 0.4 + 0.8) / 2 - 0.5  # half of it is jitter


def test_a_dry_run_of_files_prints_and_sends_nothing(promtail, loki, write):
    write("a.log", '{"level":"warn"}')
    promtail.scrape("a.log", {"json": {"expressions": {"level": None}}}, {"labels": {"level": None}})
    environment = {**os.environ, "PYTAKE_LOG_DIR": "", "OTEL_SDK_DISABLED": "true", "PYTHONUNBUFFERED": "1"}
    out = promtail.folder / "out.txt"
    with out.open("w") as file:
        process = subprocess.Popen(
            promtail.command("-dry-run", "-inspect"), stdout=file, stderr=subprocess.STDOUT, env=environment
        )
    try:
        wait_until(lambda: 'level="warn"' in out.read_text(), 15, "the printed entry")
    finally:
        process.terminate()
        process.wait(10)
    assert loki.requests == 0
    assert not (promtail.folder / "positions.yaml").exists()


JOURNAL = """#!/usr/bin/env python3
import sys, time
open({calls!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
if not any("after-cursor" in word for word in sys.argv):
    print({first!r}, flush=True)
    print({second!r}, flush=True)
while True:
    time.sleep(60)
"""


@pytest.mark.skipif(bool(COMMAND), reason="the real Promtail reads the journal's files itself")
def test_the_journal_and_its_cursor(promtail: Promtail, loki: NotingLoki, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {
        "__CURSOR": "c1",
        "__REALTIME_TIMESTAMP": "1795514400500000",
        "PRIORITY": "3",
        "_SYSTEMD_UNIT": "x.service",
    }
    texts = [
        json.dumps({**entry, "MESSAGE": "one"}),
        json.dumps({**entry, "__CURSOR": "c2", "MESSAGE": [98, 97, 100, 255]}),
    ]
    tools = promtail.folder / "bin"
    tools.mkdir()
    calls = promtail.folder / "calls.txt"
    stub = tools / "journalctl"
    stub.write_text(JOURNAL.format(calls=str(calls), first=texts[0], second=texts[1]))
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    promtail.config["scrape_configs"].append(
        {
            "job_name": "journal",
            "journal": {"max_age": "1h", "path": "/var/log/journal", "labels": {"job": "systemd"}},
            "relabel_configs": [
                {"source_labels": ["__journal__systemd_unit"], "target_label": "unit"},
                {"source_labels": ["__journal_priority_keyword"], "target_label": "level"},
            ],
        }
    )
    promtail.start()
    assert promtail.wait_lines(2) == ["one", "bad\ufffd"]
    stream, at, *_ = loki.entries[0]
    assert stream == '{job="systemd", level="error", unit="x.service"}'
    assert at == 1795514400500000000
    assert "--since=-3600s" in calls.read_text()
    assert "--no-tail" in calls.read_text()
    wait_until(lambda: "c2" in _text(promtail.folder / "positions.yaml"), 10, "the cursor to be written")
    promtail.kill()
    promtail.start()
    wait_until(lambda: "--after-cursor=c2" in calls.read_text(), 10, "the cursor to be used")
    assert len(loki.lines()) == 2


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
