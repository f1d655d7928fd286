"""Query answers as Parquet, for ``Accept: application/vnd.apache.parquet``, with the columns that Loki documents."""

import io
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pytake.embedded.loki.api.http import Response
from pytake.embedded.loki.errors import RequestError

CONTENT_TYPE = "application/vnd.apache.parquet"
_TIME = pa.timestamp("ns", tz="UTC")
_LABELS = pa.map_(pa.string(), pa.string())


def _samples(item: dict[str, Any]) -> list[tuple[int, str]]:
    points = item["values"] if "values" in item else [item["value"]]
    return [(round(float(at) * 1000) * 1_000_000, value) for at, value in points]


def parquet(answer: Response) -> Response:
    """The same answer as columns ``timestamp``, ``labels`` and ``line`` or ``value``; scalars are refused."""
    data = orjson.loads(answer.body)["data"]
    kind = data["resultType"]
    if kind == "scalar":
        raise RequestError(400, "a scalar has no Parquet form: ask for JSON")
    rows: list[tuple[int, list[tuple[str, str]], Any]] = []
    for item in data["result"]:
        labels = list((item["stream"] if kind == "streams" else item["metric"]).items())
        if kind == "streams":
            rows += [(int(value[0]), labels, value[1]) for value in item["values"]]
        else:
            rows += [(at, labels, float(value)) for at, value in _samples(item)]
    last, last_type = ("line", pa.string()) if kind == "streams" else ("value", pa.float64())
    table = pa.table(
        {
            "timestamp": pa.array([row[0] for row in rows], pa.int64()).cast(_TIME),
            "labels": pa.array([row[1] for row in rows], _LABELS),
            last: pa.array([row[2] for row in rows], last_type),
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    return Response(200, out.getvalue(), CONTENT_TYPE)
