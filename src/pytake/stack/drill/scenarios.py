"""The faults of the drill: what is done, and which alerts it must bring about.

A scenario is a context manager: the fault is there inside of it and gone after it. Scenarios of one wave run together,
so they must leave each other's alerts alone. An alert that another of the same wave is meant to hide stands in
``hidden``: it must fire, and must not be sent.
"""

import asyncio
import contextlib
import multiprocessing
import os
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import websockets.sync.client as websocket
import yaml

from pytake.stack.drill.certificates import tls_server
from pytake.stack.drill.scene import Scene

Injection = Callable[[Scene], "contextlib.AbstractContextManager[None]"]


@dataclass(frozen=True)
class Scenario:
    """One fault. ``detect`` are the seconds that its slowest alert may take at production intervals."""

    name: str
    what: str
    wave: int
    inject: Injection
    alerts: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    detect: float = 300
    settle: float = 0
    """Real seconds that the fault needs whatever the factor (thresholds in seconds)."""


SCENARIOS: list[Scenario] = []


def scenario(
    what: str, wave: int, *alerts: str, **more: Any
) -> Callable[[Callable[[Scene], Iterator[None]]], Injection]:
    """Register a generator function as a scenario named like the function."""

    def register(function: Callable[[Scene], Iterator[None]]) -> Injection:
        made = contextmanager(function)
        SCENARIOS.append(Scenario(function.__name__, what, wave, made, alerts, **more))
        return made

    return register


# ---- wave 1: the API is dead
@scenario(
    "the API is killed and kept down", 1, "ApiDown", hidden=("ApiUnreachable", "ApiAvailabilityBurnFast"), detect=60
)
def api_down(scene: Scene) -> Iterator[None]:
    """Kill and stop."""
    with scene.stopped("pytake-api"):
        yield


@scenario("the node exporter is killed and kept down", 1, "TargetDown", detect=200)
def exporter_down(scene: Scene) -> Iterator[None]:
    """Kill and stop."""
    with scene.stopped("node-exporter"):
        yield


@scenario("a rule that cannot be evaluated, a broken file refused, a target file lost", 1,
          "PrometheusRuleFailures", "ConfigReloadFailed", "TargetMissing", detect=500)  # fmt: skip
def broken_configuration(scene: Scene) -> Iterator[None]:
    """Add a many-to-many rule and reload; then break the file and reload again; empty a target file."""
    folder = scene.arena.config / "prometheus"
    rule, main, target = (
        folder / "rules" / "zz-drill.yml",
        folder / "prometheus.yml",
        folder / "targets" / "blackbox-exporter.yml",
    )
    kept, kept_target = main.read_text(), target.read_text()
    reload = f"{scene.url('prometheus')}/-/reload"
    bad = {"groups": [{"name": "drill", "rules": [{"record": "drill:broken", "expr": "up * on () up"}]}]}
    rule.write_text(yaml.safe_dump(bad))
    scene.http.post(reload).raise_for_status()
    target.write_text("[]\n")
    main.write_text(kept + "\nnot_a_field: 1\n")
    scene.http.post(reload)
    try:
        yield
    finally:
        main.write_text(kept)
        target.write_text(kept_target)
        rule.unlink()
        scene.http.post(reload).raise_for_status()


# ---- wave 2: PostgreSQL is dead
@scenario("PostgreSQL is killed and kept down", 2, "DatabaseDown",
          hidden=("DatabaseConnectionLost", "ApiUnreachable", "ExporterFailing"), detect=400)  # fmt: skip
def database_down(scene: Scene) -> Iterator[None]:
    """Kill and stop."""
    with scene.stopped("postgres"):
        yield


# ---- wave 3: Redis is dead
@scenario("Redis is killed and kept down", 3, "RedisDown",
          hidden=("RedisConnectionLost", "ApiHighErrorRate", "WhatsAppWebhookRejected"), detect=300)  # fmt: skip
def redis_down(scene: Scene) -> Iterator[None]:
    """Kill and stop; the sandbox's webhooks are refused with 503."""
    with scene.stopped("redis"), scene.fault("traffic_burst", per_minute=300):
        yield


# ---- wave 4: a table that nobody can read
async def _lock(connection: Any) -> AsyncIterator[None]:
    async with connection.transaction():
        await connection.execute("LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE")
        yield
    await connection.close()


@scenario("the table contacts is locked while agents work", 4,
          "ApiHighErrorRate", "ApiExtremeLatency", "DatabaseSlowQueries", "DatabaseQueryErrors",
          "DatabasePoolSaturated", "DatabasePoolWait",
          hidden=("ApiEndpointErrors", "ApiHighLatency", "ApiErrorBudgetBurnFast"), detect=900)  # fmt: skip
