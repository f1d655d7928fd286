"""The docker runtime: which files, pins, profile and addresses docker compose is given."""

import os
from pathlib import Path

import pytest

from pytake.stack import docker
from pytake.stack.components import Group
from pytake.stack.envfile import SECRET_NAMES
from pytake.stack.errors import StackError
from pytake.stack.layout import Stack

PROGRAM = """#!/bin/sh
printf '%s\\n' "$@" > "$DOCKER_SEEN/arguments"
env > "$DOCKER_SEEN/environment"
exit 7
"""


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """A docker that writes down how it was called and exits with 7."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text(PROGRAM)
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_SEEN", str(tmp_path))
    return tmp_path


def environment(seen: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (seen / "environment").read_text().splitlines() if "=" in line)


def test_both_groups_monitoring_first_with_pins_env_and_the_sandbox(stack, seen):
    assert docker.compose(stack, tuple(Group), "up", "-d") == 7
    arguments = (seen / "arguments").read_text().split()
    assert arguments == [
        "compose",
        "--env-file", f"{stack.root}/monitoring/versions.env",
        "--env-file", f"{stack.root}/.env",
        "--profile", "demo",
        "-f", f"{stack.root}/monitoring/docker-compose.monitoring.yml",
        "-f", f"{stack.root}/docker-compose.yml",
        "up", "-d",
    ]  # fmt: skip
    assert environment(seen)["PYTAKE_ROOT"] == str(stack.root)


def test_no_secret_is_an_argument(stack, seen):
    docker.compose(stack, tuple(Group), "up")
    arguments = (seen / "arguments").read_text()
    assert not [name for name in SECRET_NAMES if stack.env[name] in arguments]


def test_with_real_credentials_the_real_apis_are_called_and_no_sandbox_starts(stack, seen, monkeypatch):
    monkeypatch.setenv("PYTAKE_INSTANCES_FILE", "numbers.yaml")
    monkeypatch.setenv("PYTAKE_OPENAI_API_KEY", "sk-real")
    docker.compose(Stack.load(stack.root), (Group.CORE,), "up")
    assert "demo" not in (seen / "arguments").read_text()
    given = environment(seen)
    assert given["PYTAKE_INSTANCES_FILE"] == str(stack.root / "numbers.yaml")
    assert given["PYTAKE_META_BASE_URL"].startswith("https://graph.")
    assert given["PYTAKE_OPENAI_BASE_URL"].startswith("https://api.")


def test_without_docker_it_says_so(stack, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="docker is not installed") as error:
        docker.compose(stack, tuple(Group), "up")
    assert "--runtime docker" in (error.value.hint or "")
