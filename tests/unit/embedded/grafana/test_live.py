"""The live tail through the proxy: who may open it, what comes through, how either side's end reaches the other."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pytake.embedded.grafana.api.live import LiveTail
from pytake.embedded.grafana.errors import ApiError
from pytake.embedded.grafana.identity import Principal
from pytake.embedded.grafana.provisioning import DataSource
from tests.support.serving import serving

MESSAGE = json.dumps({"streams": [{"stream": {"job": "x"}, "values": [["1", "hello"]]}]})


class Loki:
    """Sends one message to each tail, then waits until it is told to end it or the client has left."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.authorization: list[str | None] = []
        self.end, self.left = asyncio.Event(), asyncio.Event()

    async def __call__(self, socket: ServerConnection) -> None:
        assert socket.request
        self.asked.append(socket.request.path)
        self.authorization.append(socket.request.headers.get("authorization"))
        await socket.send(MESSAGE)
        ended = asyncio.create_task(self.end.wait())
        gone = asyncio.create_task(socket.wait_closed())
        await asyncio.wait({ended, gone}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            await socket.close(1001, "reached tail max duration limit")
        else:
            self.left.set()
        ended.cancel()
        gone.cancel()


class Identity:
    """Knows one cookie; like the real one it refuses another site's changing request."""

    def of(self, request: Any) -> Principal | None:
        if request.cookies.get("grafana_session") != "good":
            return None
        assert request.method == "POST"  # the rule of a changing request
        if "evil" in request.headers.get("origin", ""):
            raise ApiError(403, "origin not allowed")
        return Principal("ada", "Viewer", False)


class Grafana:
    def __init__(self, loki_url: str) -> None:
        self.identity = Identity()
        self.sources = {
            "Loki": DataSource(1, "loki", "Loki", "loki", loki_url, user="u", password="p"),
            "Prometheus": DataSource(2, "prometheus", "Prometheus", "prometheus", loki_url),
            "Gone": DataSource(3, "gone", "Gone", "loki", "http://127.0.0.1:9"),
        }


@pytest.fixture
async def loki() -> AsyncIterator[tuple[Loki, str]]:
    handler = Loki()
    async with serve(handler, "127.0.0.1", 0) as server:
        yield handler, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
async def tail(loki: tuple[Loki, str]) -> AsyncIterator[str]:
    grafana: Any = Grafana(loki[1])
    route = WebSocketRoute("/api/datasources/proxy/uid/{uid}/loki/api/v1/tail", LiveTail(grafana).__call__)
    async with serving(Starlette(routes=[route])) as url:
        yield url.replace("http", "ws") + "/api/datasources/proxy/uid/{}/loki/api/v1/tail?query=%7Bjob%3D%22x%22%7D"


GOOD = {"Cookie": "grafana_session=good"}


async def test_messages_come_through_with_the_sources_own_credentials(loki: tuple[Loki, str], tail: str):
    async with connect(tail.format("loki"), additional_headers=GOOD) as socket:
        assert await socket.recv() == MESSAGE
    assert loki[0].asked == ["/loki/api/v1/tail?query=%7Bjob%3D%22x%22%7D"]
    assert loki[0].authorization == ["Basic dTpw"]
    await asyncio.wait_for(loki[0].left.wait(), 5)


async def test_the_end_of_lokis_side_is_passed_on_with_its_reason(loki: tuple[Loki, str], tail: str):
    async with connect(tail.format("loki"), additional_headers=GOOD) as socket:
        await socket.recv()
        loki[0].end.set()
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert (socket.close_code, socket.close_reason) == (1001, "reached tail max duration limit")


@pytest.mark.parametrize(
    ("uid", "headers", "status"),
    [
        ("loki", {}, 401),
        ("loki", GOOD | {"Origin": "https://evil.example"}, 403),
        ("nothing", GOOD, 404),
        ("prometheus", GOOD, 400),
        ("gone", GOOD, 502),
    ],
)
async def test_refusals_have_a_status_before_the_socket_opens(
    tail: str, uid: str, headers: dict[str, str], status: int
):
    with pytest.raises(InvalidStatus) as caught:
        await connect(tail.format(uid), additional_headers=headers)
    assert caught.value.response.status_code == status
    assert "message" in json.loads(caught.value.response.body or b"{}")
