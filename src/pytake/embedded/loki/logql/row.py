"""A line on its way through a pipeline: its text, its labels by origin, its error."""

from __future__ import annotations

from collections.abc import Mapping

ERROR = "__error__"
ERROR_DETAILS = "__error_details__"
EXTRACTED = "_extracted"


class Row:
    """Labels come from the stream, the structured metadata and the pipeline; a later origin hides an earlier one."""

    __slots__ = ("details", "error", "gone", "line", "meta", "parsed", "stream", "ts")

    def __init__(self, ts: int, line: str, stream: Mapping[str, str], meta: Mapping[str, str]) -> None:
        self.ts, self.line, self.stream, self.meta = ts, line, stream, meta
        self.parsed: dict[str, str] = {}
        self.gone: set[str] = set()
        self.error = self.details = ""

    def get(self, name: str) -> str:
        """The label's value, empty where it is absent."""
        if name in self.parsed:
            return self.parsed[name]
        if name == ERROR:
            return self.error
        if name == ERROR_DETAILS:
            return self.details
        if name in self.gone:
            return ""
        return self.meta.get(name) or self.stream.get(name, "")

    def has(self, name: str) -> bool:
        """Whether the label is there, be it empty."""
        return name in self.parsed or self.get(name) != ""

    def view(self) -> dict[str, str]:
        """All labels, errors included."""
        view = {**self.stream, **self.meta}
        for name in self.gone:
            view.pop(name, None)
        return {**view, **self.shown()}

    def shown(self) -> dict[str, str]:
        """Labels made by the pipeline, errors included."""
        if not self.error and not self.details:
            return self.parsed
        shown = dict(self.parsed)
        if self.error:
            shown[ERROR] = self.error
        if self.details:
            shown[ERROR_DETAILS] = self.details
        return shown

    def extract(self, name: str, value: str) -> None:
        """A parser's label: a name that stream or metadata hold gets `_extracted`, the first value stays."""
        if name in self.stream or (name in self.meta and name not in self.gone):
            name += EXTRACTED
        self.parsed.setdefault(name, value)

    def set(self, name: str, value: str) -> None:
        """A label's new value; the empty one removes it."""
        if value:
            self.parsed[name] = value
            self.gone.add(name)
        else:
            self.delete(name)

    def delete(self, name: str) -> None:
        """Remove the label, wherever it comes from."""
        if name == ERROR:
            self.error = ""
        elif name == ERROR_DETAILS:
            self.details = ""
        else:
            self.parsed.pop(name, None)
            self.gone.add(name)

    def fail(self, kind: str, details: str) -> None:
        """Note an error of a stage."""
        self.error, self.details = kind, details
