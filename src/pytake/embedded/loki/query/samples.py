"""What a sample of lines shows: detected fields with their types, and patterns of lines."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from pytake.embedded.loki.store.fields import flatten, label_of

_LOGFMT = re.compile(r'([A-Za-z_][\w.\-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_DURATION = re.compile(r"-?(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")
_BYTES = re.compile(r"\d+(?:\.\d+)?\s?(?:B|[kKMGT]i?B)")
_NUMBER = re.compile(r"-?\d+")
_FLOAT = re.compile(r"-?\d+\.\d+(?:[eE][+-]?\d+)?")
_TOKEN = re.compile(r'[\s=,:;"\[\](){}]+|[^\s=,:;"\[\](){}]+')
MAX_PATTERNS = 300


@dataclass(slots=True)
class DetectedField:
    """A field that lines have."""

    parsers: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    paths: list[str] | None = None

    @property
    def kind(self) -> str:
        """Loki's name of the type that all values have."""
        for name, pattern in (
            ("boolean", re.compile("true|false")),
            ("int", _NUMBER),
            ("float", _FLOAT),
            ("duration", _DURATION),
            ("bytes", _BYTES),
        ):
            if self.values and all(pattern.fullmatch(value) for value in self.values):
                return name
        return "string"


def fields_of(entries: Iterable[Any]) -> dict[str, DetectedField]:
    """Fields of lines (JSON, logfmt) and of their structured metadata."""
    found: dict[str, DetectedField] = {}
    for entry in entries:
        for name, value in (*entry.metadata, *entry.parsed):
            found.setdefault(name, DetectedField()).values.add(value)
        for parser, label, value, path in _of_line(entry.line):
            item = found.setdefault(label, DetectedField())
            item.parsers.add(parser)
            item.values.add(value)
            if path and item.paths is None:
                item.paths = path
    return found


def _of_line(line: str) -> Iterable[tuple[str, str, str, list[str] | None]]:
    if line.startswith("{"):
        try:
            parsed = orjson.loads(line)
        except orjson.JSONDecodeError:
            return
        for path, value in flatten(parsed):
            shown = value if isinstance(value, str) else orjson.dumps(value).decode()
            yield "json", label_of(path), shown, list(path)
        return
    for name, value in _LOGFMT.findall(line):
        if value:
            yield "logfmt", label_of((name,)), value.strip('"'), None


def fields_answer(found: dict[str, DetectedField], limit: int) -> list[dict[str, Any]]:
    """The list that ``detected_fields`` answers with."""
    return [
        {
            "label": name,
            "type": item.kind,
            "cardinality": len(item.values),
            "parsers": sorted(item.parsers) or None,
            **({"jsonPath": item.paths} if item.paths else {}),
        }
        for name, item in sorted(found.items())[:limit]
    ]


@dataclass(slots=True)
class _Cluster:
    tokens: list[str]
    times: dict[int, int] = field(default_factory=lambda: defaultdict(int))


def patterns(entries: Sequence[Any], step: int) -> list[dict[str, Any]]:
    """Patterns of lines (``<_>`` where they differ) with counts a step; at most :data:`MAX_PATTERNS`."""
    groups: dict[tuple[int, str], list[_Cluster]] = defaultdict(list)
    made = 0
    for entry in entries:
        tokens = ["<_>" if any(c.isdigit() for c in token) else token for token in _TOKEN.findall(entry.line[:2000])]
        if not tokens:
            continue
        bucket = groups[len(tokens), tokens[0]]
        cluster = next((item for item in bucket if _similar(item.tokens, tokens)), None)
        if cluster is None:
            if made >= MAX_PATTERNS:
                continue
            made += 1
            cluster = _Cluster(tokens)
            bucket.append(cluster)
        else:
            cluster.tokens = [a if a == b else "<_>" for a, b in zip(cluster.tokens, tokens, strict=True)]
        cluster.times[entry.ts // step * step // 10**9] += 1
    clusters = [item for bucket in groups.values() for item in bucket]
    clusters.sort(key=lambda item: -sum(item.times.values()))
    return [
        {"pattern": _join(item.tokens), "samples": [[ts, count] for ts, count in sorted(item.times.items())]}
        for item in clusters
    ]


def _similar(left: list[str], right: list[str]) -> bool:
    same = sum(1 for a, b in zip(left, right, strict=True) if a == b)
    return same >= 0.7 * len(left)


def _join(tokens: list[str]) -> str:
    return re.sub(r"(?:<_>){2,}", "<_>", "".join(tokens))
