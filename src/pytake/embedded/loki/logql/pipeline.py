"""The pipeline in Python: one obvious function a stage, applied line by line.

It is the meaning of every stage: log answers come from it, and the SQL of metric queries must agree with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from pytake.embedded.loki.logql import ast, regex
from pytake.embedded.loki.logql.errors import TemplateError
from pytake.embedded.loki.logql.ip import IPMatcher
from pytake.embedded.loki.logql.jsonlines import at_path, flatten_json, is_object, sanitize, unpack
from pytake.embedded.loki.logql.jsonpath import parse_path
from pytake.embedded.loki.logql.logfmt import LogfmtError, parse_logfmt
from pytake.embedded.loki.logql.pattern import LinePattern, ParsePattern
from pytake.embedded.loki.logql.predicates import compile_predicate
from pytake.embedded.loki.logql.row import ERROR, ERROR_DETAILS, Row
from pytake.embedded.loki.logql.rows import Entry, Labels
from pytake.embedded.loki.logql.template import compile_template

Step = Callable[[Row], bool]
"""Changes the row; False drops the line."""

ANSI = r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"
"""Colour and other terminal sequences (also an RE2 expression)."""
_ANSI = re.compile(ANSI)


class Pipeline:
    """The stages of a log query."""

    def __init__(self, stages: Iterable[ast.Stage]) -> None:
        self.steps = [compile_stage(stage) for stage in stages]

    def run(self, row: Row) -> bool:
        """Apply the stages to the row; False where the line is dropped."""
        return all(step(row) for step in self.steps)

    def process(self, ts: int, line: str, labels: Mapping[str, str], metadata: Mapping[str, str]) -> Entry | None:
        """The entry that the line becomes, None where it is dropped."""
        row = Row(ts, line, labels, metadata)
        return to_entry(row) if self.run(row) else None


def compile_pipeline(query: ast.LogQuery) -> Pipeline:
    """The pipeline of a log query, for lines as they arrive."""
    return Pipeline(query.stages)


def to_entry(row: Row, stream: Labels | None = None) -> Entry:
    """The row as part of an answer; `stream` are its stream's labels, sorted, where the caller has them."""
    parsed: Labels = tuple(sorted(row.shown().items()))
    if not row.gone and row.parsed.keys().isdisjoint(row.stream) and row.parsed.keys().isdisjoint(row.meta):
        labels = tuple(sorted(row.stream.items())) if stream is None else stream
        return Entry(row.ts, row.line, labels, tuple(sorted(row.meta.items())), parsed)
    labels = tuple(sorted((k, v) for k, v in row.stream.items() if k not in row.parsed and k not in row.gone))
    metadata = tuple(sorted((k, v) for k, v in row.meta.items() if k not in row.parsed and k not in row.gone))
    return Entry(row.ts, row.line, labels, metadata, parsed)


def compile_stage(stage: ast.Stage) -> Step:  # noqa: PLR0911, PLR0912 - one return a construct
    """The function of one stage."""
    match stage:
        case ast.LineFilter():
            return _line_filter(stage)
        case ast.Json(()):
            return _json
        case ast.Json(extractions):
            return _json_paths(extractions)
        case ast.Logfmt():
            return _logfmt(stage)
        case ast.Regexp(pattern):
            return _regexp(pattern)
        case ast.Pattern(pattern):
            return _pattern(pattern)
        case ast.Unpack():
            return _unpack
        case ast.LabelFilter(predicate):
            return compile_predicate(predicate)
        case ast.LineFormat(template):
            return _line_format(template)
        case ast.LabelFormat(assignments):
            return _label_format(assignments)
        case ast.Drop(items):
            return _drop(items)
        case ast.Keep(items):
            return _keep(items)
        case ast.Decolorize():
            return _decolorize


# -------------------------------------------------------------------------------------------------------- line filters
def line_test(op: ast.LineOp, alternative: ast.LineMatch) -> Callable[[str], bool]:
    """Whether one alternative is in a line, before the operator's negation."""
    value = alternative.value
    if alternative.ip:
        return IPMatcher(value).found_in
    if op in (ast.LineOp.CONTAINS, ast.LineOp.NOT_CONTAINS):
        return lambda line: value in line
    if op in (ast.LineOp.MATCH, ast.LineOp.NOT_MATCH):
        search = regex.line(value).search
    else:
        search = regex.compiled(LinePattern(value).text).search
    return lambda line: search(line) is not None


def _line_filter(stage: ast.LineFilter) -> Step:
    tests = [line_test(stage.op, alternative) for alternative in stage.alternatives]
    keep = not stage.op.negative
    return lambda row: any(test(row.line) for test in tests) is keep


