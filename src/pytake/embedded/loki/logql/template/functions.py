"""The functions that Loki documents for its templates, and Go's own."""

from __future__ import annotations

import base64
import binascii
import html
import json
import math
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pytake.embedded.loki.logql import regex
from pytake.embedded.loki.logql.errors import TemplateError
from pytake.embedded.loki.logql.template.gotime import GoTime, load_zone, parse_time
from pytake.embedded.loki.logql.template.printf import sprintf
from pytake.embedded.loki.logql.template.values import go_type, show, to_float, to_int, to_text, truth, wrap
from pytake.embedded.loki.logql.units import parse_bytes, parse_go_duration


@dataclass(frozen=True, slots=True)
class Function:
    """A function and how many arguments it takes (`most` None: any number)."""

    name: str
    run: Callable[..., Any]
    least: int
    most: int | None

    def check(self, count: int) -> None:
        """TypeError with Go's words where the number of arguments is wrong."""
        if count < self.least or (self.most is not None and count > self.most):
            want = str(self.least) if self.most == self.least else f"at least {self.least}"
            raise TypeError(f"wrong number of args for {self.name}: want {want} got {count}")


FUNCTIONS: dict[str, Function] = {}


def _add(name: str, run: Callable[..., Any], least: int, most: int | None = -1) -> None:
    FUNCTIONS[name] = Function(name, run, least, least if most == -1 else most)


def _strings(run: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: run(*[to_text(arg) for arg in args])


# -------------------------------------------------------------------------------------------------------------- text
def _title(text: str) -> str:
    return "".join(
        c.upper() if i == 0 or not (text[i - 1].isalnum() or text[i - 1] in "_'") else c for i, c in enumerate(text)
    )


def _substr(start: Any, end: Any, text: Any) -> str:
    first, last, whole = to_int(start), to_int(end), to_text(text)
    if first < 0:
        return whole[: max(last, 0)]
    return whole[first:] if last < 0 or last > len(whole) else whole[first:last]


def _trunc(count: Any, text: Any) -> str:
    size, whole = to_int(count), to_text(text)
    if size < 0:
        return whole[size:] if len(whole) + size > 0 else whole
    return whole[:size]


def _align(count: Any, text: Any, *, left: bool) -> str:
    size, whole = to_int(count), to_text(text)
    if size < 0:
        return whole
    if len(whole) > size:
        return whole[:size] if left else whole[len(whole) - size :]
    return whole.ljust(size) if left else whole.rjust(size)


def _indent(count: Any, text: Any) -> str:
    pad = " " * to_int(count)
    return pad + to_text(text).replace("\n", "\n" + pad)


def _b64dec(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError) as problem:
        return str(problem)


def _replace_n(text: str, old: str, new: str, count: Any) -> str:
    return to_text(text).replace(to_text(old), to_text(new), to_int(count))


def _default(fallback: Any, *given: Any) -> Any:
    return given[0] if given and truth(given[0]) else fallback


_ONE: dict[str, Callable[..., Any]] = {
    "lower": str.lower, "ToLower": str.lower, "upper": str.upper, "ToUpper": str.upper, "title": _title,
    "trim": str.strip, "TrimSpace": str.strip, "b64enc": lambda s: base64.b64encode(s.encode()).decode(),
    "b64dec": _b64dec,
    "urlencode": urllib.parse.quote_plus, "urldecode": urllib.parse.unquote_plus, "urlquery": urllib.parse.quote_plus,
}  # fmt: skip
_TWO: dict[str, Callable[..., Any]] = {
    "trimAll": lambda chars, s: s.strip(chars) if chars else s, "trimPrefix": lambda p, s: s.removeprefix(p),
    "trimSuffix": lambda p, s: s.removesuffix(p), "contains": lambda part, s: part in s,
    "hasPrefix": lambda p, s: s.startswith(p), "hasSuffix": lambda p, s: s.endswith(p),
    "Trim": lambda s, chars: s.strip(chars) if chars else s,
    "TrimLeft": lambda s, chars: s.lstrip(chars) if chars else s,
    "TrimRight": lambda s, chars: s.rstrip(chars) if chars else s, "TrimPrefix": lambda s, p: s.removeprefix(p),
    "TrimSuffix": lambda s, p: s.removesuffix(p),
}  # fmt: skip
for _name, _run in _ONE.items():
    _add(_name, _strings(_run), 1)
for _name, _run in _TWO.items():
    _add(_name, _strings(_run), 2)
_add("replace", _strings(lambda old, new, s: s.replace(old, new)), 3)
_add("Replace", _replace_n, 4)
_add("substr", _substr, 3)
_add("trunc", _trunc, 2)
_add("alignLeft", lambda count, s: _align(count, s, left=True), 2)
_add("alignRight", lambda count, s: _align(count, s, left=False), 2)
_add("indent", _indent, 2)
_add("nindent", lambda count, s: "\n" + _indent(count, s), 2)
_add("repeat", lambda count, s: to_text(s) * to_int(count), 2)
_add("default", _default, 1, 2)


# ------------------------------------------------------------------------------------------------------------ numbers
def _fold_int(step: Callable[[int, int], int]) -> Callable[..., int]:
    def run(first: Any, *rest: Any) -> int:
        total = to_int(first)
        for item in rest:
            total = wrap(step(total, to_int(item)))
        return total

    return run


def _fold_float(step: Callable[[float, float], float]) -> Callable[..., float]:
    def run(first: Any, *rest: Any) -> float:
        total = to_float(first)
        for item in rest:
            total = step(total, to_float(item))
        return total

    return run


def _div(a: Any, b: Any) -> int:
    top, bottom = to_int(a), to_int(b)
    if bottom == 0:
        raise TemplateError("error calling div: runtime error: integer divide by zero")
    quotient = abs(top) // abs(bottom)
    return quotient if (top < 0) == (bottom < 0) else -quotient


def _mod(a: Any, b: Any) -> int:
    if to_int(b) == 0:
        raise TemplateError("error calling mod: runtime error: integer divide by zero")
    return to_int(a) - _div(a, b) * to_int(b)


def _divf(a: float, b: float) -> float:
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1, b)
    return a / b


