"""Queries over HTTP on stored lines: medians, memory, start-up, and how ingest slows them.

    .venv/bin/python bench/loki_query.py [--lines 1000000] [--hours 1] [--during-ingest] [--loki-url URL] [--json]

With --lines 10000000 --hours 10 the last hour holds 1,000,000 lines: a one-hour query must cost what it costs there.
"""

import argparse
import http.client
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from loki_support import HEADERS, Server, build, make_lines, proto_body, push_all, server

HOUR = 3600 * 10**9
JOB = '{job="bench"}'
QUERIES: list[tuple[str, str, dict[str, str], float]] = [
    ("substring_newest_100", f'{JOB} |= "conversations"', {"limit": "100"}, 30),
    ("json_status_newest_100", f"{JOB} | json | status >= 500", {"limit": "100"}, 30),
    ("regex_newest_100", f'{JOB} |~ "duration_ms.:[0-9]{{3,}}"', {"limit": "100"}, 30),
    ("rare_substring", f'{JOB} |= "no line has this text"', {"limit": "100"}, 200),
    ("count_by_level_1m", f"sum by (level) (count_over_time({JOB} | json [1m]))", {"step": "60"}, 200),
    ("count_by_path_1m", f"sum by (path) (count_over_time({JOB} | json [1m]))", {"step": "60"}, 200),
    (
        "p95_by_path_5m",
        f"quantile_over_time(0.95, {JOB} | json | unwrap duration_ms [5m]) by (path)",
        {"step": "60"},
        200,
    ),
    ("topk_5xx_by_path", f"topk(5, sum by (path) (rate({JOB} | json | status >= 500 [5m])))", {"step": "60"}, 200),
    ("one_trace_id", "", {"limit": "100"}, 150),
]
CAPPED = [
    ("everything_limit_5000", '{job=~".+"}', {"limit": "5000"}),
    ("high_cardinality_by", f"sum by (trace_id) (count_over_time({JOB} | json [5m]))", {"step": "300"}),
]


def get(connection: http.client.HTTPConnection, path: str, params: dict[str, str]) -> tuple[float, int, bytes]:
    """Milliseconds, status and body of a GET."""
    began = time.perf_counter()
    connection.request("GET", f"{path}?{urlencode(params)}")
    answer = connection.getresponse()
    body = answer.read()
    return (time.perf_counter() - began) * 1000, answer.status, body


def rounds(base: str, path: str, params: dict[str, str], count: int) -> float:
    """Median milliseconds after one warm-up; raises when an answer is not 200."""
    where = urlsplit(base)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=120)
    taken = []
    for _ in range(count + 1):
        took, status, body = get(connection, path, params)
        if status != 200:
            raise RuntimeError(f"{path} {params}: {status} {body[:300]!r}")
        taken.append(took)
    return round(statistics.median(taken[1:]), 1)


def measure(loki: Server, start: int, end: int, trace_id: str, count: int) -> dict[str, float]:
    """Medians of all queries over ``[start, end)``."""
    span = {"start": str(start), "end": str(end)}
    result = {}
    for name, query, params, _ in QUERIES:
        text = query or f'{JOB} |= "{trace_id}"'
        result[name] = rounds(loki.base, "/loki/api/v1/query_range", {"query": text, **params, **span}, count)
    result["one_trace_id_json"] = rounds(
        loki.base,
        "/loki/api/v1/query_range",
        {"query": f'{JOB} | json | trace_id="{trace_id}"', "limit": "100", **span},
        count,
    )
    result["labels"] = rounds(loki.base, "/loki/api/v1/labels", span, count)
    result["label_values"] = rounds(loki.base, "/loki/api/v1/label/service/values", span, count)
    result["series"] = rounds(loki.base, "/loki/api/v1/series", {"match[]": JOB, **span}, count)
    return result


def settle(loki: Server, seconds: float) -> None:
    """Wait until segments are compacted (ours), or a while."""
    deadline = time.monotonic() + seconds
    where = urlsplit(loki.base)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=120)
    connection.request("POST", "/flush")
    connection.getresponse().read()
    before = -1
    while time.monotonic() < deadline:
        files = len(list((loki.data / "loki/pytake/segments").glob("*"))) if loki.data else 0
        if files == before:
            return
        before = files
        time.sleep(20)


