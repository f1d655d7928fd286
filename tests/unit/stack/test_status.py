"""What status says of components and targets, without a stack."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from pytake.stack import doctor, show, status
from pytake.stack.components import BY_NAME
from pytake.stack.deploy import probe_of
from pytake.stack.probes import Http
from pytake.stack.supervisor import ProcessInfo, State


@pytest.fixture
def serve():
    """A page on a port of its own: give its text and code, get the port."""
    servers = []

    def start(text, code=200):
        class Page(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(code)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Page)
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("page", "answer"),
    [
        ("redis_up 1\n", None),
        ('redis_up{instance="x"} 1\n', None),
        ("redis_up 0\n", "/metrics: redis_up is not 1"),
        ("# redis_up 1\nredis_uptime 1\n", "/metrics: redis_up is not 1"),
    ],
)
async def test_an_exporter_is_ready_when_it_reaches_what_it_watches(stack, serve, page, answer):
    assert await Http("/metrics", "redis_up")(stack, serve(page)) == answer


async def test_a_page_that_is_not_200_is_told_with_its_words(stack, serve):
    assert await Http("/ready")(stack, serve("Ingester not ready", 503)) == "/ready: 503 Ingester not ready"


async def test_nobody_there(stack):
    assert await Http("/ready")(stack, 1) == "/ready: ConnectError"


async def test_an_exporter_whose_server_is_not_deployed_only_has_to_answer(stack, serve):
    port, exporter = serve("redis_up 0\n"), BY_NAME["redis-exporter"]
    assert await probe_of(exporter, {"redis-exporter"})(stack, port) is None
    assert await probe_of(exporter, {"redis-exporter", "redis"})(stack, port) is not None


async def test_a_stopped_component_is_a_problem(stack):
    info = ProcessInfo("redis", State.FATAL, 0, 0, 1, "can't find command")
    row = await status._row(stack, BY_NAME["redis"], info, {"redis"})
    assert row.problem == "is FATAL (can't find command)"
    assert not row.ready


def test_targets_that_are_down_come_with_their_error(serve):
    target = {"labels": {"job": "loki", "instance": "x:1"}, "health": "down", "lastError": "refused"}
    found, problem = status.targets(serve(json.dumps({"data": {"activeTargets": [target]}})))
    assert problem is None
    assert found == [status.Target("loki", "x:1", "down", "refused")]
    assert status.targets(serve("not json"))[1].startswith("prometheus does not tell its targets")


def test_nothing_runs(stack):
    seen = status.read(stack)
    assert not seen.well
    assert seen.problems == ["nothing runs in environment 'local': type `deploy`"]


@pytest.mark.parametrize(("seconds", "text"), [(5, "5 s"), (90, "1 min"), (7300, "2 h"), (200_000, "2 d"), (0, "0 s")])
def test_ages(seconds, text):
    assert show.ago(1000, now=1000 + seconds) == text


def test_doctor_finds_an_env_file_that_others_may_read(stack):
    (stack.root / ".env").chmod(0o644)
    finding = next(finding for finding in doctor.examine(stack) if finding.what == ".env")
    assert finding.seen == "mode 644"
    assert "chmod 600" in (finding.advice or "")
