"""How fast a webhook is acknowledged under load, and whether each acknowledged event is stored.

``.venv/bin/python bench/webhook_ack.py``: starts PostgreSQL, Redis, the API and a worker of its own on free ports,
posts signed events at a fixed rate whatever the answers take, waits until the worker has stored them, and compares.
(Open loop: a late answer does not slow the load down; latency counts from the moment an event was due.) With
``--base-url`` it runs against a stack that is there (``PYTAKE_META_APP_SECRET``, ``PYTAKE_DATABASE_URL`` in the
environment).

Exit codes: 0 within the limits, 1 not, 2 wrong usage.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support import meta
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.servers import PostgresServer, RedisServer
from tests.support.waiting import wait_until

MEDIAN_LIMIT, P99_LIMIT = 0.025, 0.250
CUSTOMERS = 3000
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Target:
    """What is loaded: where, with whose secret, and where the rows are."""

    base_url: str
    secret: str
    database_url: str
    number: dict[str, str]
    account: str


@dataclass
class Result:
    """What was measured; seconds."""

    rate: float
    duration: float
    sent: int
    acknowledged: int
    refused: int
    stored: int
    median: float
    p95: float
    p99: float
    worst: float
    achieved_rate: float
    drain: float

    @property
    def good(self) -> bool:
        """Within the limits and nothing lost."""
        fast = self.median <= MEDIAN_LIMIT and self.p99 <= P99_LIMIT
        return fast and self.refused == 0 and self.stored == self.acknowledged == self.sent


@contextmanager
def own_stack(workers: int, processes: int) -> Iterator[Target]:
    """PostgreSQL, Redis, API and worker on free ports, with temporary data."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pytake-bench-")))
        postgres = PostgresServer(root / "postgres", durable=True)
        redis = RedisServer(root / "redis", appendonly=True)
        for server in (postgres, redis):
            server.start()
            stack.callback(server.stop)
        instance = {
            "slug": "bench",
            "waba_id": meta.ACCOUNT,
            "access_token": "bench",
            **meta.NUMBER,
        }
        instances = root / "instances.json"
        instances.write_text(json.dumps([instance]))
        port = free_port()
        env = os.environ | {
            "PYTAKE_DATABASE_URL": postgres.create_database("pytake"),
            "PYTAKE_REDIS_URL": redis.url(),
            "PYTAKE_API_PORT": str(port),
            "PYTAKE_API_WORKERS": str(processes),
            "PYTAKE_META_APP_SECRET": meta.SECRET,
            "PYTAKE_META_BASE_URL": f"http://127.0.0.1:{free_port()}",
            "PYTAKE_INSTANCES_FILE": str(instances),
            "PYTAKE_AI_ENABLED": "false",
        }
        subprocess.run(
            [sys.executable, "-m", "pytake.backend.migrate"], env=env, check=True, capture_output=True, cwd=root
        )
        names = ["pytake-api", *["pytake-worker"] * workers]
        for index, name in enumerate(names):
            more = {"PYTAKE_WORKER_METRICS_PORT": str(free_port())}
            process = Process([BIN / name], root / f"{name}-{index}.log", env=env | more, cwd=root)
            process.start()
            stack.callback(process.stop)
        base = f"http://127.0.0.1:{port}"
        wait_until(lambda: httpx.get(f"{base}/observability/ready").is_success, 30, "the API")
        yield Target(base, meta.SECRET, env["PYTAKE_DATABASE_URL"], meta.NUMBER, meta.ACCOUNT)


