"""Stages that extract values from the line (or from another extracted value): json, logfmt, regex."""

from collections.abc import Callable
from typing import Any

import jmespath
import jmespath.exceptions
import orjson

from pytake.embedded.loki.logql.logfmt import parse_logfmt
from pytake.embedded.promtail.entry import Entry, text
from pytake.embedded.promtail.stages.base import Context, Options, PerEntry, Stage, drop, regex


class Json(Stage):
    """``json``: values by JMESPath expressions; an empty expression is the key itself."""

    def __init__(self, options: Options, context: Context) -> None:
        self._source: str = options.take("source", "")
        self._drop_malformed = bool(options.take("drop_malformed", False))
        plain: list[tuple[str, str]] = []
        self._paths: list[tuple[str, Callable[[Any], Any]]] = []
        for name, expression in options.need("expressions").items():
            path = expression or name
            if path.isidentifier():
                plain.append((name, path))
                continue
            try:
                self._paths.append((name, jmespath.compile(path).search))
            except jmespath.exceptions.JMESPathError as error:
                raise options.fail(f"invalid JMESPath {path!r}: {error}") from error
        self._plain = plain
        options.close()

    def run(self, entries: list[Entry]) -> list[Entry]:
        """Extract; a malformed line goes on unless ``drop_malformed``."""
        loads, plain, paths, source = orjson.loads, self._plain, self._paths, self._source
        kept = entries
        for entry in entries:
            raw = text(entry.extracted.get(source)) if source else entry.line
            if raw is None:
                continue
            try:
                data = loads(raw)
            except ValueError:
                data = None
            if not isinstance(data, dict):
                if self._drop_malformed:
                    if kept is entries:
                        kept = entries.copy()
                    kept.remove(entry)
                    drop(entry, "malformed_json")
                continue
            extracted, get = entry.extracted, data.get
            for name, key in plain:
                value = get(key)
                if value is not None:
                    extracted[name] = value if type(value) is str else _scalar(value)
            for name, search in paths:
                value = search(data)
                if value is not None:
                    extracted[name] = _scalar(value)
        return kept


def _scalar(value: Any) -> Any:
    """Objects and lists are kept as JSON text, as Promtail does."""
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


class Logfmt(PerEntry):
    """``logfmt``: values by key."""

    def __init__(self, options: Options, context: Context) -> None:
        self._source: str = options.take("source", "")
        self._mapping = {name: key or name for name, key in options.need("mapping").items()}
        options.close()

    def apply(self, entry: Entry) -> None:
        """Extract; a malformed line goes on with what was read before the fault."""
        raw = text(entry.extracted.get(self._source)) if self._source else entry.line
        if raw is None:
            return
        found: dict[str, str] = {}
        for key, value in parse_logfmt(raw, strict=False):
            found.setdefault(key, value or "")
        for name, key in self._mapping.items():
            if key in found:
                entry.extracted[name] = found[key]


class Regex(PerEntry):
    """``regex``: the named groups of an RE2 expression; with ``labels_from_groups`` they become labels at once."""

    def __init__(self, options: Options, context: Context) -> None:
        self._source: str = options.take("source", "")
        self._regex = regex(str(options.need("expression")), options)
        if not self._regex.groupindex:
            raise options.fail("expression needs at least one named group such as (?P<name>.*)")
        self._as_labels = bool(options.take("labels_from_groups", False))
        options.close()

    def apply(self, entry: Entry) -> None:
        """Extract; a line without a match goes on unchanged."""
        raw = text(entry.extracted.get(self._source)) if self._source else entry.line
        match = self._regex.search(raw) if raw is not None else None
        if match is None:
            return
        found = {name: value or "" for name, value in match.groupdict().items()}
        entry.extracted.update(found)
        if self._as_labels:
            entry.own_labels().update(found)
