"""What telemetry costs a request: server CPU of the bare application, of ours, and of the usual packages together.

    python -m bench.telemetry_cost [--rounds 5] [--requests 4000] [--json]

Three servers (uvicorn, uvloop, httptools, one worker each) run the same FastAPI application; rounds are interleaved, so
that a slow minute of the machine falls on all of them. The figure is the CPU that the server process used, all its
threads included (exporter, log writer), divided by the requests; medians over the rounds. Both instrumented
variants do the same: request count, duration, sizes, in-flight, a server span sampled at 10 % and exported by OTLP over
HTTP, a request id, one JSON access line to a file.

Exit code 0 when ours costs at most 60 us a request and at most a fifth of the packages, 1 when not.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

LIMIT_US, LIMIT_SHARE = 60.0, 0.2
VARIANTS = ("bare", "ours", "packages")
CONNECTIONS = 8
BODY = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"text": "x" * 1400}]}]})
REQUESTS = {
    "GET /items/{id}": b"GET /items/42 HTTP/1.1\r\nhost: bench\r\naccept: */*\r\nuser-agent: bench\r\n\r\n",
    "POST webhook 1.5 kB": (
        "POST /webhooks/whatsapp HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        f"user-agent: bench\r\ncontent-length: {len(BODY)}\r\n\r\n{BODY}"
    ).encode(),
}


# --- the servers ------------------------------------------------------------------------------------------------------
def application() -> Any:
    """Return the application that all variants run."""
    from fastapi import FastAPI, Request

    off = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}
    app = FastAPI(telemetry=off)

    @app.get("/items/{item_id}")
    async def item(item_id: int) -> dict[str, int]:
        return {"item": item_id}

    @app.post("/webhooks/whatsapp")
    async def webhook(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    return app


def with_ours(app: Any, directory: Path, collector: str) -> Any:
    """Return ``app`` under our telemetry."""
    from pytake.telemetry.http import TelemetryMiddleware
    from pytake.telemetry.settings import TelemetrySettings
    from pytake.telemetry.setup import configure

    settings = TelemetrySettings(
        _env_file=None, log_dir=directory, log_stdout=False, sampler_arg=0.1, otlp_endpoint=collector,
        otlp_protocol="http/protobuf",
    )  # fmt: skip
    configure("bench", settings=settings)
    return TelemetryMiddleware(app, service="bench")


def with_packages(app: Any, directory: Path, collector: str) -> Any:
    """Return ``app`` under the usual packages, each as its documentation says."""
    import structlog
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
    from prometheus_fastapi_instrumentator import Instrumentator

    def add_trace(_logger: Any, _method: str, event: Any) -> Any:
        context = trace.get_current_span().get_span_context()
        event["trace_id"], event["span_id"] = f"{context.trace_id:032x}", f"{context.span_id:016x}"
        return event

    provider = TracerProvider(resource=Resource.create({"service.name": "bench"}), sampler=ParentBasedTraceIdRatio(0.1))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{collector}/v1/traces")))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars, structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True), add_trace, structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=(directory / "packages.log").open("a", encoding="utf-8")),
        cache_logger_on_first_use=True,
    )  # fmt: skip
    app.add_middleware(_StructlogLine)
    Instrumentator(should_instrument_requests_inprogress=True).instrument(app).expose(app)
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)
    return app


class _StructlogLine:
    """A pure ASGI middleware with a request id and an access line: the cheap way to use structlog."""

    def __init__(self, app: Any) -> None:
        import structlog

        self.app, self.log = app, structlog.get_logger()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        import uuid

        from structlog.contextvars import bound_contextvars

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def note(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        with bound_contextvars(request_id=uuid.uuid4().hex):
            try:
                await self.app(scope, receive, note)
            finally:
                seconds = time.perf_counter() - started
                path = getattr(scope.get("route"), "path", "unmatched")
                self.log.info(
                    "http_request", method=scope["method"], endpoint=path, status=status, duration_seconds=seconds
                )


def serve(variant: str, sock_fd: int, directory: Path, collector: str) -> None:
    """Run one server on an inherited socket."""
    import uvicorn

    app = application()
    if variant == "ours":
        app = with_ours(app, directory, collector)
    elif variant == "packages":
        app = with_packages(app, directory, collector)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_config=None, fd=sock_fd)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[socket.socket(fileno=sock_fd)])


# --- the load ---------------------------------------------------------------------------------------------------------
async def _client(port: int, request: bytes, count: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"the server answered {head[:80]!r}; fix the application before measuring")
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
    writer.close()
    await writer.wait_closed()


async def _load(port: int, request: bytes, count: int) -> None:
    await asyncio.gather(*(_client(port, request, count // CONNECTIONS) for _ in range(CONNECTIONS)))


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process with all its threads; the scheduler's count is exact, the ticks are 10 ms."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    try:
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9
    except (OSError, ValueError, IndexError):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)


def measure(pid: int, port: int, request: bytes, count: int) -> float:
    """Send ``count`` requests; return the server's CPU in microseconds a request, work left to its threads included."""
    before = cpu_seconds(pid)
    asyncio.run(_load(port, request, count))
    time.sleep(1.2)  # exporter and log threads write what is left; they are part of the cost
    return (cpu_seconds(pid) - before) / count * 1e6


