"""Parameters of the query API, read as Jaeger reads them (its error texts included)."""

import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from pytake.embedded.common.config import ConfigError, parse_duration
from pytake.embedded.jaeger.metricsquery import KINDS, MAX_POINTS, MetricsQuery
from pytake.embedded.jaeger.search import Query

DEFAULT_LIMIT, MAX_LIMIT = 100, 5000
DEFAULT_LOOKBACK_US = 2 * 86_400 * 1_000_000
_LOGFMT = re.compile(r'\s*([^\s="]+)(?:=("(?:[^"\\]|\\.)*"|[^\s"]*))?(?=\s|$)')
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


class ParameterError(ValueError):
    """A parameter that cannot be used (HTTP 400)."""


class Values:
    """Query parameters; each may come several times."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def get(self, *names: str) -> str:
        """The first value of the first name that has one, else empty."""
        return next((self._values[name][0] for name in names if self._values.get(name)), "")

    def all(self, name: str) -> list[str]:
        """Every value."""
        return self._values.get(name, [])


def trace_id(text: str) -> bytes:
    """16 bytes of 1 to 32 hexadecimal digits; missing leading zeros are added. Raises :class:`ParameterError`."""
    if not 0 < len(text) <= 32:
        raise ParameterError(f"TraceID must be 1 to 32 hexadecimal digits: {text[:64]!r}")
    if not re.fullmatch(r"[0-9a-fA-F]+", text):
        raise ParameterError(f"cannot parse trace id {text!r}: invalid syntax")
    return int(text, 16).to_bytes(16, "big")


def integer(values: Values, name: str, default: int, *, low: int = -(2**63), high: int = 2**63 - 1) -> int:
    """An integer parameter."""
    text = values.get(name)
    if not text:
        return default
    if not re.fullmatch(r"[+-]?\d{1,19}", text) or not low <= int(text) <= high:
        raise ParameterError(f"unable to parse param '{name}': {text[:40]!r} is not a number from {low} to {high}")
    return int(text)


def boolean(values: Values, *names: str) -> bool:
    """A boolean as Go's ``ParseBool`` takes it."""
    text = values.get(*names)
    if text in ("", *_FALSE):
        return False
    if text not in _TRUE:
        raise ParameterError(f"unable to parse param '{names[0]}': {text[:40]!r} is not a boolean")
    return True


def duration_us(values: Values, *names: str) -> int:
    """A Go duration in µs; 0 when absent."""
    text = values.get(*names)
    try:
        return int(parse_duration(text.replace("μ", "µ")) * 1e6) if text else 0
    except (ConfigError, OverflowError):
        raise ParameterError(f"unable to parse param '{names[0]}': invalid duration {text[:40]!r}") from None


def _logfmt(text: str) -> dict[str, str]:
    out, at = {}, 0
    while at < len(text.rstrip()):
        match = _LOGFMT.match(text, at)
        if match is None:
            raise ParameterError(f"malformed 'tags' parameter, neither JSON nor logfmt: {text[:200]!r}")
        value = match.group(2)
        if value is None:
            value = "true"
        elif value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        out[match.group(1)] = value
        at = match.end()
    return out


def tags(values: Values) -> dict[str, str]:
    """``tag=key:value``, ``tags={"key":"value"}``, ``tags=key=value ...`` (logfmt) and ``error=true``."""
    found: dict[str, str] = {}
    for text in values.all("tag"):
        key, colon, value = text.partition(":")
        if not colon:
            raise ParameterError(f"malformed 'tag' parameter, expecting key:value, received: {text[:200]}")
        found[key] = value
    for text in values.all("tags"):
        if not text.lstrip().startswith("{"):
            found |= _logfmt(text)
            continue
        found |= json_tags(text, "tags")
    if values.get("error") and boolean(values, "error"):
        found["error"] = "true"
    return found


def json_tags(text: str, name: str) -> dict[str, str]:
    """A JSON object of texts."""
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ParameterError(f"malformed '{name}' parameter, cannot unmarshal JSON: {error}") from error
    if not isinstance(parsed, dict) or not all(isinstance(value, str) for value in parsed.values()):
        raise ParameterError(f"malformed '{name}' parameter, cannot unmarshal JSON: expected an object of strings")
    return parsed


def now_us() -> int:
    """Now, µs since the epoch."""
    return time.time_ns() // 1000


