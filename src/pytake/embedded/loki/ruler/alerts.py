"""Alerts: pending, firing, resolved; their texts; and what an Alertmanager is told."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pytake.embedded.loki import logql
from pytake.embedded.loki.api.params import number_text
from pytake.embedded.loki.logql.template import Template
from pytake.embedded.loki.ruler.rules import Rule

KEEP_RESOLVED = 900.0
RESEND = 60.0
_HUMANIZED = re.compile(r"\$value\s*\|\s*(humanize\w*)|(humanize\w*)\s+\$value")

LabelSet = tuple[tuple[str, str], ...]


def humanize(kind: str, value: float) -> str:
    """Prometheus' ``humanize``, ``humanize1024``, ``humanizePercentage``, ``humanizeDuration``."""
    if kind == "humanizePercentage":
        return f"{value * 100:.4g}%"
    if kind == "humanizeDuration":
        if abs(value) < 60:
            return f"{value:.4g}s"
        seconds = int(abs(value))
        parts: list[str] = []
        for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
            if seconds >= size or parts or unit == "s":
                parts.append(f"{seconds // size}{unit}")
                seconds %= size
        return ("-" if value < 0 else "") + " ".join(parts)
    base, units = (1024, ("", "ki", "Mi", "Gi", "Ti")) if kind == "humanize1024" else (1000, ("", "k", "M", "G", "T"))
    for unit in units:
        if abs(value) < base:
            return f"{value:.4g}{unit}"
        value /= base
    return f"{value:.4g}P"


def render(text: str, labels: Mapping[str, str], value: float) -> str:
    """A label's or annotation's text with ``$labels`` and ``$value`` filled in; a mistake is shown in the text."""
    if "{{" not in text:
        return text
    text = _HUMANIZED.sub(lambda match: f'"{humanize(match[1] or match[2], value)}"', text)
    head = "{{ $labels := .Labels }}{{ $value := .Value }}{{ $externalLabels := .ExternalLabels }}"
    data: Any = {"Labels": dict(labels), "Value": value, "ExternalLabels": {}}
    try:
        return Template(head + text).render("", 0, data)
    except logql.LogQLError as error:
        return f"<error expanding template: {error}>"


@dataclass(slots=True)
class Alert:
    """One active or lately resolved alert; times in seconds since 1970."""

    labels: dict[str, str]
    annotations: dict[str, str]
    value: float
    active_at: float
    firing_at: float | None = None
    resolved_at: float | None = None
    keep_until: float | None = None
    sent_at: float = 0.0

    @property
    def state(self) -> str:
        """``pending``, ``firing`` or ``inactive``."""
        if self.resolved_at is not None:
            return "inactive"
        return "pending" if self.firing_at is None else "firing"


@dataclass(slots=True)
class AlertingState:
    """The alerts of one rule."""

    rule: Rule
    alerts: dict[LabelSet, Alert] = field(default_factory=dict)

    def update(self, samples: Iterable[tuple[LabelSet, float]], now: float) -> None:
        """Take the result of an evaluation."""
        seen: set[LabelSet] = set()
        for labels, value in samples:
            base = dict(labels)
            extra = {name: render(text, base, value) for name, text in self.rule.labels.items()}
            full = {**base, **extra, "alertname": self.rule.alert}
            key = tuple(sorted(full.items()))
            seen.add(key)
            texts = {name: render(text, base, value) for name, text in self.rule.annotations.items()}
            alert = self.alerts.get(key)
            if alert is None or alert.resolved_at is not None:
                alert = self.alerts[key] = Alert(full, texts, value, now)
            alert.value, alert.annotations, alert.keep_until = value, texts, None
            if alert.firing_at is None and now - alert.active_at >= self.rule.hold:
                alert.firing_at = now
        for key, alert in list(self.alerts.items()):
            if key not in seen:
                self._absent(key, alert, now)

    def _absent(self, key: LabelSet, alert: Alert, now: float) -> None:
        if alert.resolved_at is not None:
            if now - alert.resolved_at > KEEP_RESOLVED:
                del self.alerts[key]
        elif alert.firing_at is None:
            del self.alerts[key]
        elif self.rule.keep_firing and (alert.keep_until is None or now < alert.keep_until):
            alert.keep_until = alert.keep_until or now + self.rule.keep_firing
        else:
            alert.resolved_at = now

    @property
    def state(self) -> str:
        """The worst state of the rule's alerts."""
        states = {alert.state for alert in self.alerts.values()}
        return "firing" if "firing" in states else "pending" if "pending" in states else "inactive"

    def to_send(self, now: float) -> list[Alert]:
        """Alerts that an Alertmanager must hear of now."""
        due = [
            alert
            for alert in self.alerts.values()
            if alert.firing_at is not None
            and (now - alert.sent_at >= RESEND or (alert.resolved_at or 0) > alert.sent_at)
        ]
        for alert in due:
            alert.sent_at = now
        return due


def rfc3339(at: float) -> str:
    """A time for the Alertmanager."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def message(alert: Alert, now: float, interval: float, external: Mapping[str, str], url: str) -> dict[str, Any]:
    """An alert in the form of Alertmanager's API v2."""
    ends = alert.resolved_at if alert.resolved_at is not None else now + 4 * max(RESEND, interval)
    return {
        "labels": {**external, **alert.labels},
        "annotations": alert.annotations,
        "startsAt": rfc3339(alert.firing_at or alert.active_at),
        "endsAt": rfc3339(ends),
        "generatorURL": url,
    }


def shown(alert: Alert) -> dict[str, Any]:
    """An alert in the form of Prometheus' API."""
    return {
        "labels": alert.labels,
        "annotations": alert.annotations,
        "state": alert.state,
        "activeAt": rfc3339(alert.active_at),
        "value": number_text(alert.value),
    }
