"""A part of the drill: real faults, real alerts, real notifications, and nothing left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.e2e.test_deploy import free_offset
from tests.support.waiting import wait_until
from tests.unit.stack.support import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
PYTAKE = Path(sys.executable).with_name("pytake")
ALERTS = ("ApiDown", "WhatsAppTokenExpired", "LogErrorBurst", "ConfigReloadFailed")


@pytest.fixture
def root():
    """A checkout of its own: the drill's state lies below it, where user postgres may reach it."""
    folder = Path(tempfile.mkdtemp(prefix="pytake-drill-"))
    folder.chmod(0o755)
    shutil.copytree(ROOT / "monitoring", folder / "monitoring", symlinks=True)
    (folder / "requirements").symlink_to(ROOT / "requirements")
    yield folder
    for each in psutil.process_iter(["cmdline"]):  # a drill that a failed test left
        if any(str(folder) in part for part in each.info["cmdline"] or ()):
            with suppress(psutil.NoSuchProcess):
                each.terminate()
    shutil.rmtree(folder, ignore_errors=True)


def command(root: Path, *arguments: str) -> "subprocess.Popen[str]":
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTAKE_ROOT": str(root)}
    # what a shell starts with `&` ignores SIGINT, and so would a drill of tests that were: `env` lets it be heard
    return subprocess.Popen(
        ["env", "--default-signal=INT", PYTAKE, "drill", "--port-offset", str(free_offset()), *arguments],
        env=env, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def left_behind(root: Path) -> list[list[str]]:
    """Processes that work in, or were started for, this checkout."""
    return [each.info["cmdline"] for each in psutil.process_iter(["cmdline"])
            if any(str(root) in part for part in each.info["cmdline"] or ())]  # fmt: skip


def test_four_alerts_fire_arrive_and_resolve(root):
    process = command(root, "--fast", "--json", *ALERTS)
    try:
        output, errors = process.communicate(timeout=360)
    finally:
        process.terminate()  # its stack ends with it; nothing when it has ended
    assert process.returncode == 0, errors[-3000:]
    rows = {row["alert"]: row for row in json.loads(output)["alerts"]}
    assert set(ALERTS) <= set(rows)
    assert all(row["passed"] for row in rows.values())
    assert rows["ApiDown"]["channels"] == ["email", "oncall", "slack"]
    assert rows["LogErrorBurst"]["channels"] == ["email", "slack"]
    assert 0 < rows["ApiDown"]["detected_s"] <= rows["ApiDown"]["notified_s"]
    assert left_behind(root) == []
    assert not (root / "var" / "drill").exists()


def test_a_drill_that_is_broken_off_leaves_nothing_running(root):
    process = command(root, "--fast", "ApiDown")
    assert process.stderr is not None
    for line in process.stderr:
        if "waiting for a quiet stack" in line:
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors[-3000:]
    wait_until(lambda: not left_behind(root), 20, "the drill's processes to end")
    assert not (root / "var" / "drill").exists()
