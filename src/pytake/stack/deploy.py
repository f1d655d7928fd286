"""Bringing a native stack up: what is needed is made, then components start in dependency order, gated on probes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pytake.stack import instances, migrations, owners, packages, postgres, redis
from pytake.stack.alerting import Rendered
from pytake.stack.assemble import assemble
from pytake.stack.components import BY_NAME, COMPONENTS, Component, Group, order, selection
from pytake.stack.errors import NotReady, StackError
from pytake.stack.layout import Stack
from pytake.stack.logs import files_of, tail
from pytake.stack.probes import Http
from pytake.stack.reload import reload_servers
from pytake.stack.supervisor import State, Supervisor, digest_of, render

PREPARE: Mapping[str, Callable[[Stack], None]] = {"postgres": postgres.prepare, "redis": redis.prepare}
"""Run before a component's start: folders and files that it reads."""

SETTLE: Mapping[str, Callable[[Stack], Awaitable[None]]] = {"postgres": postgres.settle}
"""Run once a component is ready, before those that depend on it start."""

READS_AT_START: Mapping[str, Sequence[str]] = {
    "redis": ["redis.conf"],
    "loki": ["loki"],
    "promtail": ["promtail"],
    "jaeger": ["jaeger"],
    "grafana": ["grafana"],
}
"""Configuration whose change needs a restart; Prometheus, Alertmanager and blackbox reload theirs."""

NEEDS_TABLES = frozenset({"pytake-api", "pytake-worker"})
"""The database is migrated before the first of these starts."""

POLL_SECONDS = 0.1
FLAPPING_RESTARTS = 3


class Progress(Protocol):
    """Where the work is reported."""

    def say(self, text: str) -> None:
        """A step of the preparation."""

    def update(self, component: str, state: str) -> None:
        """What a component is doing."""


class Once:
    """A blocking step that several components need and that is done one time, in a thread."""

    def __init__(self, step: Callable[[], None]) -> None:
        self._step = step
        self._lock = asyncio.Lock()
        self._done = False

    async def __call__(self) -> None:
        """Do it, or wait until whoever does it is done."""
        async with self._lock:
            if not self._done:
                await asyncio.to_thread(self._step)
            self._done = True


@dataclass
class Deployment:
    """What was brought up and what was left out, with the reason."""

    components: list[Component]
    left_out: dict[str, str] = field(default_factory=dict)
    installed: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    alerting: Rendered | None = None


def deploy(stack: Stack, groups: Sequence[Group], progress: Progress) -> Deployment:
    """Bring the groups' components up; what runs already and did not change goes on running.

    Raises:
        StackError: names what stands in the way and what to do next.
    """
    stack.make_folders()
    supervisor = Supervisor(stack)
    chosen, left_out = selection(stack, groups)
    deployment = Deployment(_with_running(stack, supervisor, chosen), left_out)
    deployment.installed = packages.ensure(deployment.components, progress.say)
    configure(stack, deployment)
    config = render(stack, [(c, c.command(stack), _digest(stack, c)) for c in deployment.components])
    supervisor.ensure_started(config)
    supervisor.update()
    deployment.started = asyncio.run(start(stack, supervisor, deployment.components, progress))
    names = {component.name for component in deployment.components}
    reload_servers(stack, names - set(deployment.started))
    return deployment


def _with_running(stack: Stack, supervisor: Supervisor, chosen: Sequence[Component]) -> list[Component]:
    """The chosen components and those that a deployment of the other group brought up before."""
    known = set(supervisor.info()) if supervisor.running else set()
    names = {component.name for component in chosen}
    before = [c for c in COMPONENTS if c.name in known and c.name not in names and c.missing(stack) is None]
    return order([*chosen, *before])


def configure(stack: Stack, deployment: Deployment) -> None:
    """Make data folders and every file that the components read."""
    names = {component.name for component in deployment.components}
    instances.ensure_instances(stack)
    for component in deployment.components:
        if prepare := PREPARE.get(component.name):
            prepare(stack)
        else:
            stack.data(component.name.removeprefix("pytake-")).mkdir(mode=0o700, exist_ok=True)
    if names & {"prometheus", "alertmanager", "blackbox-exporter"}:
        deployment.alerting = assemble(stack, names)


