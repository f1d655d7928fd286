"""Processes that are dead. What depends on them is explained by them (Alertmanager's inhibit rules)."""

import threading
from collections.abc import Iterator

from pytake.stack.drill.scenario import Part, scenario
from pytake.stack.drill.scene import Scene

ALL_OF_IT = (Part.API, Part.FLOW, Part.SOCKETS)


@scenario("the API is killed and kept down", "ApiDown", hidden=("ApiUnreachable",), breaks=ALL_OF_IT, detect=60,
          later=("ApiAvailabilityBurnFast", "ApiAvailabilityBurnSlow"))  # fmt: skip
def api_down(scene: Scene) -> Iterator[None]:
    """Kill and stop; the error budget's alerts arrive when ApiDown, which hides them, is over."""
    with scene.stopped("pytake-api"):
        if scene.factor > 1:
            scene.wait(lambda: False, 8)  # long enough for the budget's windows
        yield


@scenario("PostgreSQL is killed and kept down", "DatabaseDown", hidden=("DatabaseConnectionLost",), detect=400,
          breaks=(*ALL_OF_IT, Part.DATABASE))  # fmt: skip
def database_down(scene: Scene) -> Iterator[None]:
    """Kill and stop."""
    with scene.stopped("postgres"):
        yield


@scenario("Redis is killed and kept down", "RedisDown", hidden=("RedisConnectionLost",), detect=300,
          breaks=(*ALL_OF_IT, Part.REDIS))  # fmt: skip
def redis_down(scene: Scene) -> Iterator[None]:
    """Kill and stop; the sandbox's webhooks are refused with 503 and come again."""
    with scene.stopped("redis"):
        yield


@scenario("the worker is killed and kept down", "WorkerDown", detect=300, breaks=(Part.FLOW, Part.WORKER))
def worker_down(scene: Scene) -> Iterator[None]:
    """Kill and stop."""
    with scene.stopped("pytake-worker"):
        yield


@scenario("the worker keeps crashing", "ServiceRestarting", detect=300, settle=30, breaks=(Part.FLOW, Part.WORKER))
def crashing_worker(scene: Scene) -> Iterator[None]:
    """Killed again and again; the supervisor starts it again."""
    ended = threading.Event()

    def kill() -> None:
        for _ in range(6):
            scene.kill("pytake-worker")
            if ended.wait(7):
                return

    with scene.thread(kill, ended):
        yield
    scene.start("pytake-worker")


@scenario("exporters are killed and kept down", "TargetDown", detect=200)
def exporter_down(scene: Scene) -> Iterator[None]:
    """The node exporter would take the host's alerts along: the blackbox exporter's neighbour goes instead."""
    with scene.stopped("redis-exporter"):
        yield


@scenario("Jaeger is killed and kept down", "SpansDropped", "GrafanaRequestErrors", detect=900, settle=60,
          uses=(Part.FLOW,))  # fmt: skip
def jaeger_down(scene: Scene) -> Iterator[None]:
    """Spans find nobody; Grafana answers 502 to who asks it for traces."""
    login = (scene.arena.env["GF_SECURITY_ADMIN_USER"], scene.arena.env["GF_SECURITY_ADMIN_PASSWORD"])
    path = "/api/datasources/proxy/uid/jaeger/api/services"
    with scene.stopped("jaeger"), scene.requests(path, component="grafana", clients=1, pause=0.5, auth=login):
        yield
