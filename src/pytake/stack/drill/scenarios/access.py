"""The stores live, and the backend may not use them: rights taken away, passwords changed, places used up."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from pytake.stack.drill.scenario import Part, scenario
from pytake.stack.drill.scene import Scene
from pytake.stack.postgres import EXPORTER, OWNER

ALL_OF_IT = (Part.API, Part.FLOW, Part.SOCKETS)
STREAMS = ("pytake:webhooks", "pytake:outbound")
WORKED_OFF = 40


async def _locked_out(connection: Any) -> AsyncIterator[None]:
    await connection.execute(f"ALTER ROLE {OWNER} NOLOGIN")
    await connection.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", OWNER)
    try:
        yield
    finally:
        await connection.execute(f"ALTER ROLE {OWNER} LOGIN")
        await connection.close()


@scenario("PostgreSQL lets the backend in no more", "DatabaseConnectionLost", "ApiUnreachable",
          breaks=(*ALL_OF_IT, Part.DATABASE), detect=400)  # fmt: skip
def locked_out_of_database(scene: Scene) -> Iterator[None]:
    """The role may not log in; its sessions are ended."""
    with scene.in_database(_locked_out):
        yield


@contextmanager
def _acl(scene: Scene, *rules: str) -> Iterator[None]:
    redis: Any = scene.redis  # redis-py has no types for raw commands; its own acl_setuser() would switch the user off
    redis.execute_command("ACL", "SETUSER", "default", *(f"-{rule}" for rule in rules))
    try:
        yield
    finally:
        redis.execute_command("ACL", "SETUSER", "default", "+@all")


@scenario("Redis refuses the backend's commands", "RedisConnectionLost", "RedisErrors", "WhatsAppWebhookRejected",
          breaks=(*ALL_OF_IT, Part.REDIS), detect=500)  # fmt: skip
def redis_refuses(scene: Scene) -> Iterator[None]:
    """Its user may neither PING nor add to a stream; webhooks are answered with 503."""
    with _acl(scene, "ping", "xadd"):
        yield


@scenario("the worker may not read its streams", "QueueWithoutConsumer", "QueueBacklog", "QueueStuck",
          breaks=(Part.FLOW, Part.WORKER), detect=900, settle=20)  # fmt: skip
def unread_streams(scene: Scene) -> Iterator[None]:
    """Its Redis user may not read groups, its consumers are deleted; the worker is up and jobs pile up.

    A consumer is deleted once it has nothing in hand: what it had would be nobody's, for ever.
    """
    with _acl(scene, "xreadgroup", "xautoclaim"), scene.fault("traffic_burst", per_minute=800):
        for stream in STREAMS:
            scene.wait(lambda stream=stream: _in_hand(scene, stream) == 0, 40)  # type: ignore[misc]  # bound now
            for consumer in scene.redis.xinfo_consumers(stream, "workers"):
                scene.redis.xgroup_delconsumer(stream, "workers", consumer["name"])
        yield
    scene.wait(lambda: (scene.value("max(queue_depth)") or 0) < WORKED_OFF, 200)


def _in_hand(scene: Scene, stream: str) -> int:
    return sum(consumer["pending"] for consumer in scene.redis.xinfo_consumers(stream, "workers"))


async def _blind_exporter(connection: Any) -> AsyncIterator[None]:
    await connection.execute(f"REVOKE pg_monitor FROM {EXPORTER}")
    await connection.execute("REVOKE EXECUTE ON FUNCTION pg_stat_get_activity(integer) FROM PUBLIC")
    try:
        yield
    finally:
        await connection.execute("GRANT EXECUTE ON FUNCTION pg_stat_get_activity(integer) TO PUBLIC")
        await connection.execute(f"GRANT pg_monitor TO {EXPORTER}")
        await connection.close()


@scenario("the PostgreSQL exporter loses its rights", "ExporterFailing", detect=600)
def blind_exporter(scene: Scene) -> Iterator[None]:
    """It may not look at sessions any more."""
    with scene.in_database(_blind_exporter):
        yield
