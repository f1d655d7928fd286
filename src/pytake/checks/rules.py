"""The rule files of ``monitoring/prometheus/rules`` as objects that know the file and line they stand on."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
MONITORING = ROOT / "monitoring"
RULES = MONITORING / "prometheus" / "rules"
TESTS = MONITORING / "prometheus" / "tests"
RUNBOOKS = ROOT / "docs" / "runbooks"


class RuleFileError(ValueError):
    """A rule file cannot be read; the message starts with file and line."""


class _LineLoader(yaml.SafeLoader):
    """Keeps the line of every mapping under ``__line__``."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        mapping["__line__"] = node.start_mark.line + 1
        return mapping


@dataclass(frozen=True)
class Rule:
    """One recording or alerting rule."""

    file: Path
    line: int
    group: str
    name: str
    alert: bool
    expr: str
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    hold: str = "0s"
    interval: str | None = None

    @property
    def where(self) -> str:
        """``file:line name``, for messages."""
        return f"{self.file.name}:{self.line} {self.name}"


def _strip(mapping: dict[str, Any] | None) -> dict[str, str]:
    return {k: str(v) for k, v in (mapping or {}).items() if k != "__line__"}


def load_file(path: Path) -> list[Rule]:
    """Rules of one file in order; raises :class:`RuleFileError` where it is not a rule file."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _LineLoader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise RuleFileError(f"{path}: {error}") from error
    return list(_rules(path, document))


def _rules(path: Path, document: Any) -> Iterator[Rule]:
    for group in (document or {}).get("groups", []):
        for raw in group.get("rules", []):
            line = raw.get("__line__", 0)
            name = raw.get("alert") or raw.get("record")
            if not name or "expr" not in raw:
                raise RuleFileError(f"{path}:{line}: a rule needs 'alert' or 'record', and 'expr'")
            yield Rule(
                file=path,
                line=line,
                group=group["name"],
                name=name,
                alert="alert" in raw,
                expr=str(raw["expr"]),
                labels=_strip(raw.get("labels")),
                annotations=_strip(raw.get("annotations")),
                hold=str(raw.get("for", "0s")),
                interval=group.get("interval"),
            )


def load(folder: Path = RULES) -> list[Rule]:
    """Rules of all files of a folder, files in order of their names."""
    return [rule for path in sorted(folder.glob("*.yml")) for rule in load_file(path)]


def alerts(rules: list[Rule]) -> list[Rule]:
    """The alerting rules."""
    return [rule for rule in rules if rule.alert]


def recordings(rules: list[Rule]) -> list[Rule]:
    """The recording rules."""
    return [rule for rule in rules if not rule.alert]
