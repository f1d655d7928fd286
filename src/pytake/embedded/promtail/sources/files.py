"""The file source: globs to files, relabelling, one tail a file."""

import asyncio
import glob
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from pytake.embedded.promtail.pipeline import Pipeline
from pytake.embedded.promtail.positions import Positions
from pytake.embedded.promtail.relabel import Rule, relabel, visible
from pytake.embedded.promtail.settings import PromtailSettings, Scrape, StaticConfig
from pytake.embedded.promtail.sources.base import Source, TargetView
from pytake.embedded.promtail.sources.compressed import CompressedFile
from pytake.embedded.promtail.sources.tail import Tail
from pytake.telemetry import catalog_embedded as catalog

log = logging.getLogger("promtail.files")
_BRACES = re.compile(r"\{([^{}]*)\}")
MAX_CHUNKS = 16
"""Chunks of one file in a row before the others get their turn."""

BUSY_WAIT = 0.005
"""Seconds until the clients are asked again whether they have room."""


class FileSource(Source):
    """All files of one scrape configuration."""

    def __init__(
        self, scrape: Scrape, settings: PromtailSettings, rules: Sequence[Rule], pipeline: Pipeline,
        positions: Positions, busy: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._scrape = scrape
        self._settings = settings
        self._rules = rules
        self._pipeline = pipeline
        self._positions = positions
        self._busy = busy
        self._tails: dict[str, Tail | CompressedFile] = {}
        self._rest: list[Tail] = []
        self._dropped: dict[str, TargetView] = {}
        self._discovered: dict[str, dict[str, str]] = {}
        self._task: asyncio.Task[None] | None = None
        self._named_at = 0.0
        self._named: list[StaticConfig] = []

    async def start(self) -> None:
        """Find files and follow them."""
        self.discover()
        self._task = asyncio.create_task(self._run(), name=f"files-{self._scrape.job_name}")

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for tail in [*self._tails.values(), *self._rest]:
            tail.close()

    async def _run(self) -> None:
        watch, sync = self._settings.global_.file_watch_config, self._settings.target_config.sync_period
        looked = time.monotonic()
        while True:
            if time.monotonic() - looked >= sync:
                looked = time.monotonic()
                self.discover()
            more = await self.poll()
            await asyncio.sleep(0 if more else watch.min_poll_frequency)

    async def poll(self) -> bool:
        """Read each file once round; ``True`` when some have more."""
        more = False
        for tail in [*self._tails.values(), *self._rest]:
            for _ in range(MAX_CHUNKS):
                if self._busy():
                    await asyncio.sleep(BUSY_WAIT)  # not a poll's time: the clients have room in milliseconds
                    return True
                if self._pipeline.allowance() <= 0:
                    return False
                try:
                    again = tail.poll()
                except OSError as error:
                    log.warning("file_unreadable", extra={"path": tail.path, "reason": str(error)})
                    tail.close()
                    tail.finished = True
                    again = False
                if not again:
                    break
                more = True
                await asyncio.sleep(0)
            if tail.finished:
                self._forget(tail)
        return more

    def _forget(self, tail: Tail | CompressedFile) -> None:
        if isinstance(tail, Tail):
            if tail in self._rest:
                self._rest.remove(tail)
            else:
                del self._tails[tail.path]

    def discover(self) -> None:
        """Expand globs; follow what is new."""
        found: set[str] = set()
        for config in self._configs():
            for path in expand(config.labels.get("__path__", ""), config.labels.get("__path_exclude__", "")):
                found.add(path)
                if path not in self._tails and path not in self._dropped:
                    self._follow(path, config.labels)
        self._dropped = {path: view for path, view in self._dropped.items() if path in found}

    def _configs(self) -> Iterator[StaticConfig]:
        yield from self._scrape.static_configs
        if not self._scrape.file_sd_configs:
            return
        refresh = min(config.refresh_interval for config in self._scrape.file_sd_configs)
        if not self._named_at or time.monotonic() - self._named_at >= refresh:
            self._named_at = time.monotonic()
            self._named = [item for config in self._scrape.file_sd_configs for item in read_file_sd(config.files)]
        yield from self._named

    def _follow(self, path: str, configured: dict[str, str]) -> None:
        base = {"job": self._scrape.job_name, **configured, "filename": path, "__path__": path}
        labels = relabel(self._rules, base)
        if labels is None:
            self._dropped[path] = TargetView(
                "File", self._scrape.job_name, False, {}, base, {"reason": "dropped by relabelling"}
            )
            return
        encoding = self._scrape.encoding or "utf-8"
        try:
            if self._scrape.decompression and self._scrape.decompression.enabled:
                self._tails[path] = CompressedFile(
                    path, visible(labels), self._pipeline, self._positions, self._scrape.decompression, encoding
                )
            else:
                tail = Tail(path, visible(labels), self._pipeline, self._positions, encoding=encoding)
                if (rest := tail.resume()) is not None:
                    self._rest.append(rest)
                self._tails[path] = tail
        except OSError as error:
            catalog.PROMTAIL_TARGETS_FAILED.inc(reason="open")
            log.warning("file_unreadable", extra={"path": path, "reason": str(error)})
            return
        self._discovered[path] = base

    def views(self) -> list[TargetView]:
        """One row a file."""
        return [
            TargetView(
                "File", self._scrape.job_name, True, tail.labels, self._discovered.get(path, {}),
                {"path": path, "position": str(tail.position)},
            )
            for path, tail in sorted(self._tails.items())
        ]  # fmt: skip

    def dropped(self) -> list[TargetView]:
        """Files that relabelling dropped."""
        return list(self._dropped.values())


def expand(pattern: str, exclude: str = "") -> list[str]:
    """Regular files that the glob matches (``**``, ``{a,b}``), without those that ``exclude`` matches."""
    if not pattern:
        return []
    without = {path for part in braces(exclude) for path in glob.glob(part, recursive=True)} if exclude else set()
    paths = {path for part in braces(pattern) for path in glob.glob(part, recursive=True)}
    return sorted(path for path in paths - without if os.path.isfile(path))


def braces(pattern: str) -> list[str]:
    """``a{b,c}`` as ``ab`` and ``ac``."""
    match = _BRACES.search(pattern)
    if match is None:
        return [pattern]
    return [
        whole
        for choice in match[1].split(",")
        for whole in braces(pattern[: match.start()] + choice + pattern[match.end() :])
    ]


def read_file_sd(patterns: Sequence[str]) -> list[StaticConfig]:
    """Static configurations from JSON or YAML files; a faulty file is logged and left out."""
    found: list[StaticConfig] = []
    for path in sorted({path for pattern in patterns for path in glob.glob(pattern)}):
        try:
            text = Path(path).read_text(encoding="utf-8")
            data = json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
            found += [StaticConfig.model_validate(item) for item in data or []]
        except (OSError, ValueError, TypeError, yaml.YAMLError, ValidationError) as error:
            log.error("file_sd_unreadable", extra={"path": path, "reason": str(error)})
    return found
