"""A pipeline as SQL: what the line, the labels and the error of a row are after each stage.

Strict scopes (metrics) refuse what has no exact SQL. Lax scopes (lines) keep every row that Python might keep: what
cannot be said in SQL is left out of the condition, and `exact` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pytake.embedded.loki.logql import ast, regex
from pytake.embedded.loki.logql.jsonpath import parse_path
from pytake.embedded.loki.logql.pattern import ParsePattern
from pytake.embedded.loki.logql.pipeline import ANSI
from pytake.embedded.loki.logql.row import ERROR, ERROR_DETAILS, EXTRACTED
from pytake.embedded.loki.logql.sql import text as t
from pytake.embedded.loki.logql.sql.logfmt import value_of_key, value_of_label
from pytake.embedded.loki.logql.sql.parsers import group_values, json_path
from pytake.embedded.loki.logql.sql.predicate import compile_predicate, doubts
from pytake.embedded.loki.logql.sql.text import ABSENT, NotPushableError, Text
from pytake.embedded.loki.logql.template.lexer import Action, split
from pytake.embedded.loki.rowsource import Col, Needs, RowSource, json_column, meta_column

Lookup = Callable[[str], Text]
MIN_HINT = 3
"""Characters of a value that is worth looking for in the metadata before it is taken apart."""
MIN_ID = 12
"""Characters of a value that is worth looking for in the line before it is taken apart."""


@dataclass(slots=True)
class Layer:
    """What a parser gives: one expression a name, or (`names` None) whatever `find` or else `| json` finds."""

    names: dict[str, Text] | None
    known: bool = True
    find: Lookup | None = None

    @property
    def json(self) -> bool:
        """Whether it is `| json` of all keys."""
        return self.names is None and self.known and self.find is None

    def get(self, scope: Scope, label: str) -> Text:
        """The parser's value of a name."""
        if not self.known:
            raise NotPushableError(f"labels of a parser that only Python has ({label})")
        if self.find:
            return self.find(label)
        if self.names is None:
            return scope.json_label(label)
        return self.names.get(label, ABSENT)


