"""Query parameters as Loki reads them: times in four forms, durations, limits, directions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import ceil, isnan
from typing import Any

from pytake.embedded.common.config import ConfigError, parse_duration
from pytake.embedded.loki.errors import RequestError

SECOND = 1_000_000_000
Params = Mapping[str, Sequence[str]]
_RFC3339 = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d+))?(Z|[+-]\d{2}:\d{2})")


def one(params: Params, name: str, default: str = "") -> str:
    """The first value of a parameter."""
    values = params.get(name)
    return values[0] if values else default


def parse_time(value: str) -> int:
    """Nanoseconds of: integer nanoseconds (or seconds, up to ten digits), seconds with a fraction, RFC 3339."""
    match = _RFC3339.fullmatch(value)
    if match:
        try:
            whole = int(datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00")).timestamp())
        except ValueError:
            raise RequestError(400, f'parsing time "{value}": out of range') from None
        return whole * SECOND + int((match[2] or "0")[:9].ljust(9, "0"))
    try:
        if "." in value or "e" in value.lower():
            whole_text, _, fraction = value.partition(".")
            if "e" in value.lower() or not fraction.isdigit():
                return int(float(value) * SECOND)
            return int(whole_text or "0") * SECOND + int(fraction[:9].ljust(9, "0"))
        number = int(value)
    except (ValueError, OverflowError):
        raise RequestError(400, f'could not parse "{value}" as a timestamp') from None
    return number * SECOND if len(value.lstrip("-")) <= 10 else number


def parse_step(value: str, name: str = "step") -> int:
    """Nanoseconds of a duration or of seconds."""
    try:
        return int(float(value) * SECOND)
    except ValueError:
        try:
            return int(parse_duration(value) * SECOND)
        except ConfigError:
            raise RequestError(400, f'cannot parse "{value}" to a valid duration') from None


def bounds(params: Params, now: int, default: int) -> tuple[int, int]:
    """``start`` and ``end`` (``since`` counts back from the end); ``default`` is the usual length."""
    end = parse_time(one(params, "end")) if one(params, "end") else now
    since = one(params, "since")
    length = parse_step(since, "since") if since else default
    start = parse_time(one(params, "start")) if one(params, "start") else min(end, now) - length
    return start, end


def parse_limit(params: Params, default: int, most: int) -> int:
    """``limit``, at most ``most`` (0: no cap)."""
    value = one(params, "limit")
    try:
        limit = int(value) if value else default
    except ValueError:
        raise RequestError(400, f'strconv.Atoi: parsing "{value}": invalid syntax') from None
    if limit < 0:
        raise RequestError(400, "limit must be a positive value")
    if 0 < most < limit:
        raise RequestError(
            400, f"max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {most})"
        )
    return limit


def forward(params: Params) -> bool:
    """Whether ``direction`` is ``forward``."""
    value = one(params, "direction", "backward").lower()
    if value not in ("forward", "backward", ""):
        raise RequestError(400, f"invalid direction '{value}'")
    return value == "forward"


@dataclass(frozen=True, slots=True)
class RangeParams:
    """What ``query_range`` was asked."""

    query: str
    start: int
    end: int
    step: int
    interval: int
    forward: bool


def range_params(params: Params, now: int) -> RangeParams:
    """Parameters of ``query_range``, checked as Loki does."""
    start, end = bounds(params, now, 3600 * SECOND)
    if end <= start:
        raise RequestError(400, "end timestamp must not be before or equal to start time")
    value = one(params, "step")
    step = parse_step(value) if value else max(1, ceil((end - start) / SECOND / 250)) * SECOND
    if step <= 0:
        raise RequestError(
            400, "zero or negative query resolution step widths are not accepted. Try a positive integer"
        )
    if (end - start) // step > 11000:
        raise RequestError(
            400,
            "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step "
            "parameter",
        )
    interval = parse_step(one(params, "interval"), "interval") if one(params, "interval") else 0
    if interval < 0:
        raise RequestError(400, "interval must be >= 0")
    return RangeParams(one(params, "query"), start, end, step, interval, forward(params))


def duration_text(seconds: float) -> str:
    """A duration as Go's model.Duration prints it: ``30d1h``."""
    left = int(seconds)
    parts = []
    for unit, size in (("y", 31536000), ("w", 604800), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if left >= size and not (unit in ("y", "w") and left % size):
            parts.append(f"{left // size}{unit}")
            left %= size
    return "".join(parts) or "0s"


def number_text(value: float) -> str:
    """A sample's value as Go's ``strconv.FormatFloat(v, 'f', -1, 64)``."""
    if isnan(value):
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    plain = repr(float(value))
    if "e" in plain:
        plain = format(Decimal(plain), "f")
    return plain.removesuffix(".0")


def seconds(ns: int) -> int | float:
    """A sample's time: seconds, with milliseconds where there are any."""
    return ns // SECOND if ns % SECOND == 0 else round(ns / SECOND, 3)


def labels_dict(labels: Sequence[tuple[str, str]]) -> dict[str, str]:
    """A label set as JSON has it."""
    return dict(labels)


Json = dict[str, Any]
