"""Stages that change values or the line: replace, template, output, decolorize."""

import itertools
import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import re2

from pytake.embedded.promtail.entry import Entry, text
from pytake.embedded.promtail.gotemplate import Template, TemplateError
from pytake.embedded.promtail.stages.base import Context, Options, PerEntry, Stage, regex

_GROUP = re.compile(r"\(\?P?<[a-zA-Z_]\w*>")
# ECMA-48 control sequences, as an expression of our own.
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")


def template(source: str, options: Options) -> Template:
    """Compile a Go template; a fault is an error at the stage."""
    try:
        return Template(source)
    except TemplateError as error:
        raise options.fail(f"invalid template {source!r}: {error}") from error


class Replace(PerEntry):
    """``replace``: what the groups of an expression matched (or the whole match) becomes the result of a template."""

    def __init__(self, options: Options, context: Context) -> None:
        self._source: str = options.take("source", "")
        self.pattern = str(options.need("expression"))
        self._regex = regex(self.pattern, options)
        replacement = str(options.take("replace", ""))
        self._template = template(replacement, options) if "{{" in replacement else None
        self._constant = replacement
        options.close()

    def apply(self, entry: Entry) -> None:
        """Replace every match; named groups are extracted, as ``regex`` does."""
        raw = text(entry.extracted.get(self._source)) if self._source else entry.line
        if raw is None:
            return
        parts: list[str] = []
        position = 0
        named: dict[str, str] = {}
        for match in self._regex.finditer(raw):
            spans = [match.span(i) for i in range(1, self._regex.groups + 1)] or [match.span()]
            for start, end in spans:
                if start < position:  # a group that took no part, or one within another
                    continue
                parts += (raw[position:start], self._new(raw[start:end], entry.extracted))
                position = end
            for name, value in match.groupdict().items():
                if value:
                    named[name] = self._new(value, entry.extracted)
        if not parts:
            return
        result = "".join(parts) + raw[position:]
        entry.extracted.update(named)
        if self._source:
            entry.extracted[self._source] = result
        else:
            entry.line = result

    def _new(self, old: str, extracted: dict[str, Any]) -> str:
        if self._template is None:
            return self._constant
        return self._template.render({**extracted, "Value": old})

    @property
    def fusible(self) -> bool:
        """Whether :class:`ReplaceMany` may look for this stage's lines: the whole line is searched, from any place."""
        return not self._source and re.search(r"\\[AzC]", self.pattern) is None


class ReplaceMany(Stage):
    """Neighbouring ``replace`` stages at once: one look at all lines finds the few that any of them would change.

    The lines are joined and searched by the union of the expressions, in which ``^`` and ``$`` stand for the ends of
    lines: whatever one stage finds in a line, the union finds there too, so a line that it does not touch is unchanged.
    """

    def __init__(self, stages: Sequence[Replace]) -> None:
        self._stages = stages
        union = "|".join(f"(?:{_GROUP.sub('(?:', stage.pattern)})" for stage in stages)
        options = re2.Options()
        options.log_errors = False
        self._any = re2.compile(f"(?m){union}", options)

    def run(self, entries: list[Entry]) -> list[Entry]:
        """Apply the stages to the lines that need it."""
        for number in self._touched(entries):
            for stage in self._stages:
                stage.apply(entries[number])
        return entries

    def _touched(self, entries: list[Entry]) -> list[int]:
        lines = [entry.line for entry in entries]
        joined = "\n".join(lines)
        lengths = map(len, lines) if joined.isascii() else (len(line.encode()) for line in lines)
        ends = list(itertools.accumulate(lengths, lambda total, length: total + length + 1, initial=0))[1:]
        touched: list[int] = []
        for match in self._any.finditer(joined.encode()):
            start, end = match.span()
            number = max(bisect_right(ends, start), touched[-1] + 1 if touched else 0)
            while number < len(lines) and (ends[number - 1] if number else 0) <= end:
                touched.append(number)
                number += 1
        return touched


class TemplateStage(PerEntry):
    """``template``: an extracted value becomes the result of a Go template over the extracted values."""

    def __init__(self, options: Options, context: Context) -> None:
        self._source = str(options.need("source"))
        self._template = template(str(options.need("template")), options)
        options.close()

    def apply(self, entry: Entry) -> None:
        """Set the value; an empty result removes it."""
        extracted = entry.extracted
        values = {name: shown for name, value in extracted.items() if (shown := text(value)) is not None}
        values["Entry"] = entry.line
        values["Value"] = values.get(self._source, "")
        result = self._template.render(values)
        if result:
            extracted[self._source] = result
        else:
            extracted.pop(self._source, None)


class Output(PerEntry):
    """``output``: the line becomes an extracted value."""

    def __init__(self, options: Options, context: Context) -> None:
        self._source = str(options.need("source"))
        options.close()

    def apply(self, entry: Entry) -> None:
        """Set the line where the value is there."""
        value = text(entry.extracted.get(self._source))
        if value is not None:
            entry.line = value


class Decolorize(PerEntry):
    """``decolorize``: terminal colours leave the line."""

    def __init__(self, options: Options, context: Context) -> None:
        options.close()

    def apply(self, entry: Entry) -> None:
        """Remove control sequences."""
        if "\x1b" in entry.line:
            entry.line = _ANSI.sub("", entry.line)
