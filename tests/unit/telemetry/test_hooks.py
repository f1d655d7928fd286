"""Hooks on SQLAlchemy, redis and httpx: one span and one count a call, without values, on the real libraries."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import redis
import redis.asyncio
from opentelemetry.trace import SpanKind
from sqlalchemy import create_engine, exc, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from pytake.telemetry import catalog, metrics, tracing
from pytake.telemetry.data import observe_engine, observe_redis
from pytake.telemetry.hooks_sqlalchemy import _what
from tests.unit.telemetry.conftest import Spans

pytestmark = pytest.mark.usefixtures("catalogue")


def counts(metric: metrics.Counter) -> dict[tuple[str, ...], float]:
    return {values: child.get() for values, child in metric.children.items() if child.get()}


# --- SQLAlchemy ---------------------------------------------------------------------------------------------------
@pytest.fixture(autouse=True)
def tables() -> None:
    metrics.configure_label("table", ["messages", "contacts"])


@pytest.fixture
async def engine() -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine("sqlite+aiosqlite:///:memory:", poolclass=None)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE messages (id INTEGER PRIMARY KEY, body TEXT)"))
    tracing.instrument_sqlalchemy(engine)
    observe_engine(engine)
    observe_engine(engine)  # twice changes nothing
    yield engine
    await engine.dispose()


async def test_statements_are_counted_and_traced(engine: AsyncEngine, spans: Spans) -> None:
    with tracing.span("job"):
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO messages (body) VALUES (:body)"), {"body": "my mother is ill"})
            await connection.execute(text("SELECT body FROM messages WHERE id = :id"), {"id": 1})
    assert counts(catalog.DB_QUERIES) == {("insert", "messages", "success"): 1, ("select", "messages", "success"): 1}
    assert catalog.DB_DURATION.labels(operation="select", table="messages").get()[0] == 1
    span = spans.named("INSERT messages")
    assert span.kind is SpanKind.CLIENT
    assert span.parent is not None
    assert span.parent.span_id == spans.named("job").span_id
    attributes = span.attributes or {}
    assert attributes["db.system.name"] == "sqlite"
    assert attributes["db.operation.name"] == "INSERT"
    assert attributes["db.collection.name"] == "messages"
    assert "mother" not in str(attributes)


async def test_a_failed_statement_is_an_error_in_both(engine: AsyncEngine, spans: Spans) -> None:
    with tracing.span("job"), pytest.raises(exc.OperationalError):
        async with engine.begin() as connection:
            await connection.execute(text("SELECT * FROM contacts"))
    assert counts(catalog.DB_QUERIES) == {("select", "contacts", "error"): 1}
    span = spans.named("SELECT contacts")
    assert span.failed
    assert (span.attributes or {})["error.type"] == "OperationalError"


async def test_statements_outside_of_a_trace_are_counted_only(engine: AsyncEngine, spans: Spans) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("SELECT 1"))
    assert sum(counts(catalog.DB_QUERIES).values()) == 1
    assert not spans


def test_the_pool_is_watched() -> None:
    def states() -> dict[str, float]:
        metrics.collect()
        return {values[0]: child.get() for values, child in catalog.DB_POOL.children.items()}

    engine = create_engine("sqlite://", poolclass=QueuePool, pool_size=3, max_overflow=2)
    observe_engine(engine)
    with engine.connect():
        assert states() == {"in_use": 1, "idle": 0, "limit": 5}
    assert states() == {"in_use": 0, "idle": 1, "limit": 5}
    assert catalog.DB_POOL_WAIT.labels().get()[0] == 1
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "operation", "table"),
    [
        ("SELECT a FROM messages", "select", "messages"),
        ("  select *\nfrom public.messages m JOIN contacts", "select", "messages"),
        ('INSERT INTO "messages" (a) SELECT b FROM contacts', "insert", "messages"),
        ("UPDATE messages SET a = 1", "update", "messages"),
        ("UPDATE ONLY messages SET a = 1", "update", "messages"),
        ("DELETE FROM messages", "delete", "messages"),
        ("WITH x AS (SELECT 1 FROM contacts) UPDATE messages SET a = 1", "update", "messages"),
        ("WITH x AS (SELECT 1) SELECT * FROM messages", "select", "messages"),
        ("SELECT 1", "select", "other"),
        ("BEGIN", "other", "other"),
        ("", "other", "other"),
        ("CREATE TABLE messages (a INT)", "other", "other"),
    ],
)
def test_statements_are_told_by_kind_and_table(statement: str, operation: str, table: str) -> None:
    assert _what(statement) == (operation, table)


# --- redis --------------------------------------------------------------------------------------------------------
async def test_commands_are_counted_and_traced(redis_url: str, spans: Spans) -> None:
    client = redis.asyncio.from_url(redis_url)
    tracing.instrument_redis(client)
    observe_redis(client)
    try:
        with tracing.span("job"):
            await client.set("telemetry:key", "5511999998888")
            async with client.pipeline() as pipe:
                pipe.get("telemetry:key")
                pipe.delete("telemetry:key")
                await pipe.execute()
            await client.xadd("telemetry:stream", {"a": "1"})
            with pytest.raises(redis.ResponseError):
                await client.incr("telemetry:stream")
        await client.xread({"telemetry:stream": "$"}, block=1)
        await client.delete("telemetry:stream")
    finally:
        await client.aclose()
    found = counts(catalog.REDIS_OPERATIONS)
    assert found["SET", "success"] == found["PIPELINE", "success"] == found["XADD", "success"] == 1
    assert found["INCRBY", "error"] == 1
    assert found["XREAD", "success"] == 1
    assert ("XREAD",) not in catalog.REDIS_DURATION.children  # it waits by design
    assert catalog.REDIS_DURATION.labels(operation="SET").get()[0] == 1
    assert sorted(span.name for span in spans) == ["INCRBY", "PIPELINE", "SET", "XADD", "job"]
    assert spans.named("INCRBY").failed
    assert (spans.named("SET").attributes or {})["db.system.name"] == "redis"
    assert "5511999998888" not in str([span.attributes for span in spans])


def test_the_client_that_is_not_async_is_hooked_as_well(redis_url: str, spans: Spans) -> None:
    client = redis.from_url(redis_url)
    tracing.instrument_redis(client)
    observe_redis(client)
    with tracing.span("job"):
        client.ping()
        with client.pipeline() as pipe:
            pipe.ping()
            pipe.execute()
    client.close()
    assert counts(catalog.REDIS_OPERATIONS) == {("PING", "success"): 1, ("PIPELINE", "success"): 1}
    assert [span.name for span in spans] == ["PING", "PIPELINE", "job"]


# --- httpx --------------------------------------------------------------------------------------------------------
def answer(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/gone":
        raise httpx.ConnectError("refused")
    return httpx.Response(503 if request.url.path == "/busy" else 200, headers={"seen": request.headers["traceparent"]})


@pytest.fixture
def clients() -> Iterator[Any]:
    clients = (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)),
        httpx.Client(transport=httpx.MockTransport(answer)),
    )
    for client in clients:
        tracing.instrument_httpx(client)
        tracing.instrument_httpx(client)  # twice changes nothing
    yield clients
    clients[1].close()


@pytest.mark.parametrize("kind", [0, 1], ids=["async", "sync"])
async def test_a_request_is_one_span_that_the_server_continues(clients: Any, spans: Spans, kind: int) -> None:
    client = clients[kind]
    with tracing.span("job"):
        found = client.get("http://user:secret@graph.example:8080/v23.0/me?access_token=abc")
        response = await found if kind == 0 else found
    span = spans.named("GET")
    assert span.kind is SpanKind.CLIENT
    assert response.headers["seen"] == f"00-{span.local.trace_id:032x}-{span.span_id:016x}-01"
    attributes = span.attributes or {}
    assert attributes["url.full"] == "http://graph.example:8080/v23.0/me"
    assert (attributes["server.address"], attributes["server.port"]) == ("graph.example", 8080)
    assert attributes["http.response.status_code"] == 200
    assert not span.failed


async def test_failures_are_errors(clients: Any, spans: Spans) -> None:
    await clients[0].get("https://graph.example/busy")
    with pytest.raises(httpx.ConnectError):
        await clients[0].get("https://graph.example/gone")
    with pytest.raises(httpx.ConnectError):
        clients[1].get("https://graph.example/gone")
    assert [(span.attributes or {})["error.type"] for span in spans] == ["503", "ConnectError", "ConnectError"]
    assert all(span.failed for span in spans)
    assert (spans[0].attributes or {})["server.port"] == 443


async def test_without_tracing_requests_go_out_as_they_are(clients: Any) -> None:
    tracing.set_provider(None)

    def plain(request: httpx.Request) -> httpx.Response:
        assert "traceparent" not in request.headers
        return httpx.Response(204)

    async with httpx.AsyncClient(transport=httpx.MockTransport(plain)) as client:
        tracing.instrument_httpx(client)
        assert (await client.get("http://x/")).status_code == 204
