"""A taken port is named with its owner."""

import os
import socket
from dataclasses import replace

import pytest

from pytake.stack import owners
from pytake.stack.components import BY_NAME
from pytake.stack.errors import PortTaken
from tests.support.ports import free_port


def test_a_taken_port_names_the_process_that_has_it(stack):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        redis = replace(BY_NAME["redis"], ports={"redis": port - stack.settings.pytake_port_offset})
        with pytest.raises(PortTaken) as error:
            owners.require_free(stack, redis)
    assert f"port {port}, which redis needs, is taken by pid {os.getpid()}" in str(error.value)
    assert "PYTAKE_PORT_OFFSET" in (error.value.hint or "")


def test_a_free_port_is_no_problem(stack):
    free = free_port() - stack.settings.pytake_port_offset
    owners.require_free(stack, replace(BY_NAME["redis"], ports={"redis": free}))


def test_a_process_of_another_user_is_described_by_how_to_find_it():
    assert "sudo ss -tanp" in owners.describe(None, 3100)