def locked_table(scene: Scene) -> Iterator[None]:
    """Requests for contacts wait for the lock until they are given up."""
    with scene.in_database(_lock), scene.requests("/api/v1/contacts", clients=40, pause=0.05):
        yield


# ---- wave 5: a number a fault, and the data
@scenario("the access token of a number has expired", 5, "WhatsAppTokenExpired", detect=200)
def expired_token(scene: Scene) -> Iterator[None]:
    """Meta answers 401, code 190."""
    with scene.fault("expired_token", instance="token"):
        yield


@scenario("Meta locks an account", 5, "WhatsAppAccountBlocked", detect=200)
def blocked_account(scene: Scene) -> Iterator[None]:
    """Webhook account_update and code 131031."""
    with scene.fault("account_block", instance="blocked"):
        yield


@scenario("the quality rating of a number falls", 5, "WhatsAppQualityDropped", detect=300)
def quality_drop(scene: Scene) -> Iterator[None]:
    """To RED."""
    with scene.fault("quality_drop", instance="quality", rating="RED"):
        yield


@scenario("Meta pauses a template", 5, "WhatsAppTemplateUnavailable", detect=300)
def paused_template(scene: Scene) -> Iterator[None]:
    """PAUSED."""
    with scene.fault("template_pause"):
        yield


@scenario("Meta refuses sends over the rate", 5, "WhatsAppRateLimited", detect=600)
def rate_limited(scene: Scene) -> Iterator[None]:
    """130429 for half of the sends of one number."""
    with scene.fault("rate_limit", instance="paced", ratio=0.5):
        yield


@scenario("somebody else's webhooks", 5, "WhatsAppWebhookBadSignature", detect=300)
def bad_signatures(scene: Scene) -> Iterator[None]:
    """Well-formed and wrongly signed."""
    with scene.fault("invalid_signatures", per_minute=240):
        yield


@scenario("webhooks that cannot be worked on", 5, "QueueDeadLetters", detect=300)
def poison(scene: Scene) -> Iterator[None]:
    """Dead letters; removed by whoever has looked at them, here by deleting the stream."""
    with scene.fault("poison_webhooks", per_minute=60):
        yield
    for key in scene.redis.scan_iter("pytake:dead:*"):
        scene.redis.delete(key)


@scenario("sends fail by our fault", 5, "WhatsAppFailuresOurs", "WhatsAppDeliveryCollapse", detect=900)
def failures_ours(scene: Scene) -> Iterator[None]:
    """The codes that are ours."""
    with scene.fault("delivery_collapse", instance="ours", cause="ours", ratio=0.9):
        yield


@scenario("Redis is nearly full", 5, "RedisMemoryHigh", detect=400)
def redis_memory(scene: Scene) -> Iterator[None]:
    """maxmemory just above what is used."""
    redis = scene.redis
    used = int(redis.info("memory")["used_memory"])
    redis.config_set("maxmemory", int(used * 1.08))
    redis.config_set("maxmemory-policy", "noeviction")
    try:
        yield
    finally:
        redis.config_set("maxmemory", 0)


# ---- wave 6: the recipients, the host
@scenario("recipients cannot be reached", 6, "WhatsAppFailuresRecipient", detect=2400)
def failures_recipient(scene: Scene) -> Iterator[None]:
    """The codes that are the recipients'."""
    with scene.fault("delivery_collapse", instance="recipient", cause="recipient", ratio=0.35):
        yield


def _burn(ended: Any) -> None:
    while not ended.is_set():
        sum(number * number for number in range(20_000))


@scenario("all cores are busy", 6, "HostHighCpu", detect=1200)
def busy_host(scene: Scene) -> Iterator[None]:
    """Two processes a core."""
    ended = multiprocessing.Event()
    processes = [
        multiprocessing.Process(target=_burn, args=(ended,), daemon=True) for _ in range(2 * (os.cpu_count() or 1))
    ]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        ended.set()
        for process in processes:
            process.join(10)


@scenario("a disk is full", 6, "HostDiskFull", detect=400)
def full_disk(scene: Scene) -> Iterator[None]:
    """A small file system of the drill's own, filled to the brim (needs root)."""
    image, mount = scene.arena.state / "disk.img", scene.arena.state / "disk"
    mount.mkdir(exist_ok=True)
    image.write_bytes(b"\0" * 8_000_000)
    _run("mkfs.ext4", "-q", "-m", "0", str(image))
    _run("mount", "-o", "loop", str(image), str(mount))
    try:
        with contextlib.suppress(OSError):
            (mount / "filler").write_bytes(b"x" * 8_000_000)
        yield
    finally:
        _run("umount", str(mount))
        image.unlink()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@scenario("PostgreSQL runs out of connections", 6, "PostgresConnectionsHigh", detect=400)
