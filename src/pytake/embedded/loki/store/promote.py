"""Which JSON keys become columns: chosen from what is seen and asked for, never by name.

A key's cost is what its column adds to a line on disk, estimated from a sample: how often it occurs, how long its
values are, how few different ones there are. Cheap keys come first until the budget is spent; keys that queries
asked for count as cheaper. Ids (long, all different) cost more than they give: they are found by the id filter
instead.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import orjson

from pytake.embedded.loki.store.fields import Path, flatten, json_path, label_of

SAMPLE = 512
BUDGET_BYTES = 16.0
MAX_COLUMNS = 16
MAX_PATHS = 2000


@dataclass(slots=True)
class _Key:
    seen: int = 0
    length: int = 0
    values: set[str] = field(default_factory=set)


class Promoter:
    """Remembers the paths of one tenant's lines and what its queries asked for."""

    def __init__(self) -> None:
        self.paths: dict[str, tuple[Path, ...]] = {}
        self._asked: Counter[str] = Counter()

    def learn(self, pairs: Iterable[tuple[str, Path]]) -> None:
        """Remember where labels come from."""
        for label, path in pairs:
            known = self.paths.get(label, ())
            if path not in known and len(self.paths) < MAX_PATHS and len(known) < 4:
                self.paths[label] = (*known, path)

    def asked(self, labels: Iterable[str]) -> None:
        """Count what a query read."""
        self._asked.update(labels)

    def choose(self, lines: Sequence[str]) -> tuple[str, ...]:
        """The labels to promote in a segment that begins like ``lines`` (a sample)."""
        keys: dict[str, _Key] = {}
        total = 0
        for line in lines:
            if not line.startswith("{"):
                continue
            try:
                parsed = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            total += 1
            self._count(parsed, keys)
        return self._cheapest(keys, total) if total else ()

    def _count(self, parsed: dict[str, object], keys: dict[str, _Key]) -> None:
        pairs = []
        for path, value in flatten(parsed):
            if json_path(path) is None:
                continue
            label = label_of(path)
            pairs.append((label, path))
            key = keys.setdefault(label, _Key())
            text = value if isinstance(value, str) else orjson.dumps(value).decode()
            key.seen += 1
            key.length += len(text)
            key.values.add(text)
        self.learn(pairs)

    def _cheapest(self, keys: dict[str, _Key], total: int) -> tuple[str, ...]:
        costs: list[tuple[float, str]] = []
        for label, key in keys.items():
            distinct = len(key.values) / key.seen
            cost = key.seen / total * (0.4 + distinct * key.length / key.seen * 0.6)
            rare = key.seen / total < 0.02
            if self._asked[label]:
                cost /= 4
            elif rare or cost > 6:
                continue
            costs.append((cost, label))
        chosen: list[str] = []
        left = BUDGET_BYTES
        for cost, label in sorted(costs):
            if cost > left or len(chosen) >= MAX_COLUMNS:
                break
            chosen.append(label)
            left -= cost
        return tuple(sorted(chosen))