def _round(value: Any, places: Any, on: Any = 0.5) -> float:
    number, power = to_float(value), 10.0 ** to_int(places)
    digit = power * number
    fraction = math.modf(digit)[0]
    return (math.ceil(digit) if fraction >= to_float(on) else math.floor(digit)) / power


_add("add", _fold_int(lambda a, b: a + b), 0, None)
FUNCTIONS["add"] = Function("add", lambda *args: _fold_int(lambda a, b: a + b)(0, *args), 0, None)
_add("addf", lambda *args: _fold_float(lambda a, b: a + b)(0, *args), 0, None)
_add("sub", lambda a, b: wrap(to_int(a) - to_int(b)), 2)
_add("subf", _fold_float(lambda a, b: a - b), 1, None)
_add("mul", _fold_int(lambda a, b: a * b), 1, None)
_add("mulf", _fold_float(lambda a, b: a * b), 1, None)
_add("div", _div, 2)
_add("divf", _fold_float(_divf), 1, None)
_add("mod", _mod, 2)
_add("max", _fold_int(max), 1, None)
_add("min", _fold_int(min), 1, None)
_add("maxf", _fold_float(max), 1, None)
_add("minf", _fold_float(min), 1, None)
_add("ceil", lambda a: float(math.ceil(to_float(a))), 1)
_add("floor", lambda a: float(math.floor(to_float(a))), 1)
_add("round", _round, 2, 3)
_add("int", to_int, 1)
_add("float64", to_float, 1)


# ------------------------------------------------------------------------------------------------ regular expressions
def _replace_all(pattern: str, text: str, replacement: str) -> str:
    out, at = [], 0
    for found in regex.compiled(regex.normal(pattern)).finditer(text):
        out.append(text[at : found.start()] + regex.expand(found, replacement))
        at = found.end()
    return "".join(out) + text[at:]


def _replace_all_literal(pattern: str, text: str, replacement: str) -> str:
    out, at = [], 0
    for found in regex.compiled(regex.normal(pattern)).finditer(text):
        out.append(text[at : found.start()] + replacement)
        at = found.end()
    return "".join(out) + text[at:]


_add("regexReplaceAll", _strings(_replace_all), 3)
_add("regexReplaceAllLiteral", _strings(_replace_all_literal), 3)
_add("count", _strings(lambda pattern, s: sum(1 for _ in regex.compiled(regex.normal(pattern)).finditer(s))), 2)


# --------------------------------------------------------------------------------------------------- time, sizes, JSON
def _duration_seconds(text: str) -> float:
    ns = parse_go_duration(text)
    if ns is None:
        raise TemplateError(f'error calling duration_seconds: time: invalid duration "{text}"')
    return ns / 1e9


def _bytes(text: str) -> float:
    size = parse_bytes(text)
    if size is None:
        raise TemplateError(f"error calling bytes: strconv.ParseFloat: parsing {text!r}: invalid syntax")
    return float(size)


