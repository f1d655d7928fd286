"""What can be wrong with a query, in the words that Loki uses; every class carries the HTTP status of its answer."""

from __future__ import annotations


class LogQLError(Exception):
    """A query that cannot be answered; `status` is the HTTP status that Loki gives it."""

    status = 400


class ParseError(LogQLError):
    """The text is not LogQL; `line` and `col` count from 1 and are 0 where the mistake has no single place."""

    def __init__(self, message: str, line: int = 0, col: int = 0) -> None:
        self.message, self.line, self.col = message, line, col
        place = f"at line {line}, col {col}: " if line else ": "
        super().__init__(f"parse error {place}{message}")


class UnsupportedQuery(ParseError):  # noqa: N818 - the project's one name for "refused by name"
    """The construct belongs to another query language or to another Loki, and is refused by name."""

    def __init__(self, construct: str, hint: str, problem: ParseError) -> None:
        self.construct = construct
        super().__init__(f"{problem.message}: '{construct}' is not supported; {hint}", problem.line, problem.col)


class PipelineError(LogQLError):
    """A metric query met a line that a stage could not process, and no filter on `__error__` skips it."""

    def __init__(self, kind: str, series: str) -> None:
        self.kind = kind
        super().__init__(
            f"pipeline error: '{kind}' for series: '{series}'.\n"
            f'Use a label filter to intentionally skip this error. (e.g | __error__!="{kind}").\n'
            'To skip all potential errors you can match empty errors.(e.g __error__="")\n'
            'The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__="" )\n'
        )


class SeriesLimit(LogQLError):  # noqa: N818 - a limit, named as Loki names it
    """The answer would hold more series than the limit allows."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"maximum number of series ({limit}) reached for a single query; consider reducing query cardinality "
            "by adding more specific stream selectors, reducing the time range, or aggregating results with "
            "functions like sum(), count() or topk()"
        )


class MatchingError(LogQLError):
    """The two sides of a binary operation do not pair up as the query says."""


class TemplateError(LogQLError):
    """A template that does not parse, or that fails on a line."""
