"""A process with everything on: configuration, shutdown, an unreachable collector, several workers on one port."""

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest
from fastapi import FastAPI
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from pytake.telemetry import catalog, costs, exporters, logging, metrics, tracing
from pytake.telemetry.http import FASTAPI_TELEMETRY_OFF, TelemetryMiddleware
from pytake.telemetry.settings import TelemetrySettings
from pytake.telemetry.setup import Telemetry, configure
from tests.support.ports import free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("catalogue")


@pytest.fixture
def started() -> Iterator[list[Telemetry]]:
    found: list[Telemetry] = []
    yield found
    for telemetry in found:
        telemetry.shutdown()
    metrics._STATE.hooks.clear()
    logging._pipeline = None


def settings(**values: object) -> TelemetrySettings:
    return TelemetrySettings(_env_file=None, log_stdout=False, **values)  # type: ignore[arg-type] # of many types


def test_configure_starts_everything(started: list[Telemetry], tmp_path: Path) -> None:
    telemetry = configure("test", settings=settings(metrics_dir=tmp_path, log_dir=tmp_path), version="1.2.3")
    started.append(telemetry)
    page = metrics.render().decode()
    assert 'pytake_build_info{version="1.2.3"' in page
    assert "process_resident_memory_bytes" in page
    assert 'telemetry_series_budget{metric="pytake_build_info"}' in page
    assert tracing.provider() is not None
    assert metrics._STATE.shared is not None
    telemetry.shutdown()
    telemetry.shutdown()
    assert tracing.provider() is None
    assert metrics._STATE.shared is None


def test_a_second_configure_replaces_the_first(started: list[Telemetry], tmp_path: Path) -> None:
    started.append(configure("one", settings=settings(log_dir=tmp_path)))
    started.append(configure("two", settings=settings(log_dir=tmp_path)))
    logging.get_logger("a").info("hello")
    started[1].flush()
    assert (tmp_path / "one.log").read_bytes() == b""
    assert orjson.loads((tmp_path / "two.log").read_bytes())["event"] == "hello"


def test_tracing_can_be_switched_off(started: list[Telemetry], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monkeypatch.setenv("ENABLE_STDOUT_TRACES", "true")
    started.append(configure("test", settings=settings()))
    assert tracing.provider() is None


@pytest.mark.parametrize(
    ("sampler", "argument", "ratio", "parent_based"),
    [
        ("always_on", 0.1, 1.0, False),
        ("always_off", 0.1, 0.0, False),
        ("traceidratio", 0.25, 0.25, False),
        ("parentbased_always_on", 0.1, 1.0, True),
        ("parentbased_traceidratio", 0.25, 0.25, True),
    ],
)
def test_the_standard_samplers(
    started: list[Telemetry], sampler: str, argument: float, ratio: float, parent_based: bool
) -> None:
    telemetry = configure("test", settings=settings(sampler=sampler, sampler_arg=argument))
    started.append(telemetry)
    assert telemetry.provider is not None
    policy = telemetry.provider.policy
    assert policy.bound == round(ratio * 2**64)
    assert policy.parent_based is parent_based


def test_the_resource_says_what_runs(started: list[Telemetry], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=core, service.version=9")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "renamed")
    telemetry = configure("test", settings=settings(environment="staging", enable_stdout_traces=True))
    started.append(telemetry)
    attributes = telemetry.queues[0]._resource.attributes
    assert attributes["service.name"] == "renamed"
    assert attributes["team"] == "core"
    assert attributes["deployment.environment.name"] == "staging"
    assert attributes["service.version"] == "9"


def test_rates_are_read_at_the_start(started: list[Telemetry], tmp_path: Path) -> None:
    bad = tmp_path / "rates.yaml"
    bad.write_text("nothing")
    with pytest.raises(costs.RatesError, match=r"rates\.yaml"):
        configure("test", settings=settings(whatsapp_rates_file=bad))


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_an_unreachable_collector_slows_and_breaks_nothing(
    started: list[Telemetry], tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = FastAPI(telemetry=FASTAPI_TELEMETRY_OFF)

    @app.get("/x")
    async def x() -> int:
        return 1

    monkeypatch.setattr(exporters, "_host", str)  # both collectors are on this host; here both are wanted
    configured = settings(
        log_dir=tmp_path, otlp_endpoint=f"http://127.0.0.1:{free_port()}", otlp_protocol=protocol, sampler_arg=1.0,
        jaeger_endpoint=f"http://127.0.0.1:{free_port()}/api/traces", otlp_timeout=0.2, span_queue=50, span_delay_ms=20,
    )  # fmt: skip
    telemetry = configure("test", settings=configured)
    started.append(telemetry)
    client = TestClient(TelemetryMiddleware(app, service="test"))
    took = []
    for _ in range(300):
        began = time.perf_counter()
        assert client.get("/x").status_code == 200
        took.append(time.perf_counter() - began)
    assert statistics.median(took) < 0.1  # none waits for a connection or its time-out
    began = time.monotonic()
    telemetry.shutdown(1.0)
    assert time.monotonic() - began < 8
    dropped = sum(child.get() for child in catalog.SPANS_DROPPED.children.values())
    assert dropped == 600  # 300 spans to each of two collectors
    lines = (tmp_path / "test.log").read_bytes().splitlines()
    assert len([line for line in lines if b"http_request" not in line]) < 12  # that it is away is said, not repeated


# --- several workers ----------------------------------------------------------------------------------------------
@pytest.fixture
def workers(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """uvicorn with two workers that share their metrics; gives the base URL."""
    port = free_port()
    environment = {
        **os.environ, "PYTAKE_METRICS_DIR": str(tmp_path), "OTEL_TRACES_SAMPLER_ARG": "1", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    command = [sys.executable, "-m", "uvicorn", "tests.unit.telemetry.serving_app:app", "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--port", str(port)], env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: httpx.get(f"{url}/observability/ready").status_code == 200, 30, "the workers to answer")
    wait_until(lambda: len(list(tmp_path.glob("*/*.values"))) == 2, 30, "both workers to share their metrics")
    yield url, process
    process.send_signal(signal.SIGTERM)
    process.wait(20)


def scrape(url: str) -> tuple[float, int]:
    """Return the sum of answered /pid requests and how many exemplars the page has."""
    page = httpx.get(f"{url}/metrics", headers={"accept": "application/openmetrics-text"}).text
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    wanted = {"method": "GET", "endpoint": "/pid", "status": "200"}
    total = sum(sample.value for sample in samples if sample.name == "http_requests_total" and sample.labels == wanted)
    return total, sum(sample.exemplar is not None for sample in samples)


def test_any_worker_shows_the_sums_and_a_killed_one_takes_nothing_away(
    workers: tuple[str, subprocess.Popen[bytes]],
) -> None:
    url, _ = workers
    pids: set[int] = set()
    sent = 0

    def ask() -> int:
        nonlocal sent
        answer = httpx.get(f"{url}/pid").json()
        sent += 1
        pids.add(answer)
        return int(answer)

    wait_until(lambda: (ask(), len(pids) == 2)[1], 20, "an answer of each worker")
    assert {scrape(url)[0] for _ in range(6)} == {sent}
    assert scrape(url)[1] >= 1
    victim = ask()
    os.kill(victim, signal.SIGKILL)

    def replaced() -> bool:
        try:
            return ask() not in {victim} and len(pids) >= 3
        except httpx.TransportError:  # it was the victim's connection
            return False

    wait_until(replaced, 30, "a worker in the place of the killed one")
    assert {scrape(url)[0] for _ in range(6)} == {sent}
