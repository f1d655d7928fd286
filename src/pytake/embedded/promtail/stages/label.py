"""Stages about labels, structured metadata and tenants."""

import re

import orjson

from pytake.embedded.common.config import ConfigError
from pytake.embedded.promtail.entry import Entry, text
from pytake.embedded.promtail.stages.base import Context, Options, PerEntry

LABEL_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def _mapping(options: Options, value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        raise options.fail("needs at least one name")
    for name in value:
        if not LABEL_NAME.fullmatch(str(name)):
            raise options.fail(f"invalid label name: {name}")
    return {str(name): str(source) if source else str(name) for name, source in value.items()}


class Labels(PerEntry):
    """``labels``: extracted values become labels."""

    def __init__(self, value: object, options: Options, context: Context) -> None:
        self._pairs = list(_mapping(options, value).items())

    def apply(self, entry: Entry) -> None:
        """Set labels whose value is there."""
        labels, extracted = entry.own_labels(), entry.extracted
        for name, source in self._pairs:
            value = extracted.get(source)
            if value is not None and (shown := value if isinstance(value, str) else text(value)) is not None:
                labels[name] = shown


class StructuredMetadata(PerEntry):
    """``structured_metadata``: extracted values travel with the line without making a stream."""

    def __init__(self, value: object, options: Options, context: Context) -> None:
        self._pairs = list(_mapping(options, value).items())

    def apply(self, entry: Entry) -> None:
        """Add pairs whose value is there."""
        get = entry.extracted.get
        found = entry.metadata if entry.metadata is not None else []
        for name, source in self._pairs:
            value = get(source)
            if value and (shown := value if type(value) is str else text(value)):
                found.append((name, shown))
        if found:
            entry.metadata = found


class LabelDrop(PerEntry):
    """``labeldrop``: these labels leave."""

    def __init__(self, names: list[str]) -> None:
        self._names = frozenset(names)

    def apply(self, entry: Entry) -> None:
        """Remove them."""
        if not self._names.isdisjoint(entry.labels):
            labels = entry.own_labels()
            for name in self._names:
                labels.pop(name, None)


class LabelAllow(PerEntry):
    """``labelallow``: only these labels stay."""

    def __init__(self, names: list[str]) -> None:
        self._names = frozenset(names)

    def apply(self, entry: Entry) -> None:
        """Remove the others."""
        if not self._names.issuperset(entry.labels):
            labels = entry.own_labels()
            for name in [name for name in labels if name not in self._names]:
                del labels[name]


class StaticLabels(PerEntry):
    """``static_labels``: fixed labels."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def apply(self, entry: Entry) -> None:
        """Add them."""
        entry.own_labels().update(self._values)


class Tenant(PerEntry):
    """``tenant``: the tenant id from a label, an extracted value or a fixed value."""

    def __init__(self, options: Options, context: Context) -> None:
        self._label, self._source, self._value = (str(options.take(k, "")) for k in ("label", "source", "value"))
        if sum(map(bool, (self._label, self._source, self._value))) != 1:
            raise options.fail("exactly one of label, source and value is required")
        options.close()

    def apply(self, entry: Entry) -> None:
        """Set the tenant where it is known."""
        if self._value:
            entry.tenant = self._value
        elif self._label:
            entry.tenant = entry.labels.get(self._label) or entry.tenant
        else:
            entry.tenant = text(entry.extracted.get(self._source)) or entry.tenant


class Pack(PerEntry):
    """``pack``: labels and extracted values go into the line as JSON, to be taken out by LogQL's ``unpack``."""

    def __init__(self, options: Options, context: Context) -> None:
        self._names: list[str] = [str(name) for name in options.need("labels")]
        self._ingest_timestamp = bool(options.take("ingest_timestamp", True))
        self._clock = context.clock
        options.close()

    def apply(self, entry: Entry) -> None:
        """Wrap the line; packed labels leave the stream."""
        packed: dict[str, str] = {}
        extracted = entry.extracted
        for name in self._names:
            value = entry.labels.get(name) if name in entry.labels else text(extracted.get(name))
            if value is not None:
                packed[name] = value
        labels = entry.own_labels()
        for name in packed:
            labels.pop(name, None)
        entry.line = orjson.dumps(dict(sorted(packed.items())) | {"_entry": entry.line}).decode()
        if self._ingest_timestamp:
            entry.ts = int(self._clock() * 1e9)


def names(stage: str, where: str, value: object) -> list[str]:
    """The list of label names of ``labeldrop`` and ``labelallow``."""
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{where}.{stage}: expected a list of label names")
    return [str(item) for item in value]


def static(where: str, value: object) -> dict[str, str]:
    """The mapping of ``static_labels``."""
    if not isinstance(value, dict) or not value:
        raise ConfigError(f"{where}.static_labels: expected a mapping of label names to values")
    for name in value:
        if not LABEL_NAME.fullmatch(str(name)):
            raise ConfigError(f"{where}.static_labels: invalid label name: {name}")
    return {str(name): str(item) for name, item in value.items() if item not in (None, "")}