def during_ingest(loki: Server, start: int, end: int, trace_id: str, count: int, rate: int) -> dict[str, float]:
    """The same while ``rate`` lines a second come in."""
    stop = threading.Event()
    lines = make_lines(2000, seed=99)

    def feed() -> None:
        where = urlsplit(loki.base)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        while not stop.is_set():
            began = time.monotonic()
            now = time.time_ns()
            connection.request("POST", "/loki/api/v1/push", proto_body(lines, range(now, now + 2000)), HEADERS["proto"])
            connection.getresponse().read()
            stop.wait(max(0.0, 2000 / rate - (time.monotonic() - began)))

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        time.sleep(3)
        return measure(loki, start, end, trace_id, count)
    finally:
        stop.set()
        feeder.join()


def capped(loki: Server, start: int, end: int) -> dict[str, Any]:
    """Queries that ask for too much: what they answer, and the memory they take."""
    where = urlsplit(loki.base)
    found: dict[str, Any] = {}
    for name, query, params in CAPPED:
        loki.reset_peak()
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=120)
        span = {"start": str(start), "end": str(end)}
        took, status, body = get(connection, "/loki/api/v1/query_range", {"query": query, **params, **span})
        found[name] = {
            "status": status,
            "ms": round(took),
            "peak_rss_mb": round(loki.peak_rss() / 2**20),
            "says": "" if status == 200 else body[:160].decode(),
        }
    return found


def main() -> None:
    """Run; prints a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines to store")
    parser.add_argument("--hours", type=int, default=1, help="hours over which the lines are spread")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each query after a warm-up")
    parser.add_argument("--during-ingest", action="store_true", help="measure again at 20,000 lines a second of ingest")
    parser.add_argument("--data", type=Path, help="keep the data there (ours), and use what is there already")
    parser.add_argument("--loki-url", help="ask there instead of a server of our own")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-loki-") as temporary:
        data = args.data or Path(temporary)
        marker = data / "bench.json"
        if marker.exists():
            stored = orjson.loads(marker.read_bytes())
        else:
            stored = load(args, data)
            marker.write_bytes(orjson.dumps(stored))
        with server(args.loki_url, data) as loki:
            start, end, trace_id = stored["start"], stored["end"], stored["trace_id"]
            result: dict[str, Any] = {"lines": args.lines, "ready_seconds": round(loki.ready_seconds, 2)}
            result["last_hour_ms"] = measure(loki, end - HOUR, end, trace_id, args.rounds)
            if args.hours > 1:
                span = {"start": str(start), "end": str(end), "step": str(args.hours * 60)}
                for name, query in (
                    ("ten_hours_count_by_level_ms", QUERIES[4][1]),
                    ("ten_hours_topk_ms", QUERIES[7][1]),
                    ("ten_hours_p95_ms", QUERIES[6][1].replace("[5m]", "[20m]")),
                ):
                    asked = {"query": query, **span}
                    result[name] = rounds(loki.base, "/loki/api/v1/query_range", asked, 3)
            if args.during_ingest:
                result["during_ingest_ms"] = during_ingest(loki, end - HOUR, end, trace_id, args.rounds, 20_000)
            result["rss_mb"] = round(loki.rss() / 2**20)
            result["capped"] = capped(loki, end - HOUR, end)
            result["peak_rss_mb"] = round(loki.peak_rss() / 2**20)
            result["bytes_per_line_on_disk"] = round(loki.disk() / args.lines, 1)
    result["over_target"] = [name for name, _, _, target in QUERIES if result["last_hour_ms"][name] > target] + [
        name for name in ("labels", "series") if result["last_hour_ms"][name] > 5
    ]
    if args.json:
        print(orjson.dumps(result).decode())
        return
    for name, value in result.items():
        rows = value.items() if isinstance(value, dict) else [("", value)]
        for inner, number in rows:
            print(f"{name:28s} {inner:28s} {number}")


def load(args: argparse.Namespace, data: Path) -> dict[str, Any]:
    """Store the lines; when they begin and end, and a trace id in their middle."""
    end = time.time_ns() // HOUR * HOUR
    start = end - args.hours * HOUR
    portion = 200_000
    with server(args.loki_url, data) as loki:
        for at in range(0, args.lines, portion):
            count = min(portion, args.lines - at)
            span = args.hours * HOUR // max(1, args.lines) * count
            bodies = list(build("proto", count, 2000, start + at * (args.hours * HOUR // args.lines), span, seed=at))
            push_all(loki.base, "proto", bodies, 4)
        settle(loki, 300)
        where = urlsplit(loki.base)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=120)
        half = {"start": str(end - HOUR), "end": str(end - HOUR // 2), "query": JOB, "limit": "1"}
        _, _, body = get(connection, "/loki/api/v1/query_range", half)
        line = orjson.loads(body)["data"]["result"][0]["values"][0][1]
    return {"start": start, "end": end, "trace_id": orjson.loads(line)["trace_id"]}


if __name__ == "__main__":
    main()
