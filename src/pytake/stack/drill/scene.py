"""What a fault may use: the sandbox's faults, components to stop and kill, the databases, load on the API."""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has none
import httpx
from redis import Redis

from pytake.stack.components import find
from pytake.stack.deploy import start as start_components
from pytake.stack.drill.arena import Arena
from pytake.stack.drill.channels import Inbox
from pytake.stack.supervisor import Supervisor


class _Quiet:
    """A deployment's progress that nobody needs to see."""

    def say(self, text: str) -> None:
        """Nothing."""

    def update(self, component: str, state: str) -> None:
        """Nothing."""


class Scene:
    """The running drill stack in the hands of a scenario."""

    def __init__(self, arena: Arena, inbox: Inbox, factor: float, refuse: set[str]) -> None:
        self.arena = arena
        self.inbox = inbox
        self.factor = factor
        self.refuse = refuse
        self.supervisor = Supervisor(arena)
        self.http = httpx.Client(timeout=30, trust_env=False)

    # ------------------------------------------------------------------------------------------------- components
    def url(self, component: str) -> str:
        """Base address of a component."""
        return f"http://127.0.0.1:{find(component).port(self.arena)}"

    def scaled(self, seconds: float) -> float:
        """A duration of the rules as it is in this drill; at least three seconds."""
        return max(3.0, seconds / self.factor)

    def pid(self, name: str) -> int:
        """Process id of a component."""
        return self.supervisor.info()[name].pid

    def kill(self, name: str) -> None:
        """``kill -9``; the supervisor starts it again."""
        os.kill(self.pid(name), signal.SIGKILL)

    def start(self, *names: str) -> None:
        """Start components and wait until they are ready."""
        components = [find(name) for name in names]
        asyncio.run(start_components(self.arena, self.supervisor, components, _Quiet()))

    @contextlib.contextmanager
    def stopped(self, *names: str) -> Iterator[None]:
        """Components killed and kept down."""
        for name in names:
            with contextlib.suppress(ProcessLookupError):
                self.kill(name)
            self.supervisor.stop(name)
        try:
            yield
        finally:
            self.start(*names)

    # ---------------------------------------------------------------------------------------------------- sandbox
    @contextlib.contextmanager
    def fault(self, kind: str, **params: Any) -> Iterator[None]:
        """A fault of the sandbox."""
        base = f"{self.url('pytake-sandbox')}/sandbox/faults"
        self.http.post(base, json={"kind": kind, "params": params}).raise_for_status()
        try:
            yield
        finally:
            self.http.delete(f"{base}/{kind}").raise_for_status()

    # ------------------------------------------------------------------------------------------------------- data
    async def database(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A superuser's connection to the backend's database."""
        return await asyncpg.connect(
            host="127.0.0.1", port=self.arena.port(5432), user="postgres", database="pytake",
            password=self.arena.settings.pytake_postgres_admin_password.get_secret_value(), timeout=10,
        )  # fmt: skip

    @contextlib.contextmanager
    def in_database(
        self, work: Callable[["asyncpg.Connection[asyncpg.Record]"], AsyncIterator[None]]
    ) -> Iterator[None]:
        """Run ``work`` (an async generator with one yield) on a connection that stays open meanwhile."""
        with self.background_loop() as loop:
            generator: AsyncIterator[None]

            async def begin() -> None:
                nonlocal generator
                generator = work(await self.database())
                await anext(generator)

            asyncio.run_coroutine_threadsafe(begin(), loop).result(60)
            try:
                yield
            finally:
                with contextlib.suppress(StopAsyncIteration):
                    asyncio.run_coroutine_threadsafe(_next(generator), loop).result(60)

    @property
    def redis(self) -> Redis:
        """Redis as the backend's user."""
        password = self.arena.settings.pytake_redis_password.get_secret_value()
        return Redis(host="127.0.0.1", port=self.arena.port(6379), password=password, socket_timeout=5)

    # ------------------------------------------------------------------------------------------------------- load
    @contextlib.contextmanager
    def background_loop(self) -> Iterator[asyncio.AbstractEventLoop]:
        """An event loop in a thread of its own."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="drill-loop", daemon=True)
        thread.start()
        try:
            yield loop
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()

    @contextlib.contextmanager
    def requests(
        self, path: str, *, clients: int = 4, pause: float = 0.2, method: str = "GET", **more: Any
    ) -> Iterator[None]:
        """``clients`` threads that ask the API for ``path`` as an administrator, ``pause`` seconds between."""
        headers = {"X-API-Key": self.arena.env["PYTAKE_ADMIN_API_KEY"]} | more.pop("headers", {})
        base, ended = self.url("pytake-api"), threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=base, headers=headers, timeout=30, trust_env=False) as client:
                while not ended.is_set():
                    with contextlib.suppress(httpx.HTTPError):
                        client.request(method, path, **more)
                    ended.wait(pause)

        threads = [threading.Thread(target=ask, name=f"drill-load-{n}", daemon=True) for n in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join(35)

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Poll until ``condition``; ``False`` when the time is over."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.25)
        return condition()


async def _next(generator: AsyncIterator[None]) -> None:
    await anext(generator)
