"""The metrics page: Prometheus text and OpenMetrics, with exemplars, for one or several processes."""

import asyncio
import http.server
import threading
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from itertools import accumulate
from operator import add
from typing import Any

from pytake.telemetry import metrics as m
from pytake.telemetry.store import EXEMPLAR_SLOTS

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
UNITS = ("seconds", "bytes", "ratio")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def escape(value: str) -> str:
    """Escape a label value."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    """Write a value as both formats want it."""
    text = repr(value)
    if text[-1] in "fn":  # inf or nan: finite numbers end in a digit
        return "+Inf" if text == "inf" else "-Inf" if text == "-inf" else "NaN"
    return text


def _prefixes(metric: "m.Metric[Any]", values: tuple[str, ...]) -> tuple[str, ...]:
    """Return what the lines of a series begin with, up to the value."""
    inner = ",".join(f'{name}="{escape(value)}"' for name, value in zip(metric.label_names, values, strict=True))
    braces = f"{{{inner}}}" if inner else ""
    if not isinstance(metric, m.Histogram):
        made: tuple[str, ...] = (f"{metric.name}{braces} ",)
    else:
        lead = f"{inner}," if inner else ""
        bounds = [*map(number, metric.bounds), "+Inf"]
        made = (
            *(f'{metric.name}_bucket{{{lead}le="{bound}"}} ' for bound in bounds),
            f"{metric.name}_sum{braces} ",
            f"{metric.name}_count{braces} ",
        )
    metric.prefixes[values] = made
    return made


@lru_cache(maxsize=2048)
def _header(metric: "m.Metric[Any]", openmetrics: bool) -> str:
    name, kind = metric.name, metric.kind
    text = metric.help.replace("\\", "\\\\").replace("\n", "\\n")
    if not openmetrics:
        return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
    if kind == "counter":
        kind, name = ("counter", name.removesuffix("_total")) if name.endswith("_total") else ("unknown", name)
    unit = next((f"# UNIT {name} {unit}\n" for unit in UNITS if name.endswith("_" + unit)), "")
    text = text.replace('"', '\\"')
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n{unit}"


class _Page:
    """One page in the making."""

    def __init__(self, openmetrics: bool) -> None:
        shared = m._STATE.shared
        self.openmetrics = openmetrics
        self.merged = shared.merged() if shared is not None else None
        self.store = m._STATE.store
        self.numbers = self.store.numbers(0, self.store.used)
        self.out: list[str] = []

    def write(self) -> bytes:
        for metric in tuple(m._STATE.metrics.values()):
            series = self._series(metric)
            if not series:
                continue
            self.out.append(_header(metric, self.openmetrics))
            if isinstance(metric, m.Histogram):
                for values, numbers in series.items():
                    self._histogram(metric, values, numbers)
            else:
                self._plain(metric, series)
        if self.openmetrics:
            self.out.append("# EOF\n")
        return "".join(self.out).encode()

    def _series(self, metric: "m.Metric[Any]") -> dict[tuple[str, ...], list[float]]:
        """Return the numbers of each series: this process's and, when there are several, everybody's."""
        count, all_numbers, used = metric.value_slots, self.numbers, len(self.numbers)
        own = {
            values: all_numbers[child._slot : child._slot + count]
            for values, child in tuple(metric.children.items())
            if child._slot < used
        }
        if self.merged is None:
            return own
        if metric.kind == "gauge":
            return _merge_gauges(metric, own, self.merged.gauges.get(metric.name, {}))
        for values, numbers in self.merged.sums.get(metric.name, {}).items():
            mine = own.get(values)
            own[values] = numbers if mine is None else list(map(add, mine, numbers))
        return own

    def _plain(self, metric: "m.Metric[Any]", series: dict[tuple[str, ...], list[float]]) -> None:
        prefixes, gauge = metric.prefixes, metric.kind == "gauge"
        for values, (value,) in series.items():
            text = repr(value)
            if text[-1] in "fn":
                if gauge and value != value:  # noqa: PLR0124 (NaN differs from itself: a gauge that was removed)
                    continue
                text = number(value)
            self.out.append(f"{(prefixes.get(values) or _prefixes(metric, values))[0]}{text}\n")

    def _histogram(self, metric: "m.Histogram", values: tuple[str, ...], numbers: list[float]) -> None:
        prefixes = metric.prefixes.get(values) or _prefixes(metric, values)
        counts = list(accumulate(numbers[:-1]))
        lines = [f"{prefix}{count!r}" for prefix, count in zip(prefixes, counts, strict=False)]
        if self.openmetrics and metric.exemplars:
            for bucket, (trace_id, value, unix) in self._exemplars(metric, values).items():
                lines[bucket] += f' # {{trace_id="{trace_id:032x}"}} {number(value)} {unix:.3f}'
        lines.append(f"{prefixes[-2]}{number(numbers[-1])}")
        lines.append(f"{prefixes[-1]}{counts[-1]!r}\n")
        self.out.append("\n".join(lines))

    def _exemplars(self, metric: "m.Histogram", values: tuple[str, ...]) -> dict[int, tuple[int, float, float]]:
        """Return the newest example of each bucket, of whichever process."""
        places = list(self.merged.peers.get((metric.name, values), ())) if self.merged else []
        child = metric.children.get(values)
        if child is not None:
            store, slot = child.place
            places.append((store, slot + metric.value_slots))
        found: dict[int, tuple[int, float, float]] = {}
        for store, start in places:
            for bucket in range(len(metric.bounds) + 1):
                slot = start + bucket * EXEMPLAR_SLOTS
                if not store.doubles[slot + 3]:  # its time: none yet
                    continue
                example = store.read_exemplar(slot)
                if example is not None and (bucket not in found or found[bucket][2] < example[2]):
                    found[bucket] = example
        return found


def _merge_gauges(
    metric: "m.Metric[Any]", own: dict[tuple[str, ...], list[float]], others: dict[tuple[str, ...], list[float]]
) -> dict[tuple[str, ...], list[float]]:
    folds: dict[m.Merge, Callable[[Iterable[float]], float]] = {m.Merge.SUM: sum, m.Merge.MAX: max, m.Merge.MIN: min}
    fold = folds[metric.merge]
    merged = {values: numbers for values, numbers in own.items() if numbers[0] == numbers[0]}
    for values, numbers in others.items():
        merged[values] = [fold([*merged.get(values, ()), *numbers])]
    return merged


def render(openmetrics: bool = False) -> bytes:
    """Return the metrics page; exemplars only in OpenMetrics.

    Raises :class:`~pytake.telemetry.shared.SharedMetricsError` when other processes' values cannot be read: a page
    with sums that went down would look like a restart.
    """
    m.collect()
    return _Page(openmetrics).write()


def metrics_response(headers: Iterable[tuple[bytes, bytes]] = ()) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, headers and body of the page for a request with these (ASGI) headers."""
    accept = b",".join(value for name, value in headers if name.lower() == b"accept")
    openmetrics = b"application/openmetrics-text" in accept
    kind, status = OPENMETRICS if openmetrics else TEXT, 200
    try:
        body = render(openmetrics)
    except Exception as fault:
        kind, status, body = "text/plain; charset=utf-8", 503, f"no metrics: {fault}\n".encode()
    return status, [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())], body


async def metrics_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the page: an ASGI application to be mounted at ``/metrics``."""
    headers = tuple(scope.get("headers", ()))
    if m._STATE.shared is not None:  # reads files and may wait for their lock
        status, answer, body = await asyncio.to_thread(metrics_response, headers)
    else:
        status, answer, body = metrics_response(headers)
    await send({"type": "http.response.start", "status": status, "headers": answer})
    await send({"type": "http.response.body", "body": body if scope.get("method") != "HEAD" else b""})


class MetricsServer:
    """A small HTTP server with the page, in a thread of its own: it answers while the event loop is busy."""

    def __init__(self, host: str, port: int) -> None:
        self._server = http.server.ThreadingHTTPServer((host, port), _Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on (given 0, the one that the kernel chose)."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        headers = [(name.encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        path = self.path.split("?", 1)[0]
        status, answer, body = metrics_response(headers) if path == "/metrics" else (404, [], b"see /metrics\n")
        self.send_response(status)
        for name, value in answer:
            self.send_header(name.decode(), value.decode())
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are not logged."""


def start_metrics_server(host: str, port: int) -> MetricsServer:
    """Serve ``/metrics`` on ``host:port`` for a process without an HTTP application of its own."""
    return MetricsServer(host, port)
