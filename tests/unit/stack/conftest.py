"""A checkout of one test: the committed configuration with a state folder and an .env of its own."""

import pytest

from pytake.stack.envfile import ensure_env_file
from pytake.stack.layout import Stack
from tests.unit.stack.support import ROOT, clean_environment


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """A stack with random secrets and ports 30000 higher; nothing runs."""
    clean_environment(monkeypatch)
    for name in ("monitoring", "requirements"):
        (tmp_path / name).symlink_to(ROOT / name)
    ensure_env_file(tmp_path / ".env")
    monkeypatch.setenv("PYTAKE_PORT_OFFSET", "30000")
    made = Stack.load(tmp_path)
    made.make_folders()
    return made