def _digest(stack: Stack, component: Component) -> str:
    """Changes when a restart is needed for the running process to be what is on disk."""
    paths: list[Path] = []
    for name in READS_AT_START.get(component.name, ()):
        path = stack.config / name
        paths += [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    if component.name == "postgres":
        paths.append(postgres.data_folder(stack) / "pytake.conf")
    if component.module:
        room = Path(__file__).parents[1] / component.module.split(".")[1]
        rooms = [room, Path(__file__).parents[1] / "telemetry"]
        if component.module.startswith("pytake.embedded."):
            rooms = [room / component.module.split(".")[2], room / "common", rooms[1]]
        paths += [p for folder in rooms for p in folder.rglob("*.py")]
        paths += [stack.root / "requirements" / "runtime.txt"]
    return digest_of(paths)


def probe_of(component: Component, deployed: set[str]) -> Callable[[Stack, int], Awaitable[str | None]]:
    """The component's probe; without what it watches in this deployment it only has to answer."""
    if isinstance(component.ready, Http) and component.ready.metric and not set(component.depends_on) <= deployed:
        return Http(component.ready.path)
    return component.ready


async def start(stack: Stack, supervisor: Supervisor, components: Sequence[Component], progress: Progress) -> list[str]:
    """Start what does not run, each once those that it waits for are ready; returns the names that were started.

    Raises:
        StackError: one or more did not come up; everything that does not depend on them was started all the same.
    """
    starting = _Starting(stack, supervisor, components, progress)
    async with asyncio.TaskGroup() as group:
        for component in components:
            group.create_task(starting.bring_up(component))
    starting.raise_failures()
    return starting.started


class _Starting:
    """One run of :func:`start`."""

    def __init__(
        self, stack: Stack, supervisor: Supervisor, components: Sequence[Component], progress: Progress
    ) -> None:
        self.stack, self.supervisor, self.progress = stack, supervisor, progress
        self.names = {component.name for component in components}
        self.settled: dict[str, asyncio.Future[bool]] = {
            name: asyncio.get_running_loop().create_future() for name in self.names
        }
        self.migrated = Once(lambda: migrations.migrate(stack))
        self.started: list[str] = []
        self.failures: list[StackError] = []
        self.skipped: list[str] = []

    async def bring_up(self, component: Component) -> None:
        """Wait for what it needs, start it, wait until it is ready; a failure is kept for the end."""
        waits_for = [name for name in component.waits_for if name in self.settled]
        if waits_for:
            self.progress.update(component.name, f"waits for {', '.join(waits_for)}")
        well = {name: await self.settled[name] for name in waits_for}
        if all(well.get(name, True) for name in component.depends_on):
            try:
                await self._start(component)
            except StackError as error:
                self.progress.update(component.name, "failed")
                self.failures.append(error)
            else:
                self.progress.update(component.name, "ready")
                self.settled[component.name].set_result(True)
                return
        else:
            self.progress.update(component.name, "not started")
            self.skipped.append(component.name)
        self.settled[component.name].set_result(False)

    async def _start(self, component: Component) -> None:
        info = await asyncio.to_thread(self.supervisor.info)
        if info[component.name].state not in {State.RUNNING, State.STARTING}:
            await asyncio.to_thread(owners.require_free, self.stack, component)
            if component.name in NEEDS_TABLES:
                self.progress.update(component.name, "migrates the database")
                await self.migrated()
            self.progress.update(component.name, "starts")
            await asyncio.to_thread(self.supervisor.start, component.name)
            self.started.append(component.name)
        await _until_ready(self.stack, self.supervisor, component, self.names, self.progress)
        if settle := SETTLE.get(component.name):
            await settle(self.stack)

    def raise_failures(self) -> None:
        """Raise what went wrong, if anything did, as one error."""
        if not self.failures:
            return
        text = "\n✘ ".join(str(failure) for failure in self.failures)
        if self.skipped:
            text += f"\n✘ not started, since they depend on it: {', '.join(self.skipped)}"
        raise StackError(text, hint=self.failures[0].hint) from self.failures[0]


async def _until_ready(
    stack: Stack, supervisor: Supervisor, component: Component, deployed: set[str], progress: Progress
) -> None:
    """Wait for state RUNNING and the probe; notice early when it keeps ending."""
    deadline = time.monotonic() + stack.settings.pytake_start_timeout
    probe = probe_of(component, deployed)
    backoffs, answer, before = 0, None, State.STARTING
    while True:
        info = (await asyncio.to_thread(supervisor.info))[component.name]
        if info.state is State.BACKOFF and before is not State.BACKOFF:
            backoffs += 1
        before = info.state
        if info.state in {State.FATAL, State.EXITED} or backoffs >= FLAPPING_RESTARTS:
            raise _not_ready(stack, component, f"ends right after its start ({info.spawn_error or info.state})")
        if info.state is State.RUNNING:
            answer = await probe(stack, component.port(stack))
            if answer is None:
                return
            progress.update(component.name, f"not ready yet: {answer}")
        if time.monotonic() > deadline:
            seconds = stack.settings.pytake_start_timeout
            raise _not_ready(stack, component, f"is not ready after {seconds:.0f} s: {answer or info.state}")
        await asyncio.sleep(POLL_SECONDS)


def _not_ready(stack: Stack, component: Component, why: str) -> NotReady:
    paths = [*files_of(stack, component), stack.logs / component.log_name]
    lines = [line for path in dict.fromkeys(paths) for line in tail(path, 12)]
    return NotReady(component.name, why, "\n".join(lines), log=str(paths[0]))


def stop_order(components: Sequence[str]) -> list[str]:
    """Those that depend on others first."""
    return [component.name for component in reversed(order(BY_NAME[n] for n in components if n in BY_NAME))]
