"""The .env file: written once, private, completed but never overwritten."""

import stat

import pytest

from pytake.stack.envfile import SECRET_NAMES, ensure_env_file, read_env
from pytake.stack.errors import StackError
from pytake.stack.layout import Stack
from tests.unit.stack.support import ROOT, clean_environment


@pytest.fixture
def root(tmp_path, monkeypatch):
    clean_environment(monkeypatch)
    (tmp_path / "monitoring").symlink_to(ROOT / "monitoring")
    return tmp_path


def test_the_first_run_writes_random_secrets_that_only_the_owner_reads(root):
    Stack.load(root, create_env=True)
    values = read_env(root / ".env", {})
    assert stat.S_IMODE((root / ".env").stat().st_mode) == 0o600
    assert len({values[name] for name in SECRET_NAMES}) == len(SECRET_NAMES)
    assert min(len(values[name]) for name in SECRET_NAMES) >= 32


def test_a_second_run_changes_nothing(root):
    ensure_env_file(root / ".env")
    before = (root / ".env").read_text()
    assert ensure_env_file(root / ".env") == []
    assert (root / ".env").read_text() == before


def test_secrets_that_a_newer_version_needs_are_added_and_the_rest_is_kept(root):
    (root / ".env").write_text("# mine\nPYTAKE_REDIS_PASSWORD=kept # why\nSLACK_CHANNEL=x")
    added = ensure_env_file(root / ".env")
    text = (root / ".env").read_text()
    assert text.startswith("# mine\nPYTAKE_REDIS_PASSWORD=kept # why\nSLACK_CHANNEL=x\n")
    assert "PYTAKE_REDIS_PASSWORD" not in added
    assert set(added) == set(SECRET_NAMES) - {"PYTAKE_REDIS_PASSWORD"}


def test_the_environment_wins_over_the_file(root):
    (root / ".env").write_text("PYTAKE_PORT_OFFSET=1\nPYTAKE_ENVIRONMENT=file\n")
    values = read_env(root / ".env", {"PYTAKE_PORT_OFFSET": "2", "PYTAKE_ENVIRONMENT": ""})
    assert values == {"PYTAKE_PORT_OFFSET": "2", "PYTAKE_ENVIRONMENT": "file"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("PYTAKE_PORT_OFFSET=many", "PYTAKE_PORT_OFFSET='many'"),
        ("PYTAKE_PORT_OFFSET=60000", "PYTAKE_PORT_OFFSET"),
        ("PYTAKE_ENVIRONMENT=../x", "PYTAKE_ENVIRONMENT"),
        ("PROMETHEUS_RETENTION_SIZE=ten", "PROMETHEUS_RETENTION_SIZE"),
        ("PROMETHEUS_RETENTION_TIME=30", "PROMETHEUS_RETENTION_TIME"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(root, line, says):
    (root / ".env").write_text(line + "\n")
    with pytest.raises(StackError) as error:
        Stack.load(root)
    assert says in str(error.value)
    assert str(root / ".env") in (error.value.hint or "")


def test_an_emptied_secret_is_refused_by_name(root):
    ensure_env_file(root / ".env")
    text = (root / ".env").read_text().replace("PYTAKE_REDIS_PASSWORD=", "PYTAKE_REDIS_PASSWORD=\n# was ")
    (root / ".env").write_text(text)
    with pytest.raises(StackError, match="PYTAKE_REDIS_PASSWORD must not be empty"):
        Stack.load(root, create_env=True)