def many_connections(scene: Scene) -> Iterator[None]:
    """Idle connections up to nine tenths of the limit."""
    with ExitStack() as stack:
        loop = stack.enter_context(scene.background_loop())

        async def open_all() -> list[Any]:
            first = await scene.database()
            limit = await first.fetchval("SELECT current_setting('max_connections')::int")
            used = await first.fetchval("SELECT count(*) FROM pg_stat_activity")
            return [first, *[await scene.database() for _ in range(int(limit * 0.92) - int(used))]]

        opened = asyncio.run_coroutine_threadsafe(open_all(), loop).result(60)
        try:
            yield
        finally:
            for connection in opened:
                asyncio.run_coroutine_threadsafe(connection.close(), loop).result(10)


@scenario("a certificate is about to expire", 6, "CertificateExpiresSoon", detect=200)
def old_certificate(scene: Scene) -> Iterator[None]:
    """A TLS server whose certificate has ten days left, probed as a public address."""
    yield from _certificate(scene, days=10)


# ---- wave 7: Meta's outage
@scenario("Meta answers with errors, slowly", 7, "WhatsAppMetaOutage", "WhatsAppApiUnreachable", detect=900)
def meta_outage(scene: Scene) -> Iterator[None]:
    """503 for nine calls in ten."""
    with scene.fault("error_rate", api="meta", ratio=0.9, status=503, code=131016):
        yield


@scenario("a certificate has expired", 7, "CertificateExpired", hidden=("CertificateExpiresSoon",), detect=200)
def expired_certificate(scene: Scene) -> Iterator[None]:
    """A TLS server whose certificate has an hour left."""
    yield from _certificate(scene, days=0.04)


def _certificate(scene: Scene, days: float) -> Iterator[None]:
    target = scene.arena.config / "prometheus" / "targets" / "probe-tls.yml"
    kept = target.read_text()
    with tls_server(days) as port:
        group = {
            "targets": [f"127.0.0.1:{scene.arena.port(9115)}"],
            "labels": {"instance": "drill.invalid", "__param_module": "tls", "__param_target": f"127.0.0.1:{port}"},
        }
        target.write_text(yaml.safe_dump([group]))
        try:
            yield
        finally:
            target.write_text(kept)


@scenario("the API keeps crashing", 8, "ServiceRestarting", detect=200)
def crashing_api(scene: Scene) -> Iterator[None]:
    """Killed again and again; the supervisor starts it again."""
    ended = threading.Event()

    def kill() -> None:
        for _ in range(6):
            with contextlib.suppress(ProcessLookupError, KeyError):
                scene.kill("pytake-api")
            if ended.wait(6):
                return

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)
        scene.start("pytake-api")


# ---- wave 8: AI fails
@scenario("the AI provider answers with errors of every kind", 8,
          "AiHighErrorRate", "AiQuotaExhausted", "AiKeyRefused", "AiRateLimited", detect=700)  # fmt: skip
def ai_errors(scene: Scene) -> Iterator[None]:
    """A quarter each of 429 rate limit, 429 quota, 401, 500."""
    with (
        scene.fault("quota", ratio=0.3),
        scene.fault("rate_limit", api="openai", ratio=0.3),
        scene.fault("error_rate", api="openai", ratio=0.3, status=401),
    ):
        yield


@scenario("webhooks of a number silently stop", 8, "WhatsAppWebhookSilence", detect=1300)
def silence(scene: Scene) -> Iterator[None]:
    """No webhook of the number comes any more, while we go on sending with it."""
    with scene.fault("webhook_silence", instance="silent", lose=True), _sends(scene, "silent"):
        yield


@contextmanager
def _sends(scene: Scene, slug: str) -> Iterator[None]:
    body = {"instance": slug, "to": "+15550109999", "template": {"name": "order_update", "language": "en"}}
    with scene.requests("/api/v1/messages", method="POST", json=body, clients=1, pause=1.0):
        yield


# ---- wave 9: AI is slow, dear, unknown
@scenario("the AI provider does not answer at all", 9, "OpenAiApiUnreachable", "CircuitBreakerOpen", detect=400)
def ai_outage(scene: Scene) -> Iterator[None]:
    """Every call fails."""
    with scene.fault("openai_outage"):
        yield


# ---- wave 10: prices and sockets
@scenario("the AI provider answers with a model that has no price", 10, "AiUnpricedModel", detect=500)
def unpriced_model(scene: Scene) -> Iterator[None]:
    """A name that the price table lacks."""
    with scene.fault("unknown_model"):
        yield


@contextmanager
def _sockets(scene: Scene, count: int) -> Iterator[list[Any]]:
    url = f"ws://127.0.0.1:{scene.arena.port(8789)}/ws"
    headers = {"X-API-Key": scene.arena.env["PYTAKE_AGENT_API_KEY"]}
    opened = [websocket.connect(url, additional_headers=headers) for _ in range(count)]
    try:
        yield opened
    finally:
        for socket in opened:
            socket.close()


