"""Logs: one redacted JSON object a line, from every source, never in the event loop's way, every loss counted."""

import logging as standard
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from pytake.telemetry import catalog, logging
from pytake.telemetry.logcontext import request_id
from pytake.telemetry.logging import configure_logging, get_logger, log_fields
from pytake.telemetry.settings import TelemetrySettings
from pytake.telemetry.sinks import RotatingFile, Sink
from tests.support.waiting import wait_until
from tests.unit.telemetry.conftest import Spans

pytestmark = pytest.mark.usefixtures("catalogue")


class Logs:
    """What was written to the service's file."""

    def __init__(self, directory: Path, pipeline: logging.LogPipeline) -> None:
        self.path, self.pipeline = directory / "test.log", pipeline

    def lines(self) -> list[dict[str, Any]]:
        self.pipeline.flush()
        return [orjson.loads(line) for line in self.path.read_bytes().splitlines()]


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logs]:
    root = standard.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    pipeline = configure_logging("test", TelemetrySettings(_env_file=None, log_dir=tmp_path, log_stdout=False))
    yield Logs(tmp_path, pipeline)
    pipeline.close()
    logging._pipeline = None
    root.setLevel(level)


def test_an_event_is_one_json_line(logs: Logs) -> None:
    get_logger("pytake.send").info("message_sent", conversation_id=42, wamid="wamid.abc")
    (line,) = logs.lines()
    assert list(line)[:5] == ["timestamp", "level", "logger", "event", "message"]
    assert line["timestamp"].endswith("Z")
    assert (line["level"], line["logger"], line["event"]) == ("info", "pytake.send", "message_sent")
    assert (line["conversation_id"], line["wamid"]) == (42, "wamid.abc")


def test_a_line_carries_the_request_the_trace_and_bound_fields(logs: Logs, spans: Spans) -> None:
    from pytake.telemetry import tracing

    token = request_id.set("r1")
    with tracing.span("job"), log_fields(queue="webhooks", to="5511999998888"):
        get_logger("a").info("inside")
    request_id.reset(token)
    get_logger("a").info("outside")
    inside, outside = logs.lines()
    assert inside["request_id"] == "r1"
    assert inside["trace_id"] == f"{spans[0].local.trace_id:032x}"
    assert inside["span_id"] == f"{spans[0].span_id:016x}"
    assert (inside["queue"], inside["to"]) == ("webhooks", "[phone]")
    assert not {"request_id", "trace_id", "span_id", "queue"} & outside.keys()


def test_everything_is_redacted(logs: Logs) -> None:
    log = get_logger("a")
    log.warning(
        "send_failed", to="5511999998888", payload={"text": {"body": "my mother"}}, url="http://h/?access_token=EAAabc"
    )
    try:
        raise RuntimeError("Bearer abcdef123 for +5511999998888")
    except RuntimeError:
        log.exception("crashed")
    standard.getLogger("library").error("failed with %s", {"api_key": "k3y-value", "body": "my mother"})
    text = logs.path.read_text() if logs.lines() else ""
    for secret in ("5511999998888", "mother", "EAAabc", "abcdef123", "k3y-value"):
        assert secret not in text


def test_redaction_can_be_switched_off(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs.pipeline, "redact", False)
    get_logger("a").info("x", to="5511999998888")
    assert logs.lines()[0]["to"] == "5511999998888"


def test_an_exception_has_type_message_and_stack(logs: Logs) -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        get_logger("a").exception("division")
        standard.getLogger("b").exception("division")
    for line in logs.lines():
        assert line["level"] == "error"
        assert line["exception_type"] == "ZeroDivisionError"
        assert "Traceback" in line["exception"]


@pytest.mark.parametrize("name", ["some.library", "uvicorn.error"])
def test_the_standard_librarys_records_take_the_same_path(logs: Logs, name: str) -> None:
    standard.getLogger(name).warning("disk %s is %d %% full", "sda", 91, extra={"device": "sda"})
    (line,) = logs.lines()
    assert (line["level"], line["logger"], line["message"]) == ("warning", name, "disk sda is 91 % full")
    assert line["device"] == "sda"


def test_uvicorns_access_log_is_off(logs: Logs) -> None:
    standard.getLogger("uvicorn.access").info("GET /?token=abc")
    assert logs.lines() == []


def test_levels_are_filtered_and_counted(logs: Logs) -> None:
    log = get_logger("a")
    log.debug("quiet")
    log.info("one")
    log.error("two")
    assert [line["event"] for line in logs.lines()] == ["one", "two"]
    counted = {values[0]: child.get() for values, child in catalog.LOG_LINES.children.items()}
    assert counted == {"debug": 0, "info": 1, "warning": 0, "error": 1, "critical": 0}


