"""The rules against what Debian's exporters, Prometheus and Alertmanager expose when they really run.

``data/exporters.json`` is a capture; this starts the programs and lints the rules and runbooks on their pages instead,
so that a package that renames a metric fails here and not at three in the morning.
"""

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
import redis
from typer.testing import CliRunner

from pytake.checks import exporters, known, runbook, runbooks
from pytake.checks.exporters import Names
from pytake.checks.lint import lint
from pytake.checks.promql import Labels, parse
from pytake.checks.rules import MONITORING, load, recordings
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.servers import PostgresServer
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
STREAMS = ("pytake:webhooks", "pytake:outbound")


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def tls_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """An HTTPS server that refuses everybody, as Meta's does."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", folder / "key", "-out", folder / "cert"], check=True, capture_output=True)
    server = HTTPServer(("127.0.0.1", 0), _Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def postgres_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """PostgreSQL with pg_stat_statements, as the stack sets it up."""
    server = PostgresServer(Path(tmp_path_factory.mktemp("statements")))
    server.start()
    server.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    server.stop()
    server.start()
    server.execute("CREATE EXTENSION pg_stat_statements")
    yield f"postgresql://pytake@127.0.0.1:{server.port}/postgres?sslmode=disable"
    server.stop()


@pytest.fixture(scope="module")
def streams(redis_url: str) -> str:
    """Redis with the product's streams and their consumer groups."""
    with redis.Redis.from_url(redis_url) as client:
        client.delete(*STREAMS)  # other files of this process may have left theirs
        for stream in STREAMS:
            client.xgroup_create(stream, "workers", mkstream=True)
            client.xadd(stream, {"a": "b"})
            client.xreadgroup("workers", "one", {stream: ">"})
    return redis_url


