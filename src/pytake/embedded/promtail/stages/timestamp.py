"""The ``timestamp`` stage and Go's time layouts (``2006-01-02T15:04:05.000Z07:00``) as regular expressions."""

import calendar
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pytake.embedded.promtail.entry import Entry, text
from pytake.embedded.promtail.stages.base import Context, Options, Stage

NAMED_LAYOUTS = {
    "ANSIC": "Mon Jan _2 15:04:05 2006",
    "UnixDate": "Mon Jan _2 15:04:05 MST 2006",
    "RubyDate": "Mon Jan 02 15:04:05 -0700 2006",
    "RFC822": "02 Jan 06 15:04 MST",
    "RFC822Z": "02 Jan 06 15:04 -0700",
    "RFC850": "Monday, 02-Jan-06 15:04:05 MST",
    "RFC1123": "Mon, 02 Jan 2006 15:04:05 MST",
    "RFC1123Z": "Mon, 02 Jan 2006 15:04:05 -0700",
    "RFC3339": "2006-01-02T15:04:05Z07:00",
    "RFC3339Nano": "2006-01-02T15:04:05.999999999Z07:00",
}
UNIX_SCALE = {"Unix": 1_000_000_000, "UnixMs": 1_000_000, "UnixUs": 1_000, "UnixNs": 1}
_MONTHS = {name.lower(): i for i, name in enumerate(calendar.month_abbr) if name}
_MONTH = "|".join(name for name in calendar.month_name if name)
_MONTH3 = "|".join(name for name in calendar.month_abbr if name)
_DAY = "|".join(calendar.day_name)
_DAY3 = "|".join(calendar.day_abbr)
# Longest first: Go reads the layout in this order.
_TOKENS: list[tuple[str, str]] = [
    ("January", f"(?P<month_name>{_MONTH})"), ("Monday", f"(?:{_DAY})"), ("Jan", f"(?P<month_name>{_MONTH3})"),
    ("Mon", f"(?:{_DAY3})"), ("MST", r"(?P<zone>[A-Z]{3,5})"), ("2006", r"(?P<year>\d{4})"),
    ("Z07:00", r"(?P<offset>Z|[+-]\d\d:\d\d)"), ("Z0700", r"(?P<offset>Z|[+-]\d{4})"),
    ("-07:00", r"(?P<offset>[+-]\d\d:\d\d)"), ("-0700", r"(?P<offset>[+-]\d{4})"), ("-07", r"(?P<offset>[+-]\d\d)"),
    ("01", r"(?P<month>\d\d)"), ("02", r"(?P<day>\d\d)"), ("03", r"(?P<hour12>\d\d)"), ("04", r"(?P<minute>\d\d)"),
    ("05", r"(?P<second>\d\d)(?P<fraction>[.,]\d+)?"), ("06", r"(?P<year2>\d\d)"), ("15", r"(?P<hour>\d\d)"),
    ("PM", r"(?P<ampm>AM|PM)"), ("pm", r"(?P<ampm>am|pm)"), ("_2", r"(?P<day>[ \d]\d)"), ("1", r"(?P<month>\d{1,2})"),
    ("2", r"(?P<day>\d{1,2})"), ("3", r"(?P<hour12>\d{1,2})"), ("4", r"(?P<minute>\d{1,2})"),
    ("5", r"(?P<second>\d{1,2})(?P<fraction>[.,]\d+)?"),
]  # fmt: skip
_FRACTION = re.compile(r"[.,](0+|9+)(?!\d)")
FUDGE_CACHE = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEYOND_MICROSECONDS = re.compile(r"\d{1,3}")


def compile_layout(layout: str, zone: ZoneInfo | None = None) -> Callable[[str], int]:
    """A function from text in Go's ``layout`` to Unix nanoseconds; it raises :class:`ValueError` on other text."""
    if layout in UNIX_SCALE:
        return _unix(UNIX_SCALE[layout])
    pattern = re.compile(_pattern(NAMED_LAYOUTS.get(layout, layout)))

    def parse(value: str) -> int:
        match = pattern.fullmatch(value.strip())
        if match is None:
            raise ValueError(f"{value!r} is not of the form {layout!r}")
        return _assemble(match.groupdict(), zone)

    return parse


