"""What the json and regexp stages take from a line, as SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytake.embedded.loki.logql.jsonlines import sanitize
from pytake.embedded.loki.logql.jsonpath import Path
from pytake.embedded.loki.logql.sql import text as t
from pytake.embedded.loki.logql.sql.text import NotPushableError, Text
from pytake.embedded.loki.rowsource import Col


def json_path(path: Path, stored: Callable[[str], Text]) -> Text:
    """The value at a path of the line; `stored` gives the column of what `| json` calls by a name."""
    if any(isinstance(step, str) and (not step or any(c in step for c in '"\\*')) for step in path):
        raise NotPushableError("json path")
    where = t.quote("$" + "".join(f"[{step}]" if isinstance(step, int) else f'."{step}"' for step in path))
    line = f"r.{Col.LINE}"
    value = f"CASE WHEN r.{Col.JSON_OK} THEN nullif(json_extract_string({line}, {where}), '') END"
    kind = f"CASE WHEN r.{Col.JSON_OK} THEN json_type({line}, {where}) IN ('DOUBLE', 'OBJECT', 'ARRAY') END"
    head = path[0]
    if len(path) == 1 and isinstance(head, str) and "_" not in head and sanitize(head) == head:
        promoted = stored(head).sql
        return Text(f"coalesce({promoted}, {value})", f"({promoted} IS NULL AND coalesce({kind}, FALSE))")
    return Text(f"({value})", f"coalesce({kind}, FALSE)")


def group_values(line: Text, pattern: str, names: Sequence[str | None]) -> dict[str, Text]:
    """The named groups of an expression, in the order of its groups."""
    found = [name or "" for name in names]
    aliases = ", ".join(f"'g{index}'" for index in range(len(found)))
    match = f"regexp_extract({line.sql}, {t.quote(pattern)}, [{aliases}])"
    values = {name: Text(f"nullif(({match}).g{index}, '')", line.unsure) for index, name in enumerate(found) if name}
    return {name: value for name, value in values.items() if name != "_"}
