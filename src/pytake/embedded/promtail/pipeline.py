"""From a source's lines to the clients: stages, limits, label clean-up. One pipeline a scrape configuration."""

import sys
from collections.abc import Callable, Sequence

from pytake.embedded.promtail.entry import Entry
from pytake.embedded.promtail.settings import Limits
from pytake.embedded.promtail.stages import Stage
from pytake.embedded.promtail.stages.base import drop, flush_stages, run_stages
from pytake.embedded.promtail.stages.flow import Bucket

Send = Callable[[list[Entry]], None]


class Pipeline:
    """Runs entries through the stages and hands what is left to ``send``."""

    def __init__(
        self, job: str, stages: Sequence[Stage], limits: Limits, send: Send, clock: Callable[[], float],
        streams: "StreamLimit | None" = None,
    ) -> None:  # fmt: skip
        self.job = job
        self._stages = stages
        self._limits = limits
        self._send = send
        self._clock = clock
        self._streams = streams
        self._rate = (
            Bucket(limits.readline_rate, limits.readline_burst, clock()) if limits.readline_rate_enabled else None
        )

    def push(self, entries: list[Entry]) -> None:
        """Process entries of one source in their order."""
        if self._rate is not None:
            entries = self._within_rate(entries)
        if self._limits.max_line_size:
            entries = self._within_size(entries)
        self._forward(run_stages(self._stages, entries))

    def tick(self, *, force: bool = False) -> None:
        """Give up what stages hold and whose time is over."""
        self._forward(flush_stages(self._stages, self._clock(), force=force))

    def _forward(self, entries: list[Entry]) -> None:
        if self._streams is not None:
            entries = self._streams.admit(entries)
        if entries:
            self._send(entries)

    def allowance(self) -> int:
        """Lines that a source may read now: with ``readline_rate_drop: false`` it waits instead of losing lines."""
        if self._rate is None or self._limits.readline_rate_drop:
            return sys.maxsize
        return self._rate.available(self._clock())

    def _within_rate(self, entries: list[Entry]) -> list[Entry]:
        assert self._rate is not None
        now = self._clock()
        kept = []
        for entry in entries:
            if self._rate.allow(now) or not self._limits.readline_rate_drop:
                kept.append(entry)
            else:
                drop(entry, "readline_rate")
        return kept

    def _within_size(self, entries: list[Entry]) -> list[Entry]:
        kept, most = [], self._limits.max_line_size
        for entry in entries:
            raw = entry.line.encode()
            if len(raw) <= most:
                kept.append(entry)
            elif self._limits.max_line_size_truncate:
                entry.line = raw[:most].decode(errors="ignore")
                kept.append(entry)
            else:
                drop(entry, "line_too_long")
        return kept


class StreamLimit:
    """``max_streams``: entries of streams beyond the limit are dropped."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[tuple[tuple[str, str], ...]] = set()

    def admit(self, entries: list[Entry]) -> list[Entry]:
        """Entries of streams that are within the limit."""
        kept = []
        for entry in entries:
            key = tuple(sorted(entry.labels.items()))
            if key in self._known or len(self._known) < self._most:
                self._known.add(key)
                kept.append(entry)
            else:
                drop(entry, "max_streams")
        return kept
