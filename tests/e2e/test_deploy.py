"""One command brings the native stack up; what happens to it then. Tests run in order on one stack of their own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from pytake.stack.components import COMPONENTS
from pytake.stack.envfile import SECRET_NAMES, read_env
from tests.support.waiting import wait_until
from tests.unit.stack.support import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
PYTAKE = Path(sys.executable).with_name("pytake")


def free_offset() -> int:
    """An offset at which every port of the stack is free."""
    ports = [port for component in COMPONENTS for port in component.ports.values()]
    for offset in range(1100 + os.getpid() % 1000, 16000, 700):
        try:
            for port in ports:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        return offset
    raise AssertionError("no offset leaves all ports free")


@dataclass
class Deployed:
    """A checkout with an own copy of monitoring/, run by the command line."""

    root: Path
    offset: int
    more: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "COLUMNS": "200",
            "PYTAKE_ROOT": str(self.root), "PYTAKE_PORT_OFFSET": str(self.offset), "PYTAKE_ENVIRONMENT": "e2e",
            "PYTAKE_WITHOUT": os.environ.get("PYTAKE_E2E_WITHOUT", ""), **self.more,
        }  # fmt: skip
        return subprocess.run(
            [PYTAKE, *arguments], env=env, cwd=self.root, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=timeout, start_new_session=True,
        )  # fmt: skip

    def status(self) -> dict:
        return json.loads(self.run("status", "--json").stdout)

    def pids(self) -> dict[str, int]:
        return {row["name"]: row["pid"] for row in self.status()["components"]}

    @property
    def state(self) -> Path:
        return self.root / "var" / "e2e"

    def supervisor(self) -> psutil.Process:
        return psutil.Process(int((self.state / "run" / "supervisord.pid").read_text()))

    def processes(self) -> list[psutil.Process]:
        supervisor = self.supervisor()
        return [supervisor, *supervisor.children(recursive=True)]


@pytest.fixture(scope="module")
def deployed():
    # Not under pytest's folder, whose rights every pytest that starts sets anew: user postgres must reach this one.
    root = Path(tempfile.mkdtemp(prefix="pytake-deploy-"))
    root.chmod(0o755)
    shutil.copytree(ROOT / "monitoring", root / "monitoring", symlinks=True)
    (root / "requirements").symlink_to(ROOT / "requirements")
    stack = Deployed(root, free_offset())
    done = stack.run("deploy")
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        yield stack
    finally:
        stack.run("cleanup", "--yes")
        shutil.rmtree(root, ignore_errors=True)


def test_everything_is_ready_and_every_target_is_up(deployed):
    status = deployed.status()
    assert status["well"], status["problems"]
    assert {row["name"] for row in status["components"]} >= {"postgres", "redis", "prometheus", "alertmanager"}
    assert status["targets"]
    assert {target["health"] for target in status["targets"]} == {"up"}


def test_urls_are_those_of_this_stack(deployed):
    urls = json.loads(deployed.run("urls", "--json").stdout)
    assert f"http://127.0.0.1:{9090 + deployed.offset}/classic/targets" in [row["url"] for row in urls]


def test_everything_listens_on_the_loopback_only(deployed):
    pids = {process.pid for process in deployed.processes()}
    listening = [c for c in psutil.net_connections("inet") if c.pid in pids and c.status == psutil.CONN_LISTEN]
    assert len(listening) >= len(deployed.status()["components"])
    assert {connection.laddr.ip for connection in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_no_process_has_a_secret_in_its_arguments(deployed):
    env = read_env(deployed.root / ".env", {})
    arguments = "\n".join(" ".join(process.cmdline()) for process in deployed.processes())
    assert not [name for name in SECRET_NAMES if env[name] in arguments]


def test_no_secret_is_in_a_log(deployed):
    env = read_env(deployed.root / ".env", {})
    logs = "\n".join(path.read_text(errors="replace") for path in (deployed.state / "logs").iterdir())
    assert not [name for name in SECRET_NAMES if env[name] in logs]


def test_the_exporters_role_reads_statistics_and_cannot_write(deployed):
    env = {"PGPASSWORD": read_env(deployed.root / ".env", {})["PYTAKE_POSTGRES_EXPORTER_PASSWORD"]}
    psql = [
        "psql",
        "-h",
        "127.0.0.1",
        "-p",
        str(5432 + deployed.offset),
        "-U",
        "pytake_exporter",
        "-d",
        "pytake",
        "-Atc",
    ]
    read = subprocess.run(
        [*psql, "SELECT count(*) > 0 FROM pg_stat_statements"], env=env, capture_output=True, text=True, check=False
    )
    assert read.stdout.strip() == "t", read.stderr
    wrote = subprocess.run(
        [*psql, "SET default_transaction_read_only = off", "-c", "CREATE TABLE x ()"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "permission denied" in wrote.stderr


def test_a_second_deploy_restarts_nothing_and_takes_seconds(deployed):
    before, begun = deployed.pids(), time.monotonic()
    done = deployed.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert deployed.pids() == before
    assert time.monotonic() - begun < 15


def test_what_crashes_is_started_again(deployed):
    before = deployed.pids()["redis"]
    os.kill(before, signal.SIGKILL)

    def back() -> bool:
        row = next(row for row in deployed.status()["components"] if row["name"] == "redis")
        return row["ready"] and row["pid"] != before

    wait_until(back, 20, "redis is back")


def test_status_says_what_is_not_well_and_fails(deployed):
    process = psutil.Process(deployed.pids()["alertmanager"])
    process.suspend()
    try:
        done = deployed.run("status")
    finally:
        process.resume()
    assert done.returncode == 1
    assert "alertmanager: runs but is not ready: /-/ready: ReadTimeout" in done.stdout


def test_restart_waits_until_it_is_ready(deployed):
    before = deployed.pids()
    done = deployed.run("restart", "alertmanager")
    assert done.returncode == 0, done.stderr
    after = deployed.pids()
    assert {name for name in before if before[name] != after[name]} == {"alertmanager"}


def test_logs_of_one_service_and_of_an_unknown_one(deployed):
    assert "Server is ready" in deployed.run("logs", "prometheus", "-n", "200").stdout
    unknown = deployed.run("logs", "promtheus")
    assert unknown.returncode == 1
    assert "there is no component 'promtheus'" in unknown.stderr


def test_a_wrong_rule_is_refused_with_file_and_line_and_a_right_one_is_taken(deployed):
    rules = deployed.root / "monitoring" / "prometheus" / "rules" / "own.yml"
    rules.write_text("groups:\n  - name: own\n    rules:\n      - record: a:b:c\n        exprr: up\n")
    refused = deployed.run("reload-monitoring")
    assert refused.returncode == 1
    assert "monitoring/prometheus/rules/own.yml" in refused.stderr
    assert "line 5" in refused.stderr
    assert deployed.status()["well"]
    rules.write_text("groups:\n  - name: own\n    rules:\n      - record: a:b:c\n        expr: up\n")
    taken = deployed.run("reload-monitoring")
    assert taken.returncode == 0, taken.stderr
    assert "prometheus runs " in taken.stdout
    assert "own.yml" in str(list((deployed.state / "config" / "prometheus" / "rules").iterdir()))


def test_killing_the_supervisor_leaves_no_orphans_and_deploy_brings_all_back(deployed):
    supervisor = deployed.supervisor()
    children = supervisor.children(recursive=True)
    supervisor.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    assert deployed.run("status").returncode == 1
    done = deployed.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr


def test_stop_ends_every_process_and_keeps_the_data(deployed):
    processes = deployed.processes()
    done = deployed.run("stop")
    assert done.returncode == 0, done.stderr
    assert not [process for process in processes if process.is_running()]
    assert (deployed.state / "postgres" / "PG_VERSION").exists()
    stopped = deployed.run("status")
    assert stopped.returncode == 1
    assert "nothing runs" in stopped.stdout


def test_cleanup_asks_and_then_removes_all_but_env(deployed):
    assert deployed.run("cleanup").returncode != 0, "nobody answered"
    assert deployed.state.exists()
    done = deployed.run("cleanup", "--yes")
    assert done.returncode == 0, done.stderr
    assert not deployed.state.exists()
    assert (deployed.root / ".env").exists()