@pytest.fixture(scope="module")
def addresses(postgres_dsn: str, streams: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Base address of each program, all of them answering."""
    folder = tmp_path_factory.mktemp("exporters")
    blackbox = (MONITORING / "blackbox" / "blackbox.yml").read_text()
    insecure = "    http:\n      tls_config: { insecure_skip_verify: true }\n"
    (folder / "blackbox.yml").write_text(blackbox.replace("    http:\n", insecure))
    (folder / "alertmanager.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    queries = MONITORING / "postgres-exporter" / "queries.yml"
    ports = {name: free_port() for name in exporters.URLS if name != "probe"}
    (folder / "prometheus.yml").write_text(
        f"rule_files: [{MONITORING / 'prometheus/rules/availability.yml'}]\n"
        f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{ports['alertmanager']}']}}]}}]}}\n"
    )
    listen = {name: f"--web.listen-address=127.0.0.1:{port}" for name, port in ports.items()}
    commands: dict[str, tuple[list[str], dict[str, str]]] = {
        "node-exporter": (["prometheus-node-exporter", "--no-collector.systemd"], {}),
        "redis-exporter": (["prometheus-redis-exporter", "-check-streams=pytake:*"], {"REDIS_ADDR": streams}),
        "postgres-exporter": (
            ["prometheus-postgres-exporter", f"--extend.query-path={queries}"],
            {"DATA_SOURCE_NAME": postgres_dsn},
        ),
        "blackbox-exporter": (["prometheus-blackbox-exporter", f"--config.file={folder}/blackbox.yml"], {}),
        "prometheus": (
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"],
            {},
        ),
        "alertmanager": (
            [
                "prometheus-alertmanager",
                f"--config.file={folder}/alertmanager.yml",
                f"--storage.path={folder}/am",
                "--cluster.listen-address=",
            ],
            {},
        ),
    }
    processes = {}
    for name, (command, env) in commands.items():
        process = Process([*command, listen[name]], folder / f"{name}.log", env={"PATH": "/usr/bin:/bin"} | env)
        process.start()
        processes[name] = process
    with httpx.Client(timeout=20) as client:
        for name, port in ports.items():
            url = f"http://127.0.0.1:{port}/metrics"
            wait_until(lambda name=name, url=url: _answers(client, url, processes[name]), 30, name)
    yield {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    for process in processes.values():
        process.stop()


@pytest.fixture(scope="module")
def pages(addresses: dict[str, str], tls_port: int) -> dict[str, Names]:
    """What each program shows, by the names of data/exporters.json."""
    target = f"127.0.0.1:{tls_port}"
    probe = f"{addresses['blackbox-exporter']}/probe"
    with httpx.Client(timeout=20) as client:
        found = {name: exporters.fetch(f"{url}/metrics", client) for name, url in addresses.items()}
        for module, at in (("remote_api", f"https://{target}/"), ("tls", target)):
            page = exporters.fetch(f"{probe}?module={module}&target={at}", client)
            found["probe"] = exporters.merged(found.get("probe", {}), page)
        answer = client.get(probe, params={"module": "remote_api", "target": f"https://{target}/"})
        assert "\nprobe_success 1" in answer.text, "a refusal (401) counts as alive"
    return found


def _answers(client: httpx.Client, url: str, process: Process) -> bool:
    process.check()
    try:
        return client.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def live(pages: dict[str, Names]) -> dict[str, exporters.Sample]:
    """Everything that rules may query, the exporters' part from their pages."""
    captured = {name for names in exporters.load().values() for name in names}
    documented = {name for names in exporters.load(exporters.DOCUMENTED).values() for name in names}
    declared = dict(known.declared())
    found = {n: s for n, s in known.raw().items() if n not in captured or n in documented or n in declared}
    for names in pages.values():
        for name, sample in names.items():
            before = found[name].labels if name in found else frozenset[str]()
            found[name] = exporters.Sample(sample.type, sample.labels | known.TARGET | before)
    return known.with_recordings(found, recordings(load()))


def test_no_rule_asks_for_what_no_program_exposes(live: dict[str, exporters.Sample]) -> None:
    assert [str(finding) for finding in lint(load(), live)] == []


def test_no_runbook_asks_for_what_no_program_exposes(live: dict[str, exporters.Sample]) -> None:
    for name in runbooks.names():
        for query in runbooks.load(name).of("promql"):
            labels = Labels(known.schema(live))
            labels.of(parse(query.text))
            assert [problem.text for problem in labels.problems] == [], f"{name}: {query.text}"


@pytest.mark.parametrize("exporter", sorted(exporters.URLS))
def test_the_capture_is_of_these_programs(exporter: str, pages: dict[str, Names]) -> None:
    """Names that belong to the machine (devices, collectors, settings) may differ; the bulk may not."""
    committed, now = exporters.load()[exporter], pages[exporter]
    missing = {name for name in committed if name not in now and not name.startswith(("node_", "pg_settings_", "go_"))}
    assert len(missing) < 0.15 * len(committed), sorted(missing)
    assert {n for n in now if n in committed and now[n].type != committed[n].type} == set()


def test_the_real_prometheus_takes_every_query_of_the_runbooks(addresses: dict[str, str]) -> None:
    """Ours parses by the grammar of 2.45; what counts at night is the server that runs."""
    with httpx.Client(timeout=20, base_url=addresses["prometheus"]) as client:
        for name in runbooks.names():
            for query in runbooks.load(name).of("promql"):
                answer = client.get("/api/v1/query", params={"query": query.text})
                assert answer.status_code == 200, f"{name}: {answer.text}"


def test_the_command_runs_a_runbook_against_it(addresses: dict[str, str]) -> None:
    result = CliRunner().invoke(
        runbook.app, ["RedisDown", "--prometheus", addresses["prometheus"], "--loki", "http://127.0.0.1:1", "--json"]
    )
    assert result.exit_code == 0, result.output
    data = json.loads(result.output)
    assert (data["alert"], data["state"], data["verdict"]) == ("RedisDown", "inactive", "healthy")
