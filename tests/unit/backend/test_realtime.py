"""The agents' inbox over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from pytake.backend.app import create_app
from pytake.backend.realtime.hub import Hub, Subscriber
from pytake.telemetry import catalog
from pytake.telemetry.labels import SocketClose, SocketMessage
from tests.support import meta
from tests.support.ports import free_port
from tests.support.waiting import wait_until_async
from tests.unit.backend.conftest import value

KEY = {"x-api-key": "readonly-key-0123456789"}


@asynccontextmanager
async def served(settings) -> AsyncIterator[str]:
    """The API on a port; yields the socket's URL."""
    port = free_port()
    app = create_app(settings, with_telemetry=False)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, ws="websockets-sansio"))
    server.capture_signals = nullcontext
    task = asyncio.create_task(server.serve())
    await wait_until_async(lambda: server.started and app.state.hub.listening.is_set(), 20, "the API")
    try:
        yield f"ws://127.0.0.1:{port}/ws"
    finally:
        app.state.stopping = True
        app.state.hub.stop()
        server.should_exit = True
        await task


async def closing(socket) -> tuple[int, str]:
    """Read until the socket is closed; code and reason."""
    try:
        async with asyncio.timeout(20):
            while True:
                await socket.recv()
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")


async def test_agents_of_every_process_see_what_happens(settings, api, worker) -> None:
    async with served(settings) as first, served(settings) as second:
        async with connect(first, additional_headers=KEY) as one, connect(second) as two:
            await two.send(json.dumps({"type": "subscribe", "api_key": KEY["x-api-key"], "instances": ["support"]}))
            for socket in (one, two):
                hello = json.loads(await socket.recv())
                assert (hello["type"], hello["data"]["role"]) == ("hello", "readonly")
            assert value(catalog.WS_ACTIVE) == 2
            await api.webhook(meta.text("hello agents"))
            for socket in (one, two):
                async with asyncio.timeout(20):
                    seen = [json.loads(await socket.recv()) for _ in range(3)]
                assert [event["type"] for event in seen[:1]] == ["message"]
                assert seen[0]["data"]["text"] == "hello agents"
                assert {event["instance"] for event in seen} == {"support"}
        await wait_until_async(lambda: value(catalog.WS_ACTIVE) == 0, 20, "no sockets")


async def test_a_socket_gets_only_the_numbers_it_asked_for(settings, resources) -> None:
    async with served(settings) as url, connect(url, additional_headers=KEY) as socket:
        await socket.recv()
        await socket.send(json.dumps({"type": "subscribe", "instances": ["sales"]}))
        await socket.send('{"type": "ping"}')
        assert json.loads(await socket.recv())["type"] == "pong"
        for instance in ("support", "sales", None):
            await resources.publisher.publish(SocketMessage.STATUS, {"for": instance}, instance=instance)
        assert [json.loads(await socket.recv())["data"]["for"] for _ in range(2)] == ["sales", None]


async def test_without_a_key_the_socket_is_closed(settings, subtests) -> None:
    async with served(settings) as url:
        for first in (None, '{"type": "subscribe", "api_key": "wrong"}', '{"type": "subscribe"}'):
            with subtests.test(first=first):
                before = value(catalog.WS_CLOSED, reason=SocketClose.UNAUTHORIZED)
                async with connect(url) as socket:
                    if first:
                        await socket.send(first)
                    assert await closing(socket) == (4401, "unauthorized")
                assert value(catalog.WS_CLOSED, reason=SocketClose.UNAUTHORIZED) == before + 1


async def test_what_the_protocol_does_not_have_is_refused(settings, subtests) -> None:
    strange = (
        "not json",
        "[]",
        '{"type": "dance"}',
        '{"type": "hello"}',
        '{"type":"subscribe","instances":7}',
        b"\x00",
    )
    async with served(settings) as url:
        for text in strange:
            with subtests.test(text=text):
                async with connect(url, additional_headers=KEY) as socket:
                    await socket.recv()
                    await socket.send(text)
                    assert json.loads(await socket.recv())["type"] == "error"
                    assert await closing(socket) == (1007, "protocol_error")


async def test_a_stop_closes_sockets_with_its_reason(settings) -> None:
    async with served(settings) as url:
        socket = await connect(url, additional_headers=KEY)
        await socket.recv()
    assert await closing(socket) == (1001, "shutdown")
    await socket.close()


async def test_who_does_not_keep_up_is_closed_and_holds_up_nobody(resources) -> None:
    hub = Hub(resources.redis)
    slow, quick = Subscriber(2), Subscriber(100)
    hub.add(slow)
    hub.add(quick)
    for number in range(5):
        hub.deliver(json.dumps({"type": "message", "instance": None, "data": number}).encode())
    assert slow.reason is SocketClose.SLOW_CONSUMER
    assert quick.reason is None
    assert quick.waiting.qsize() == 5
    hub.deliver(b"nonsense")
    hub.deliver(b'{"type": "unheard of"}')
    hub.stop()
    assert slow.reason is SocketClose.SLOW_CONSUMER
    assert quick.reason is SocketClose.SHUTDOWN
