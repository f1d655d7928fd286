"""A migrated database, an emptied Redis, a stand-in for the remote APIs, and the backend in this process."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis as redis_sync
from sqlalchemy import text

from pytake.backend.app import create_app
from pytake.backend.database.models import Base
from pytake.backend.instances.sync import store_instances
from pytake.backend.migrate import upgrade
from pytake.backend.resources import Resources, open_resources
from pytake.backend.settings import Settings
from pytake.backend.worker.runner import Worker
from pytake.telemetry import metrics
from tests.support import meta
from tests.support.servers import PostgresServer
from tests.support.waiting import wait_until_async
from tests.unit.backend.fakes import Remote

INSTANCES = [
    {
        "slug": "support",
        "phone_number_id": meta.NUMBER["phone_number_id"],
        "waba_id": meta.ACCOUNT,
        "display_phone_number": "+1 555 010-0001",
        "access_token": "token-support",
    },
    {
        "slug": "sales",
        "phone_number_id": "106540352242933",
        "waba_id": "990129340398",
        "display_phone_number": "15550100002",
        "access_token": "token-sales",
        "app_secret": "sales-secret",
    },
]


@pytest.fixture(scope="session")
def migrated(postgres_server: PostgresServer) -> str:
    """Name of a migrated database."""
    name = "backend"
    upgrade(postgres_server.create_database(name))
    return name


@pytest.fixture
def database(postgres_server: PostgresServer, migrated: str) -> str:
    """URL of a migrated database whose tables are empty."""
    postgres_server.execute(f"TRUNCATE {', '.join(Base.metadata.tables)} CASCADE", migrated)
    return postgres_server.url(migrated)


@pytest.fixture
def empty_redis(redis_url: str) -> str:
    """The session's Redis, emptied."""
    with redis_sync.Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url


@pytest.fixture
async def remote() -> AsyncIterator[Remote]:
    """The remote APIs."""
    async with Remote().serve() as server:
        yield server


@pytest.fixture
def settings(database: str, empty_redis: str, remote: Remote, tmp_path: Path) -> Settings:
    """Settings of a backend that is fast to fail."""
    instances = tmp_path / "instances.json"
    instances.write_text(json.dumps(INSTANCES))
    return Settings(
        _env_file=None,
        database_url=database,
        redis_url=empty_redis,
        meta_base_url=remote.meta_url,
        meta_app_secret=meta.SECRET,
        meta_verify_token="verify-me",
        meta_timeout=1.0,
        openai_base_url=remote.openai_url,
        openai_api_key="sk-test",
        openai_timeout=1.0,
        openai_attempts=2,
        instances_file=instances,
        admin_api_key="admin-key-0123456789",
        agent_api_key="agent-key-0123456789",
        readonly_api_key="readonly-key-0123456789",
        ALERT_WEBHOOK_TOKEN="alert-token",
        job_lease=1.0,
        job_backoff=0.05,
        stop_timeout=3.0,
        gauges_interval=0.2,
        sweep_interval=0.2,
        poll_interval=60.0,
        in_doubt_grace=0.3,
        websocket_auth_timeout=0.3,
        data_dir=tmp_path,
    )


@pytest.fixture(autouse=True)
def _strict_metrics() -> Iterator[None]:
    metrics.set_strict(True)
    yield
    metrics.set_strict(False)


@pytest.fixture
async def resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open resources with the instances stored and the queues made."""
    async with open_resources(settings, name="tests") as opened:
        await store_instances(opened)
        yield opened


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[Worker]:
    """A worker at work for the time of the block."""
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


@pytest.fixture
async def worker(resources: Resources) -> AsyncIterator[Worker]:
    """A worker at work."""
    async with running(Worker(resources, name="tests")) as one:
        yield one


class Api:
    """An HTTP client of the API in this process."""

    def __init__(self, client: httpx.AsyncClient, app: Any) -> None:
        self.client = client
        self.app = app

    async def webhook(self, payload: dict[str, Any], **headers: str) -> httpx.Response:
        """Post a signed webhook."""
        body, signed = meta.encode(payload)
        return await self.client.post("/webhooks/whatsapp", content=body, headers=signed | headers)

    async def get(self, path: str, key: str = "readonly-key-0123456789", **params: Any) -> httpx.Response:
        """GET with a key."""
        return await self.client.get(path, params=params, headers={"x-api-key": key})

    async def post(self, path: str, body: Any, key: str = "agent-key-0123456789", **headers: str) -> httpx.Response:
        """POST with a key."""
        return await self.client.post(path, json=body, headers={"x-api-key": key} | headers)


@pytest.fixture
async def api(settings: Settings, resources: Resources) -> AsyncIterator[Api]:
    """The API."""
    app = create_app(settings, with_telemetry=False)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            yield Api(client, app)


Rows = Callable[..., Awaitable[list[Any]]]


@pytest.fixture
def rows(resources: Resources) -> Rows:
    """``await rows("select …", name=value)``: rows of the database as named tuples."""

    async def run(sql: str, **values: Any) -> list[Any]:
        async with resources.engine.connect() as connection:
            return list((await connection.execute(text(sql), values)).all())

    return run


@pytest.fixture
def until(rows: Rows) -> Callable[..., Awaitable[list[Any]]]:
    """``await until("select …")``: poll until the query has rows."""

    async def wait(sql: str, within: float = 20.0, **values: Any) -> list[Any]:
        return await wait_until_async(lambda: rows(sql, **values), within, sql)

    return wait


def value(metric: Any, **labels: str) -> float:
    """The present value of a counter or gauge."""
    return float(metric.labels(**labels).get())
