"""Health: states, time-outs, caching with single flight, since when, and what the endpoints answer."""

import asyncio
import itertools
from typing import Any

import pytest
from starlette.testclient import TestClient

from pytake.telemetry import catalog
from pytake.telemetry.endpoints import ObservabilityEndpoints
from pytake.telemetry.health import Degraded, HealthRegistry, HealthState
from pytake.telemetry.health_checks import disk_check, memory_check, queue_check
from pytake.telemetry.http import TelemetryMiddleware
from pytake.telemetry.labels import Dependency
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.usefixtures("catalogue")


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(clock: Clock) -> HealthRegistry:
    return HealthRegistry(ttl=2.0, clock=clock, now=clock)


class Check:
    """A check whose outcome the test sets."""

    def __init__(self, outcome: Any = None) -> None:
        self.outcome, self.calls = outcome, 0

    async def __call__(self) -> Any:
        self.calls += 1
        await asyncio.sleep(0)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def test_everything_well_is_healthy(registry: HealthRegistry) -> None:
    registry.register(Dependency.REDIS, Check({"version": "7"}), critical=True)
    report = await registry.report()
    assert (report.state, report.status_code) == (HealthState.HEALTHY, 200)
    assert report.as_dict()["dependencies"]["redis"]["details"] == {"version": "7"}
    assert catalog.DEPENDENCY_UP.labels(dependency="redis").get() == 1
    assert catalog.DEPENDENCY_CHECK.labels(dependency="redis").get()[0] == 1


@pytest.mark.parametrize(
    ("outcome", "critical", "state", "code"),
    [
        (OSError("refused"), True, "unhealthy", 503),
        (OSError("refused"), False, "degraded", 200),
        (Degraded("nearly full"), True, "degraded", 200),
        (Degraded("nearly full"), False, "degraded", 200),
    ],
)
async def test_what_a_failure_means(
    registry: HealthRegistry, outcome: Exception, critical: bool, state: str, code: int
) -> None:
    registry.register(Dependency.REDIS, Check(outcome), critical=critical)
    registry.register(Dependency.POSTGRESQL, Check(), critical=True)
    report = await registry.report()
    assert (report.state.value, report.status_code) == (state, code)
    assert str(outcome) in str(report.checks["redis"].error)
    assert catalog.DEPENDENCY_UP.labels(dependency="redis").get() == (1 if isinstance(outcome, Degraded) else 0)
    assert catalog.DEPENDENCY_UP.labels(dependency="postgresql").get() == 1


async def test_a_check_that_hangs_fails_after_its_time_out() -> None:
    registry = HealthRegistry()

    async def hang() -> None:
        await asyncio.Event().wait()

    registry.register(Dependency.REDIS, hang, critical=True, timeout=0.02)
    report = await registry.report()
    assert report.checks["redis"].error == "no answer within 0.02 s"


async def test_a_slow_pass_is_degraded(registry: HealthRegistry, clock: Clock) -> None:
    async def slow() -> None:
        clock.now += 0.7

    registry.register(Dependency.REDIS, slow, critical=True, degraded_after=0.5)
    report = await registry.report()
    assert report.state is HealthState.DEGRADED
    assert report.checks["redis"].latency_seconds == pytest.approx(0.7)
    assert "slow" in str(report.checks["redis"].error)


async def test_a_report_is_kept_briefly(registry: HealthRegistry, clock: Clock) -> None:
    check = Check()
    registry.register(Dependency.REDIS, check, critical=True)
    for _ in range(5):
        await registry.report()
    assert check.calls == 1
    clock.now += 2.1
    await registry.report()
    assert check.calls == 2


async def test_many_probes_at_once_make_one_check(registry: HealthRegistry) -> None:
    check = Check()
    registry.register(Dependency.REDIS, check, critical=True)
    await asyncio.gather(*(registry.report() for _ in range(50)))
    assert check.calls == 1


async def test_a_probe_that_gives_up_does_not_stop_the_check_of_others(registry: HealthRegistry) -> None:
    gate = asyncio.Event()

    async def wait() -> None:
        await gate.wait()

    registry.register(Dependency.REDIS, wait, critical=True)
    first, second = asyncio.create_task(registry.report()), asyncio.create_task(registry.report())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    assert (await second).state is HealthState.HEALTHY


