"""Events for the agents' inbox: published by any process, received by every API process."""

from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pytake.telemetry.labels import SocketMessage
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
CHANNEL = "pytake:inbox"


class Publisher:
    """Publishes; the inbox is a convenience, so Redis being away is noted and costs nothing else."""

    def __init__(self, client: Redis) -> None:
        self.client = client

    async def publish(self, kind: SocketMessage, data: dict[str, Any], *, instance: str | None = None) -> None:
        """Tell every inbox socket; ``instance`` lets sockets that watch other numbers skip it."""
        event = orjson.dumps({"type": kind.value, "instance": instance, "data": data}, default=str)
        try:
            await self.client.publish(CHANNEL, event)
        except (RedisError, OSError) as error:
            log.warning("inbox_event_lost", kind=kind.value, error=repr(error)[:200])
