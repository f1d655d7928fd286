"""The lines that the conformance tests ask for: JSON, logfmt, access log, plain with structured metadata."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SECOND = 10**9


@dataclass(frozen=True)
class Row:
    """One line with what it was made from."""

    app: str
    at: int
    line: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Data:
    """All lines: ``rows`` for expectations, ``streams`` for the push. Everything lies in ``(start, end]``."""

    job: str
    start: int
    end: int
    rows: Sequence[Row]
    streams: Sequence[tuple[Mapping[str, str], Sequence[Sequence[Any]]]]

    def count(self, app: str, test: Callable[[Mapping[str, Any]], bool]) -> int:
        """Lines of an app whose fields pass."""
        return sum(1 for row in self.rows if row.app == app and test(row.fields))

    def select(self, app: str) -> str:
        """A selector of an app's stream."""
        return f'{{job="{self.job}", app="{app}"}}'


def _web(at: int) -> tuple[str, dict[str, Any]]:
    fields = {
        "level": ("info", "info", "warn", "error")[at % 4],
        "status": (200, 200, 404, 500)[at % 4],
        "path": f"/p{at % 3}",
        "duration_ms": at,
        "size": f"{at}KB",
        "took": f"{at}ms",
        "msg": f"request {at}",
        "trace_id": f"{at + 10**20:032x}",
        "nested": {"a": at % 2, "b": "x"},
        "list": [1, 2],
        "empty": "",
        "none": None,
        "ok": at % 2 == 0,
        "ratio": at / 8,
    }
    return json.dumps(fields, separators=(",", ":")), {**fields, "i": at}


def _api(at: int) -> tuple[str, dict[str, Any]]:
    fields = {"level": "debug" if at % 3 else "error", "dur": at, "user": f"u{at % 5}", "ip": f"10.0.0.{at}", "i": at}
    return (
        f'level={fields["level"]} msg="hello world {at}" dur={at}ms bytes={at}KB user=u{at % 5} ip=10.0.0.{at} empty=',
        fields,
    )


def _nginx(at: int) -> tuple[str, dict[str, Any]]:
    status = 500 if at % 5 == 0 else 200
    line = f'192.168.1.{at} - - [24/Nov/2026:10:00:00 +0000] "GET /index/{at} HTTP/1.1" {status} {at * 100} "-" "curl"'
    return line, {"status": status, "bytes": at * 100, "i": at}


def _meta(at: int) -> tuple[str, dict[str, Any]]:
    return f"plain {at}", {"i": at, "trace_id": f"t{at}", "user": f"u{at % 2}"}


KINDS: Mapping[str, tuple[int, int, str, Callable[[int], tuple[str, dict[str, Any]]]]] = {
    "web": (60, 10, "prod", _web),
    "api": (30, 20, "dev", _api),
    "nginx": (20, 30, "prod", _nginx),
    "meta": (10, 60, "dev", _meta),
}


def make_data(job: str, start: int) -> Data:
    """Lines over the ten minutes after ``start``."""
    rows: list[Row] = []
    streams = []
    for app, (count, step, env, make) in KINDS.items():
        values: list[list[Any]] = []
        for at in range(count):
            stamp = start + (at * step + 1) * SECOND
            line, fields = make(at)
            rows.append(Row(app, stamp, line, fields))
            values.append(
                [stamp, line, {"trace_id": f"t{at}", "user": f"u{at % 2}"}] if app == "meta" else [stamp, line]
            )
        streams.append(({"job": job, "app": app, "env": env}, values))
    return Data(job, start, start + 600 * SECOND, rows, streams)