@dataclass(slots=True)
class Scope:
    """The state of a row in SQL."""

    streams: Mapping[int, Mapping[str, str]]
    strict: bool
    line: Text | None = field(default_factory=lambda: Text(f"r.{Col.LINE}"))
    where: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    clean: list[str] = field(default_factory=list)
    """Cheap conditions that together rule out every doubt, and every error but those in `parsed`."""
    parsed: list[str] = field(default_factory=list)
    """Conditions that together rule out the errors of parsers."""
    error: str | None = None
    error_known: bool = True
    exact: bool = True
    layers: list[Layer] = field(default_factory=list)
    stream_columns: dict[str, str] = field(default_factory=dict)
    json_labels: set[str] = field(default_factory=set)
    meta_labels: set[str] = field(default_factory=set)
    needles: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    overridden: bool = False
    lookup: Lookup = field(init=False)

    def __post_init__(self) -> None:
        self.lookup = self._base

    # ------------------------------------------------------------------------------------------------------- labels
    def label(self, label: str) -> Text:
        """The label's value after the stages so far."""
        if label == ERROR:
            return self.error_text(self.error)
        if label == ERROR_DETAILS:
            raise NotPushableError(ERROR_DETAILS)
        return self.lookup(label)

    def error_text(self, error: str | None) -> Text:
        """The error as a label."""
        if not self.error_known:
            raise NotPushableError("errors of a stage that only Python has")
        return Text(error) if error else ABSENT

    def _base(self, label: str) -> Text:
        own = t.first_of(self.meta(label), self.stream(label))
        if own.constant:
            return own
        if label.endswith(EXTRACTED) and self.layers:
            raise NotPushableError(f"{label} may stem from a conflict")
        return t.first_of(own, *(layer.get(self, label) for layer in self.layers))

    def meta(self, label: str) -> Text:
        """Structured metadata."""
        if label == Col.LEVEL:
            return Text(f"nullif(r.{Col.LEVEL}, '')")
        self.meta_labels.add(label)
        return Text(f"nullif(r.{t.name(meta_column(label))}, '')")

    def stream(self, label: str) -> Text:
        """A label of the stream: constant, absent, or a column of the joined stream table."""
        values = {labels.get(label, "") for labels in self.streams.values()}
        if len(values) <= 1:
            return t.constant(values.pop()) if values else ABSENT
        column = self.stream_columns.setdefault(label, f"l{len(self.stream_columns)}")
        return Text(f"s.{column}")

    def json_label(self, label: str) -> Text:
        """What `| json` gives for the name."""
        self.json_labels.add(label)
        return Text(f"nullif(r.{t.name(json_column(label))}, '')")

    # ------------------------------------------------------------------------------------------------------- stages
    def apply(self, stage: ast.Stage) -> None:
        """Take the row through one stage. Strict: NotPushableError where it has no exact SQL."""
        try:
            self._apply(stage)
        except NotPushableError:
            if self.strict:
                raise
            self.exact = False
            self._forget(stage)

    def _forget(self, stage: ast.Stage) -> None:
        """What is unknown after a stage that was left to Python."""
        match stage:
            case ast.Json() | ast.Unpack() | ast.Logfmt(strict=True):
                self.error_known = False
                self.layers.append(Layer(None, known=False))
                if isinstance(stage, ast.Unpack):
                    self.line = None
            case ast.Logfmt() | ast.Regexp() | ast.Pattern():
                self.layers.append(Layer(None, known=False))
            case ast.LineFormat():
                self.line, self.error_known = None, False
            case ast.LabelFormat(assignments):
                self.error_known = False
                self._hide({name for a in assignments for name in (a.dst, getattr(a, "src", a.dst))})
            case ast.Drop(items) | ast.Keep(items):
                self._hide(
                    None if isinstance(stage, ast.Keep) else {i if isinstance(i, str) else i.name for i in items}
                )
                self.error_known = self.error_known and isinstance(stage, ast.Keep)
            case ast.LabelFilter():
                self.error_known = False
            case _:
                pass

    def _hide(self, names: set[str] | None) -> None:
        inner = self.lookup

        def look(label: str) -> Text:
            if names is None or label in names:
                raise NotPushableError(f"{label} is only known in Python")
            return inner(label)

        self.lookup, self.overridden = look, True

    def _apply(self, stage: ast.Stage) -> None:
        match stage:
            case ast.LineFilter():
                self._line_filter(stage)
            case ast.LabelFilter(predicate):
                self._label_filter(predicate)
            case ast.Json(extractions):
                self._json(extractions)
            case ast.Regexp(pattern):
                self._groups(regex.normal(pattern), regex.group_names(pattern))
            case ast.Pattern(pattern):
                parsed = ParsePattern(pattern)
                self._groups(parsed.regex(), parsed.names)
            case ast.Logfmt():
                self._logfmt(stage)
            case ast.Unpack():
                raise NotPushableError("unpack")
            case ast.LineFormat(template):
                self.line = self._template(template)
            case ast.LabelFormat(assignments):
                self._label_format(assignments)
            case ast.Drop(items):
                self._drop(items)
            case ast.Keep(items):
                self._keep(items)
            case ast.Decolorize():
                line = self._line()
                self.line = Text(f"regexp_replace({line.sql}, {t.quote(ANSI)}, '', 'g')", line.unsure)

    def _line(self) -> Text:
        if self.line is None:
            raise NotPushableError("a line that only Python knows")
        return self.line

    def _line_filter(self, stage: ast.LineFilter) -> None:
        line = self._line()
        found = t.either([t.line_match(line, stage.op, alternative) for alternative in stage.alternatives])
        self._keep_if(f"NOT {found}" if stage.op.negative else found, *doubts(line))
        untouched = line.sql == f"r.{Col.LINE}"
        if (
            untouched
            and stage.op is ast.LineOp.CONTAINS
            and len(stage.alternatives) == 1
            and stage.alternatives[0].value
        ):
            self.needles.append(stage.alternatives[0].value)

    def _keep_if(self, condition: str, unsure: list[str], clean: list[str]) -> None:
        self.clean += clean
        self.unsure += [item for item in unsure if item not in self.unsure]
        self.where.append(t.either([condition, *self.unsure]) if self.unsure else condition)

    def _label_filter(self, predicate: ast.Predicate) -> None:
        if not self.error_known:
            raise NotPushableError("errors of a stage that only Python has")
        found = compile_predicate(predicate, self.error, self.label, self.error_text)
        self._hint(predicate)
        self.error = found.error
        self._keep_if(found.sql, found.unsure, found.clean)

    def _hint(self, predicate: ast.Predicate) -> None:
        """`name="value"` can only hold where the value is in the line or in the metadata: a test before any parsing.

        Writers of JSON escape neither letters nor digits, so an id stands in the line as it is.
        """
        if isinstance(predicate, ast.And):
            self._hint(predicate.left)
            self._hint(predicate.right)
            return
        if not isinstance(predicate, ast.Matcher) or predicate.op is not ast.MatchOp.EQ or self.overridden:
            return
        name, value = predicate.name, predicate.value
        plain = len(value) >= MIN_HINT and all(c.isascii() and (c.isalnum() or c in "-_.:") for c in value)
        elsewhere = name in (ERROR, Col.LEVEL) or any(name in labels for labels in self.streams.values())
        if not plain or elsewhere:
            return
        if not self.layers:
            self.where += [f"r.{Col.META} IS NOT NULL", f"contains(r.{Col.META}, {t.quote(value)})"]
        elif len(value) >= MIN_ID and len(self.layers) == 1 and self.layers[0].json:
            self.ids.append(value)

    # ------------------------------------------------------------------------------------------------------ parsers
    def _add_layer(self, layer: Layer) -> None:
        if self.overridden:
            raise NotPushableError("a parser after labels were changed")
        self.layers.append(layer)

    def _json(self, extractions: tuple[ast.Extraction, ...]) -> None:
        if self._line().sql != f"r.{Col.LINE}":
            raise NotPushableError("json of a changed line")
        names: dict[str, Text] | None = None
        if extractions:
            names = {}
            for extraction in extractions:
                names.setdefault(extraction.label, json_path(parse_path(extraction.expression), self.json_label))
        self._add_layer(Layer(names))
        self.parsed.append(f"r.{Col.JSON_OK}")
        failed = f"CASE WHEN NOT r.{Col.JSON_OK} THEN 'JSONParserErr' END"
        self.error = f"coalesce({failed}, {self.error})" if self.error else f"({failed})"

    def _logfmt(self, stage: ast.Logfmt) -> None:
        line = self._line()
        if stage.strict or stage.keep_empty or line.unsure:
            raise NotPushableError("logfmt with flags")
        if not stage.extractions:
            self._add_layer(Layer(None, find=lambda label: value_of_label(line, label)))
            return
        names: dict[str, Text] = {}
        for extraction in stage.extractions:
            if extraction.label in names:
                raise NotPushableError("one label of several keys")
            names[extraction.label] = value_of_key(line, extraction.expression)
        self._add_layer(Layer(names))

    def _groups(self, pattern: str, names: Sequence[str | None]) -> None:
        self._add_layer(Layer(group_values(self._line(), pattern, names)))

    # --------------------------------------------------------------------------------------------------- formatting
    def _template(self, source: str) -> Text:
        """A template of plain text and fields; functions are Python's."""
        parts: list[Text] = []
        for part in split(source):
            if isinstance(part, str):
                parts.append(Text(t.quote(part)))
                continue
            parts.append(self._field(part))
        if not parts:
            return Text("''")
        joined = " || ".join(f"coalesce({part.sql}, '')" for part in parts)
        return Text(f"({joined})", t.unsure_of(*parts))

    def _field(self, action: Action) -> Text:
        if len(action.tokens) != 1:
            raise NotPushableError("template functions")
        token = action.tokens[0]
        if token.kind == "field":
            return self.label(token.text[1:])
        if token.kind == "word" and token.text == "__line__":
            return self._line()
        raise NotPushableError("template functions")

    def _label_format(self, assignments: tuple[ast.Rename | ast.Assign, ...]) -> None:
        templates = [a.template for a in assignments if isinstance(a, ast.Assign)]
        first = next((i for i, a in enumerate(assignments) if isinstance(a, ast.Assign)), None)
        if templates and first:
            raise NotPushableError("templates that see renamed labels")
        values = {a.dst: self._template(a.template) for a in assignments if isinstance(a, ast.Assign)}
        for assignment in assignments:
            if isinstance(assignment, ast.Rename):
                moved, old = self.label(assignment.src), self.label(assignment.dst)
                if assignment.src == assignment.dst:
                    continue
                self._set({assignment.dst: t.first_of(moved, old), assignment.src: ABSENT})
            else:
                value = values[assignment.dst]
                self._set({assignment.dst: Text(f"nullif({value.sql}, '')", value.unsure)})

    def _set(self, values: dict[str, Text]) -> None:
        inner = self.lookup
        self.lookup = lambda label: values[label] if label in values else inner(label)
        self.overridden = True

    def _drop(self, items: tuple[str | ast.Matcher, ...]) -> None:
        inner = self.lookup
        plain = {item for item in items if isinstance(item, str)}
        tests = [item for item in items if not isinstance(item, str)]
        for item in items:
            if item == ERROR:
                self.error, self.error_known, self.parsed = None, True, []
            elif not isinstance(item, str) and item.name in (ERROR, ERROR_DETAILS):
                raise NotPushableError("drop of some errors")

        def look(label: str) -> Text:
            if label in plain:
                return ABSENT
            value = inner(label)
            held = [t.matcher(value, test) for test in tests if test.name == label]
            if not held or value.absent:
                return value
            return Text(f"(CASE WHEN coalesce({t.either(held)}, FALSE) THEN NULL ELSE {value.sql} END)", value.unsure)

        self.lookup, self.overridden = look, True

    def _keep(self, items: tuple[str | ast.Matcher, ...]) -> None:
        inner = self.lookup
        plain = {item for item in items if isinstance(item, str)}
        tests = [item for item in items if not isinstance(item, str)]

        def look(label: str) -> Text:
            if label in plain:
                return inner(label)
            held = [test for test in tests if test.name == label]
            if not held:
                return ABSENT
            value = inner(label)
            condition = t.either([t.matcher(value, test) for test in held])
            return Text(f"(CASE WHEN coalesce({condition}, FALSE) THEN {value.sql} END)", value.unsure)

        self.lookup, self.overridden = look, True

    # ------------------------------------------------------------------------------------------------------- result
    def needs(self) -> Needs:
        """What the relation must provide."""
        return Needs(frozenset(self.json_labels), frozenset(self.meta_labels), tuple(self.needles))

    def sources(self, store: RowSource, start: int, end: int) -> list[str]:
        """FROM and WHERE over the rows of `start <= ts < end`; together they have each row that stays once.

        An id of a line goes to the store as a needle, so that it may skip what cannot hold it; rows that have it in
        their metadata alone are a source of their own.
        """
        sids, needs = list(self.streams), self.needs()
        if not self.ids:
            return [self._source(store.relation(sids, start, end, needs), [])]
        value = t.quote(self.ids[0])
        in_line = f"contains(r.{Col.LINE}, {value})"
        # of two columns, so that DuckDB does not read every line for it before it looks at the metadata
        other = f"NOT contains(r.{Col.LINE} || left(r.{Col.META}, 0), {value})"
        narrow = Needs(needs.json_labels, needs.meta_labels, (self.ids[0], *needs.needles))
        return [
            self._source(store.relation(sids, start, end, narrow), [in_line]),
            self._source(
                store.relation(sids, start, end, needs),
                [f"r.{Col.META} IS NOT NULL", f"contains(r.{Col.META}, {value})", other],
            ),
        ]

    def _source(self, relation: str, more: list[str]) -> str:
        join = ""
        if self.stream_columns:
            labels = list(self.stream_columns)
            rows = ", ".join(
                f"({sid}, {', '.join(t.quote(v) if (v := have.get(label)) else 'NULL' for label in labels)})"
                for sid, have in self.streams.items()
            )
            columns = ", ".join(["sid", *self.stream_columns.values()])
            join = f" JOIN (VALUES {rows}) AS s({columns}) ON r.{Col.SID} = s.sid"
        conditions = [*more, *self.where]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"FROM {relation} AS r{join}{where}"
