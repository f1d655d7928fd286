"""Go's durations and go-humanize's byte sizes, as query literals and as label values."""

from __future__ import annotations

import re

NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
LONG_NS = NS | {"d": 24 * NS["h"], "w": 7 * 24 * NS["h"], "y": 365 * 24 * NS["h"]}

_GO_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_LONG_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w|y)")
MAX_INT64 = 2**63 - 1

_BYTES = re.compile(r"\s*([0-9.,]+)\s*([A-Za-z]*)\s*")
BYTE_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgtpe", start=1):
    BYTE_UNITS |= {_letter: 1000**_power, f"{_letter}b": 1000**_power}
    BYTE_UNITS |= {f"{_letter}i": 1024**_power, f"{_letter}ib": 1024**_power}


def _sum_parts(text: str, part: re.Pattern[str], units: dict[str, int]) -> int | None:
    sign, body = (-1, text[1:]) if text[:1] == "-" else (1, text[1:] if text[:1] == "+" else text)
    if body == "0":
        return 0
    position, total = 0, 0
    while position < len(body):
        found = part.match(body, position)
        if not found:
            return None
        whole, _, fraction = found[1].partition(".")
        unit = units[found[2]]
        total += int(whole or 0) * unit
        if fraction:
            total += int(int(fraction) * unit // 10 ** len(fraction))
        position = found.end()
    if position == 0 or total > MAX_INT64:
        return None
    return sign * total


def parse_go_duration(text: str) -> int | None:
    """Nanoseconds of Go's `time.ParseDuration`, None where that fails."""
    return _sum_parts(text, _GO_PART, NS)


def parse_duration(text: str) -> int | None:
    """Nanoseconds of a duration in a query: Go's units and Prometheus' `d`, `w`, `y`; None where it is none."""
    return _sum_parts(text, _LONG_PART, LONG_NS)


def format_duration(ns: int) -> str:
    """The shortest exact form that `parse_duration` reads back: `5m`, `1h30m`, `1m1.5s` as `1m1s500ms`."""
    if ns == 0:
        return "0s"
    parts, rest = [], abs(ns)
    for unit in ("h", "m", "s", "ms", "us", "ns"):
        count, rest = divmod(rest, NS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if ns < 0 else "") + "".join(parts)


def go_duration_string(ns: int) -> str:
    """Go's `Duration.String`: `1h30m0s`, `1.5s`, `100ms`, `1µs`."""
    if ns == 0:
        return "0s"
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    if ns < NS["s"]:
        unit = "ms" if ns >= NS["ms"] else "µs" if ns >= NS["us"] else "ns"
        return f"{sign}{_decimal(ns, NS[unit])}{unit}"
    hours, rest = divmod(ns, NS["h"])
    minutes, rest = divmod(rest, NS["m"])
    seconds = f"{_decimal(rest, NS['s'])}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else sign + seconds


def _decimal(value: int, unit: int) -> str:
    whole, fraction = divmod(value, unit)
    if not fraction:
        return str(whole)
    return f"{whole}.{str(fraction).rjust(len(str(unit)) - 1, '0').rstrip('0')}"


def parse_bytes(text: str) -> int | None:
    """Bytes of go-humanize's `ParseBytes`: `42MB`, `1.5KiB`, `20 b`, `1,000`; None where that fails."""
    found = _BYTES.fullmatch(text)
    if not found:
        return None
    unit = BYTE_UNITS.get(found[2].lower())
    try:
        number = float(found[1].replace(",", ""))
    except ValueError:
        return None
    if unit is None or number * unit >= 2**64:
        return None
    return int(number * unit)


_FLOAT = re.compile(
    r"[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|0[xX](?:[0-9a-fA-F]+(?:\.[0-9a-fA-F]*)?|\.[0-9a-fA-F]+)[pP][+-]?\d+"
    r"|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?|[nN][aA][nN])"
)


def parse_float(text: str) -> float | None:
    """The number of Go's `strconv.ParseFloat(text, 64)`, None where that fails (overflow included)."""
    if not _FLOAT.fullmatch(text):
        return None
    if "x" in text or "X" in text:
        try:
            return float.fromhex(text)
        except (ValueError, OverflowError):
            return None
    value = float(text)
    if value in (float("inf"), float("-inf")) and "n" not in text.lower():
        return None
    return value