def requests_of(target: Target, count: int, marker: str) -> list[bytes]:
    """Whole HTTP requests, made and signed beforehand so that the load costs little while it runs."""
    host = urlsplit(target.base_url).netloc
    made = []
    for index in range(count):
        customer = f"55119{index % CUSTOMERS:08d}"
        payload = meta.text(f"message {index}", wamid=f"wamid.{marker}{index}", wa_id=customer, number=target.number)
        payload["entry"][0]["id"] = target.account
        body = json.dumps(payload, separators=(",", ":")).encode()
        head = (
            f"POST /webhooks/whatsapp HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
            f"x-hub-signature-256: {meta.signature(body, target.secret)}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


class Connection:
    """One keep-alive connection."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def post(self, request: bytes) -> int:
        """Send a whole request and return the status."""
        if self.reader is None or self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        await self.reader.readexactly(length)
        return int(head[9:12])


async def load(target: Target, requests: list[bytes], rate: float) -> tuple[list[float], int, float]:
    """Post at ``rate``; latencies from the moment each was due, refused requests, seconds it took."""
    parts = urlsplit(target.base_url)
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(64):
        free.put_nowait(Connection(parts.hostname or "127.0.0.1", parts.port or 80))
    latencies: list[float] = []
    refused = 0
    begin = time.perf_counter() + 0.2

    async def one(request: bytes, due: float) -> None:
        nonlocal refused
        connection = await free.get()
        try:
            status = await connection.post(request)
        finally:
            free.put_nowait(connection)
        latencies.append(time.perf_counter() - due)
        refused += status != 200

    async with asyncio.TaskGroup() as group:
        for index, request in enumerate(requests):
            due = begin + index / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(request, due))
    return latencies, refused, time.perf_counter() - begin


async def stored(target: Target, marker: str, expected: int, patience: float) -> tuple[int, float]:
    """Rows of this run, waited for until all are there or no more come; and how long that took."""
    connection = await asyncpg.connect(target.database_url.replace("+asyncpg", ""))
    started = time.perf_counter()
    count, changed = -1, started
    try:
        while True:
            found = await connection.fetchval("select count(*) from messages where wamid like $1", f"wamid.{marker}%")
            if found != count:
                count, changed = found, time.perf_counter()
            if count >= expected or time.perf_counter() - changed > patience:
                return count, time.perf_counter() - started
            await asyncio.sleep(0.25)
    finally:
        await connection.close()


async def measure(target: Target, rate: float, seconds: float) -> Result:
    """Warm up for a second, then measure."""
    marker = uuid.uuid4().hex[:8]
    await load(target, requests_of(target, int(rate), f"WARM{marker}"), rate)
    requests = requests_of(target, int(rate * seconds), marker)
    latencies, refused, took = await load(target, requests, rate)
    count, drain = await stored(target, marker, len(requests), patience=15)
    ordered = sorted(latencies)
    cuts = statistics.quantiles(ordered, n=100)
    return Result(
        rate=rate,
        duration=took,
        sent=len(requests),
        acknowledged=len(latencies) - refused,
        refused=refused,
        stored=count,
        median=cuts[49],
        p95=cuts[94],
        p99=cuts[98],
        worst=ordered[-1],
        achieved_rate=len(latencies) / took,
        drain=drain,
    )


def show(result: Result, console: Console) -> None:
    """Print the table."""
    table = Table(title=f"Webhook acknowledgement, {result.rate:g} events/s for {result.duration:.0f} s")
    for column in ("what", "measured", "limit"):
        table.add_column(column, justify="left" if column == "what" else "right")
    table.add_row("median", f"{result.median * 1000:.1f} ms", f"{MEDIAN_LIMIT * 1000:.0f} ms")
    table.add_row("95 %", f"{result.p95 * 1000:.1f} ms", "")
    table.add_row("99 %", f"{result.p99 * 1000:.1f} ms", f"{P99_LIMIT * 1000:.0f} ms")
    table.add_row("worst", f"{result.worst * 1000:.1f} ms", "")
    table.add_row("rate achieved", f"{result.achieved_rate:.0f} /s", f"{result.rate:g} /s")
    table.add_row("sent", str(result.sent), "")
    table.add_row("acknowledged", str(result.acknowledged), str(result.sent))
    table.add_row("stored", str(result.stored), str(result.sent))
    table.add_row("stored after the last one was sent", f"{result.drain:.1f} s", "")
    console.print(table)
    console.print("[green]holds[/green]" if result.good else "[red]does not hold[/red]")


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.webhook_ack", description=__doc__)
    parser.add_argument("--base-url", help="a running API; without it a stack of its own is started")
    parser.add_argument("--rate", type=float, default=300, help="events a second (default 300)")
    parser.add_argument("--seconds", type=float, default=60, help="seconds of load (default 60)")
    parser.add_argument("--workers", type=int, default=1, help="worker processes of the own stack")
    parser.add_argument("--processes", type=int, default=1, help="API processes of the own stack")
    parser.add_argument("--phone-number-id", default=meta.NUMBER["phone_number_id"], help="number at --base-url")
    parser.add_argument("--account", default=meta.ACCOUNT, help="its WhatsApp business account")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args(argv)
    console = Console(stderr=arguments.json)
    with ExitStack() as stack:
        if arguments.base_url:
            try:
                secret, database = os.environ["PYTAKE_META_APP_SECRET"], os.environ["PYTAKE_DATABASE_URL"]
            except KeyError as missing:
                parser.error(f"--base-url needs {missing} in the environment")
            number = meta.NUMBER | {"phone_number_id": arguments.phone_number_id}
            target = Target(arguments.base_url.rstrip("/"), secret, database, number, arguments.account)
        else:
            console.print("starting PostgreSQL, Redis, the API and a worker …")
            target = stack.enter_context(own_stack(arguments.workers, arguments.processes))
        console.print(f"{arguments.rate:g} events/s for {arguments.seconds:g} s against {target.base_url} …")
        result = asyncio.run(measure(target, arguments.rate, arguments.seconds))
    show(result, console)
    if arguments.json:
        document: dict[str, Any] = asdict(result) | {"good": result.good}
        print(json.dumps(document))
    return 0 if result.good else 1


if __name__ == "__main__":
    sys.exit(main())
