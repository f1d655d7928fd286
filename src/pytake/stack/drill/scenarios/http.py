"""The API's endpoints, its event loop, agents' sockets."""

import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import websockets.sync.client as websocket

from pytake.stack.drill.scenario import Part, scenario
from pytake.stack.drill.scene import Scene
from pytake.stack.drill.workers import extra_worker


async def _strange_row(connection: Any) -> AsyncIterator[None]:
    await connection.execute(
        "INSERT INTO api_keys (id, name, role, key_hash) VALUES (gen_random_uuid(), 'drill', 'auditor', 'drill')"
    )
    try:
        yield
    finally:
        await connection.execute("DELETE FROM api_keys WHERE key_hash = 'drill'")
        await connection.close()


@scenario("a row that this version does not understand", "ApiEndpointErrors", "ApiUnhandledExceptions",
          uses=(Part.API, Part.DATABASE), detect=900)  # fmt: skip
def strange_row(scene: Scene) -> Iterator[None]:
    """An API key with the role of a later version: the list of keys fails, the rest of the API works."""
    with (
        scene.in_database(_strange_row),
        scene.requests("/api/v1/api-keys", clients=1, pause=3),
        scene.requests("/api/v1/instances", clients=2, pause=0.1),
    ):
        yield


@scenario("one of several workers is frozen again and again, another is killed", "InstanceDown", "EventLoopBlocked",
          uses=(Part.WORKER,), detect=600, settle=15)  # fmt: skip
def several_workers(scene: Scene) -> Iterator[None]:
    """Two more workers beside the stack's own."""
    ended = threading.Event()
    with extra_worker(scene) as frozen, extra_worker(scene) as killed:
        killed.kill()

        def freeze() -> None:
            while not ended.is_set():
                with frozen.suspended():
                    ended.wait(1.2)
                ended.wait(0.3)

        with scene.thread(freeze, ended):
            yield


@contextlib.contextmanager
def _sockets(scene: Scene, count: int) -> Iterator[list[Any]]:
    url = f"ws://127.0.0.1:{scene.arena.port(8789)}/ws"
    headers = {"X-API-Key": scene.arena.env["PYTAKE_AGENT_API_KEY"]}
    opened = [websocket.connect(url, additional_headers=headers) for _ in range(count)]
    try:
        yield opened
    finally:
        for socket in opened:
            socket.close()


@scenario("agents' sockets go away all at once", "WebSocketConnectionsCollapsed", uses=(Part.SOCKETS,), detect=900)
def sockets_gone(scene: Scene) -> Iterator[None]:
    """Twenty sockets that were open for longer than the rule looks back, closed together."""
    with _sockets(scene, 20):
        time.sleep(scene.scaled(600) + 10)
    yield


@scenario("agents' sockets break the protocol", "WebSocketAbnormalCloses", uses=(Part.SOCKETS,), detect=900)
def sockets_break(scene: Scene) -> Iterator[None]:
    """Sockets that send what the protocol does not have."""
    ended = threading.Event()

    def break_one() -> None:
        while not ended.is_set():
            with contextlib.suppress(Exception), _sockets(scene, 1) as (socket,):
                socket.send("no json")
                socket.recv(timeout=2)
            ended.wait(0.5)

    with scene.thread(break_one, ended), scene.thread(break_one, ended):
        yield
