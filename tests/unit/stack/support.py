"""Helpers of the stack's tests."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_OURS = re.compile(r"PYTAKE_|PROMETHEUS_|GF_|OTEL_|ALERT_|SLACK_|SMTP_|JAEGER_|ENABLE_|ONCALL_|HEARTBEAT_")


def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's shell reaches the test."""
    for name in os.environ:
        if _OURS.match(name):
            monkeypatch.delenv(name)
