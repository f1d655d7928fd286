"""Actions to closures: pipelines, variables, if, with, range, break, continue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pytake.embedded.loki.logql.errors import ParseError, TemplateError
from pytake.embedded.loki.logql.template.functions import FUNCTIONS, Function
from pytake.embedded.loki.logql.template.gotime import GoTime
from pytake.embedded.loki.logql.template.lexer import Action, Tok, split
from pytake.embedded.loki.logql.template.values import show, truth


@dataclass(slots=True)
class Context:
    """One run: the line, its time, the labels, and the variables in scope."""

    line: str
    ts: int
    labels: Mapping[str, str]
    dot: Any = None
    variables: list[tuple[str, Any]] = field(default_factory=list)


Eval = Callable[[Context], Any]
Step = Callable[[Context, list[str]], None]


class _Break(Exception):  # noqa: N818 - control flow of range, never seen outside
    pass


class _Continue(Exception):  # noqa: N818 - control flow of range, never seen outside
    pass


class Template:
    """A compiled template; `render` raises `TemplateError` where a function fails."""

    def __init__(self, source: str, functions: Mapping[str, Function] = FUNCTIONS) -> None:
        self.source = source
        parser = _Parser(split(source), functions)
        self.fields = parser.fields
        """Names that the template reads as `.name` at top level."""
        self._steps, _ = parser.block(frozenset())

    def render(self, line: str, ts: int, labels: Mapping[str, str]) -> str:
        """The text for one line; absent labels are empty."""
        context = Context(line, ts, labels, labels, [("$", labels)])
        out: list[str] = []
        try:
            _run(self._steps, context, out)
        except TemplateError:
            raise
        except (ValueError, TypeError, ArithmeticError, LookupError, RecursionError) as problem:
            raise TemplateError(str(problem)) from None
        return "".join(out)


@lru_cache(maxsize=512)
def compile_template(source: str) -> Template:
    """The compiled template, ParseError where its syntax is wrong."""
    try:
        return Template(source)
    except TemplateError as problem:
        raise ParseError(f"invalid line template: template: line:{problem}") from None


def _run(steps: Iterable[Step], context: Context, out: list[str]) -> None:
    for step in steps:
        step(context, out)


class _Parser:
    def __init__(self, parts: list[str | Action], functions: Mapping[str, Function]) -> None:
        self.parts, self.at = parts, 0
        self.functions = functions
        self.fields: set[str] = set()
        self.line = 1
        self.tokens: tuple[Tok, ...] = ()
        self.pos = 0
        self.names: list[str] = ["$"]
        self.loops = 0

    def fail(self, message: str) -> TemplateError:
        return TemplateError(f"{self.line}: {message}")

    # ------------------------------------------------------------------------------------------------------- blocks
    def block(self, ends: frozenset[str]) -> tuple[list[Step], str]:
        """Steps up to one of the ending words; its action stays current."""
        steps: list[Step] = []
        while self.at < len(self.parts):
            part = self.parts[self.at]
            self.at += 1
            if isinstance(part, str):
                steps.append(_text(part))
                continue
            self.tokens, self.pos, self.line = part.tokens, 0, part.line
            word = part.tokens[0].text if part.tokens[0].kind == "word" else ""
            if word in ends:
                self.pos = 1
                return steps, word
            steps.append(self.action(word))
        if ends:
            raise self.fail("unexpected EOF")
        return steps, ""

    def action(self, word: str) -> Step:
        if word in ("if", "with", "range"):
            self.pos = 1
            return self.control(word)
        if word in ("else", "end"):
            raise self.fail(f"unexpected {{{{{word}}}}}")
        if word in ("break", "continue"):
            if not self.loops:
                raise self.fail(f"{{{{{word}}}}} outside {{{{range}}}}")
            return _jump(_Break if word == "break" else _Continue)
        if word in ("define", "template", "block"):
            raise self.fail(f"{{{{{word}}}}} is not supported")
        value, shows = self.statement()
        self.finish()
        return _print(value) if shows else _silent(value)

    def control(self, word: str) -> Step:
        depth = len(self.names)
        names: list[str] = []
        if word == "range":
            names = self.range_names()
            value = self.pipeline()
        else:
            value, _ = self.statement()
        self.finish()
        self.loops += word == "range"
        then, end = self.block(frozenset({"end", "else"}))
        self.loops -= word == "range"
        other: list[Step] = []
        if end == "else":
            if self.pos < len(self.tokens):  # else if, else with: a nested control that shares our end
                nested = self.tokens[self.pos].text
                if nested not in ("if", "with"):
                    raise self.fail(f"unexpected <{nested}> in else clause")
                self.pos += 1
                del self.names[depth:]
                other = [self.control(nested)]
            else:
                del self.names[depth:]
                other, _ = self.block(frozenset({"end"}))
        del self.names[depth:]
        if word == "range":
            return _range(value, names, then, other)
        return _branch(value, then, other, rebind=word == "with")

    def range_names(self) -> list[str]:
        names: list[str] = []
        start = self.pos
        while self.peek("variable"):
            names.append(self.take().text)
            if self.peek("op", ","):
                self.take()
                continue
            break
        if names and self.peek("op", ":="):
            self.take()
            self.names += names
            return names
        self.pos = start
        return []

    # ---------------------------------------------------------------------------------------------------- pipelines
    def peek(self, kind: str, text: str | None = None) -> bool:
        if self.pos >= len(self.tokens):
            return False
        token = self.tokens[self.pos]
        return token.kind == kind and (text is None or token.text == text)

    def take(self) -> Tok:
        token = self.tokens[self.pos]
        self.pos += 1
        return token

    def finish(self) -> None:
        if self.pos < len(self.tokens):
            raise self.fail(f'unexpected "{self.tokens[self.pos].text}" in command')

    def statement(self) -> tuple[Eval, bool]:
        """A pipeline, or `$x := pipeline`, or `$x = pipeline`; whether it prints."""
        if self.peek("variable") and self.pos + 1 < len(self.tokens) and self.tokens[self.pos + 1].text in (":=", "="):
            name = self.take().text
            declare = self.take().text == ":="
            if not declare and name not in self.names:
                raise self.fail(f'undefined variable "{name}"')
            value = self.pipeline()
            if declare:
                self.names.append(name)
            return _assign(name, value, declare=declare), False
        return self.pipeline(), True

    def pipeline(self) -> Eval:
        value = self.command(None)
        while self.peek("op", "|"):
            self.take()
            value = self.command(value)
        return value

    def command(self, piped: Eval | None) -> Eval:
        """A function with its arguments, or a single value."""
        if self.pos >= len(self.tokens) or self.peek("op", "|") or self.peek("op", ")"):
            raise self.fail("missing value for command")
        if self.peek("word") and self.tokens[self.pos].text not in ("true", "false", "nil"):
            token = self.take()
            args = []
            while self.pos < len(self.tokens) and not self.peek("op", "|") and not self.peek("op", ")"):
                args.append(self.operand())
            if piped is not None:
                args.append(piped)
            return self.chain(self.call(token.text, args))
        value = self.operand()
        if piped is not None:
            raise self.fail("non executable command in pipeline")
        if self.pos < len(self.tokens) and not self.peek("op", "|") and not self.peek("op", ")"):
            raise self.fail(f'unexpected "{self.tokens[self.pos].text}" in command')
        return value

    def call(self, name: str, args: list[Eval]) -> Eval:
        if name == "__line__":
            return lambda context: context.line
        if name == "__timestamp__":
            return lambda context: GoTime(context.ts)
        if name in ("and", "or"):
            return _logic(name, args)
        function = self.functions.get(name)
        if function is None:
            raise self.fail(f'function "{name}" not defined')
        try:
            function.check(len(args))
        except TypeError as problem:
            raise self.fail(str(problem)) from None
        run = function.run
        return lambda context: run(*[arg(context) for arg in args])

    def operand(self) -> Eval:
        token = self.take()
        match token.kind:
            case "string" | "raw":
                value = _constant(token.text)
            case "char":
                value = _constant(ord(token.text))
            case "number":
                value = _constant(_number(token.text))
            case "dot":
                value = _dot
            case "field":
                self.fields.add(token.text[1:])
                value = _field(_dot, token.text[1:])
            case "variable":
                if token.text not in self.names:
                    raise self.fail(f'undefined variable "{token.text}"')
                value = _variable(token.text)
            case "word" if token.text in ("true", "false", "nil"):
                value = _constant({"true": True, "false": False, "nil": None}[token.text])
            case "word":
                value = self.call(token.text, [])
            case "op" if token.text == "(":
                value = self.pipeline()
                if not self.peek("op", ")"):
                    raise self.fail("unclosed left paren")
                self.take()
            case _:
                raise self.fail(f'unexpected "{token.text}" in operand')
        return self.chain(value)

    def chain(self, value: Eval) -> Eval:
        while self.peek("field") and self.tokens[self.pos].glued:
            value = _field(value, self.take().text[1:])
        return value


# ------------------------------------------------------------------------------------------------------------- closures
def _text(text: str) -> Step:
    return lambda _, out: out.append(text)


def _print(value: Eval) -> Step:
    return lambda context, out: out.append(show(value(context)))


def _silent(value: Eval) -> Step:
    def step(context: Context, out: list[str]) -> None:
        value(context)

    return step


def _jump(kind: type[Exception]) -> Step:
    def step(context: Context, out: list[str]) -> None:
        raise kind

    return step


def _constant(value: Any) -> Eval:
    return lambda _: value


def _dot(context: Context) -> Any:
    return context.dot


def _variable(name: str) -> Eval:
    def read(context: Context) -> Any:
        for known, value in reversed(context.variables):
            if known == name:
                return value
        raise TemplateError(f"undefined variable: {name}")

    return read


def _field(value: Eval, name: str) -> Eval:
    def read(context: Context) -> Any:
        holder = value(context)
        if isinstance(holder, Mapping):
            return holder.get(name, "" if holder is context.labels else None)
        if holder is None:
            raise TemplateError(f"nil pointer evaluating interface {{}}.{name}")
        raise TemplateError(f"can't evaluate field {name} in type {type(holder).__name__}")

    return read


def _assign(name: str, value: Eval, *, declare: bool) -> Eval:
    def run(context: Context) -> Any:
        result = value(context)
        if declare:
            context.variables.append((name, result))
            return result
        for index in range(len(context.variables) - 1, -1, -1):
            if context.variables[index][0] == name:
                context.variables[index] = (name, result)
                break
        return result

    return run


def _logic(name: str, args: list[Eval]) -> Eval:
    stop_at = name == "or"

    def run(context: Context) -> Any:
        value: Any = None
        for arg in args:
            value = arg(context)
            if truth(value) == stop_at:
                break
        return value

    return run


def _branch(value: Eval, then: list[Step], other: list[Step], *, rebind: bool) -> Step:
    def step(context: Context, out: list[str]) -> None:
        depth, dot = len(context.variables), context.dot
        result = value(context)
        try:
            if truth(result):
                if rebind:
                    context.dot = result
                _run(then, context, out)
            else:
                _run(other, context, out)
        finally:
            context.dot = dot
            del context.variables[depth:]

    return step


def _items(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return sorted(value.items())
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return [(number, number) for number in range(value)]
    if value is None:
        return []
    raise TemplateError(f"range can't iterate over {show(value)}")


def _range(value: Eval, names: list[str], then: list[Step], other: list[Step]) -> Step:
    def step(context: Context, out: list[str]) -> None:
        depth, dot = len(context.variables), context.dot
        items = _items(value(context))
        try:
            for key, item in items:
                del context.variables[depth:]
                context.dot = item
                if names:
                    context.variables += zip(names, [item] if len(names) == 1 else [key, item], strict=True)
                try:
                    _run(then, context, out)
                except _Continue:
                    continue
                except _Break:
                    break
            if not items:
                _run(other, context, out)
        finally:
            context.dot = dot
            del context.variables[depth:]

    return step


def _number(text: str) -> int | float:
    try:
        return int(text, 0)
    except ValueError:
        return float(text) if not text.lstrip("+-").isdigit() else int(text, 8)