# ------------------------------------------------------------------------------------------------------------- parsers
def _json(row: Row) -> bool:
    found = flatten_json(row.line)
    if found is None:
        row.fail("JSONParserErr", "Value looks like object, but can't find closing '}' symbol")
        return True
    names = found.keys()
    if not row.parsed and names.isdisjoint(row.stream) and names.isdisjoint(row.meta):
        row.parsed = found
        return True
    for name, value in found.items():
        row.extract(name, value)
    return True


def _json_paths(extractions: tuple[ast.Extraction, ...]) -> Step:
    wanted = [(extraction.label, parse_path(extraction.expression)) for extraction in extractions]

    def step(row: Row) -> bool:
        if not is_object(row.line):
            row.fail("JSONParserErr", "line is not a JSON object")
            return True
        for label, path in wanted:
            value = at_path(row.line, path)
            if value:
                row.extract(label, value)
        return True

    return step


def _logfmt(stage: ast.Logfmt) -> Step:
    strict, keep_empty = stage.strict, stage.keep_empty
    wanted: dict[str, list[str]] = {}
    for extraction in stage.extractions:
        wanted.setdefault(extraction.expression, []).append(extraction.label)

    def step(row: Row) -> bool:
        try:
            pairs = parse_logfmt(row.line, strict=strict)
        except LogfmtError as problem:
            row.fail("LogfmtParserErr", str(problem))
            return True
        seen: set[str] = set()
        for key, value in pairs:
            names = wanted.get(key, []) if wanted else [sanitize(key)]
            for name in names:
                if (value or (keep_empty and not wanted)) and name and name not in seen:
                    seen.add(name)
                    row.extract(name, value or "")
        return True

    return step


def _regexp(pattern: str) -> Step:
    search = regex.compiled(regex.normal(pattern)).search
    names = [(index, name) for index, name in enumerate(regex.group_names(pattern), start=1) if name]

    def step(row: Row) -> bool:
        found = search(row.line)
        if found is not None:
            for index, name in names:
                value = found.group(index)
                if value:
                    row.extract(name, value)
        return True

    return step


def _pattern(pattern: str) -> Step:
    parse = ParsePattern(pattern).parse

    def step(row: Row) -> bool:
        for name, value in parse(row.line):
            if value:
                row.extract(name, value)
        return True

    return step


def _unpack(row: Row) -> bool:
    found = unpack(row.line)
    if found is None:
        row.fail("JSONParserErr", "expecting json object(6), but it is not")
        return True
    labels, entry = found
    for name, value in labels.items():
        if value and name:
            row.extract(name, value)
    if entry is not None:
        row.line = entry
    return True


# ---------------------------------------------------------------------------------------------------------- formatting
def _line_format(source: str) -> Step:
    render = compile_template(source).render

    def step(row: Row) -> bool:
        try:
            row.line = render(row.line, row.ts, row.view())
        except TemplateError as problem:
            row.fail("TemplateFormatErr", str(problem))
        return True

    return step


def _label_format(assignments: tuple[ast.Rename | ast.Assign, ...]) -> Step:
    work = [(a.dst, a.src if isinstance(a, ast.Rename) else compile_template(a.template).render) for a in assignments]

    def step(row: Row) -> bool:
        view: dict[str, str] | None = None
        for dst, source in work:
            if isinstance(source, str):
                value = row.get(source)
                if value:
                    row.set(dst, value)
                    if source != dst:
                        row.delete(source)
                continue
            if view is None:
                view = row.view()
            try:
                row.set(dst, source(row.line, row.ts, view))
            except TemplateError as problem:
                row.fail("TemplateFormatErr", str(problem))
        return True

    return step


def _drop(items: tuple[str | ast.Matcher, ...]) -> Step:
    work = [(i, None) if isinstance(i, str) else (i.name, regex.matcher_test(i)) for i in items]

    def step(row: Row) -> bool:
        for name, test in work:
            if test is None or (row.has(name) and test(row.get(name))):
                row.delete(name)
        return True

    return step


def _keep(items: tuple[str | ast.Matcher, ...]) -> Step:
    always = {item for item in items if isinstance(item, str)} | {ERROR, ERROR_DETAILS}
    tests: dict[str, list[Callable[[str], bool]]] = {}
    for item in items:
        if not isinstance(item, str):
            tests.setdefault(item.name, []).append(regex.matcher_test(item))

    def step(row: Row) -> bool:
        for name, value in row.view().items():
            if name not in always and not any(test(value) for test in tests.get(name, ())):
                row.delete(name)
        return True

    return step


def _decolorize(row: Row) -> bool:
    row.line = _ANSI.sub("", row.line)
    return True
