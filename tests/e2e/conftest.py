"""The processes of the end-to-end tests: one stack for the tests that look, a fresh one where things are killed."""

from collections.abc import Iterator

import pytest

from tests.e2e.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running deployment that the tests of a session share; each uses customers of its own."""
    running = Stack(tmp_path_factory.mktemp("stack"))
    try:
        running.start()
        yield running
    finally:
        codes = running.stop()
    assert set(codes.values()) == {0}, f"exit codes of a graceful stop: {codes}"
