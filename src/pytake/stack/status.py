"""How the stack is: every component's process, readiness and memory, and Prometheus' targets."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx
import psutil

from pytake.stack.components import COMPONENTS, Component
from pytake.stack.deploy import probe_of
from pytake.stack.layout import Stack
from pytake.stack.supervisor import ProcessInfo, State, Supervisor

TARGET_SECONDS = 3.0


@dataclass(frozen=True)
class Row:
    """One component. ``since`` is a Unix time; ``rss`` bytes, children included; ``problem``: None when well."""

    name: str
    state: str
    ready: bool
    problem: str | None
    since: int | None
    pid: int | None
    rss: int | None
    port: int


@dataclass(frozen=True)
class Target:
    """One of Prometheus' targets."""

    job: str
    instance: str
    health: str
    error: str


@dataclass
class Status:
    """The stack at one moment."""

    environment: str
    supervisor: bool
    components: list[Row] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {"well": self.well, **asdict(self)}


def read(stack: Stack) -> Status:
    """Look at everything that was deployed."""
    supervisor = Supervisor(stack)
    if not supervisor.running:
        return Status(
            stack.environment, False, problems=[f"nothing runs in environment {stack.environment!r}: type `deploy`"]
        )
    info = supervisor.info()
    deployed = [component for component in COMPONENTS if component.name in info]
    status = Status(stack.environment, True)
    status.components = asyncio.run(_rows(stack, deployed, info))
    status.problems = [f"{row.name}: {row.problem}" for row in status.components if row.problem]
    prometheus = next((row for row in status.components if row.name == "prometheus" and row.ready), None)
    if prometheus:
        status.targets, problem = targets(prometheus.port)
        status.problems += [problem] if problem else []
        status.problems += [
            f"target {t.job} ({t.instance}) is {t.health}: {t.error}" for t in status.targets if t.health != "up"
        ]
    return status


async def _rows(stack: Stack, components: Sequence[Component], info: dict[str, ProcessInfo]) -> list[Row]:
    names = {component.name for component in components}
    return list(
        await asyncio.gather(*(_row(stack, component, info[component.name], names) for component in components))
    )


async def _row(stack: Stack, component: Component, info: ProcessInfo, deployed: set[str]) -> Row:
    port = component.port(stack)
    if info.state is not State.RUNNING:
        why = f"is {info.state}" + (f" ({info.spawn_error})" if info.spawn_error else "")
        return Row(component.name, info.state, False, why, None, None, None, port)
    probe = probe_of(component, deployed)
    # Asked a second time before it is called unwell: one slow answer on a busy machine is no news.
    answer = await probe(stack, port) and await probe(stack, port)
    problem = f"runs but is not ready: {answer}" if answer else None
    return Row(component.name, info.state, answer is None, problem, info.since, info.pid, _rss(info.pid), port)


def _rss(pid: int) -> int | None:
    try:
        process = psutil.Process(pid)
        return sum(_resident(p) for p in [process, *process.children(recursive=True)])
    except psutil.Error:
        return None


def _resident(process: psutil.Process) -> int:
    """Resident bytes, shared pages split among those that share them (PostgreSQL's buffers would count many times)."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)


def targets(port: int) -> tuple[list[Target], str | None]:
    """Prometheus' active targets, and what kept us from reading them."""
    try:
        answer = httpx.get(
            f"http://127.0.0.1:{port}/api/v1/targets?state=active", timeout=TARGET_SECONDS, trust_env=False
        )
        rows = answer.raise_for_status().json()["data"]["activeTargets"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return [], f"prometheus does not tell its targets: {error}"
    found = [Target(r["labels"]["job"], r["labels"]["instance"], r["health"], r["lastError"]) for r in rows]
    return sorted(found, key=lambda target: (target.job, target.instance)), None


def wait_for_targets(port: int, seconds: float) -> list[Target]:
    """Wait until every target is up, at most so long; returns those that are not."""
    deadline = time.monotonic() + seconds
    while True:
        found, problem = targets(port)
        down = [target for target in found if target.health != "up"]
        if (found and not down and not problem) or time.monotonic() > deadline:
            return down
        time.sleep(0.25)