def search(values: Values) -> Query:
    """Parameters of ``/api/traces``."""
    now = now_us()
    end = integer(values, "end", now)
    lookback = 0 if values.get("lookback") == "custom" else duration_us(values, "lookback")
    start = integer(values, "start", end - (lookback or DEFAULT_LOOKBACK_US))
    return checked(
        service=values.get("service"), operation=values.get("operation"), tags=tags(values), start_us=start, end_us=end,
        limit=integer(values, "limit", DEFAULT_LIMIT), low_us=duration_us(values, "minDuration"),
        high_us=duration_us(values, "maxDuration"),
    )  # fmt: skip


def checked(
    *,
    service: str,
    operation: str,
    tags: dict[str, str],
    start_us: int,
    end_us: int,
    limit: int,
    low_us: int,
    high_us: int,
) -> Query:
    """A query whose values fit together."""
    if not service:
        raise ParameterError("parameter 'service' is required")
    if not 0 < limit <= MAX_LIMIT:
        raise ParameterError(f"invalid parameter: limit must be greater than 0 and at most {MAX_LIMIT}")
    if start_us > end_us:
        raise ParameterError("invalid parameter: start time must be before end time")
    if low_us and high_us and high_us < low_us:
        raise ParameterError("'maxDuration' should be greater than 'minDuration'")
    if operation == "all":
        operation = ""
    return Query(service, operation, tags, start_us, end_us, low_us, high_us or None, limit)


def metrics(values: Values) -> MetricsQuery:
    """Parameters of ``/api/metrics/*`` (times in ms)."""
    services = values.all("service")
    if not services:
        raise ParameterError("unable to parse param 'service': please provide at least one service name")
    kinds = values.all("spanKind") or ["server"]
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise ParameterError(f"unable to parse param 'spanKind': unsupported span kind: '{unknown[0][:40]}'")
    longest = 366 * 86_400_000
    query = MetricsQuery(
        services=tuple(services), kinds=frozenset(KINDS[kind] for kind in kinds),
        by_operation=boolean(values, "groupByOperation"),
        end_us=integer(values, "endTs", now_us() // 1000, low=0, high=2**43) * 1000,
        lookback_us=integer(values, "lookback", 3_600_000, low=1, high=longest) * 1000,
        step_us=integer(values, "step", 5_000, low=1, high=longest) * 1000,
        rate_us=integer(values, "ratePer", 600_000, low=1, high=longest) * 1000,
    )  # fmt: skip
    if query.points + query.steps_in_window > MAX_POINTS:
        raise ParameterError(f"unable to parse param 'step': more than {MAX_POINTS} points; use a longer step")
    return query


def rfc3339_us(text: str, name: str) -> int:
    """µs of an RFC 3339 time. Raises :class:`ParameterError`."""
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    except ValueError as error:
        raise ParameterError(f"malformed parameter {name}: {error}") from error
    if moment.tzinfo is None:
        raise ParameterError(f"malformed parameter {name}: a time needs its zone, for example ...Z")
    return int(moment.timestamp() * 1e6)


def search_v3(fields: Mapping[str, Any]) -> Query:
    """A search from the fields of ``TraceQueryParameters`` (camelCase or snake_case)."""
    plain = {re.sub(r"[A-Z]", lambda m: f"_{m.group().lower()}", name): value for name, value in fields.items()}
    low, high = plain.get("start_time_min"), plain.get("start_time_max")
    if not low or not high:
        raise ParameterError("query.start_time_min and query.start_time_max are required")
    values = Values(
        [(f"query.{name}", str(plain[name])) for name in ("duration_min", "duration_max") if plain.get(name)]
    )
    attributes = plain.get("attributes") or {}
    if isinstance(attributes, str):
        attributes = json_tags(attributes, "query.attributes")
    depth = str(plain.get("search_depth") or plain.get("num_traces") or DEFAULT_LIMIT)
    return checked(
        service=str(plain.get("service_name") or ""), operation=str(plain.get("operation_name") or ""),
        tags={str(key): str(value) for key, value in attributes.items()},
        start_us=rfc3339_us(str(low), "query.start_time_min"), end_us=rfc3339_us(str(high), "query.start_time_max"),
        limit=integer(Values([("query.search_depth", depth)]), "query.search_depth", DEFAULT_LIMIT),
        low_us=duration_us(values, "query.duration_min"), high_us=duration_us(values, "query.duration_max"),
    )  # fmt: skip
