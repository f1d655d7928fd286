"""Edits made in a Grafana page, as patches that ``make generate`` lays over what the builders make.

A patch is a JSON merge patch (RFC 7396: objects merge, ``null`` deletes, lists are replaced), but for the lists whose
members have names (panels, variables, annotations): these are objects by title or name, so that an edit of one panel
touches nothing else. A patch lives until the builder itself makes the same; then pulling or deleting the file ends it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path("monitoring/grafana/edits")
NAMED = {"panels": "title", "list": "name"}
"""Lists that are compared by the name of their members."""
REPLACE = "$replace"
"""What RFC 7396 cannot say: this object stands where one was deleted or was none; nothing of an older one stays."""
_OWN = frozenset(
    {"id", "uid", "version", "iteration", "gnetId", "schemaVersion", "title", "weekStart", "fiscalYearStartMonth"}
)
_EXPORTED = frozenset({"__inputs", "__requires", "__elements"})
Model = dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """One value that differs; None where a side lacks it."""

    path: str
    committed: Any
    edited: Any


def normal(model: Mapping[str, Any]) -> Model:
    """A dashboard without what Grafana adds by itself: ids, versions, a viewer's choices, empty parts, order of keys.

    Lists with names become objects by name. The title of the dashboard is left out: a copy has another one.
    """
    kept = {key: value for key, value in model.items() if key not in _OWN | _EXPORTED}
    made: Model = _normal(kept)
    for variable in made.get("templating", {}).get("list", {}).values():
        if isinstance(variable, dict):
            for key in ("current", "options", "id", "skipUrlSync"):
                variable.pop(key, None)
    if isinstance(notes := made.get("annotations", {}).get("list"), dict):
        made["annotations"]["list"] = {name: note for name, note in notes.items() if not _built_in(note)}
    for panel in _panels(made):
        panel.pop("id", None)
        panel.pop("pluginVersion", None)
    return made


def _built_in(note: Any) -> bool:
    return isinstance(note, dict) and bool(note.get("builtIn"))


def _panels(model: Mapping[str, Any]) -> Iterator[Model]:
    found = model.get("panels")
    for panel in found.values() if isinstance(found, dict) else found or []:
        yield panel
        yield from _panels(panel)


def _normal(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        found = {name: _normal(item, name) for name, item in value.items()}
        return {name: item for name, item in found.items() if item is not None and item not in ({}, [])}
    if isinstance(value, list):
        name = NAMED.get(key)
        if name and all(isinstance(item, dict) and item.get(name) for item in value):
            return {label: _normal(item) for label, item in _labelled(value, name)}
        return [_normal(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _labelled(items: list[Any], name: str) -> Iterator[tuple[str, Any]]:
    """Members with their names; the second of a name is ``name (2)``."""
    seen: dict[str, int] = {}
    for item in items:
        label = ("Row: " if item.get("type") == "row" else "") + str(item[name])
        seen[label] = seen.get(label, 0) + 1
        yield (label if seen[label] == 1 else f"{label} ({seen[label]})"), item


def patch(before: Any, after: Any) -> Any:
    """The merge patch that makes ``after`` of ``before`` (both normal)."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return after
    made: Model = {key: None for key in before if key not in after}
    for key, value in after.items():
        if key not in before:
            made[key] = value
        elif before[key] != value:
            made[key] = patch(before[key], value)
    return made


def compose(first: Any, then: Any) -> Any:
    """One patch that does what ``first`` and after it ``then`` do."""
    if not (isinstance(first, dict) and isinstance(then, dict)):
        return then
    if REPLACE in first:
        return {REPLACE: _apply(first[REPLACE], then)}
    made = dict(first)
    for key, value in then.items():
        anew = key in first and not isinstance(first[key], dict) and isinstance(value, dict)
        made[key] = {REPLACE: value} if anew else compose(first.get(key), value)
    return made


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """What differs between two normal models, value by value."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from differences(before.get(key), after.get(key), f"{path} / {key}" if path else key)
    elif before != after:
        yield Difference(path, before, after)


def apply(model: Model, change: Mapping[str, Any]) -> Model:
    """``model`` (as in a file) with a patch laid over it; new panels get numbers of their own."""
    if not change:
        return model
    made: Model = _apply(model, change)
    numbers = [panel.get("id") or 0 for panel in made.get("panels", [])]
    for panel in made.get("panels", []):
        if not panel.get("id"):
            numbers.append(max(numbers, default=0) + 1)
            panel["id"] = numbers[-1]
    made.get("panels", []).sort(
        key=lambda panel: (panel.get("gridPos", {}).get("y", 0), panel.get("gridPos", {}).get("x", 0))
    )
    return made


def _apply(value: Any, change: Any, key: str = "") -> Any:
    if not isinstance(change, dict):
        return change
    if REPLACE in change:
        return change[REPLACE]
    name = NAMED.get(key)
    if name and isinstance(value, list):
        before = dict(_labelled(value, name))
        after = {label: _apply(item, change[label]) if label in change else item for label, item in before.items()}
        after |= {label: _apply({}, item) for label, item in change.items() if label not in before}
        return [item for item in after.values() if item is not None]
    made = dict(value) if isinstance(value, dict) else {}
    for part, item in change.items():
        if item is None:
            made.pop(part, None)
        else:
            made[part] = _apply(made.get(part), item, part)
    return made


def load(uid: str, folder: Path = FOLDER) -> Model:
    """The patch of a dashboard; empty when there is none."""
    path = folder / f"{uid}.json"
    found: Model = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def save(uid: str, change: Model, folder: Path = FOLDER) -> Path:
    """Write a patch, or remove its file when nothing is left."""
    path = folder / f"{uid}.json"
    if change:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(change, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    else:
        path.unlink(missing_ok=True)
    return path