def _unix_to_time(text: str) -> GoTime:
    scale = {5: 86_400 * 10**9, 10: 10**9, 13: 10**6, 16: 10**3, 19: 1}.get(len(text))
    try:
        value = int(text)
    except ValueError:
        raise TemplateError(f"error calling unixToTime: unable to parse time '{text}'") from None
    if scale is None:
        raise TemplateError(f"error calling unixToTime: unable to parse time '{text}': unknown length")
    return GoTime(value * scale, load_zone("Local"))


def _instant(value: Any) -> GoTime:
    if isinstance(value, GoTime):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return GoTime(value * 10**9)
    raise TemplateError(f"wrong type for value; expected time.Time; got {go_type(value)}")


def _from_json(text: str) -> Any:
    try:
        return json.loads(text, parse_int=float)
    except ValueError:
        return ""


_add("duration", _strings(_duration_seconds), 1)
_add("duration_seconds", _strings(_duration_seconds), 1)
_add("bytes", _strings(_bytes), 1)
_add("now", lambda: GoTime(time.time_ns(), load_zone("Local")), 0)
_add("date", lambda layout, when: _instant(when).format(to_text(layout)), 2)
_add("toDate", lambda layout, s: parse_time(to_text(layout), to_text(s), load_zone("Local")), 2)
_add("toDateInZone", lambda layout, zone, s: parse_time(to_text(layout), to_text(s), load_zone(to_text(zone))), 3)
_add("unixEpoch", lambda when: str(_instant(when).ns // 10**9), 1)
_add("unixEpochMillis", lambda when: str(_instant(when).ns // 10**6), 1)
_add("unixEpochNanos", lambda when: str(_instant(when).ns), 1)
_add("unixToTime", _strings(_unix_to_time), 1)
_add("fromJson", _strings(_from_json), 1)


# ------------------------------------------------------------------------------------------------------------ Go's own
def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    return "float" if isinstance(value, float) else "string" if isinstance(value, str) else "other"


def _same_kind(a: Any, b: Any) -> str:
    kind = _kind(a)
    if a is None or b is None or kind != _kind(b):
        raise TemplateError("error calling eq: incompatible types for comparison")
    return kind


def _eq(first: Any, *rest: Any) -> bool:
    return any(first == other for other in rest if (first is None and other is None) or _same_kind(first, other))


def _less(a: Any, b: Any) -> bool:
    if _same_kind(a, b) in ("bool", "other"):
        raise TemplateError("error calling lt: invalid type for comparison")
    return bool(a < b)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
            continue
        if not isinstance(value, list | str) or not isinstance(key, int):
            raise TemplateError(f"error calling index: can't index item of type {go_type(value)}")
        if not 0 <= key < len(value):
            raise TemplateError(f"error calling index: index out of range: {key}")
        value = value[key] if isinstance(value, list) else ord(value[key])
    return value


def _slice(value: Any, *bounds: Any) -> Any:
    low, high = (*map(to_int, bounds), *((0, len(value))[len(bounds) :]))[:2]
    if not 0 <= low <= high <= len(value):
        raise TemplateError(f"error calling slice: index out of range: {high}")
    return value[low:high]


def _len(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, list | Mapping):
        return len(value)
    raise TemplateError(f"error calling len: len of type {go_type(value)}")


def _print(*args: Any) -> str:
    out = ""
    for index, arg in enumerate(args):
        if index and not isinstance(arg, str) and not isinstance(args[index - 1], str):
            out += " "
        out += "<nil>" if arg is None else show(arg)
    return out


def _printf(template: Any, *args: Any) -> str:
    return sprintf(to_text(template), *args)


_add("not", lambda value: not truth(value), 1)
_add("eq", _eq, 2, None)
_add("ne", lambda a, b: not _eq(a, b), 2)
_add("lt", _less, 2)
_add("le", lambda a, b: _less(a, b) or a == b, 2)
_add("gt", lambda a, b: not (_less(a, b) or a == b), 2)
_add("ge", lambda a, b: not _less(a, b), 2)
_add("index", _index, 1, None)
_add("slice", _slice, 1, 3)
_add("len", _len, 1)
_add("print", _print, 0, None)
_add("println", lambda *args: " ".join("<nil>" if arg is None else show(arg) for arg in args) + "\n", 0, None)
_add("printf", _printf, 1, None)
_add("html", lambda *args: html.escape(_print(*args)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"), 1, None)
_add("js", lambda *args: json.dumps(_print(*args))[1:-1].replace("'", "\\'"), 1, None)
