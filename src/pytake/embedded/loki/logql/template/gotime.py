"""Go's `time.Time` as far as templates see it: layouts written with the reference time, zones, nanoseconds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pytake.embedded.loki.logql.errors import TemplateError

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_LAYOUT = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|-07:00:00|-07:00|-0700|-07|Z07:00:00|Z07:00|Z0700|Z07|002|__2"
    r"|01|02|03|04|05|06|15|_2(?!006)|PM|pm|[.,]0+(?!\d)|[.,]9+(?!\d)|1|2|3|4|5"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class GoTime:
    """An instant (ns since 1970) seen from a zone."""

    ns: int
    zone: tzinfo = UTC

    @property
    def moment(self) -> datetime:
        """The instant in its zone, whole seconds."""
        return (_EPOCH + timedelta(seconds=self.ns // 1_000_000_000)).astimezone(self.zone)

    def format(self, layout: str) -> str:
        """`Time.Format`."""
        moment = self.moment
        return _LAYOUT.sub(lambda found: self._piece(found[0], moment), layout)

    def _piece(self, piece: str, moment: datetime) -> str:
        if piece[0] in ".,":
            nanos = f"{self.ns % 1_000_000_000:09d}"[: len(piece) - 1]
            if piece[1] == "9":
                nanos = nanos.rstrip("0")
                return piece[0] + nanos if nanos else ""
            return piece[0] + nanos
        write = _WRITE.get(piece)
        return write(moment) if write else _offset(piece, moment)

    def __str__(self) -> str:
        return self.format("2006-01-02 15:04:05.999999999 -0700 MST")


_WRITE: dict[str, Callable[[datetime], str]] = {
    "2006": lambda t: f"{t.year:04d}",
    "06": lambda t: f"{t.year % 100:02d}",
    "January": lambda t: _MONTHS[t.month - 1],
    "Jan": lambda t: _MONTHS[t.month - 1][:3],
    "01": lambda t: f"{t.month:02d}",
    "1": lambda t: str(t.month),
    "Monday": lambda t: _DAYS[t.weekday()],
    "Mon": lambda t: _DAYS[t.weekday()][:3],
    "02": lambda t: f"{t.day:02d}",
    "_2": lambda t: f"{t.day:2d}",
    "2": lambda t: str(t.day),
    "002": lambda t: f"{t.timetuple().tm_yday:03d}",
    "__2": lambda t: f"{t.timetuple().tm_yday:3d}",
    "15": lambda t: f"{t.hour:02d}",
    "03": lambda t: f"{(t.hour + 11) % 12 + 1:02d}",
    "3": lambda t: str((t.hour + 11) % 12 + 1),
    "04": lambda t: f"{t.minute:02d}",
    "4": lambda t: str(t.minute),
    "05": lambda t: f"{t.second:02d}",
    "5": lambda t: str(t.second),
    "PM": lambda t: "PM" if t.hour >= 12 else "AM",
    "pm": lambda t: "pm" if t.hour >= 12 else "am",
    "MST": lambda t: t.tzname() or _offset("-0700", t),
}


def _offset(piece: str, moment: datetime) -> str:
    delta = moment.utcoffset() or timedelta()
    total = int(delta.total_seconds())
    if piece[0] == "Z" and total == 0:
        return "Z"
    sign, total = ("-", -total) if total < 0 else ("+", total)
    colon = ":" if ":" in piece else ""
    text = f"{sign}{total // 3600:02d}"
    return text if piece in ("-07", "Z07") else f"{text}{colon}{total // 60 % 60:02d}"


_READ = {
    "2006": r"(?P<year>\d{4})", "06": r"(?P<short_year>\d{2})", "January": rf"(?P<month_name>{'|'.join(_MONTHS)})",
    "Jan": rf"(?P<month_short>{'|'.join(m[:3] for m in _MONTHS)})",
    "01": r"(?P<month>\d{2})", "1": r"(?P<month>\d{1,2})",
    "Monday": f"(?:{'|'.join(_DAYS)})", "Mon": f"(?:{'|'.join(d[:3] for d in _DAYS)})", "02": r"(?P<day>\d{2})",
    "2": r"(?P<day>\d{1,2})", "_2": r"\s?(?P<day>\d{1,2})", "002": r"(?P<yearday>\d{3})",
    "__2": r"\s{0,2}(?P<yearday>\d{1,3})",
    "15": r"(?P<hour>\d{1,2})", "03": r"(?P<hour12>\d{2})", "3": r"(?P<hour12>\d{1,2})", "04": r"(?P<minute>\d{2})",
    "4": r"(?P<minute>\d{1,2})", "05": r"(?P<second>\d{2})(?:[.,](?P<implied>\d{1,9}))?",
    "5": r"(?P<second>\d{1,2})(?:[.,](?P<implied>\d{1,9}))?", "PM": "(?P<half>AM|PM)", "pm": "(?P<half>am|pm)",
    "MST": "(?P<zone>[A-Z]{3,4})",
}  # fmt: skip


def parse_time(layout: str, text: str, zone: tzinfo) -> GoTime:
    """`time.ParseInLocation`; TemplateError where the text is not as the layout says."""
    at, pattern = 0, ""
    for found in _LAYOUT.finditer(layout):
        pattern += re.escape(layout[at : found.start()]) + _reader(found[0])
        at = found.end()
    pattern += re.escape(layout[at:])
    if "(?P<fraction>" in pattern:
        pattern = pattern.replace(r"(?:[.,](?P<implied>\d{1,9}))?", "")
    match = re.fullmatch(pattern, text)
    problem = TemplateError(f'parsing time "{text}" as "{layout}": cannot parse')
    if not match:
        raise problem
    try:
        return _assemble({key: value for key, value in match.groupdict().items() if value is not None}, zone)
    except ValueError:
        raise problem from None


def _reader(piece: str) -> str:
    if piece[0] in ".,":
        return r"(?:[.,](?P<fraction>\d{1,9}))?" if piece[1] == "9" else rf"[.,](?P<fraction>\d{{{len(piece) - 1}}})"
    if piece in _READ:
        return _READ[piece]
    digits = r"[+-]\d{2}" + ("" if piece in ("-07", "Z07") else r":\d{2}" if ":" in piece else r"\d{2}")
    return rf"(?P<offset>Z|{digits})" if piece[0] == "Z" else rf"(?P<offset>{digits})"


def _assemble(got: dict[str, str], zone: tzinfo) -> GoTime:
    year = int(got.get("year", 0)) or (1969 + (int(got["short_year"]) - 69) % 100 if "short_year" in got else 1)
    month = int(got.get("month", 0)) or 1
    if "month_name" in got:
        month = _MONTHS.index(got["month_name"]) + 1
    if "month_short" in got:
        month = [m[:3] for m in _MONTHS].index(got["month_short"]) + 1
    hour = int(got.get("hour", 0))
    if "hour12" in got:
        hour = int(got["hour12"]) % 12
    if got.get("half", "").upper() == "PM" and hour < 12:
        hour += 12
    if "offset" in got:
        zone = _zone_of(got["offset"])
    elif got.get("zone") == "UTC":
        zone = UTC
    moment = datetime(
        year, month, int(got.get("day", 1)), hour, int(got.get("minute", 0)), int(got.get("second", 0)), tzinfo=zone
    )
    if "yearday" in got:
        moment = moment.replace(month=1, day=1) + timedelta(days=int(got["yearday"]) - 1)
    fraction = (got.get("fraction") or got.get("implied") or "").ljust(9, "0")
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    return GoTime(seconds * 1_000_000_000 + int(fraction), zone)


def _zone_of(text: str) -> tzinfo:
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60
    return UTC if seconds == 0 else timezone(timedelta(seconds=-seconds if text[0] == "-" else seconds))


def load_zone(name: str) -> tzinfo:
    """A zone by name; `Local` is the server's."""
    if name in ("UTC", ""):
        return UTC
    if name == "Local":
        return datetime.now().astimezone().tzinfo or UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise TemplateError(f"unknown time zone {name}") from None
