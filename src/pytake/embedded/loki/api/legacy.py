"""The shapes of ``/api/prom``, which clients from before Loki 1.0 read: deprecated, and still answered by Loki."""

from datetime import UTC, datetime

import orjson

from pytake.embedded.loki.api.http import Response
from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.labels import format_labels


def label_list(answer: Response) -> Response:
    """``{"values": [...]}`` of an answer of ``labels`` or ``label/<name>/values``."""
    return Response(body=orjson.dumps({"values": orjson.loads(answer.body).get("data") or []}))


def streams(answer: Response) -> Response:
    """``{"streams": [{"labels", "entries"}], "stats"}`` of an answer of ``query_range``; metric queries are refused."""
    data = orjson.loads(answer.body)["data"]
    if data["resultType"] != "streams":
        raise RequestError(400, "legacy endpoints only support streams result type, use /loki/api/v1/query_range")
    found = [
        {
            "labels": format_labels(stream["stream"]),
            "entries": [{"ts": rfc3339_nano(int(ts)), "line": line} for ts, line, *_ in stream["values"]],
        }
        for stream in data["result"]
    ]
    return Response(body=orjson.dumps({"streams": found, "stats": data["stats"]}))


def rfc3339_nano(ns: int) -> str:
    """A time as Go's RFC3339Nano: the shortest fraction that holds it."""
    whole = datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{ns % 10**9:09d}".rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"
