"""Clients that people install, unchanged: two logging handlers that push, one library that queries."""

import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from logging_loki import LokiHandler, emitter
from loki_logger_handler.loki_logger_handler import LokiLoggerHandler
from loki_reader_core import LokiClient, LokiQueryError

from tests.conformance.loki.conftest import Api
from tests.conformance.loki.data import SECOND, Data
from tests.support.waiting import wait_until


@pytest.fixture
def job() -> str:
    """A job of the test's own."""
    return f"client-{uuid.uuid4().hex[:8]}"


def streams(api: Api, selector: str) -> list[dict[str, Any]]:
    now = time.time_ns()
    found: list[dict[str, Any]] = api.range(selector, now - 600 * SECOND, now + 60 * SECOND)["result"]
    return found


def logger_with(handler: logging.Handler, name: str) -> Callable[[str], None]:
    log = logging.getLogger(name)
    log.propagate = False
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    return log.warning


@pytest.mark.parametrize(("version", "path"), [("0", "/api/prom/push"), ("1", "/loki/api/v1/push")])
def test_python_logging_loki(api: Api, job: str, version: str, path: str) -> None:
    handler = LokiHandler(url=api.base + path, tags={"job": job, "quoted": 'a "b"'}, version=version)
    failures: list[logging.LogRecord] = []
    handler.handleError = failures.append
    logger_with(handler, f"{job}.sub")("hello from %s" % version)  # noqa: UP031 (as the library's users write it)
    handler.close()
    assert not failures
    (stream,) = wait_until(lambda: streams(api, f'{{job="{job}"}}'), 10, "the line")
    assert stream["values"][0][1] == f"hello from {version}"
    assert stream["stream"][emitter.const.level_tag] == "warning"
    assert stream["stream"]["quoted"] == 'a "b"'


@pytest.mark.parametrize("compressed", [True, False])
def test_loki_logger_handler(api: Api, job: str, compressed: bool) -> None:
    handler = LokiLoggerHandler(
        url=f"{api.base}/loki/api/v1/push", labels={"job": job}, label_keys={"levelname"}, compressed=compressed,
        timeout=0.1, enable_structured_loki_metadata=True, loki_metadata={"team": "core"},
    )  # fmt: skip
    logger_with(handler, job)("hello")
    handler.flush()
    (stream,) = wait_until(lambda: streams(api, f'{{job="{job}"}} | json | team="core"'), 15, "the line")
    assert stream["stream"]["message"] == "hello"


def test_loki_reader_core(api: Api, data: Data) -> None:
    client = LokiClient(api.base)
    try:
        assert {"job", "app", "env"} <= set(client.get_labels())
        assert data.job in client.get_label_values("job")
        assert len(client.get_series(match=[f'{{job="{data.job}"}}'])) == 4
        lines = client.query(logql=data.select("web") + " | json | status = 500", limit=50, since_hours=3)
        assert sum(len(stream.entries) for stream in lines.streams) == 15
        counted = client.query(logql=f"sum(count_over_time({data.select('web')}[3h]))")
        assert counted.metric_series[0].samples[0].value == 60
        assert lines.stats.bytes_processed > 0
        with pytest.raises(LokiQueryError, match="parse error at line 1, col 2"):
            client.query(logql="{", since_hours=1)
    finally:
        client.session.close()