async def test_gauges_do_not_grow_old_in_a_process_that_no_probe_reaches() -> None:
    check = Check(OSError("down"))
    registry = HealthRegistry(ttl=0, refresh=0.01)
    registry.register(Dependency.REDIS, check, critical=True)
    await registry.report()
    up = catalog.DEPENDENCY_UP.labels(dependency="redis")
    assert up.get() == 0
    check.outcome = None
    await wait_until_async(lambda: up.get() == 1, 5, "the gauge to recover")


async def test_since_tells_when_the_state_began(registry: HealthRegistry, clock: Clock) -> None:
    check = Check(OSError("down"))
    registry.register(Dependency.REDIS, check, critical=True)
    since = []
    for outcome in (OSError("down"), OSError("still"), None, None):
        check.outcome = outcome
        since.append((await registry.report()).checks["redis"].since)
        clock.now += 10
    assert since == [1000, 1000, 1020, 1020]


async def test_readiness_asks_only_what_a_request_needs(registry: HealthRegistry) -> None:
    needed, other, forced = Check(), Check(OSError("down")), Check()
    registry.register(Dependency.POSTGRESQL, needed, critical=True)
    registry.register(Dependency.OPENAI_API, other, critical=False)
    registry.register(Dependency.QUEUE, forced, critical=False, ready=True)
    assert (await registry.ready()).status_code == 200
    assert (needed.calls, other.calls, forced.calls) == (1, 0, 1)


# --- helper checks ------------------------------------------------------------------------------------------------
async def test_the_machine_can_be_checked(tmp_path: Any) -> None:
    assert (await disk_check(tmp_path, degraded_below=0, failed_below=0)())["free_bytes"] > 0
    assert (await memory_check(degraded_below=0, failed_below=0)())["available_bytes"] > 0
    with pytest.raises(Degraded, match="free"):
        await disk_check(tmp_path, degraded_below=1 << 60, failed_below=0)()
    with pytest.raises(RuntimeError, match="free"):
        await disk_check(tmp_path, degraded_below=1 << 60, failed_below=1 << 60)()
    with pytest.raises(Degraded, match="available"):
        await memory_check(degraded_below=1 << 60, failed_below=0)()


@pytest.mark.parametrize(("age", "error"), [(0, None), (61, Degraded), (601, RuntimeError)])
async def test_a_queue_is_judged_by_the_age_of_its_oldest_job(age: float, error: type[Exception] | None) -> None:
    async def oldest() -> dict[str, float]:
        return {"webhooks": age, "outbound": 0}

    check = queue_check(oldest, degraded_after=60, failed_after=600)
    if error is None:
        assert await check() == {"oldest_seconds": {"webhooks": 0, "outbound": 0}}
    else:
        with pytest.raises(error, match="webhooks"):
            await check()


# --- endpoints ----------------------------------------------------------------------------------------------------
@pytest.fixture
def check() -> Check:
    return Check()


@pytest.fixture
def client(check: Check) -> TestClient:
    registry = HealthRegistry(ttl=0)
    registry.register(Dependency.REDIS, check, critical=True)
    return TestClient(TelemetryMiddleware(ObservabilityEndpoints(health=registry)))


def test_endpoints_answer(client: TestClient, check: Check) -> None:
    paths = ["/observability/health", "/observability/ready", "/observability/live", "/metrics", "/other"]
    assert [client.get(path).status_code for path in paths] == [200, 200, 200, 200, 404]
    assert client.get(paths[0]).json()["dependencies"]["redis"]["state"] == "healthy"
    check.outcome = OSError("down")
    assert [client.get(path).status_code for path in paths[:3]] == [503, 503, 200]
    assert client.get(paths[0]).json()["dependencies"]["redis"]["error"] == "OSError: down"
    assert client.post("/metrics").status_code == 405
    assert client.head("/observability/live").content == b""
    text = client.get("/metrics").text
    assert 'http_requests_total{method="GET",endpoint="/observability/health",status="503"} 2.0' in text
    assert 'endpoint="unmatched",status="404"' in text


def test_endpoints_hand_on_what_is_not_theirs() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    assert TestClient(ObservabilityEndpoints(app)).get("/mine").status_code == 204


def test_states_are_the_three_of_the_documentation() -> None:
    assert [*itertools.chain(HealthState)] == ["healthy", "degraded", "unhealthy"]
