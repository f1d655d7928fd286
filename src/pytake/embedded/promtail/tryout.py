"""``-dry-run``, ``-stdin`` and ``-inspect``: what a configuration would do with real lines, shown and not sent."""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from pytake.embedded.promtail.entry import Entry
from pytake.embedded.promtail.pipeline import Pipeline
from pytake.embedded.promtail.stages import Stage


def print_entries(entries: list[Entry]) -> None:
    """One line an entry: time, labels, line; structured metadata behind, when there is some."""
    for entry in entries:
        stamp = datetime.fromtimestamp(entry.ts // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        labels = ", ".join(f"{name}={json.dumps(value)}" for name, value in sorted(entry.labels.items()))
        metadata = f"\t{dict(entry.metadata)}" if entry.metadata else ""
        print(f"{stamp}.{entry.ts % 1_000_000_000:09d}Z\t{{{labels}}}\t{entry.line}{metadata}")
    sys.stdout.flush()


class Inspected(Stage):
    """A stage that shows what it changed."""

    def __init__(self, stage: Stage, number: int, console: Console) -> None:
        self._stage, self._number, self._console = stage, number, console

    def run(self, entries: list[Entry]) -> list[Entry]:
        """Run the stage on one entry at a time and print the differences."""
        result: list[Entry] = []
        for entry in entries:
            before = _state(entry)
            after = self._stage.run([entry])
            name = f"[{self._number}] {type(self._stage).__name__.removesuffix('Stage').lower()}"
            if not after:
                self._console.print(Text(f"{name}: entry dropped or held", style="yellow"))
            for item in after:
                self._show(name, before, _state(item))
            result += after
        return result

    def flush(self, now: float, *, force: bool = False) -> list[Entry]:
        """What the stage held."""
        return self._stage.flush(now, force=force)

    def _show(self, name: str, before: dict[str, object], after: dict[str, object]) -> None:
        self._console.print(Text(name, style="bold"))
        for key in ("timestamp", "labels", "extracted", "metadata", "line"):
            if before[key] != after[key]:
                self._console.print(Text(f"  {key}", style="cyan"))
                self._console.print(Text(f"    - {before[key]}", style="red"))
                self._console.print(Text(f"    + {after[key]}", style="green"))


def _state(entry: Entry) -> dict[str, object]:
    return {
        "timestamp": entry.ts, "labels": dict(entry.labels), "extracted": dict(entry.extracted),
        "metadata": list(entry.metadata or []), "line": entry.line,
    }  # fmt: skip


def inspected(stages: Sequence[Stage]) -> list[Stage]:
    """Stages that show what they do, on standard error."""
    console = Console(stderr=True, highlight=False)
    return [Inspected(stage, number, console) for number, stage in enumerate(stages)]


def feed(lines: Sequence[str] | None, pipeline: Pipeline, labels: dict[str, str], clock: Callable[[], float]) -> int:
    """Send standard input (or ``lines``) through ``pipeline``; returns how many lines there were."""
    count = 0
    for line in sys.stdin if lines is None else lines:
        pipeline.push([Entry(labels, int(clock() * 1e9), line.rstrip("\r\n"))])
        count += 1
    pipeline.tick(force=True)
    return count
