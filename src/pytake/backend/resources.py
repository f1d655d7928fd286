"""What a process holds open: database, Redis, the numbers, the remote APIs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import httpx
from fastapi import Depends
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import HTTPConnection

from pytake.backend.cache import Cache
from pytake.backend.database.models import Base
from pytake.backend.database.session import Sessions, make_engine, make_sessions
from pytake.backend.instances.registry import Registry, load_registry
from pytake.backend.queue.streams import Streams
from pytake.backend.realtime.events import Publisher
from pytake.backend.settings import Settings
from pytake.backend.tls import client_context
from pytake.backend.whatsapp.client import GraphClient
from pytake.telemetry.data import observe_engine, observe_redis
from pytake.telemetry.metrics import configure_label
from pytake.telemetry.tracing import instrument_httpx, instrument_redis, instrument_sqlalchemy

BLOCKING_READ = 1.5  # seconds a consumer's blocking read may take beyond an ordinary command


@dataclass(frozen=True)
class Resources:
    """Everything that code of the backend may need of the world; made by :func:`open_resources`."""

    settings: Settings
    engine: AsyncEngine
    sessions: Sessions
    redis: Redis
    streams: Streams
    registry: Registry
    secrets: frozenset[str]
    http: httpx.AsyncClient
    graph: GraphClient
    publisher: Publisher
    cache: Cache


def make_redis(settings: Settings, *, name: str) -> Redis:
    """A Redis client that gives up fast: a webhook must be refused while Meta still listens."""
    return Redis.from_url(
        settings.redis_url,
        socket_timeout=settings.redis_timeout + BLOCKING_READ,
        socket_connect_timeout=settings.redis_timeout,
        retry=Retry(NoBackoff(), 1),
        client_name=name,
        protocol=2,
        max_connections=200,
    )


@asynccontextmanager
async def open_resources(settings: Settings, *, name: str) -> AsyncIterator[Resources]:
    """Open what a process needs and close it at the end. Nothing is connected to yet: a store may be down."""
    registry = load_registry(settings)
    configure_label("table", [*sorted(Base.metadata.tables), "alembic_version"])
    engine = make_engine(settings, name=name)
    redis = make_redis(settings, name=name)
    http = httpx.AsyncClient(
        verify=client_context(),
        timeout=httpx.Timeout(settings.meta_timeout, connect=min(5.0, settings.meta_timeout)),
        limits=httpx.Limits(max_connections=200, max_keepalive_connections=50),
    )
    observe_engine(engine)
    observe_redis(redis)
    instrument_sqlalchemy(engine)
    instrument_redis(redis)
    instrument_httpx(http)
    try:
        yield Resources(
            settings=settings,
            engine=engine,
            sessions=make_sessions(engine),
            redis=redis,
            streams=Streams(redis),
            registry=registry,
            secrets=registry.secrets(),
            http=http,
            graph=GraphClient(http, settings.graph_url()),
            publisher=Publisher(redis),
            cache=Cache(redis),
        )
    finally:
        await http.aclose()
        await redis.aclose()
        await engine.dispose()


def current_resources(connection: HTTPConnection) -> Resources:
    """The resources of the application that serves this request or socket."""
    resources: Resources = connection.app.state.resources
    return resources


ResourcesDep = Annotated[Resources, Depends(current_resources)]