def test_what_is_bound_is_not_said_twice(logs: Logs) -> None:
    with log_fields(conversation_id="c-1"):
        get_logger("a").info("one", conversation_id="c-1")
        get_logger("a").info("two", conversation_id="c-2")
    one, two = logs.lines()
    assert (one["conversation_id"], "field_conversation_id" in one) == ("c-1", False)
    assert (two["conversation_id"], two["field_conversation_id"]) == ("c-1", "c-2")


def test_a_broken_record_does_not_raise(logs: Logs) -> None:
    broken = standard.LogRecord("a", standard.WARNING, "", 0, "%d apples", ("many",), None)
    logging._StandardHandler().emit(broken)
    get_logger("a").info("big", number=1 << 80, lone="\ud800", odd=object(), event_=1, level="mine")
    first, second = logs.lines()
    assert first["message"] == "%d apples"
    assert second["number"] == 1 << 80
    assert second["field_level"] == "mine"


def test_loggers_before_configuration_use_the_standard_library(caplog: pytest.LogCaptureFixture) -> None:
    assert logging.pipeline() is None
    with caplog.at_level("INFO"):
        get_logger("early").warning("not_yet", a=1)
    assert "not_yet" in caplog.text


# --- sinks --------------------------------------------------------------------------------------------------------
def dropped() -> dict[str, float]:
    return {values[0]: child.get() for values, child in catalog.LOGS_DROPPED.children.items()}


def test_a_sink_that_hangs_delays_nobody_and_its_losses_are_counted() -> None:
    gate, entered = threading.Event(), threading.Event()

    def write(_data: bytes) -> None:
        entered.set()
        gate.wait(10)

    sink = Sink(write, size=100, delay=0.01)
    sink.put(b"first\n")
    assert entered.wait(5)
    started = time.monotonic()
    for _ in range(10_000):
        sink.put(b"x\n")
    assert time.monotonic() - started < 1
    assert dropped() == {"queue_full": 9_900}
    gate.set()
    sink.close()


def test_a_disk_that_is_full_loses_counted_lines_and_recovers() -> None:
    written: list[bytes] = []
    broken = True

    def write(data: bytes) -> None:
        if broken:
            raise OSError(28, "No space left on device")
        written.append(data)

    sink = Sink(write, size=100, delay=0.01)
    for _ in range(3):
        sink.put(b"lost\n")
    wait_until(lambda: dropped().get("export_failed") == 3, 5, "the loss of three lines")
    broken = False
    sink.put(b"kept\n")
    sink.close()
    assert written == [b"kept\n"]


def test_files_rotate_and_no_line_is_lost(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "x.log", max_bytes=1000, backups=20)
    for number in range(400):
        file.write(f"line {number:04d}\n".encode())
    file.close()
    files = sorted(tmp_path.glob("x.log*"))
    assert len(files) > 2
    assert all(path.stat().st_size <= 1000 for path in files)
    lines = sorted(line for path in files for line in path.read_text().splitlines())
    assert lines == [f"line {number:04d}" for number in range(400)]


def test_old_files_are_removed(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "x.log", max_bytes=100, backups=2)
    for number in range(200):
        file.write(f"line {number:04d}\n".encode())
    file.close()
    assert sorted(path.name for path in tmp_path.glob("x.log*")) == ["x.log", "x.log.1", "x.log.2"]


def test_several_processes_rotate_one_file(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pytake.telemetry.sinks import RotatingFile\n"
        "file = RotatingFile(Path(sys.argv[1]), max_bytes=2000, backups=500)\n"
        "for n in range(300): file.write(f'{sys.argv[2]} {n:04d}\\n'.encode())\n"
    )
    path = tmp_path / "x.log"
    processes = [subprocess.Popen([sys.executable, "-c", code, str(path), str(n)]) for n in range(3)]
    assert [process.wait(30) for process in processes] == [0, 0, 0]
    lines = sorted(line for file in tmp_path.glob("x.log*") for line in file.read_text().splitlines())
    assert lines == [f"{process} {number:04d}" for process in range(3) for number in range(300)]


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "x.log", max_bytes=10_000, backups=2)
    file.write(b"one\n")
    os.rename(tmp_path / "x.log", tmp_path / "moved")
    file.write(b"two\n")
    file.close()
    assert (tmp_path / "x.log").read_bytes() == b"two\n"


def test_standard_output_gets_the_same_lines(tmp_path: Path) -> None:
    code = (
        "from pytake.telemetry.setup import configure\n"
        "from pytake.telemetry.logging import get_logger\n"
        "telemetry = configure('test')\n"
        "get_logger('a').info('hello', n=1)\n"
        "import logging; logging.getLogger('lib').error('Bearer abcdefgh')\n"
        "telemetry.shutdown(); telemetry.shutdown()\n"
    )
    environment = {**os.environ, "PYTAKE_LOG_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, timeout=30)
    assert done.stderr == b""
    assert done.stdout == (tmp_path / "test.log").read_bytes()
    assert [orjson.loads(line)["event"] for line in done.stdout.splitlines()] == ["hello", "log"]
    assert b"abcdefgh" not in done.stdout
