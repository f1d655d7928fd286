"""Which alert hides which, by Alertmanager's inhibit rules, so that a drill keeps them apart."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MATCHER = re.compile(r'^\s*(?P<label>\w+)\s*(?P<op>=~|!~|!=|=)\s*"(?P<value>.*)"\s*$')


@dataclass(frozen=True)
class _Matcher:
    label: str
    op: str
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        own = labels.get(self.label, "")
        same = re.fullmatch(self.value, own) is not None if "~" in self.op else own == self.value
        return same != self.op.startswith("!")


class Inhibition:
    """Rules that hold over the whole environment; those bound to one number or host are left to the scenarios."""

    def __init__(self, configuration: Mapping[str, Any], alerts: Mapping[str, Mapping[str, str]]) -> None:
        self._alerts = alerts
        self._rules = [
            (_matchers(rule["source_matchers"]), _matchers(rule["target_matchers"]))
            for rule in configuration.get("inhibit_rules", [])
            if set(rule.get("equal", [])) <= {"environment"}
        ]

    def hides(self, source: str, target: str) -> bool:
        """Whether ``source``, firing, holds ``target`` back."""
        one, other = self._labels(source), self._labels(target)
        return source != target and any(
            all(m.matches(one) for m in sources) and all(m.matches(other) for m in targets)
            for sources, targets in self._rules
        )

    def _labels(self, alert: str) -> dict[str, str]:
        return {"alertname": alert, **self._alerts.get(alert, {})}


def _matchers(texts: list[str]) -> list[_Matcher]:
    found = [_MATCHER.match(text) for text in texts]
    return [_Matcher(match["label"], match["op"], match["value"]) for match in found if match]