def _unix(scale: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        whole, dot, fraction = value.partition(".")
        number = int(whole) * scale
        if dot:
            digits = len(str(scale)) - 1
            number += int(fraction[:digits].ljust(digits, "0") or "0")
        return number

    return parse


def _pattern(layout: str) -> str:
    parts: list[str] = []
    position = 0
    while position < len(layout):
        if parts and parts[-1].startswith("(?P<second>") and (match := _FRACTION.match(layout, position)):
            position = match.end()  # the seconds take any fraction, as Go's parser does
            continue
        for token, pattern in _TOKENS:
            if layout.startswith(token, position):
                parts.append(pattern)
                position += len(token)
                break
        else:
            parts.append(re.escape(layout[position]))
            position += 1
    return "".join(parts)


def _assemble(found: dict[str, str | None], zone: ZoneInfo | None) -> int:
    now = datetime.now(UTC)
    year = int(found.get("year") or (f"20{found['year2']}" if found.get("year2") else 0))
    month = int(found.get("month") or _MONTHS.get((found.get("month_name") or "")[:3].lower(), 1))
    hour = int(found.get("hour") or 0)
    if found.get("hour12"):
        hour = int(found["hour12"] or 0) % 12 + (12 if (found.get("ampm") or "").upper() == "PM" else 0)
    fraction = (found.get("fraction") or "")[1:10].ljust(9, "0")
    moment = datetime(
        year or now.year, month, int(found.get("day") or 1), hour, int(found.get("minute") or 0),
        int(found.get("second") or 0), tzinfo=zone or UTC,
    )  # fmt: skip
    offset = found.get("offset")
    if offset and offset != "Z":
        digits = offset[1:].replace(":", "").ljust(4, "0")
        seconds = (int(digits[:2]) * 60 + int(digits[2:])) * 60
        epoch = calendar.timegm(moment.timetuple()) - (seconds if offset[0] == "+" else -seconds)
    elif offset == "Z" or found.get("zone") in ("UTC", "GMT"):
        epoch = calendar.timegm(moment.timetuple())
    else:
        epoch = int(moment.timestamp())
    if not year and epoch > time.time() + 86_400:  # syslog's layout has no year: December's lines come in January
        return _assemble({**found, "year": str(now.year - 1)}, zone)
    return epoch * 1_000_000_000 + int(fraction)


class Timestamp(Stage):
    """``timestamp``: the entry's time from an extracted value."""

    def __init__(self, options: Options, context: Context) -> None:
        self._source = str(options.need("source"))
        layout = str(options.need("format"))
        zone = None
        if location := options.take("location"):
            try:
                zone = ZoneInfo(str(location))
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise options.fail(f"location {location!r} is not a time zone") from error
        self._parsers = [compile_layout(item, zone) for item in (layout, *options.take("fallback_formats", []))]
        self._fudge = options.take("action_on_failure", "fudge")
        if self._fudge not in ("fudge", "skip"):
            raise options.fail(f"action_on_failure is fudge or skip, not {self._fudge!r}")
        self._iso = layout in ("RFC3339", "RFC3339Nano")
        self._last: dict[tuple[tuple[str, str], ...], int] = {}
        options.close()

    def run(self, entries: list[Entry]) -> list[Entry]:
        """Set the time; where that fails, just after the stream's last one (``fudge``) or as it was (``skip``)."""
        for entry in entries:
            value = text(entry.extracted.get(self._source))
            ts = self._parse(value) if value is not None else None
            if self._fudge == "fudge":
                key = tuple(entry.labels.items())
                if ts is None:
                    ts = self._last[key] + 1 if key in self._last else None
                if ts is not None:
                    if len(self._last) > FUDGE_CACHE:
                        self._last.clear()
                    self._last[key] = ts
            if ts is not None:
                entry.ts = ts
        return entries

    def _parse(self, value: str) -> int | None:
        if self._iso and (ts := fast_rfc3339(value)) is not None:
            return ts
        for parser in self._parsers:
            try:
                return parser(value)
            except (ValueError, OverflowError):
                continue
        return None


def fast_rfc3339(value: str) -> int | None:
    """Unix nanoseconds of RFC 3339 text with a zone, or ``None`` where it is not of that form."""
    if len(value) < 20 or value[10] != "T":
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    since = moment - _EPOCH
    nanoseconds = since.microseconds * 1000
    if len(value) > 27 and value[19] == "." and (digits := _BEYOND_MICROSECONDS.match(value, 26)):
        nanoseconds += int(digits[0].ljust(3, "0"))
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + nanoseconds
