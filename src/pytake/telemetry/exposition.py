"""The metrics page: Prometheus text and OpenMetrics, with exemplars, for one or several processes."""

import http.server
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import Any

from pytake.telemetry import metrics as m

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
    if text == "inf":
        return "+Inf"
    if text == "-inf":
        return "-Inf"
    return "NaN" if text == "nan" else text


def _labels(names: Iterable[str], values: Iterable[str], *more: str) -> str:
    pairs = [f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True)]
    return ",".join([*pairs, *more])


def _prefixes(metric: "m.Metric[Any]", child: Any) -> tuple[str, ...]:
    if child.prefixes:
        return child.prefixes  # type: ignore[no-any-return] # child is one of three kinds
    inner = _labels(metric.label_names, child.values)
    braces = f"{{{inner}}}" if inner else ""
    if isinstance(metric, m.Histogram):
        lead = f"{inner}," if inner else ""
        bounds = [number(bound) for bound in metric.bounds] + ["+Inf"]
        child.prefixes = (
            *(f'{metric.name}_bucket{{{lead}le="{bound}"}} ' for bound in bounds),
            f"{metric.name}_sum{braces} ",
            f"{metric.name}_count{braces} ",
        )
    else:
        child.prefixes = (f"{metric.name}{braces} ",)
    return child.prefixes  # type: ignore[no-any-return] # as above


def _header(metric: "m.Metric[Any]", openmetrics: bool) -> str:
    name, kind = metric.name, metric.kind
    help_text = metric.help.replace("\\", "\\\\").replace("\n", "\\n")
    if openmetrics:
        if kind == "counter":
            kind, name = ("counter", name[:-6]) if name.endswith("_total") else ("unknown", name)
        unit = next((f"# UNIT {name} {unit}\n" for unit in UNITS if name.endswith("_" + unit)), "")
        help_text = help_text.replace('"', '\\"')
        return f"# HELP {name} {help_text}\n# TYPE {name} {kind}\n{unit}"
    return f"# HELP {name} {help_text}\n# TYPE {name} {kind}\n"


def _histogram_lines(metric: "m.Histogram", child: Any, openmetrics: bool) -> Iterator[str]:
    prefixes, total = _prefixes(metric, child), 0.0
    numbers = child.read(len(metric.bounds) + 2)
    for index, count in enumerate(numbers[:-1]):
        total += count
        example = child.exemplar(index) if openmetrics else None
        tail = f' # {{trace_id="{example[0]:032x}"}} {number(example[1])} {example[2]:.3f}' if example else ""
        yield f"{prefixes[index]}{number(total)}{tail}\n"
    yield f"{prefixes[-2]}{number(numbers[-1])}\n"
    yield f"{prefixes[-1]}{number(total)}\n"


def render(openmetrics: bool = False) -> bytes:
    """Return the metrics page; exemplars only in OpenMetrics."""
    for hook in tuple(m._STATE.hooks):
        hook()
    out: list[str] = []
    for metric in tuple(m._STATE.metrics.values()):
        children = tuple(metric.children.values())
        if not children:
            continue
        out.append(_header(metric, openmetrics))
        for child in children:
            if isinstance(metric, m.Histogram):
                out.extend(_histogram_lines(metric, child, openmetrics))
            else:
                value = child.get()
                if value == value:  # noqa: PLR0124 (NaN differs from itself)
                    out.append(f"{_prefixes(metric, child)[0]}{number(value)}\n")
    if openmetrics:
        out.append("# EOF\n")
    return "".join(out).encode()


def metrics_response(headers: Iterable[tuple[bytes, bytes]] = ()) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, headers and body of the page for a request with these (ASGI) headers."""
    accept = b",".join(value for name, value in headers if name.lower() == b"accept")
    openmetrics = b"application/openmetrics-text" in accept
    body = render(openmetrics)
    kind = OPENMETRICS if openmetrics else TEXT
    return 200, [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())], body


async def metrics_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the page: an ASGI application to be mounted at ``/metrics``."""
    status, headers, body = metrics_response(scope.get("headers", ()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


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
    def do_GET(self) -> None:  # noqa: N802 (the name that http.server calls)
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
