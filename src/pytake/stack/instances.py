"""The WhatsApp numbers: a file of the operator's, or one made for the sandbox."""

import os
import secrets
from pathlib import Path

import yaml

from pytake.stack.errors import StackError
from pytake.stack.layout import Stack

_DEMO = (
    ("support", "106540352242922", "15550100001"),
    ("sales", "106540352242933", "15550100002"),
    ("returns", "106540352242944", "15550100003"),
)


def instances_file(stack: Stack) -> Path:
    """Path of the file that backend and sandbox read."""
    own = stack.settings.pytake_instances_file
    return stack.root / own if own else stack.config / "instances.yaml"


def ensure_instances(stack: Stack) -> Path:
    """Write the sandbox's numbers with random tokens when there are none; an operator's file must exist.

    Raises:
        StackError: ``PYTAKE_INSTANCES_FILE`` names a file that is not there.
    """
    path = instances_file(stack)
    if path.exists():
        return path
    if stack.settings.pytake_instances_file:
        raise StackError(
            f"PYTAKE_INSTANCES_FILE: {path} does not exist",
            hint="write it (a list of slug, phone_number_id, waba_id, display_phone_number, access_token), "
            "or unset the variable to let the sandbox play Meta",
        )
    numbers = [
        {
            "slug": slug,
            "phone_number_id": number_id,
            "waba_id": "102290129340398",
            "display_phone_number": display,
            "access_token": f"sandbox-{secrets.token_urlsafe(24)}",
        }
        for slug, number_id, display in _DEMO
    ]
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yaml.safe_dump(numbers, file, sort_keys=False)
    return path
