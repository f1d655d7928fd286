"""Lets a handler reset its own TCP connection, which ASGI has no word for."""

import asyncio
import socket
import struct
from typing import Any

from fastapi import Request
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_transports: dict[tuple[str, int], asyncio.Transport] = {}


class ResettableProtocol(HttpToolsProtocol):
    """uvicorn's protocol, remembering its transport by the client's address while it lives."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the transport (uvicorn's own signature narrows asyncio's)."""
        super().connection_made(transport)
        if self.client is not None:
            _transports[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self.client is not None:
            _transports.pop(self.client, None)
        super().connection_lost(exc)


async def reset(request: Request) -> None:
    """Send RST to the client of this request; without effect when the server is not ours (in-process tests)."""
    address: Any = request.scope.get("client")
    transport = _transports.get(tuple(address)) if address else None
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await asyncio.sleep(0.01)
