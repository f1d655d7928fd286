"""Answers of data sources as Grafana's data frames (plugin SDK's JSON form of ``/api/ds/query``)."""

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

Frame = dict[str, Any]


def field(
    name: str, kind: str, *, labels: Mapping[str, str] | None = None, display: str | None = None
) -> dict[str, Any]:
    """A column's schema; ``kind`` is time, number, string or other."""
    go = {"time": "time.Time", "number": "float64", "string": "string", "other": "json.RawMessage"}[kind]
    made: dict[str, Any] = {"name": name, "type": kind, "typeInfo": {"frame": go, "nullable": kind == "number"}}
    if labels is not None:
        made["labels"] = dict(labels)
    if display:
        made["config"] = {"displayNameFromDS": display}
    return made


def frame(
    ref_id: str,
    fields: Sequence[dict[str, Any]],
    values: Sequence[Sequence[Any]],
    *,
    kind: str = "",
    name: str = "",
    meta: Mapping[str, Any] | None = None,
) -> Frame:
    """One frame."""
    schema: dict[str, Any] = {
        "refId": ref_id,
        "fields": list(fields),
        "meta": {**({"type": kind} if kind else {}), **(meta or {})},
    }
    if name:
        schema["name"] = name
    return {"schema": schema, "data": {"values": [list(column) for column in values]}}


def legend(template: str, labels: Mapping[str, str], expr: str) -> str:
    """The series' name: ``{{label}}`` filled in, or the labels as PromQL shows them."""
    if template and template != "__auto":
        out, rest = "", template
        while "{{" in rest:
            before, _, after = rest.partition("{{")
            name, closed, rest = after.partition("}}")
            out += before + (labels.get(name.strip(), "") if closed else "{{" + name)
        return out + rest
    if template == "__auto" and len(labels) == 1 and "__name__" not in labels:
        return next(iter(labels.values()))
    pairs = ", ".join(f'{k}="{v}"' for k, v in sorted(labels.items()) if k != "__name__")
    name = labels.get("__name__", "")
    return f"{name}{{{pairs}}}" if pairs or name else expr


def number(text: str) -> float | None:
    """A sample's value; NaN and infinities have no JSON and become null."""
    value = float(text)
    return value if math.isfinite(value) else None


def from_prometheus(ref_id: str, data: Mapping[str, Any], query: Mapping[str, Any]) -> list[Frame]:
    """Frames of a Prometheus-like answer: matrix, vector, scalar or streams of log lines."""
    result, expr, template = data["result"], str(query.get("expr", "")), str(query.get("legendFormat") or "")
    match data["resultType"]:
        case "matrix":
            cells = [_cells(ref_id, row) for row in result if row.get("histograms")]
            lines = [
                _series(ref_id, row["metric"], row["values"], template, query) for row in result if row.get("values")
            ]
            return lines + cells or [_empty(ref_id)]
        case "vector" if query.get("format") == "table":
            return [_table(ref_id, result)]
        case "vector":
            return [_series(ref_id, row["metric"], [row["value"]], template, query) for row in result] or [
                _empty(ref_id)
            ]
        case "scalar":
            return [_series(ref_id, {}, [result], template, query)]
        case "streams":
            return [_lines(ref_id, result, expr)]
    raise ValueError(f"the data source answered with an unknown kind of result: {data['resultType']}")


def _series(
    ref_id: str, labels: Mapping[str, str], values: Sequence[Sequence[Any]], template: str, query: Mapping[str, Any]
) -> Frame:
    expr, step = str(query.get("expr", "")), query.get("step") or 0
    name = legend(template, labels, expr)
    shown = {k: v for k, v in labels.items() if k != "__name__"}
    fields = [field("Time", "time"), field(labels.get("__name__", "Value"), "number", labels=shown, display=name)]
    if step:
        fields[0]["config"] = {"interval": round(step * 1000)}
    times = [round(float(point[0]) * 1000) for point in values]
    return frame(
        ref_id,
        fields,
        [times, [number(point[1]) for point in values]],
        kind="timeseries-multi",
        name=name,
        meta={
            "typeVersion": [0, 1],
            "custom": {"resultType": "matrix"},
            "executedQueryString": f"Expr: {expr}\nStep: {step:g}s",
        },
    )


def _empty(ref_id: str) -> Frame:
    return frame(ref_id, [], [], kind="timeseries-multi")


