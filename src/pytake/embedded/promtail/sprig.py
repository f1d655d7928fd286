"""Functions of Promtail's templates: Go's and Loki's, ``Hash`` and ``Sha2Hash``, and those of the sprig library.

Source: the page of Promtail's ``template`` stage and sprig's own pages. Functions that read the host (environment, name
service), make keys or draw random values are refused by name: a log line must not decide about these.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import posixpath
import re
import textwrap
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from pytake.embedded.loki.logql import regex
from pytake.embedded.loki.logql.errors import TemplateError
from pytake.embedded.loki.logql.template.functions import FUNCTIONS as SHARED
from pytake.embedded.loki.logql.template.functions import Function
from pytake.embedded.loki.logql.template.gotime import GoTime, load_zone
from pytake.embedded.loki.logql.template.values import show, to_float, to_int, to_text, truth
from pytake.embedded.loki.logql.units import format_duration, parse_go_duration

REFUSED = frozenset(
    [
        "bcrypt", "buildCustomCert", "decryptAES", "derivePassword", "encryptAES", "env", "expandenv", "genCA",
        "genCAWithKey", "genPrivateKey", "genSelfSignedCert", "genSelfSignedCertWithKey", "genSignedCert",
        "genSignedCertWithKey", "getHostByName", "htpasswd", "osBase", "osClean", "osDir", "osExt", "osIsAbs",
        "randAlpha", "randAlphaNum", "randAscii", "randBytes", "randInt", "randNumeric", "semver", "semverCompare",
        "shuffle", "toDecimal", "urlJoin", "urlParse", "uuidv4",
    ]
)  # fmt: skip
FUNCTIONS: dict[str, Function] = dict(SHARED)


def _add(name: str, run: Callable[..., Any], least: int, most: int | None = -1) -> None:
    FUNCTIONS[name] = Function(name, run, least, least if most == -1 else most)


def _text(value: Any) -> str:
    """``strval`` of sprig: anything as text."""
    return "" if value is None else show(value)


# ------------------------------------------------------------------------------------------------------------- hashes
def _digest(name: str) -> Callable[..., str]:
    return lambda *parts: hashlib.new(name, "".join(map(to_text, parts)).encode()).hexdigest()


_add("Hash", _digest("sha3_256"), 2)
_add("Sha2Hash", _digest("sha256"), 2)
for _bits in ("1", "256", "512"):
    _add(f"sha{_bits}sum", _digest(f"sha{_bits}"), 1)
_add("adler32sum", lambda text: str(zlib.adler32(to_text(text).encode())), 1)
_add("b32enc", lambda text: base64.b32encode(to_text(text).encode()).decode(), 1)
_add("b32dec", lambda text: base64.b32decode(to_text(text)).decode("utf-8", "replace"), 1)


# -------------------------------------------------------------------------------------------------------------- words
def _words(text: str) -> list[str]:
    """Words of an identifier or a sentence: ``HTTPServer two`` has three."""
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", text)


def _abbrev(width: Any, text: Any) -> str:
    size, whole = to_int(width), to_text(text)
    return whole if size < 4 or len(whole) <= size else whole[: size - 3] + "..."


def _wrap(width: Any, mark: Any, text: Any) -> str:
    return to_text(mark).join(textwrap.wrap(to_text(text), max(to_int(width), 1), break_long_words=False))


def _plural(one: Any, many: Any, count: Any) -> str:
    return to_text(one if to_int(count) == 1 else many)


_STRINGS: dict[str, Callable[[str], Any]] = {
    "camelcase": lambda s: "".join(word.capitalize() for word in _words(s)),
    "snakecase": lambda s: "_".join(map(str.lower, _words(s))),
    "kebabcase": lambda s: "-".join(map(str.lower, _words(s))),
    "initials": lambda s: "".join(word[0] for word in s.split()), "nospace": lambda s: "".join(s.split()),
    "swapcase": str.swapcase, "untitle": lambda s: re.sub(r"\b\w", lambda m: m[0].lower(), s),
    "base": lambda s: posixpath.basename(s.rstrip("/")) or ("/" if s else "."),
    "dir": lambda s: posixpath.dirname(s) or ".", "clean": posixpath.normpath,
    "ext": lambda s: posixpath.splitext(s)[1], "isAbs": posixpath.isabs,
}  # fmt: skip
for _name, _run in _STRINGS.items():
    _add(_name, lambda text, run=_run: run(to_text(text)), 1)
_add("abbrev", _abbrev, 2)
_add("wrap", lambda width, text: _wrap(width, "\n", text), 2)
_add("wrapWith", _wrap, 3)
_add("plural", _plural, 3)
_add("cat", lambda *values: " ".join(_text(value) for value in values if value is not None), 0, None)
_add(
    "quote",
    lambda *values: " ".join(json.dumps(_text(value), ensure_ascii=False) for value in values if value is not None),
    0,
    None,
)
_add("squote", lambda *values: " ".join(f"'{_text(value)}'" for value in values if value is not None), 0, None)
_add("toString", _text, 1)
_add("trimall", lambda chars, text: to_text(text).strip(to_text(chars)), 2)


# ------------------------------------------------------------------------------------------------ regular expressions
def _find_all(pattern: Any, text: Any, most: Any) -> list[str]:
    found = [match[0] for match in regex.compiled(regex.normal(to_text(pattern))).finditer(to_text(text))]
    return found if to_int(most) < 0 else found[: to_int(most)]


def _split_regex(pattern: Any, text: Any, most: Any) -> list[str]:
    limit = to_int(most)
    if limit == 0:
        return []
    found = regex.compiled(regex.normal(to_text(pattern)))
    return list(found.split(to_text(text), 0 if limit < 0 else limit - 1)) if limit != 1 else [to_text(text)]


_add("regexMatch", lambda pattern, text: bool(_find_all(pattern, text, 1)), 2)
_add("regexFind", lambda pattern, text: next(iter(_find_all(pattern, text, 1)), ""), 2)
_add("regexFindAll", _find_all, 3)
_add("regexSplit", _split_regex, 3)


# ------------------------------------------------------------------------------------------------------- conditions
_add("empty", lambda value: not truth(value), 1)
_add("coalesce", lambda *values: next((value for value in values if truth(value)), None), 0, None)
_add("ternary", lambda yes, no, test: yes if truth(test) else no, 3)


def _fail(message: Any) -> str:
    raise TemplateError(to_text(message))


_add("fail", _fail, 1)
_add("toJson", lambda value: json.dumps(value, separators=(",", ":"), sort_keys=True), 1)
_add("toRawJson", lambda value: json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False), 1)
_add("toPrettyJson", lambda value: json.dumps(value, indent=2, sort_keys=True), 1)


def _kind(value: Any) -> str:
    names = {str: "string", bool: "bool", int: "int64", float: "float64", list: "slice"}
    if value is None:
        return "invalid"
    return "map" if isinstance(value, Mapping) else names.get(type(value), "struct")


_add("kindOf", _kind, 1)
_add("kindIs", lambda kind, value: _kind(value) == kind, 2)


# ------------------------------------------------------------------------------------------------------------ numbers
_add("add1", lambda a: to_int(a) + 1, 1)
_add("add1f", lambda a: to_float(a) + 1, 1)
_add("biggest", SHARED["max"].run, 1, None)
_add("int64", to_int, 1)
_add("atoi", to_int, 1)
_add("until", lambda count: list(range(to_int(count)) if to_int(count) >= 0 else range(0, to_int(count), -1)), 1)
_add("untilStep", lambda first, end, step: list(range(to_int(first), to_int(end), to_int(step) or 1)), 3)


# -------------------------------------------------------------------------------------------------------------- dates
def _when(value: Any) -> GoTime:
    return value if isinstance(value, GoTime) else GoTime(to_int(value) * 10**9, load_zone("Local"))


def _in_zone(layout: Any, when: Any, zone: Any) -> str:
    return GoTime(_when(when).ns, load_zone(to_text(zone))).format(to_text(layout))


def _modify(change: Any, when: Any) -> GoTime:
    moment, by = _when(when), parse_go_duration(to_text(change))
    return moment if by is None else GoTime(moment.ns + by, moment.zone)


for _name in ("dateInZone", "date_in_zone"):
    _add(_name, _in_zone, 3)
for _name in ("dateModify", "date_modify"):
    _add(_name, _modify, 2)
_add("date", lambda layout, when: _when(when).format(to_text(layout)), 2)
_add("htmlDate", lambda when: _when(when).format("2006-01-02"), 1)
_add("htmlDateInZone", lambda when, zone: _in_zone("2006-01-02", when, zone), 2)
_add("ago", lambda when: format_duration((time.time_ns() - _when(when).ns) // 10**9 * 10**9), 1)
_add("duration", lambda seconds: format_duration(to_int(seconds) * 10**9), 1)


# ------------------------------------------------------------------------------------------------------ lists, mappings
def _list(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    raise TypeError(f"expected a list, got {show(value)}")


def _split(mark: Any, text: Any) -> list[str]:
    return to_text(text).split(to_text(mark)) if to_text(mark) else list(to_text(text))


def _numbered(parts: list[str]) -> dict[str, str]:
    return {f"_{number}": part for number, part in enumerate(parts)}


def _uniq(value: Any) -> list[Any]:
    return [item for number, item in enumerate(_list(value)) if item not in _list(value)[:number]]


def _cut(value: Any, *bounds: Any) -> Any:
    return value[slice(*map(to_int, bounds))] if bounds else value


def _dict(*pairs: Any) -> dict[str, Any]:
    return {_text(name): value for name, value in itertools.zip_longest(pairs[::2], pairs[1::2], fillvalue="")}


def _merge(*maps: Any) -> dict[str, Any]:
    return {name: value for found in reversed(maps) for name, value in found.items()}


_LISTS: dict[str, tuple[Callable[..., Any], int, int | None]] = {
    "list": (lambda *items: list(items), 0, None), "tuple": (lambda *items: list(items), 0, None),
    "first": (lambda v: next(iter(_list(v)), None), 1, 1), "last": (lambda v: next(iter(_list(v)[::-1]), None), 1, 1),
    "rest": (lambda v: _list(v)[1:], 1, 1), "initial": (lambda v: _list(v)[:-1], 1, 1),
    "append": (lambda v, item: [*_list(v), item], 2, 2), "push": (lambda v, item: [*_list(v), item], 2, 2),
    "prepend": (lambda v, item: [item, *_list(v)], 2, 2),
    "concat": (lambda *vs: [item for v in vs for item in _list(v)], 0, None),
    "reverse": (lambda v: _list(v)[::-1], 1, 1), "uniq": (_uniq, 1, 1),
    "without": (lambda v, *no: [item for item in _list(v) if item not in no], 1, None),
    "has": (lambda item, v: item in _list(v), 2, 2), "compact": (lambda v: [i for i in _list(v) if truth(i)], 1, 1),
    "slice": (_cut, 1, 3), "sortAlpha": (lambda v: sorted(map(_text, _list(v))), 1, 1),
    "toStrings": (lambda v: [_text(item) for item in _list(v)], 1, 1),
    "join": (lambda mark, v: to_text(mark).join(map(_text, v if isinstance(v, list | tuple) else [v])), 2, 2),
    "splitList": (_split, 2, 2), "split": (lambda mark, text: _numbered(_split(mark, text)), 2, 2),
    "splitn": (lambda mark, n, text: _numbered(to_text(text).split(to_text(mark), max(to_int(n) - 1, 0))), 3, 3),
    "dict": (_dict, 0, None), "get": (lambda m, name: m.get(name, ""), 2, 2),
    "hasKey": (lambda m, name: name in m, 2, 2), "set": (lambda m, name, value: {**m, name: value}, 3, 3),
    "unset": (lambda m, name: {k: v for k, v in m.items() if k != name}, 2, 2),
    "keys": (lambda *ms: [name for m in ms for name in m], 0, None), "values": (lambda m: list(m.values()), 1, 1),
    "pick": (lambda m, *names: {k: v for k, v in m.items() if k in names}, 1, None),
    "omit": (lambda m, *names: {k: v for k, v in m.items() if k not in names}, 1, None),
    "merge": (_merge, 1, None), "pluck": (lambda name, *ms: [m[name] for m in ms if name in m], 1, None),
}  # fmt: skip
for _name, (_run, _least, _most) in _LISTS.items():
    _add(_name, _run, _least, _most)
for _name in ("toJson", "toPrettyJson", "toRawJson", "fromJson", "toDate", "regexMatch", "regexFind", "regexFindAll",
              "regexSplit", "regexReplaceAll", "regexReplaceAllLiteral", "first", "last", "rest", "initial", "append",
              "push", "prepend", "reverse", "uniq", "without", "has", "compact", "slice", "merge"):  # fmt: skip
    _must = f"must{_name[0].upper()}{_name[1:]}"
    FUNCTIONS[_must] = Function(_must, FUNCTIONS[_name].run, FUNCTIONS[_name].least, FUNCTIONS[_name].most)
