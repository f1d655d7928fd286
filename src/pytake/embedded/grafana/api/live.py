"""Loki's live tail through the data source proxy: ``/api/datasources/proxy/uid/:uid/loki/api/v1/tail`` as a WebSocket.

Browsers let any site open a socket to us and send our cookie along, so the handshake is held to the same rule as a
changing request: its Origin must be ours.
"""

import asyncio
import base64
import contextlib

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from pytake.embedded.grafana.api.sources import find
from pytake.embedded.grafana.errors import ApiError
from pytake.embedded.grafana.provisioning import DataSource
from pytake.embedded.grafana.server import Server, must_change

OPEN_SECONDS = 10.0
MAX_MESSAGE = 16 * 1024 * 1024
"""Bytes of one message of Loki's; a larger one ends the tail."""
GOING_AWAY, TOO_LARGE = 1001, 1009


class LiveTail:
    """The WebSocket endpoint over ``server``."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def __call__(self, websocket: WebSocket) -> None:
        """Pass messages on until either side ends; before that, refuse with a status and the reason."""
        try:
            source = self._admitted(websocket)
        except ApiError as error:
            await websocket.send_denial_response(JSONResponse(error.body, error.status))
            return
        try:
            upstream = await _opened(source, websocket.url.query)
        except InvalidStatus as error:  # Loki's own words: a mistake in the query, most often
            words = (error.response.body or b"").decode(errors="replace")
            await websocket.send_denial_response(PlainTextResponse(words, error.response.status_code))
            return
        except (OSError, WebSocketException, TimeoutError) as error:
            words = f"{source.name} at {source.url} does not answer: {type(error).__name__}"
            await websocket.send_denial_response(JSONResponse({"message": words}, 502))
            return
        async with upstream:
            await websocket.accept()
            await _passed_on(upstream, websocket)

    def _admitted(self, websocket: WebSocket) -> DataSource:
        request = Request({**websocket.scope, "type": "http", "method": "POST"})
        principal = self._server.identity.of(request)
        if principal is None:
            raise ApiError(401, "Unauthorized")
        principal.need("Viewer")
        must_change(principal, request)
        source = find(self._server, websocket.path_params)
        if source.type != "loki":
            raise ApiError(400, f"{source.name} is {source.type}, which has no live tail: Loki has")
        return source


async def _opened(source: DataSource, query: str) -> ClientConnection:
    headers = {}
    if source.user:
        pair = base64.b64encode(f"{source.user}:{source.password}".encode()).decode()
        headers["Authorization"] = f"Basic {pair}"
    address = f"{source.url.replace('http', 'ws', 1)}/loki/api/v1/tail?{query}"
    return await connect(
        address, additional_headers=headers, open_timeout=OPEN_SECONDS, max_size=MAX_MESSAGE, proxy=None
    )


async def _passed_on(upstream: ClientConnection, websocket: WebSocket) -> None:
    """Messages of ``upstream`` to the client; what the client says is read only to notice that it leaves."""
    leaving = asyncio.create_task(_left(websocket, upstream))
    try:
        async for message in upstream:
            await websocket.send_text(message if isinstance(message, str) else message.decode())
    except ConnectionClosed:
        pass  # its code and reason are passed on below
    except WebSocketDisconnect:
        return
    finally:
        leaving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await leaving
    code = upstream.close_code
    with contextlib.suppress(RuntimeError):  # the client was first
        await websocket.close(code if code in (1000, GOING_AWAY, TOO_LARGE) else GOING_AWAY, upstream.close_reason)


async def _left(websocket: WebSocket, upstream: ClientConnection) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
    await upstream.close()
