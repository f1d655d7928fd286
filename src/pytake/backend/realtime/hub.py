"""One API process's part of the inbox: a subscription to Redis, and the sockets that get what it brings."""

import asyncio
from contextlib import suppress
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pytake.backend.realtime.events import CHANNEL
from pytake.telemetry.labels import SocketClose, SocketMessage
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
PAUSE = 1.0


class Subscriber:
    """What waits for one socket. ``instances`` empty: events of every number."""

    def __init__(self, size: int, instances: frozenset[str] = frozenset()) -> None:
        self.instances = instances
        self.waiting: asyncio.Queue[tuple[SocketMessage, str]] = asyncio.Queue(size)
        self.ended = asyncio.Event()
        self.reason: SocketClose | None = None

    def end(self, reason: SocketClose) -> None:
        """Have the socket closed for ``reason``; the first reason counts."""
        if self.reason is None:
            self.reason = reason
        self.ended.set()

    def offer(self, kind: SocketMessage, text: str) -> None:
        """Add an event; a socket that does not keep up is closed, so that it holds up nobody and hoards nothing."""
        try:
            self.waiting.put_nowait((kind, text))
        except asyncio.QueueFull:
            self.end(SocketClose.SLOW_CONSUMER)


class Hub:
    """Hands the events of Redis to the sockets of this process."""

    def __init__(self, client: Redis) -> None:
        self.client = client
        self.subscribers: set[Subscriber] = set()
        self.listening = asyncio.Event()
        self._stopping = False
        self._empty = asyncio.Event()

    def add(self, subscriber: Subscriber) -> None:
        """A socket that wants events."""
        self.subscribers.add(subscriber)
        if self._stopping:
            subscriber.end(SocketClose.SHUTDOWN)

    def remove(self, subscriber: Subscriber) -> None:
        """It has ended."""
        self.subscribers.discard(subscriber)
        if not self.subscribers:
            self._empty.set()

    async def run(self) -> None:
        """Listen until stopped; while Redis is away, try again every second."""
        while not self._stopping:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                log.warning("inbox_subscription_lost", error=repr(error)[:200])
            self.listening.clear()
            if not self._stopping:
                await asyncio.sleep(PAUSE)

    async def _listen(self) -> None:
        async with self.client.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(CHANNEL)
            self.listening.set()
            while not self._stopping:
                message = await channel.get_message(ignore_subscribe_messages=True, timeout=1.0)
                if message is not None:
                    self.deliver(message["data"])

    def deliver(self, raw: bytes) -> None:
        """Hand one event to every socket that wants it."""
        try:
            event: dict[str, Any] = orjson.loads(raw)
            kind = SocketMessage(event["type"])
        except (orjson.JSONDecodeError, KeyError, ValueError):
            log.warning("inbox_event_unreadable")
            return
        text = raw.decode()
        instance = event.get("instance")
        for subscriber in tuple(self.subscribers):
            if instance is None or not subscriber.instances or instance in subscriber.instances:
                subscriber.offer(kind, text)

    def stop(self) -> None:
        """Have every socket closed with the reason shutdown, those that come from now on too."""
        self._stopping = True
        for subscriber in tuple(self.subscribers):
            subscriber.end(SocketClose.SHUTDOWN)

    async def close(self, grace: float) -> None:
        """:meth:`stop`, and wait for the sockets at most ``grace`` seconds."""
        self.stop()
        self._empty.clear()
        if self.subscribers:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), grace)
