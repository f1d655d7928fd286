"""Relabelling as Prometheus does it (configuration page, ``relabel_config``)."""

import hashlib
import re
from collections.abc import Sequence

import re2

from pytake.embedded.common.config import ConfigError
from pytake.embedded.promtail.settings import Relabel

_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\d+|\w+)|\$)")
ACTIONS = frozenset(
    {"replace", "keep", "drop", "labelmap", "labeldrop", "labelkeep", "hashmod", "lowercase", "uppercase",
     "keepequal", "dropequal"}
)  # fmt: skip


class Rule:
    """One compiled rule."""

    def __init__(self, config: Relabel, where: str) -> None:
        self.action = config.action.lower()
        if self.action not in ACTIONS:
            raise ConfigError(f"{where}.action: unknown relabel action {config.action!r}")
        if self.action in ("replace", "hashmod", "lowercase", "uppercase") and not config.target_label:
            raise ConfigError(f"{where}: action {self.action} needs target_label")
        if self.action == "hashmod" and config.modulus < 1:
            raise ConfigError(f"{where}: hashmod needs a modulus of at least 1")
        self._config = config
        try:
            self._regex = re2.compile(f"^(?s:{config.regex})$")
        except re2.error as error:
            raise ConfigError(f"{where}.regex: {error}") from error

    def apply(self, labels: dict[str, str]) -> bool:  # noqa: PLR0912 (one branch an action, as the page lists them)
        """Change ``labels``; ``False`` drops the target."""
        config, match = self._config, None
        value = config.separator.join(labels.get(name, "") for name in config.source_labels)
        match self.action:
            case "keep":
                return self._regex.match(value) is not None
            case "drop":
                return self._regex.match(value) is None
            case "keepequal":
                return labels.get(config.target_label, "") == value
            case "dropequal":
                return labels.get(config.target_label, "") != value
            case "replace":
                if (match := self._regex.match(value)) is not None:
                    self._set(labels, _expand(config.target_label, match), _expand(config.replacement, match))
            case "lowercase":
                self._set(labels, config.target_label, value.lower())
            case "uppercase":
                self._set(labels, config.target_label, value.upper())
            case "hashmod":
                digest = hashlib.md5(value.encode(), usedforsecurity=False).digest()
                self._set(labels, config.target_label, str(int.from_bytes(digest[8:], "big") % config.modulus))
            case "labelmap":
                for name in list(labels):
                    if (match := self._regex.match(name)) is not None:
                        labels[_expand(config.replacement, match)] = labels[name]
            case "labeldrop":
                for name in [name for name in labels if self._regex.match(name)]:
                    del labels[name]
            case "labelkeep":
                for name in [name for name in labels if not self._regex.match(name)]:
                    del labels[name]
        return True

    @staticmethod
    def _set(labels: dict[str, str], name: str, value: str) -> None:
        if value:
            labels[name] = value
        else:
            labels.pop(name, None)


def _expand(template: str, match: "re2._Match") -> str:
    """Go's ``Regexp.Expand``: ``$1``, ``${name}``, ``$$``; an unknown group is empty."""

    def group(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        try:
            return match.group(int(name) if name.isdigit() else name) or ""
        except (IndexError, KeyError, re2.error):
            return ""

    return _REFERENCE.sub(group, template)


def compile_rules(configs: Sequence[Relabel], where: str) -> list[Rule]:
    """Compile rules; raises :class:`ConfigError` naming the faulty one."""
    return [Rule(config, f"{where}[{number}]") for number, config in enumerate(configs)]


def relabel(rules: Sequence[Rule], labels: dict[str, str]) -> dict[str, str] | None:
    """Labels after all rules, or ``None`` where one drops the target."""
    result = dict(labels)
    for rule in rules:
        if not rule.apply(result):
            return None
    return result


def visible(labels: dict[str, str]) -> dict[str, str]:
    """Without the labels that begin with ``__``."""
    return {name: value for name, value in labels.items() if not name.startswith("__")}
