"""``/ws``: the agents' inbox.

The API key comes in a header, or (browsers cannot set one) in the first message ``{"type": "subscribe", "api_key": …,
"instances": […]}``; never in the URL, which ends up in logs. Afterwards the server sends events, the client may send
``ping`` and ``subscribe`` (other numbers).
"""

import asyncio
from contextlib import suppress
from typing import Any

import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from pytake.backend.auth.keys import Principal, find_principal
from pytake.backend.realtime.hub import Hub, Subscriber
from pytake.backend.resources import Resources, current_resources
from pytake.telemetry.catalog import WS_ACTIVE, WS_CLOSED, WS_MESSAGES
from pytake.telemetry.labels import Direction, SocketClose, SocketMessage
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
router = APIRouter()
CODES = {
    SocketClose.CLIENT: 1000,
    SocketClose.SHUTDOWN: 1001,
    SocketClose.PROTOCOL_ERROR: 1007,
    SocketClose.ERROR: 1011,
    SocketClose.UNAUTHORIZED: 4401,
    SocketClose.SLOW_CONSUMER: 4408,
}
LONGEST_MESSAGE = 4096
CLOSE_TIMEOUT = 2.0


class ProtocolError(Exception):
    """The client sent what this protocol does not have."""


class Connection:
    """One socket from handshake to close."""

    def __init__(self, socket: WebSocket, resources: Resources, hub: Hub) -> None:
        self.socket = socket
        self.resources = resources
        self.hub = hub
        self.subscriber = Subscriber(resources.settings.websocket_queue)

    async def run(self) -> None:
        """Serve it, and account for how it ended."""
        await self.socket.accept()
        WS_ACTIVE.inc()
        reason = SocketClose.ERROR
        try:
            reason = await self._serve()
        except WebSocketDisconnect:
            reason = SocketClose.CLIENT
        except ProtocolError as error:
            reason = SocketClose.PROTOCOL_ERROR
            await self._say(SocketMessage.ERROR, {"detail": str(error)})
        finally:
            self.hub.remove(self.subscriber)
            WS_ACTIVE.inc(-1)
            WS_CLOSED.inc(reason=reason)
            await self._close(reason)

    async def _serve(self) -> SocketClose:
        principal = await self._authenticate()
        if principal is None:
            return SocketClose.UNAUTHORIZED
        self.hub.add(self.subscriber)
        await self._say(SocketMessage.HELLO, {"name": principal.name, "role": principal.role.value})
        log.info("inbox_opened", principal=principal.id)
        tasks = [asyncio.create_task(self._send_events()), asyncio.create_task(self._listen())]
        ended = asyncio.create_task(self.subscriber.ended.wait())
        try:
            done, _ = await asyncio.wait({*tasks, ended}, return_when=asyncio.FIRST_COMPLETED)
            if self.subscriber.reason is not None:
                return self.subscriber.reason
            for task in done:
                task.result()  # raises what ended it
            return SocketClose.ERROR
        finally:
            for task in (*tasks, ended):
                task.cancel()
            await asyncio.gather(*tasks, ended, return_exceptions=True)

    async def _authenticate(self) -> Principal | None:
        headers = self.socket.headers
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        key = headers.get("x-api-key") or (bearer.strip() if scheme.lower() == "bearer" else "")
        if not key:
            try:
                async with asyncio.timeout(self.resources.settings.websocket_auth_timeout):
                    first = await self._receive()
            except TimeoutError:
                return None
            key = first["api_key"] if isinstance(first.get("api_key"), str) else ""
            self._subscribe(first)
        return await find_principal(self.resources, key)

    async def _send_events(self) -> None:
        while True:
            kind, text = await self.subscriber.waiting.get()
            await self.socket.send_text(text)
            WS_MESSAGES.inc(direction=Direction.OUTBOUND, message_type=kind)

    async def _listen(self) -> None:
        while True:
            message = await self._receive()
            match message["type"]:
                case SocketMessage.PING:
                    self.subscriber.offer(SocketMessage.PONG, '{"type":"pong"}')
                case SocketMessage.SUBSCRIBE:
                    self._subscribe(message)
                case _:
                    raise ProtocolError("type: one of ping, subscribe")

    async def _receive(self) -> dict[str, Any]:
        raw = await self.socket.receive()
        if raw["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(raw.get("code", 1005))
        text = raw.get("text")
        message = None
        if isinstance(text, str) and len(text) <= LONGEST_MESSAGE:
            with suppress(orjson.JSONDecodeError):
                message = orjson.loads(text)
        kind = message.get("type") if isinstance(message, dict) else None
        known = isinstance(kind, str) and kind in {*SocketMessage}
        WS_MESSAGES.inc(direction=Direction.INBOUND, message_type=str(kind) if known else SocketMessage.OTHER)
        if not known or not isinstance(message, dict):
            raise ProtocolError("a message is a JSON object with a type")
        return message

    def _subscribe(self, message: dict[str, Any]) -> None:
        wanted = message.get("instances", [])
        if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted) or len(wanted) > 100:
            raise ProtocolError("instances: a list of slugs")
        self.subscriber.instances = frozenset(wanted)

    async def _say(self, kind: SocketMessage, data: dict[str, Any]) -> None:
        text = orjson.dumps({"type": kind.value, "instance": None, "data": data}).decode()
        with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self.socket.send_text(text)
            WS_MESSAGES.inc(direction=Direction.OUTBOUND, message_type=kind)

    async def _close(self, reason: SocketClose) -> None:
        """Say why; a client that does not read is not waited for."""
        if reason is SocketClose.CLIENT:
            return
        with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self.socket.close(CODES[reason], reason.value)


@router.websocket("/ws")
async def inbox(socket: WebSocket) -> None:
    """Serve one agent's inbox."""
    await Connection(socket, current_resources(socket), socket.app.state.hub).run()
