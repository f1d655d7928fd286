"""Shorten every duration of the alerting path by one factor, so that a full drill takes minutes.

Scaled: ``for`` and ``keep_firing_for``, range selectors, subqueries and offsets of rules, scrape and evaluation
intervals, Alertmanager's group and repeat intervals. Nothing else of a rule changes, so what is proven is the rule.
Durations follow Prometheus' syntax (querying basics, "Time durations").
"""

import math
import re
from collections.abc import Callable
from typing import Any

UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
MINIMUM_MS = 1000

_DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
# A quoted string is taken whole, so that what looks like a range inside it stays as it is.
_QUOTED_OR_RANGE = re.compile(
    r"""(?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)|(?P<range>\[[^\]"']*\])|(?P<offset>\boffset\s+-?\s*\w+)"""
)
SCRAPE_KEYS = frozenset({"scrape_interval", "scrape_timeout"})
SCRAPE_MINIMUM = "4s"
"""A scrape is not made shorter than this: the PostgreSQL exporter takes three seconds to find its database down."""
SCALED_KEYS = frozenset(
    {
        "for", "keep_firing_for", "interval", "scrape_interval", "scrape_timeout", "evaluation_interval",
        "group_wait", "group_interval", "repeat_interval", "resolve_timeout",
    }
)  # fmt: skip


BURN_MS, BURN_FACTOR = 30 * 60_000, 8
"""Windows of error budgets from half an hour on are divided by so much more: a window of three days would outlast any
drill even at a fifteenth. Their proportions to each other stay."""
AGE_LIMITS = {
    "QueueStuck": 300,
    "PostgresLongTransaction": 300,
    "WhatsAppWebhookDelayed": 300,
    "WhatsAppDeliverySlow": 120,
}
"""Seconds of age that these alerts compare with: lengths of time like any `for`, and divided like one."""


def milliseconds(duration: str) -> int:
    """Length of a Prometheus duration such as ``1h30m``; raises :class:`ValueError` where it is none."""
    if not _DURATION.fullmatch(duration):
        raise ValueError(f"{duration!r} is not a duration such as 30s, 5m or 1h30m")
    return sum(int(number) * UNITS_MS[unit] for number, unit in _PART.findall(duration))


def scale_duration(duration: str, factor: float) -> str:
    """``duration`` divided by ``factor``, whole seconds, not below one second; ``0s`` stays."""
    length = milliseconds(duration)
    if length == 0:
        return duration
    return f"{max(MINIMUM_MS, math.ceil(length / factor / 1000) * 1000) // 1000}s"


def scale_expression(expression: str, factor: float) -> str:
    """A PromQL expression with its ranges, subquery steps and offsets divided by ``factor``."""

    def replace(match: re.Match[str]) -> str:
        if match["quoted"]:
            return match[0]
        return _DURATION.sub(lambda part: scale_duration(part[0], factor), match[0])

    return _QUOTED_OR_RANGE.sub(replace, expression)


def scale_rules(document: Any, factor: float) -> Any:
    """A loaded rules file with its durations, the windows of error budgets and limits of age divided."""
    if factor == 1:
        return document
    for group in document["groups"]:
        budget = str(group["name"]).startswith("slo:")
        for rule in group["rules"]:
            if budget:
                rule["expr"] = _shorter_burns(rule["expr"])
            if limit := AGE_LIMITS.get(rule.get("alert", "")):
                rule["expr"] = re.sub(rf"> {limit}\b", f"> {limit / factor:g}", rule["expr"])
    return scale_document(document, factor)


def _shorter_burns(expression: str) -> str:
    def shorter(part: re.Match[str]) -> str:
        length = milliseconds(part[0])
        return f"{length // BURN_FACTOR}ms" if length >= BURN_MS else part[0]

    return _QUOTED_OR_RANGE.sub(
        lambda match: match[0] if match["quoted"] else _DURATION.sub(shorter, match[0]), expression
    )


def scale_document(document: Any, factor: float) -> Any:
    """A loaded rules file, prometheus.yml or alertmanager.yml with all its durations divided by ``factor``."""
    if factor == 1:
        return document
    if isinstance(document, list):
        return [scale_document(item, factor) for item in document]
    if not isinstance(document, dict):
        return document
    return {key: _scaled(key, value, factor) for key, value in document.items()}


def _scaled(key: str, value: Any, factor: float) -> Any:
    scale: Callable[[str, float], str] | None = None
    if isinstance(value, str) and key in SCRAPE_KEYS:
        return max(scale_duration(value, factor), min(value, SCRAPE_MINIMUM, key=milliseconds), key=milliseconds)
    if isinstance(value, str):
        scale = scale_duration if key in SCALED_KEYS else scale_expression if key == "expr" else None
    return scale(value, factor) if scale and isinstance(value, str) else scale_document(value, factor)
