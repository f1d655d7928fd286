"""Ingest over HTTP, durable when acknowledged: lines a second, bytes a line on disk, memory, CPU.

.venv/bin/python bench/loki_ingest.py [--format json|proto] [--lines 1000000] [--loki-url URL] [--json]
"""

import argparse
import http.client
import time
from urllib.parse import urlsplit

import orjson

from loki_support import build, push_all, server


def main() -> None:
    """Run; prints one line, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--format", choices=("json", "proto"), default="json", help="JSON with gzip, or snappy protobuf"
    )
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines to push")
    parser.add_argument("--batch", type=int, default=2000, help="lines a request")
    parser.add_argument("--connections", type=int, default=4, help="connections that push at once")
    parser.add_argument("--loki-url", help="push there instead of to a server of our own")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    start = time.time_ns() - 3600 * 10**9
    bodies = list(build(args.format, args.lines, args.batch, start, 3600 * 10**9))
    with server(args.loki_url) as loki:
        push_all(loki.base, args.format, list(build(args.format, 8000, 2000, start - 10**9, 10**6)), 2)
        cpu, began = loki.cpu(), time.perf_counter()
        took = sorted(push_all(loki.base, args.format, bodies, args.connections))
        seconds = time.perf_counter() - began
        used = loki.cpu() - cpu
        where = urlsplit(loki.base)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=120)
        connection.request("POST", "/flush")
        connection.getresponse().read()
        result = {
            "format": args.format,
            "lines": args.lines,
            "lines_per_second": round(args.lines / seconds),
            "p50_ms": round(took[len(took) // 2] * 1000, 1),
            "p99_ms": round(took[int(len(took) * 0.99)] * 1000, 1),
            "server_cpu_seconds": round(used, 2),
            "bytes_per_line_on_disk": round(loki.disk() / args.lines, 1),
            "rss_peak_mb": round(loki.peak_rss() / 2**20),
            "ready_seconds": round(loki.ready_seconds, 2),
        }
    print(
        orjson.dumps(result).decode() if args.json else "  ".join(f"{name}={value}" for name, value in result.items())
    )


if __name__ == "__main__":
    main()