def _table(ref_id: str, result: Sequence[Mapping[str, Any]]) -> Frame:
    names = sorted({name for row in result for name in row["metric"]})
    columns: list[list[Any]] = [[round(float(row["value"][0]) * 1000) for row in result]]
    columns += [[row["metric"].get(name, "") for row in result] for name in names]
    columns.append([number(row["value"][1]) for row in result])
    fields = [field("Time", "time"), *[field(name, "string") for name in names], field("Value", "number")]
    return frame(ref_id, fields, columns, kind="table", meta={"custom": {"resultType": "vector"}})


def _cells(ref_id: str, row: Mapping[str, Any]) -> Frame:
    """A native histogram: one cell a bucket and moment."""
    cells = [
        (round(float(at) * 1000), number(low), number(high), number(count), int(layout))
        for at, histogram in row["histograms"]
        for layout, low, high, count in histogram.get("buckets") or []
    ]
    shown = {k: v for k, v in row["metric"].items() if k != "__name__"}
    fields = [
        field("xMax", "time"),
        field("yMin", "number", labels=shown),
        field("yMax", "number", labels=shown),
        field("count", "number", labels=shown),
        field("yLayout", "number"),
    ]
    columns: list[Any] = list(zip(*cells, strict=True)) or [[] for _ in fields]
    return frame(ref_id, fields, columns, kind="heatmap-cells", meta={"custom": {"resultType": "matrix"}})


def _lines(ref_id: str, result: Sequence[Mapping[str, Any]], expr: str) -> Frame:
    rows = [(int(value[0]), value[1], stream["stream"]) for stream in result for value in stream["values"]]
    rows.sort(key=lambda row: row[0], reverse=True)
    fields = [
        field("labels", "other"),
        field("Time", "time"),
        field("Line", "string"),
        field("tsNs", "string"),
        field("id", "string"),
    ]
    columns: list[list[Any]] = [
        [row[2] for row in rows],
        [row[0] // 1_000_000 for row in rows],
        [row[1] for row in rows],
        [str(row[0]) for row in rows],
        [f"{row[0]}_{zlib.crc32(f'{row[1]}{row[2]}'.encode()):08x}" for row in rows],
    ]
    return frame(
        ref_id,
        fields,
        columns,
        kind="log-lines",
        meta={
            "preferredVisualisationType": "logs",
            "custom": {"frameType": "LabeledTimeValues"},
            "executedQueryString": f"Expr: {expr}",
        },
    )


def from_traces(ref_id: str, traces: Sequence[Mapping[str, Any]]) -> Frame:
    """A table of traces, newest first."""
    rows = []
    for trace in traces:
        spans = trace.get("spans") or []
        if not spans:
            continue
        first = min(spans, key=lambda span: span["startTime"])
        process = trace["processes"].get(first["processID"], {})
        end = max(span["startTime"] + span["duration"] for span in spans)
        name = f"{process.get('serviceName', '')}: {first['operationName']}"
        rows.append((trace["traceID"], name, first["startTime"] // 1000, end - first["startTime"]))
    rows.sort(key=lambda row: -row[2])
    fields = [
        field("traceID", "string"),
        field("traceName", "string"),
        field("startTime", "time"),
        field("duration", "number"),
    ]
    return frame(
        ref_id, fields, list(zip(*rows, strict=True)) or [[], [], [], []], meta={"preferredVisualisationType": "table"}
    )


def from_trace(ref_id: str, trace: Mapping[str, Any]) -> Frame:
    """One trace as the trace view takes it."""
    names = (
        "traceID",
        "spanID",
        "parentSpanID",
        "operationName",
        "serviceName",
        "serviceTags",
        "startTime",
        "duration",
        "logs",
        "tags",
        "references",
        "warnings",
    )
    kinds = ("string",) * 5 + ("other", "number", "number", "other", "other", "other", "other")
    rows = []
    for span in trace.get("spans") or []:
        process = trace["processes"].get(span["processID"], {})
        references = span.get("references") or []
        parent = next(
            (r["spanID"] for r in references if r["refType"] == "CHILD_OF" and r["traceID"] == span["traceID"]), ""
        )
        rows.append(
            (
                span["traceID"],
                span["spanID"],
                parent,
                span["operationName"],
                process.get("serviceName", ""),
                process.get("tags") or [],
                span["startTime"] / 1000,
                span["duration"] / 1000,
                span.get("logs") or [],
                span.get("tags") or [],
                references,
                span.get("warnings") or [],
            )
        )
    columns: list[Any] = list(zip(*rows, strict=True)) or [[] for _ in names]
    return frame(
        ref_id,
        [field(name, kind) for name, kind in zip(names, kinds, strict=True)],
        columns,
        meta={"preferredVisualisationType": "trace"},
    )
