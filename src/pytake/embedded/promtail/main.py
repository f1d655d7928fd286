"""``pytake-promtail``: Promtail's flags, then the agent with its HTTP API."""

import asyncio
import signal
import sys
import time
from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry

from pytake.embedded.common.config import ConfigError
from pytake.embedded.common.goflags import Flag, parse_or_exit
from pytake.embedded.common.serving import PortTakenError, bind, serve
from pytake.embedded.promtail.agent import Agent
from pytake.embedded.promtail.app import Api
from pytake.embedded.promtail.pipeline import Pipeline
from pytake.embedded.promtail.positions import Positions, PositionsError
from pytake.embedded.promtail.settings import Client, PromtailSettings, Scrape, load
from pytake.embedded.promtail.stages import Context, build_stages
from pytake.embedded.promtail.tryout import feed, inspected, print_entries
from pytake.telemetry.setup import configure

VERSION = "3.5.0"
FLAGS = {
    "config.file": Flag("", "File with the configuration (promtail.yml)."),
    "config.expand-env": Flag(False, "Replace ${VAR} and ${VAR:-default} in the file by the environment's values."),
    "check-syntax": Flag(False, "Read the configuration, say whether it is right, and end."),
    "dry-run": Flag(False, "Print entries instead of sending them; positions stay as they are."),
    "inspect": Flag(False, "Show what each stage changes (with -dry-run or -stdin)."),
    "stdin": Flag(False, "Read lines from standard input through the first scrape configuration's stages."),
    "print-config-stderr": Flag(False, "Print the configuration with its defaults to standard error."),
    "version": Flag(False, "Print the version and end."),
    "server.http-listen-address": Flag("", "Address of the HTTP listener, instead of the file's."),
    "server.http-listen-port": Flag(-1, "Port of the HTTP listener, instead of the file's."),
    "server.disable": Flag(False, "Do not listen."),
    "client.url": Flag("", "Push address, instead of the file's clients."),
    "positions.file": Flag("", "Positions file, instead of the file's."),
    "log.level": Flag("", "Level of the log, instead of the file's."),
}


def main(argv: list[str] | None = None) -> None:
    """Run; exits 0 after a clean stop, 1 on a faulty configuration or a taken port, 2 on a wrong flag."""
    flags = parse_or_exit("pytake-promtail", "Ships log lines to Loki; reads Promtail's configuration.", FLAGS, argv)
    if flags["version"]:
        print(f"promtail, version {VERSION} (embedded, PyTake)")
        return
    try:
        settings = _settings(flags)
        if flags["check-syntax"]:
            _check(settings)
            print("Valid config file! No syntax issues found")
            return
        if flags["print-config-stderr"]:
            print(yaml.safe_dump(settings.model_dump(mode="json", by_alias=True), sort_keys=False), file=sys.stderr)
        if flags["stdin"]:
            _run_stdin(settings, dry_run=bool(flags["dry-run"]), inspect=bool(flags["inspect"]))
            return
        _run(settings, flags)
    except (ConfigError, PositionsError, PortTakenError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None


def _settings(flags: dict[str, bool | int | float | str]) -> PromtailSettings:
    path = str(flags["config.file"])
    if not path:
        raise ConfigError("no configuration: give one with -config.file=promtail.yml")
    settings = load(Path(path), expand=bool(flags["config.expand-env"]))
    server = settings.server
    if flags["server.http-listen-address"]:
        server.http_listen_address = str(flags["server.http-listen-address"])
    if int(flags["server.http-listen-port"]) >= 0:
        server.http_listen_port = int(flags["server.http-listen-port"])
    server.disable = server.disable or bool(flags["server.disable"])
    if flags["client.url"]:
        settings.client, settings.clients = None, [Client(url=str(flags["client.url"]))]
    if flags["positions.file"]:
        settings.positions.filename = Path(str(flags["positions.file"]))
    if flags["log.level"]:
        server.log_level = str(flags["log.level"])
    if not settings.all_clients and not flags["dry-run"]:
        raise ConfigError(f"{path}: at least one client config must be provided")
    return settings


def _check(settings: PromtailSettings) -> None:
    Agent(settings, Positions(Path("/nonexistent/positions.yaml"), read_only=True), output=lambda _: None)


def _agent(settings: PromtailSettings, *, dry_run: bool = False) -> Agent:
    positions = Positions(
        settings.positions.filename, ignore_invalid=settings.positions.ignore_invalid_yaml, read_only=dry_run
    )
    return Agent(settings, positions, output=print_entries if dry_run else None)


def _run(settings: PromtailSettings, flags: dict[str, bool | int | float | str]) -> None:
    dry_run = bool(flags["dry-run"])
    telemetry = configure("promtail")
    agent = _agent(settings, dry_run=dry_run)
    try:
        if settings.server.disable or dry_run:
            asyncio.run(_until_signal(agent))
        else:
            sock = bind(settings.server.http_listen_address, settings.server.http_listen_port)
            serve(Api(agent, lambda: _agent(_settings(flags))).app(), sock)
    finally:
        telemetry.shutdown()


async def _until_signal(agent: Agent) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with agent.running():
        await stopped.wait()


def _run_stdin(settings: PromtailSettings, *, dry_run: bool, inspect: bool) -> None:
    scrape = settings.scrape_configs[0] if settings.scrape_configs else Scrape(job_name="stdin")
    context = Context(scrape.job_name, time.time, CollectorRegistry(), dry_run=dry_run)
    stages = build_stages(scrape.pipeline_stages, "scrape_configs[0].pipeline_stages", context)
    labels = {"job": scrape.job_name}
    for config in scrape.static_configs[:1]:
        labels |= {name: value for name, value in config.labels.items() if not name.startswith("__")}
    if inspect:
        stages = inspected(stages)
    if dry_run:
        feed(
            None, Pipeline(scrape.job_name, stages, settings.limits_config, print_entries, time.time), labels, time.time
        )
        return
    asyncio.run(_ship_stdin(settings, scrape, labels))


async def _ship_stdin(settings: PromtailSettings, scrape: Scrape, labels: dict[str, str]) -> None:
    bare = settings.model_copy(update={"scrape_configs": [scrape.model_copy(update={"static_configs": []})]})
    agent = Agent(bare, Positions(Path("/nonexistent/positions.yaml"), read_only=True))
    async with agent.running():
        await asyncio.to_thread(feed, None, agent.pipelines[0], labels, time.time)


if __name__ == "__main__":
    main()
