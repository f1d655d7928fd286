"""The agent: sources, pipelines and clients of one configuration, started and stopped together."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from pytake.embedded.promtail.client import Client
from pytake.embedded.promtail.entry import Entry, settle_all
from pytake.embedded.promtail.pipeline import Pipeline, StreamLimit
from pytake.embedded.promtail.positions import Positions
from pytake.embedded.promtail.relabel import compile_rules
from pytake.embedded.promtail.settings import PromtailSettings, Scrape
from pytake.embedded.promtail.sources.base import Source, TargetView
from pytake.embedded.promtail.sources.files import FileSource
from pytake.embedded.promtail.sources.journal import JournalSource
from pytake.embedded.promtail.sources.push import PushSource
from pytake.embedded.promtail.sources.syslog import SyslogSource
from pytake.embedded.promtail.stages import Context, build_stages
from pytake.telemetry import catalog_embedded as catalog

TICK = 0.1
Output = Callable[[list[Entry]], None]


@dataclass
class Agent:
    """Everything that runs. ``output`` replaces the clients in a dry run."""

    settings: PromtailSettings
    positions: Positions
    output: Output | None = None
    custom_metrics: CollectorRegistry = field(default_factory=CollectorRegistry)
    clients: list[Client] = field(init=False, default_factory=list)
    pipelines: list[Pipeline] = field(init=False, default_factory=list)
    sources: list[Source] = field(init=False, default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Build; raises :class:`ConfigError` naming the faulty place."""
        if self.output is None:
            self.clients = [Client(client) for client in self.settings.all_clients]
        limit = self.settings.limits_config.max_streams
        streams = StreamLimit(limit) if limit else None
        for number, scrape in enumerate(self.settings.scrape_configs):
            self._add(scrape, f"scrape_configs[{number}]", streams)

    def _add(self, scrape: Scrape, where: str, streams: StreamLimit | None) -> None:
        context = Context(scrape.job_name, time.time, self.custom_metrics, dry_run=self.output is not None)
        stages = build_stages(scrape.pipeline_stages, f"{where}.pipeline_stages", context)
        pipeline = Pipeline(scrape.job_name, stages, self.settings.limits_config, self.send, time.time, streams)
        self.pipelines.append(pipeline)
        rules = compile_rules(scrape.relabel_configs, f"{where}.relabel_configs")
        job = scrape.job_name
        if scrape.static_configs or scrape.file_sd_configs:
            self.sources.append(FileSource(scrape, self.settings, rules, pipeline, self.positions, self.busy))
        if scrape.syslog:
            self.sources.append(SyslogSource(job, scrape.syslog, rules, pipeline, self.busy))
        if scrape.loki_push_api:
            self.sources.append(PushSource(job, scrape.loki_push_api, rules, pipeline, self.busy))
        if scrape.journal:
            self.sources.append(JournalSource(job, scrape.journal, rules, pipeline, self.positions, self.busy))

    def busy(self) -> bool:
        """Whether sources should wait for the clients."""
        return any(client.busy for client in self.clients)

    def send(self, entries: list[Entry]) -> None:
        """Hand processed entries to every client."""
        if self.output is not None:
            self.output(entries)
            settle_all(entries)
            return
        for entry in entries:
            for ticket in entry.tickets:
                ticket.remaining += len(self.clients) - 1
        for client in self.clients:
            client.push(entries)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run until the block ends; then deliver what was read and write the positions."""
        await self.start()
        try:
            yield
        finally:
            await self.stop()

    async def start(self) -> None:
        """Start clients, then sources."""
        self._tasks = [asyncio.create_task(client.run(), name=f"client-{client.host}") for client in self.clients]
        for source in self.sources:
            await source.start()
        self._tasks.append(asyncio.create_task(self._tick(), name="tick"))

    async def stop(self) -> None:
        """Stop sources, deliver, write positions."""
        for source in self.sources:
            await source.stop()
        for pipeline in self.pipelines:
            pipeline.tick(force=True)
        for client in self.clients:
            await client.drain(self.settings.server.graceful_shutdown_timeout / 3)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.positions.sync()

    async def _tick(self) -> None:
        synced = time.monotonic()
        while True:
            await asyncio.sleep(TICK)
            for pipeline in self.pipelines:
                pipeline.tick()
            for client in self.clients:
                client.tick()
            views = self.views()
            catalog.PROMTAIL_TARGETS_ACTIVE.set(len(views))
            catalog.PROMTAIL_FILES_ACTIVE.set(sum(view.kind == "File" for view in views))
            if time.monotonic() - synced >= self.settings.positions.sync_period:
                synced = time.monotonic()
                self.positions.sync()

    def views(self) -> list[TargetView]:
        """All targets."""
        return [view for source in self.sources for view in source.views()]

    def ready(self) -> bool:
        """Whether at least one target is active."""
        return any(view.ready for view in self.views())
