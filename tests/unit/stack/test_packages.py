"""Debian packages: masked before they are installed, what was there is left alone, failures say what to type."""

import subprocess

import pytest

from pytake.stack import packages
from pytake.stack.components import BY_NAME
from pytake.stack.errors import PackagesMissing


class Apt:
    """Records commands instead of running them."""

    def __init__(self, *, fails: bool = False) -> None:
        self.commands: list[str] = []
        self.fails = fails

    def __call__(self, argv):
        self.commands.append(" ".join(argv))
        failed = self.fails and "apt-get" in argv and "install" in argv
        return subprocess.CompletedProcess(argv, 100 if failed else 0, "", "E: no such package" if failed else "")


@pytest.fixture
def apt(monkeypatch, tmp_path):
    fake = Apt()
    monkeypatch.setattr(packages, "_run", fake)
    monkeypatch.setattr(packages, "installed", lambda name: False)
    for name, path in {"POLICY": "policy-rc.d", "CLUSTER_CONF": "createcluster.conf", "UNITS": "units"}.items():
        monkeypatch.setattr(packages, name, tmp_path / path)
    return fake


def test_units_are_masked_and_no_cluster_is_made_before_the_installation(apt, tmp_path):
    done = packages.ensure([BY_NAME["postgres"], BY_NAME["redis"]], lambda text: None)
    assert done == ["postgresql-15", "postgresql-client-15", "redis-server"]
    install = next(i for i, c in enumerate(apt.commands) if "apt-get" in c)
    before = "\n".join(apt.commands[:install])
    assert f"ln -s /dev/null {tmp_path}/units/redis-server.service" in before
    assert f"ln -s /dev/null {tmp_path}/units/postgresql.service" in before
    assert f"{tmp_path}/createcluster.conf" in before
    assert apt.commands[-1] == f"rm -f {tmp_path}/policy-rc.d"


def test_a_service_of_the_host_is_never_touched(apt, monkeypatch):
    monkeypatch.setattr(packages, "installed", lambda name: name == "redis-server")
    packages.ensure([BY_NAME["redis"], BY_NAME["node-exporter"]], lambda text: None)
    assert not [command for command in apt.commands if "redis" in command]


def test_nothing_to_install_runs_nothing(apt, monkeypatch):
    monkeypatch.setattr(packages, "installed", lambda name: True)
    assert packages.ensure([BY_NAME["redis"]], lambda text: None) == []
    assert apt.commands == []


def test_a_unit_that_the_host_defines_itself_is_kept(apt, tmp_path):
    (tmp_path / "units").mkdir()
    (tmp_path / "units" / "redis-server.service").write_text("[Unit]")
    packages.ensure([BY_NAME["redis"]], lambda text: None)
    assert not [command for command in apt.commands if command.startswith("ln")]


def test_a_failure_says_which_packages_why_and_what_to_type(apt, tmp_path):
    apt.fails = True
    with pytest.raises(PackagesMissing, match="redis-server") as error:
        packages.ensure([BY_NAME["redis"]], lambda text: None)
    assert "E: no such package" in str(error.value)
    assert "apt-get install --no-install-recommends redis-server" in (error.value.hint or "")
    assert apt.commands[-1] == f"rm -f {tmp_path}/policy-rc.d", "starts are allowed again"


def test_without_root_and_sudo_it_says_so(apt, monkeypatch):
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(packages.shutil, "which", lambda name: None if name == "sudo" else f"/usr/bin/{name}")
    with pytest.raises(PackagesMissing, match="there is no sudo") as error:
        packages.ensure([BY_NAME["redis"]], lambda text: None)
    assert "as root" in (error.value.hint or "")