@scenario("agents' sockets go away all at once", 10, "WebSocketConnectionsCollapsed", detect=900)
def sockets_gone(scene: Scene) -> Iterator[None]:
    """Twenty sockets that were open for longer than the rule looks back, closed together."""
    with _sockets(scene, 20):
        time.sleep(scene.scaled(600) + 10)
    yield


@scenario("agents' sockets break the protocol", 10, "WebSocketAbnormalCloses", detect=900)
def sockets_break(scene: Scene) -> Iterator[None]:
    """Sockets that send what the protocol does not have."""
    ended = threading.Event()

    def break_one() -> None:
        while not ended.is_set():
            with contextlib.suppress(Exception), _sockets(scene, 1) as (socket,):
                socket.send("no json")
                socket.recv(timeout=2)
            ended.wait(0.5)

    threads = [threading.Thread(target=break_one, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(10)


# ---- wave 11: what takes five minutes
@scenario("the worker is killed and kept down, and its consumers are gone", 11, "WorkerDown",
          hidden=("QueueStuck", "QueueBacklog", "QueueWithoutConsumer"), detect=400, settle=330)  # fmt: skip
def worker_down(scene: Scene) -> Iterator[None]:
    """Jobs pile up until the oldest is more than five minutes old."""
    with scene.stopped("pytake-worker"), scene.fault("traffic_burst", per_minute=900):
        for stream in ("pytake:webhooks", "pytake:outbound"):
            for consumer in scene.redis.xinfo_consumers(stream, "workers"):
                scene.redis.xgroup_delconsumer(stream, "workers", consumer["name"])
        yield


async def _idle_transaction(connection: Any) -> AsyncIterator[None]:
    async with connection.transaction():
        await connection.fetchval("SELECT count(*) FROM contacts")
        yield
    await connection.close()


@scenario("a transaction is left open", 11, "PostgresLongTransaction", detect=200, settle=330)
def open_transaction(scene: Scene) -> Iterator[None]:
    """Idle in transaction for more than five minutes."""
    with scene.in_database(_idle_transaction):
        yield


@scenario("two transactions wait for each other", 11, "PostgresDeadlocks", detect=200)
def deadlock(scene: Scene) -> Iterator[None]:
    """PostgreSQL ends one of them."""

    async def collide() -> None:
        first, second = await scene.database(), await scene.database()
        await first.execute("CREATE TABLE IF NOT EXISTS drill_lock (id int PRIMARY KEY)")
        await first.execute("INSERT INTO drill_lock VALUES (1), (2) ON CONFLICT DO NOTHING")
        one, two = first.transaction(), second.transaction()
        await one.start()
        await two.start()
        await first.execute("UPDATE drill_lock SET id = id WHERE id = 1")
        await second.execute("UPDATE drill_lock SET id = id WHERE id = 2")
        await asyncio.gather(
            first.execute("UPDATE drill_lock SET id = id WHERE id = 2"),
            second.execute("UPDATE drill_lock SET id = id WHERE id = 1"),
            return_exceptions=True,
        )
        for connection in (first, second):
            await connection.execute("ROLLBACK")
        await first.execute("DROP TABLE drill_lock")
        await asyncio.gather(first.close(), second.close())

    asyncio.run(collide())
    yield


@scenario("a channel refuses notifications", 11, "AlertmanagerNotificationsFailing", detect=500)
def refusing_channel(scene: Scene) -> Iterator[None]:
    """Slack answers 500 to Alertmanager; the others still get through."""
    scene.refuse.add("slack")
    try:
        yield
    finally:
        scene.refuse.discard("slack")


@scenario("Alertmanager is killed and kept down", 12, "Watchdog", detect=120)
def silent_watchdog(scene: Scene) -> Iterator[None]:
    """The heartbeat stops: what watches from outside notices (judged by :mod:`~pytake.stack.drill.run`)."""
    with scene.stopped("alertmanager"):
        yield


NOT_PROVOKED: dict[str, str] = {
    "HostOutOfMemoryKill": "would kill processes of this host at random",
    "HostHighMemory": "would take nine tenths of this host's memory",
    "HostDiskFilling": "needs six hours of history",
    "InstanceDown": "needs several hosts: natively the API's processes share one target",
    "PrometheusStorageFailing": "needs a disk that fails",
    "PrometheusNotificationsFailing": "its notification could not arrive: the watchdog stands for it",
    "PrometheusMissedEvaluations": "needs a host too slow for its rules",
}
"""Alerts that one host cannot provoke, and why; their promtool test stands for them."""