@contextlib.contextmanager
def collector() -> Iterator[str]:
    """Run an OTLP receiver that throws everything away, in a process of its own."""
    code = (
        "import http.server\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    protocol_version = 'HTTP/1.1'\n"
        "    def do_POST(self):\n"
        "        self.rfile.read(int(self.headers['content-length'])); self.send_response(200)\n"
        "        self.send_header('content-length', '0'); self.end_headers()\n"
        "    def log_message(self, *args): pass\n"
        "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), H)\n"
        "print(server.server_address[1], flush=True); server.serve_forever()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def server(variant: str, directory: Path, endpoint: str) -> Iterator[tuple[int, int]]:
    """Run one variant; give its process id and port."""
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    command = [sys.executable, "-m", "bench.telemetry_cost", "--serve", variant, "--fd", str(sock.fileno())]
    command += ["--directory", str(directory), "--collector", endpoint]
    process = subprocess.Popen(command, pass_fds=[sock.fileno()], stdout=subprocess.DEVNULL)
    sock.close()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/items/1", timeout=30):
            pass
        yield process.pid, port
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(15)


def run(rounds: int, requests: int) -> dict[str, Any]:
    """Measure every variant; return medians in microseconds a request and what they add up to."""
    samples: dict[str, dict[str, list[float]]] = {name: {v: [] for v in VARIANTS} for name in REQUESTS}
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="telemetry-cost-")))
        endpoint = stack.enter_context(collector())
        servers = {variant: stack.enter_context(server(variant, directory, endpoint)) for variant in VARIANTS}
        for request in REQUESTS.values():
            for _pid, port in servers.values():
                asyncio.run(_load(port, request, 800))
        for turn in range(rounds):
            order = VARIANTS[turn % 3 :] + VARIANTS[: turn % 3]
            for name, request in REQUESTS.items():
                for variant in order:
                    samples[name][variant].append(measure(*servers[variant], request, requests))
    return _summary(samples)


def _summary(samples: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    result: dict[str, Any] = {"unit": "us of server CPU a request", "requests": {}, "passed": True}
    for name, found in samples.items():
        median = {variant: statistics.median(values) for variant, values in found.items()}
        ours, packages = median["ours"] - median["bare"], median["packages"] - median["bare"]
        passed = ours <= LIMIT_US and ours <= LIMIT_SHARE * packages
        result["requests"][name] = {
            "median": median, "ours_added": ours, "packages_added": packages, "share": ours / packages,
            "samples": found, "passed": passed,
        }  # fmt: skip
        result["passed"] = result["passed"] and passed
    return result


def main() -> int:
    """Measure, or serve one variant (used by the measuring process)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--requests", type=int, default=4000, help="requests a round and variant (default 4000)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    for name in ("--serve", "--fd", "--directory", "--collector"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, int(options.fd), Path(options.directory), options.collector)
        return 0
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parent.parent / "src"))
    result = run(options.rounds, options.requests)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        for name, found in result["requests"].items():
            median = found["median"]
            print(f"{name}: bare {median['bare']:.0f}, ours {median['ours']:.0f}, packages {median['packages']:.0f} us")
            print(
                f"    ours adds {found['ours_added']:.0f} us (limit {LIMIT_US:.0f}), packages add"
                f" {found['packages_added']:.0f}; share {found['share']:.2f} (limit {LIMIT_SHARE})"
            )
        print("passed" if result["passed"] else "FAILED")
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
