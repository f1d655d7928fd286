"""What ``| json`` extracts, in SQL: label names to JSON paths and back, exact values of one label.

A label name does not say where its value is: ``a_b`` may be the key ``a_b``, or ``b`` inside ``a``, or the key ``a-b``.
Paths that were seen are known by sampling; the splits of the name at ``_`` are tried on lines with nested objects.
"""

# ruff: noqa: S608 - SQL is what this module makes; literals go through fields.literal, names through identifier

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_UNSAFE = re.compile(r"[^a-zA-Z0-9_]")
MAX_SPLITS = 7

Path = tuple[str, ...]


def sanitize(key: str) -> str:
    """A key as part of a label name."""
    safe = _UNSAFE.sub("_", key)
    return f"_{safe}" if safe[:1].isdigit() else safe


def flatten(value: dict[str, Any], prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Leaves of a JSON object with their paths; arrays and nulls are left out, as ``| json`` does."""
    for key, item in value.items():
        if isinstance(item, dict):
            yield from flatten(item, (*prefix, key))
        elif item is not None and not isinstance(item, list):
            yield (*prefix, key), item


def label_of(path: Path) -> str:
    """The label that ``| json`` makes of a path."""
    return sanitize("_".join(path))


def literal(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def json_path(path: Path) -> str | None:
    """DuckDB's text of a path, None where it cannot be written."""
    if any('"' in key or "\\" in key or "*" in key for key in path):
        return None
    return "$" + "".join(f'."{key}"' for key in path)


def splits(label: str) -> list[Path]:
    """The nested paths that a label name may stand for."""
    parts = label.split("_")
    found: list[Path] = []
    for mask in range(1, 1 << (len(parts) - 1)):
        path, word = [], parts[0]
        for index, part in enumerate(parts[1:]):
            if mask >> index & 1:
                path.append(word)
                word = part
            else:
                word = f"{word}_{part}"
        path.append(word)
        if all(path):
            found.append(tuple(path))
        if len(found) >= MAX_SPLITS:
            break
    return found


def exact(value: str, path: Path) -> str:
    """``value`` (an extracted text) as Loki gives it: no arrays or objects, numbers as they were written.

    The engine gives a number in its own spelling. Where the line does not have that spelling after the key, the key's
    first number of the same value is taken: a line may have the key at other depths too.
    """
    place = literal(json_path(path) or "$")
    leaf = literal(rf'"{re.escape(path[-1])}"\s*:\s*(-?[0-9][0-9.eE+-]*)')
    key = f'"{path[-1]}"'
    ends = " OR ".join(
        f"contains(line, {literal(key + colon)} || {value} || {literal(end)})" for colon in (":", ": ") for end in ",}"
    )
    number = f"json_type(line, {place}) IN ('DOUBLE', 'UBIGINT', 'BIGINT')"
    same = f"lambda written: TRY_CAST(written AS DOUBLE) = TRY_CAST({value} AS DOUBLE)"
    return (
        f"CASE WHEN starts_with({value}, '{{') OR starts_with({value}, '[') "
        f"THEN CASE WHEN json_type(line, {place}) = 'VARCHAR' THEN {value} END "
        f"WHEN contains({value}, '.') AND NOT ({ends}) AND TRY_CAST({value} AS DOUBLE) IS NOT NULL AND {number} "
        f"THEN coalesce(list_filter(regexp_extract_all(line, {leaf}, 1), {same})[1], {value}) ELSE {value} END"
    )


def label_paths(label: str, known: Mapping[str, tuple[Path, ...]]) -> list[Path]:
    """Where the value of a label may be: the paths that were seen, and the top-level key of its name."""
    return [path for path in dict.fromkeys([*known.get(label, ()), (label,)]) if json_path(path) is not None]


def nested_paths(label: str, known: Mapping[str, tuple[Path, ...]]) -> list[Path]:
    """Further places on lines with nested objects."""
    main = label_paths(label, known)
    return [path for path in splits(label) if path not in main and json_path(path) is not None]


class Extractor:
    """Builds one SELECT that extracts several labels with one parse of the line."""

    def __init__(self, known: Mapping[str, tuple[Path, ...]]) -> None:
        self.known = known
        self._paths: list[str] = []

    def slot(self, path: Path) -> str:
        """The raw extracted text at ``path``."""
        text = json_path(path)
        if text is None:
            return "NULL"
        if text not in self._paths:
            self._paths.append(text)
        return f"e[{self._paths.index(text) + 1}]"

    def label(self, label: str) -> str:
        """The value of a label; NULL where the line has none. Needs ``e``, ``line``, ``json_ok`` and ``nested``."""
        values = [exact(self.slot(path), path) for path in label_paths(label, self.known)]
        inner = [
            exact(f"json_extract_string(line, {literal(json_path(path) or '$')})", path)
            for path in nested_paths(label, self.known)
        ]
        if inner:
            values.append(f"CASE WHEN json_ok AND nested THEN coalesce({', '.join(inner)}, NULL) END")
        return values[0] if len(values) == 1 else f"coalesce({', '.join(values)})"

    @property
    def source(self) -> str:
        """SQL of the list ``e`` (needs ``line`` and ``json_ok`` in scope); NULL where the line is not JSON."""
        if not self._paths:
            return "NULL::VARCHAR[]"
        return f"CASE WHEN json_ok THEN json_extract_string(line, [{', '.join(map(literal, self._paths))}]) END"


NESTED = "(contains(line, ':{') OR contains(line, ': {'))"
JSON_OK = "coalesce(json_valid(line) AND (starts_with(line, '{') OR starts_with(ltrim(line, ' \t\r\n'), '{')), false)"


def select(source: str, columns: Sequence[str], labels: Iterable[str], known: Mapping[str, tuple[Path, ...]]) -> str:
    """SELECT of ``columns`` and of ``j_`` columns for ``labels``, computed from the lines of ``source``."""
    extractor = Extractor(known)
    computed = [f"{extractor.label(label)} AS {identifier('j_' + label)}" for label in labels]
    names = ", ".join(identifier(name) for name in columns)
    if not computed:
        return f"SELECT {names} FROM {source}"
    inner = f"SELECT *, {NESTED} AS nested, {extractor.source} AS e FROM {source}"
    return f"SELECT {names}, {', '.join(computed)} FROM ({inner})"
