"""What `| json` sees in a line: flattened labels, values at a path, Promtail's packed entries."""

from __future__ import annotations

import json
import json.decoder
import re
from collections.abc import Iterator
from typing import Any

import orjson

from pytake.embedded.loki.logql.jsonpath import Path

_BAD = re.compile(r"[^A-Za-z0-9_]")


class _Raw(str):
    """A number's digits as they stand in the line."""

    __slots__ = ()


_RAW_DECODER = json.JSONDecoder(parse_float=_Raw, parse_int=_Raw, parse_constant=_Raw)


_NAMES: dict[str, str] = {}
"""Names of top-level keys that were seen; emptied when it grows large."""
_MAX_NAMES = 16384


def sanitize(key: str, first: bool = True) -> str:
    """A key as label name: blanks around it cut, other characters become `_`, a leading digit gets one before it."""
    key = key.strip()
    if first and key[:1].isdigit():
        key = "_" + key
    return _BAD.sub("_", key)


def _name(key: str) -> str:
    if len(_NAMES) > _MAX_NAMES:
        _NAMES.clear()
    return _NAMES.setdefault(key, sanitize(key))


def decode(line: str) -> Any:
    """The line's JSON value with numbers as `int` or raw text; ValueError where it is not JSON."""
    value = orjson.loads(line)
    return _RAW_DECODER.decode(line) if _needs_raw(value) else value


def _needs_raw(value: Any) -> bool:
    if isinstance(value, float):
        return True
    if isinstance(value, dict):
        return any(map(_needs_raw, value.values()))
    return isinstance(value, list) and any(map(_needs_raw, value))


def scalar(value: Any) -> str | None:
    """A JSON scalar as label value, None for null, arrays and objects."""
    if isinstance(value, str):
        return str(value)
    if value is True:
        return "true"
    if value is False:
        return "false"
    return str(value) if isinstance(value, int) else None


def flatten_json(line: str) -> dict[str, str] | None:
    """The labels of `| json` before conflicts with stream labels; None where the line is not a JSON object.

    Nested keys are joined with `_`; arrays, nulls and empty texts give no label; the first of equal names wins.
    """
    try:
        value = orjson.loads(line)
    except ValueError:
        return None
    if type(value) is not dict:
        return None
    found: dict[str, str] = {}
    try:
        _flatten(value, "", found)
    except _NotExactError:
        found = {}
        _flatten(_RAW_DECODER.decode(line), "", found)
    return found


class _NotExactError(Exception):
    """A float: its text in the line is needed."""


def _flatten(value: dict[str, Any], prefix: str, found: dict[str, str]) -> None:
    known = _NAMES.get
    for key, item in value.items():
        name = f"{prefix}_{sanitize(key, False)}" if prefix else known(key) or _name(key)
        kind = type(item)
        if kind is str:
            if item and name not in found and name:
                found[name] = item
        elif kind is _Raw:
            if name not in found and name:
                found[name] = str(item)
        elif kind is int or kind is bool:
            if name not in found and name:
                found[name] = str(item) if kind is int else "true" if item else "false"
        elif kind is dict:
            _flatten(item, name, found)
        elif kind is float:
            raise _NotExactError


def json_paths(line: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Label names that `| json` gives for the line and the keys that lead to each."""
    try:
        value = orjson.loads(line)
    except ValueError:
        return
    if isinstance(value, dict):
        yield from _paths(value, "", ())


def _paths(value: dict[str, Any], prefix: str, keys: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for key, item in value.items():
        name = f"{prefix}_{sanitize(key, False)}" if prefix else sanitize(key)
        if isinstance(item, dict):
            yield from _paths(item, name, (*keys, key))
        elif item is not None and not isinstance(item, list):
            yield name, (*keys, key)


def is_object(line: str) -> bool:
    """Whether the line is a JSON object."""
    try:
        return type(orjson.loads(line)) is dict
    except ValueError:
        return False


def at_path(line: str, path: Path) -> str | None:
    """The value at the path: texts unescaped, the rest as it stands in the line; None where there is none."""
    start = _seek(line, _skip(line, 0), path)
    if start is None:
        return None
    value, end = _RAW_DECODER.raw_decode(line, start)
    if value is None:
        return ""
    return str(value) if isinstance(value, str) else line[start:end]


_BLANK = re.compile(r"[ \t\r\n]*")


def _skip(line: str, at: int) -> int:
    found = _BLANK.match(line, at)
    return found.end() if found else at


def _seek(line: str, at: int, path: Path) -> int | None:
    """Where the value at the path starts, given where its container starts."""
    for step in path:
        found = _member(line, at, step) if isinstance(step, str) else _item(line, at, step)
        if found is None:
            return None
        at = found
    return at


def _member(line: str, at: int, name: str) -> int | None:
    if line[at : at + 1] != "{":
        return None
    at = _skip(line, at + 1)
    while line[at : at + 1] == '"':
        key, at = json.decoder.scanstring(line, at + 1)  # type: ignore[attr-defined]  # public in CPython, not typed
        at = _skip(line, _skip(line, at) + 1)
        if key == name:
            return at
        at = _next(line, at)
    return None


def _item(line: str, at: int, index: int) -> int | None:
    if line[at : at + 1] != "[":
        return None
    at = _skip(line, at + 1)
    for _ in range(index):
        if line[at : at + 1] == "]":
            return None
        at = _next(line, at)
    return None if line[at : at + 1] in ("]", "") else at


def _next(line: str, at: int) -> int:
    """Past the value at this place and the comma after it."""
    at = _skip(line, _RAW_DECODER.raw_decode(line, at)[1])
    return _skip(line, at + 1) if line[at : at + 1] == "," else at


def unpack(line: str) -> tuple[dict[str, str], str | None] | None:
    """Labels and original line of a packed entry; None where the line is not a JSON object."""
    try:
        value = orjson.loads(line)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    entry = value.get("_entry")
    labels = {sanitize(key): item for key, item in value.items() if isinstance(item, str) and key != "_entry"}
    return labels, entry if isinstance(entry, str) else None
