"""LogQL: text to syntax tree, syntax tree to SQL and answers.

For the store and the HTTP API:

- `parse(text)` gives the tree or raises `ParseError` with Loki's words; `format_query(expr)` prints it;
  `selectors(expr)` lists its stream selectors; `is_log_query(expr)` tells the two kinds apart.
- `query_logs(expr, store, start=, end=, limit=, forward=)` answers a log query with `Entry` rows; rows with
  `start <= ts < end`, in the order asked for.
- `query_range(expr, store, start=, end=, step=)` and `query_instant(expr, store, at=)` answer a metric query with
  `Series`; `query_instant` gives one point a series, in the order that `sort` and `topk` leave.
- `explain(...)` lists the SQL that a query runs. `compile_pipeline(expr)` is the pipeline for `tail`:
  `.process(ts, line, labels, metadata) -> Entry | None`.
- `flatten_json`, `flatten_json_paths` say what belongs in the promoted columns of a `Source`.

All times are nanoseconds since 1970. `RowStore` and `Source` in `rows` are what the store implements. Errors derive
from `LogQLError` and know their HTTP status.
"""
