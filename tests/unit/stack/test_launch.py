"""Becoming a component's process: secrets from a file, leftovers ended first."""

import os
import shlex
import signal
import subprocess
import sys

from pytake.stack import launch

SHOW = "import os, sys; print(os.environ['SECRET']); print(len(sys.argv))"


def run(tmp_path, value, *, marker="test/one"):
    file = tmp_path / "one.env"
    file.write_text(f"export SECRET={shlex.quote(value)}\nexport EMPTY=''\n")
    return subprocess.run(
        [sys.executable, "-I", "-S", launch.__file__, str(file), sys.executable, "-c", SHOW, "a b"],
        env={"PYTAKE_COMPONENT": marker}, capture_output=True, text=True, check=True, timeout=30,
    ).stdout  # fmt: skip


def test_values_arrive_as_they_were_written(tmp_path):
    for value in ("plain", 'it\'s "quoted" $HOME `id` \\n = #', "ü€ 漢", "two\nlines"):
        assert run(tmp_path, value) == f"{value}\n2\n"


def sleeper(marker, before="pass"):
    code = f"import signal, time; {before}; print(flush=True); time.sleep(60)"
    started = subprocess.Popen([sys.executable, "-c", code], env={"PYTAKE_COMPONENT": marker}, stdout=subprocess.PIPE)
    assert started.stdout is not None
    with started.stdout as ready:
        ready.readline()
    return started


def test_what_an_earlier_process_left_behind_is_ended_and_others_are_not(tmp_path):
    marker = f"test-{os.getpid()}/api"
    left, other = sleeper(marker), sleeper(marker + "-other")
    try:
        run(tmp_path, "x", marker=marker)
        assert left.wait(5) == -signal.SIGTERM
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_one_that_ignores_the_request_is_killed(monkeypatch):
    monkeypatch.setattr(launch, "LEAVE_SECONDS", 0.3)
    marker = f"test-{os.getpid()}/stubborn"
    left = sleeper(marker, "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    launch.end_leftovers(marker)
    assert left.wait(5) == -signal.SIGKILL
