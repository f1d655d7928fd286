"""What a fault may use: the sandbox's faults, components to stop and kill, the databases, load on the API."""

import asyncio
import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has none
import httpx
import yaml
from redis import Redis

from pytake.stack.components import find
from pytake.stack.deploy import start as start_components
from pytake.stack.drill.arena import SETTINGS, Arena
from pytake.stack.drill.channels import Inbox
from pytake.stack.errors import StackError
from pytake.stack.supervisor import State, Supervisor

DOWN_SECONDS = 20


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
        self.ended = threading.Event()
        """Set when the drill is broken off: nothing waits any longer."""
        self._files = threading.Lock()

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
        if pid := self.pid(name):  # 0 while it is not running
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def start(self, *names: str) -> None:
        """Start components and wait until they are ready."""
        components = [find(name) for name in names]
        asyncio.run(start_components(self.arena, self.supervisor, components, _Quiet()))

    def _stays_down(self, name: str) -> bool:
        """Stop it, between two starts too: what was just killed may be coming up again."""
        self.supervisor.stop(name)
        return self.supervisor.info()[name].state in {State.STOPPED, State.FATAL}

    @contextlib.contextmanager
    def stopped(self, *names: str) -> Iterator[None]:
        """Components killed and kept down."""
        for name in names:
            self.kill(name)
            if not self.wait(lambda name=name: self._stays_down(name), DOWN_SECONDS):  # type: ignore[misc]  # bound now
                raise StackError(f"{name} does not stay down", hint=f"see {self.arena.run}/supervisord.log")
        try:
            yield
        finally:
            self.start(*names)

    @contextlib.contextmanager
    def suspended(self, name: str) -> Iterator[None]:
        """A component that stands still (SIGSTOP)."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    # ------------------------------------------------------------------------------------------------- monitoring
    def target_file(self, job: str) -> Path:
        """The file that lists a job's targets."""
        return self.arena.config / "prometheus" / "targets" / f"{job}.yml"

    @contextlib.contextmanager
    def targets(self, job: str, groups: Sequence[Mapping[str, Any]]) -> Iterator[None]:
        """These target groups instead of a job's own."""
        path = self.target_file(job)
        kept = path.read_text()
        path.write_text(yaml.safe_dump(list(groups)))
        try:
            yield
        finally:
            path.write_text(kept)

    @contextlib.contextmanager
    def one_more_target(self, job: str, port: int) -> Iterator[None]:
        """A local port beside a job's own targets."""
        group = {"targets": [f"127.0.0.1:{port}"]}
        self._change_targets(job, lambda groups: [*groups, group])
        try:
            yield
        finally:
            self._change_targets(job, lambda groups: [each for each in groups if each != group])

    def _change_targets(self, job: str, change: Callable[[list[Any]], list[Any]]) -> None:
        with self._files:
            path = self.target_file(job)
            path.write_text(yaml.safe_dump(change(yaml.safe_load(path.read_text()))))

    def value(self, query: str) -> float | None:
        """The first value of a PromQL query now; ``None`` where there is none."""
        try:
            answer = self.http.get(f"{self.url('prometheus')}/api/v1/query", params={"query": query}).json()
            return float(answer["data"]["result"][0]["value"][1])
        except (httpx.HTTPError, LookupError, ValueError):
            return None

    def write_log(self, service: str, level: str, event: str) -> None:
        """A line in a log file that Promtail reads."""
        line = {"timestamp": datetime.now(UTC).isoformat(), "level": level, "logger": "drill", "event": event}
        with (self.arena.logs / f"{service}.log").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line | {"message": event}) + "\n")

    # ---------------------------------------------------------------------------------------------------- sandbox
    @contextlib.contextmanager
    def fault(self, kind: str, **params: Any) -> Iterator[None]:
        """A fault of the sandbox; others of its kind are left alone."""
        base = f"{self.url('pytake-sandbox')}/sandbox/faults"
        made = self.http.post(base, json={"kind": kind, "params": params}).raise_for_status().json()
        try:
            yield
        finally:
            self.http.delete(f"{base}/{made['id']}").raise_for_status()

    @contextlib.contextmanager
    def no_customers(self) -> Iterator[None]:
        """Nobody opens a conversation."""
        path = f"{self.url('pytake-sandbox')}/sandbox/rate"
        self.http.put(path, json={"rate": 0}).raise_for_status()
        try:
            yield
        finally:
            self.http.put(path, json={"rate": float(SETTINGS["PYTAKE_SANDBOX_RATE"])}).raise_for_status()

    # ------------------------------------------------------------------------------------------------------- data
    async def database(self, name: str = "pytake") -> "asyncpg.Connection[asyncpg.Record]":
        """A superuser's connection to the backend's database, or another one."""
        return await asyncpg.connect(
            host="127.0.0.1", port=self.arena.port(5432), user="postgres", database=name,
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
    def thread(self, work: Callable[[], None], ended: threading.Event) -> Iterator[None]:
        """Run ``work`` meanwhile; it has to return soon after ``ended`` is set."""

        def tolerant() -> None:
            with contextlib.suppress(Exception):
                work()

        thread = threading.Thread(target=tolerant, name="drill-fault", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(35)

    @contextlib.contextmanager
    def requests(
        self, path: str, *, component: str = "pytake-api", clients: int = 4, pause: float = 0.2, method: str = "GET",
        fresh_headers: Callable[[], dict[str, str]] = dict, **more: Any,
    ) -> Iterator[None]:  # fmt: skip
        """``clients`` threads that ask a component for ``path`` as an administrator, ``pause`` seconds between."""
        headers = {"X-API-Key": self.arena.env["PYTAKE_ADMIN_API_KEY"]} if component == "pytake-api" else {}
        base, ended = self.url(component), threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=base, timeout=30, trust_env=False) as client:
                while not ended.is_set():
                    with self.tolerated():
                        client.request(method, path, headers=headers | fresh_headers(), **more)
                    ended.wait(pause)

        with contextlib.ExitStack() as threads:
            for _ in range(clients):
                threads.enter_context(self.thread(ask, ended))
            try:
                yield
            finally:
                ended.set()

    def tolerated(self) -> contextlib.AbstractContextManager[None]:
        """A request of a load may fail."""
        return contextlib.suppress(httpx.HTTPError)

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Poll until ``condition``; ``False`` when the time is over."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.ended.is_set():
            if condition():
                return True
            self.ended.wait(0.25)
        return condition()


async def _next(generator: AsyncIterator[None]) -> None:
    await anext(generator)
