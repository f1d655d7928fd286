"""Native commands: everything listens on 127.0.0.1, ports move with the offset, and no secret is an argument."""

import re
import stat

import pytest

from pytake.stack import native, redis
from pytake.stack.components import BY_NAME, COMPONENTS
from pytake.stack.envfile import SECRET_NAMES
from pytake.stack.layout import Stack
from pytake.stack.supervisor import render


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda c: c.name)
def test_no_secret_is_an_argument(stack, component):
    arguments = " ".join(component.command(stack).argv)
    assert not [name for name in SECRET_NAMES if stack.env[name] in arguments]


def test_the_supervisor_configuration_holds_no_secret_and_the_environment_files_are_private(stack):
    config = render(stack, [(c, c.command(stack), "") for c in COMPONENTS])
    text = config.read_text()
    assert not [name for name in SECRET_NAMES if stack.env[name] in text]
    files = list((stack.config / "env").glob("*.env"))
    assert {stat.S_IMODE(file.stat().st_mode) for file in [config, *files]} == {0o600}
    assert stat.S_IMODE(stack.config.stat().st_mode) == 0o700


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda c: c.name)
def test_ports_of_arguments_and_environment_move_with_the_offset(stack, component):
    command = component.command(stack)
    given = " ".join([*command.argv, *command.env.values()])
    ports = {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", given)}
    assert all(port >= 30000 + 3000 for port in ports), ports


def test_a_server_of_ours_does_not_get_the_passwords_of_the_databases(stack):
    env = native.backend_env(stack)
    assert stack.env["PYTAKE_POSTGRES_ADMIN_PASSWORD"] not in str(env)
    assert stack.env["PYTAKE_POSTGRES_EXPORTER_PASSWORD"] not in str(env)
    assert stack.env["PYTAKE_POSTGRES_PASSWORD"] in env["PYTAKE_DATABASE_URL"]


def test_the_sandbox_stands_in_until_credentials_are_set(stack, monkeypatch):
    env = native.backend_env(stack)
    assert env["PYTAKE_META_BASE_URL"] == "http://127.0.0.1:38791/meta"
    assert env["PYTAKE_OPENAI_BASE_URL"] == "http://127.0.0.1:38791/openai/v1"
    monkeypatch.setenv("PYTAKE_INSTANCES_FILE", "numbers.yaml")
    monkeypatch.setenv("PYTAKE_OPENAI_API_KEY", "sk-real")
    real = native.backend_env(Stack.load(stack.root))
    assert "PYTAKE_META_BASE_URL" not in real
    assert "PYTAKE_OPENAI_BASE_URL" not in real
    assert real["PYTAKE_OPENAI_API_KEY"] == "sk-real"
    assert real["PYTAKE_INSTANCES_FILE"] == str(stack.root / "numbers.yaml")


def test_retention_comes_from_the_settings(stack, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_RETENTION_TIME", "7d")
    monkeypatch.setenv("PROMETHEUS_RETENTION_SIZE", "512MB")
    argv = BY_NAME["prometheus"].command(Stack.load(stack.root)).argv
    assert "--storage.tsdb.retention.time=7d" in argv
    assert "--storage.tsdb.retention.size=512MB" in argv


def test_redis_is_configured_by_a_private_file_without_plain_passwords(stack):
    redis.prepare(stack)
    path = stack.config / "redis.conf"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stack.env["PYTAKE_REDIS_PASSWORD"] not in path.read_text()
    assert "appendonly yes" in path.read_text()


def test_a_long_path_gets_a_socket_elsewhere(stack, tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    monkeypatch.setenv("PYTAKE_STATE_DIR", str(deep))
    far = Stack.load(stack.root)
    assert len(str(far.supervisor_socket)) <= 100
    assert not str(far.supervisor_socket).startswith(str(deep))


def test_a_programs_definition_is_the_same_whatever_else_is_deployed(stack):
    def section(components):
        text = render(stack, [(c, c.command(stack), "d") for c in components]).read_text()
        return text.partition("[program:redis]")[2].partition("[program:")[0]

    assert section([BY_NAME["redis"]]).strip() == section(COMPONENTS).strip()
