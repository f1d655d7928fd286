"""The systemd journal, read through ``journalctl`` (its stable JSON output), with its cursor as position."""

import asyncio
import json
import logging
import shutil
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytake.embedded.promtail.entry import Entry, Ticket
from pytake.embedded.promtail.pipeline import Pipeline
from pytake.embedded.promtail.positions import Positions
from pytake.embedded.promtail.relabel import Rule, relabel, visible
from pytake.embedded.promtail.settings import Journal
from pytake.embedded.promtail.sources.base import Source, TargetView, wait_while
from pytake.telemetry import catalog_embedded as catalog

log = logging.getLogger("promtail.journal")
PRIORITIES = ("emerg", "alert", "crit", "error", "warning", "notice", "info", "debug")
MAX_ENTRY = 4 * 1024 * 1024


@dataclass(slots=True)
class _Place:
    """An entry on its way."""

    cursor: str
    done: bool = False


class JournalSource(Source):
    """Entries of the journal."""

    def __init__(
        self, job: str, config: Journal, rules: Sequence[Rule], pipeline: Pipeline, positions: Positions,
        busy: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._job, self._config, self._rules, self._pipeline = job, config, rules, pipeline
        self._positions, self._busy = positions, busy
        self._key = f"journal-{job}"
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._why_not = ""
        self._under_way: deque[_Place] = deque()

    async def start(self) -> None:
        """Follow the journal; without ``journalctl`` the target is there and not ready."""
        if (journalctl := shutil.which("journalctl")) is None:
            self._why_not = "journalctl is not installed (Debian: apt-get install systemd)"
            catalog.PROMTAIL_TARGETS_FAILED.inc(reason="journal")
            log.warning("journal_unavailable", extra={"reason": self._why_not})
            return
        self._task = asyncio.create_task(self._run(journalctl), name=f"journal-{self._job}")

    async def stop(self) -> None:
        """End journalctl."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def views(self) -> list[TargetView]:
        """One row."""
        details = {"path": self._config.path or "default"} | ({"reason": self._why_not} if self._why_not else {})
        return [TargetView("Journal", self._job, not self._why_not, self._config.labels, self._config.labels, details)]

    def command(self, journalctl: str) -> list[str]:
        """The journalctl command line."""
        # --no-tail: following would begin at the last ten entries, also after a cursor
        words = [journalctl, "--output=json", "--follow", "--no-tail", "--all"]
        if self._config.path:
            words.append(f"--directory={self._config.path}")
        if cursor := self._positions.get_text(self._key):
            words.append(f"--after-cursor={cursor}")
        else:
            words.append(f"--since=-{int(self._config.max_age)}s")
        return words + self._config.matches.split()

    async def _run(self, journalctl: str) -> None:
        while True:
            process = await asyncio.create_subprocess_exec(
                *self.command(journalctl), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
                limit=MAX_ENTRY,
            )  # fmt: skip
            assert process.stdout is not None
            try:
                async for raw in process.stdout:
                    await wait_while(self._busy)
                    self._take(raw)
            finally:
                if process.returncode is None:
                    process.terminate()
                await process.wait()
            await asyncio.sleep(1)

    def _take(self, raw: bytes) -> None:
        try:
            data = json.loads(raw)
        except ValueError:
            return
        fields = {name: text for name, value in data.items() if (text := _text(value)) is not None}
        base = dict(self._config.labels)
        for name, value in fields.items():
            base[f"__journal_{name.lower()}"] = value
        priority = fields.get("PRIORITY", "")
        if priority.isdigit() and int(priority) < len(PRIORITIES):
            base["__journal_priority_keyword"] = PRIORITIES[int(priority)]
        labels = relabel(self._rules, base)
        cursor = fields.get("__CURSOR", "")
        if labels is None:
            return
        at = fields.get("__REALTIME_TIMESTAMP", "")
        line = json.dumps(fields, sort_keys=True) if self._config.json_ else fields.get("MESSAGE", "")
        place = _Place(cursor)
        self._under_way.append(place)
        ticket = Ticket(lambda: self._done(place))
        ticket.remaining += 1
        self._pipeline.push([Entry(visible(labels), int(at) * 1000 if at.isdigit() else time.time_ns(), line, ticket)])
        ticket.settle()

    def _done(self, place: _Place) -> None:
        """The position moves over entries delivered without a gap: several tenants may overtake each other."""
        place.done = True
        last = ""
        while self._under_way and self._under_way[0].done:
            last = self._under_way.popleft().cursor
        if last:
            self._positions.put_text(self._key, last)


def _text(value: object) -> str | None:
    """A field's text; journalctl writes what is not UTF-8 as a list of bytes, and None for what is too large."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, int) and 0 <= item < 256 for item in value):
        return bytes(value).decode(errors="replace")
    return None
