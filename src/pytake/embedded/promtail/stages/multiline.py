"""Stages that join lines: multiline, cri (with partial lines), docker."""

from dataclasses import dataclass

import orjson
import re2

from pytake.embedded.common.config import parse_duration
from pytake.embedded.promtail.entry import Entry
from pytake.embedded.promtail.stages.base import Context, Options, PerEntry, Stage, regex
from pytake.embedded.promtail.stages.timestamp import fast_rfc3339

Key = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Block:
    """Lines of one stream that belong together so far."""

    entry: Entry
    lines: list[str]
    since: float

    def finish(self) -> Entry:
        """The block as one entry: the first line's time and labels, all lines."""
        if len(self.lines) > 1:
            self.entry.line = "\n".join(self.lines)
        return self.entry


class Multiline(Stage):
    """``multiline``: a block begins at a line that ``firstline`` matches and ends before the next one."""

    def __init__(self, options: Options, context: Context) -> None:
        self._first = regex(str(options.need("firstline")), options)
        self._wait = parse_duration(options.take("max_wait_time", "3s"))
        self._most = int(options.take("max_lines", 128))
        self._clock = context.clock
        self._blocks: dict[Key, Block] = {}
        options.close()

    def run(self, entries: list[Entry]) -> list[Entry]:
        """Give finished blocks."""
        result: list[Entry] = []
        now = self._clock()
        for entry in entries:
            key = tuple(entry.labels.items())
            block = self._blocks.get(key)
            if block is None or self._first.search(entry.line):
                if block is not None:
                    result.append(block.finish())
                self._blocks[key] = Block(entry, [entry.line], now)
                continue
            block.lines.append(entry.line)
            block.entry.absorb(entry)
            block.since = now
            if len(block.lines) >= self._most:
                result.append(block.finish())
                del self._blocks[key]
        return result

    def flush(self, now: float, *, force: bool = False) -> list[Entry]:
        """Blocks that got no line for ``max_wait_time``."""
        over = [key for key, block in self._blocks.items() if force or now - block.since >= self._wait]
        return [self._blocks.pop(key).finish() for key in over]


class Cri(Stage):
    """``cri``: containerd's and CRI-O's lines, ``<time> <stdout|stderr> <P|F> <text>``; partial lines are joined."""

    _LINE = re2.compile(r"^(?s)(\S+?) (stdout|stderr) (\S+?) (.*)$")

    def __init__(self, options: Options, context: Context) -> None:
        self._most = int(options.take("max_partial_lines", 100))
        size = int(options.take("max_partial_line_size", 0))
        truncate = bool(options.take("max_partial_line_size_truncate", False))
        self._size = size if truncate else 0
        self._partial: dict[Key, Block] = {}
        options.close()

    def run(self, entries: list[Entry]) -> list[Entry]:
        """Give whole lines."""
        result: list[Entry] = []
        for entry in entries:
            match = self._LINE.match(entry.line)
            if match is None:
                result.append(entry)
                continue
            stamp, stream, flags, content = match.groups()
            labels = entry.own_labels()
            labels["stream"] = stream
            entry.extracted.update(stream=stream, flags=flags, timestamp=stamp, content=content)
            entry.ts = fast_rfc3339(stamp) or entry.ts
            key = tuple(labels.items())
            block = self._partial.get(key)
            if block is None:
                block = Block(entry, [content], 0.0)
            else:
                block.lines.append(content)
                block.entry.absorb(entry)
            if "P" in flags and len(block.lines) < self._most:
                self._partial[key] = block
                continue
            self._partial.pop(key, None)
            block.entry.line = "".join(block.lines)
            if self._size and len(block.entry.line) > self._size:
                block.entry.line = block.entry.line[: self._size]
            result.append(block.entry)
        return result

    def flush(self, now: float, *, force: bool = False) -> list[Entry]:
        """Partial lines at the end."""
        if not force:
            return []
        blocks, self._partial = list(self._partial.values()), {}
        for block in blocks:
            block.entry.line = "".join(block.lines)
        return [block.entry for block in blocks]


class Docker(PerEntry):
    """``docker``: the JSON lines of Docker's json-file driver."""

    def __init__(self, options: Options, context: Context) -> None:
        options.close()

    def apply(self, entry: Entry) -> None:
        """Take the log, its stream and its time; other lines stay as they are."""
        try:
            data = orjson.loads(entry.line)
        except ValueError:
            return
        if not isinstance(data, dict) or not isinstance(data.get("log"), str):
            return
        stream, stamp = data.get("stream"), data.get("time")
        entry.extracted.update(output=data["log"], stream=stream, timestamp=stamp)
        if isinstance(stream, str):
            entry.own_labels()["stream"] = stream
        if isinstance(stamp, str):
            entry.ts = fast_rfc3339(stamp) or entry.ts
        entry.line = data["log"].removesuffix("\n")
