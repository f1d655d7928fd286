"""LogQL: text to syntax tree, syntax tree to SQL and answers.

For the store and the HTTP API. All times are nanoseconds since 1970; `source` is the store's `rowsource.RowSource`;
`execute` runs one SELECT and gives a DuckDB-like cursor, see `rows.Execute`.

- `parse(text)` gives the tree or raises `ParseError` with Loki's words; `format_query(expr)` prints it;
  `selectors(expr)` lists its stream selectors; `isinstance(expr, LogQuery)` tells the two kinds of query apart.
- `query_logs(expr, source, execute, start=, end=, limit=, forward=False)` answers a log query with entries of
  `start <= ts < end`, newest first unless `forward`. It walks time slices, each four times as wide as the one before.
- `query_range(expr, source, execute, start=, end=, step=, limits=)` and `query_instant(expr, source, execute, at=,
  limits=)` answer a metric query with `Series`; the instant form gives one point a series, in the order that `sort`
  and `topk` leave. A bare number gives one series without labels; `is_scalar(expr)` tells the API to say `scalar`.
- `time_range(expr, start, end)` says which lines a metric query looks at.
- `explain(expr, source, start=, end=, step=)` lists the SQL that the query would run, and why Python is needed.
- `compile_pipeline(log_query)` is for `tail`: `.process(ts, line, labels, metadata) -> Entry | None`.
- `matches(matchers, labels)` decides whether a stream belongs to a selector.
- `flatten_json(line)` is what `| json` extracts, None where the line is not a JSON object: the `j_` columns and
  `json_ok` of a relation must hold exactly that.

Errors derive from `LogQLError` and carry the HTTP `status` of the answer.
"""

from pytake.embedded.loki.logql.algebra import is_scalar
from pytake.embedded.loki.logql.ast import Expr, LogQuery, Matcher, MetricExpr
from pytake.embedded.loki.logql.errors import (
    LogQLError,
    MatchingError,
    ParseError,
    PipelineError,
    SeriesLimit,
    TemplateError,
    UnsupportedQuery,
)
from pytake.embedded.loki.logql.explain import explain
from pytake.embedded.loki.logql.jsonlines import flatten_json, json_paths
from pytake.embedded.loki.logql.logs import query_logs
from pytake.embedded.loki.logql.metrics import query_instant, query_range
from pytake.embedded.loki.logql.parser import parse
from pytake.embedded.loki.logql.pipeline import Pipeline, compile_pipeline
from pytake.embedded.loki.logql.plan import time_range
from pytake.embedded.loki.logql.printer import format_query, selectors
from pytake.embedded.loki.logql.regex import matches
from pytake.embedded.loki.logql.rows import Cursor, Entry, Execute, Labels, Limits, Series

__all__ = [
    "Cursor",
    "Entry",
    "Execute",
    "Expr",
    "Labels",
    "Limits",
    "LogQLError",
    "LogQuery",
    "Matcher",
    "MatchingError",
    "MetricExpr",
    "ParseError",
    "Pipeline",
    "PipelineError",
    "Series",
    "SeriesLimit",
    "TemplateError",
    "UnsupportedQuery",
    "compile_pipeline",
    "explain",
    "flatten_json",
    "format_query",
    "is_scalar",
    "json_paths",
    "matches",
    "parse",
    "query_instant",
    "query_logs",
    "query_range",
    "selectors",
    "time_range",
]
