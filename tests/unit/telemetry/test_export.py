"""Export: bounded, never in a request's way, every loss counted by its reason; OTLP and Jaeger Thrift as asked for."""

import http.server
import sys
import threading
import time
import types
from collections.abc import Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import opentelemetry
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode
from thriftpy2.utils import deserialize

from pytake.telemetry import catalog, exporters, jaeger, tracing
from pytake.telemetry.export import ExportQueue
from pytake.telemetry.settings import TelemetrySettings
from pytake.telemetry.setup import redact_attribute
from pytake.telemetry.spans import Policy, Provider, RecordingSpan
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("catalogue")
RESOURCE = Resource({"service.name": "test", "host.name": "here"})


class Exporter(SpanExporter):
    """Keeps spans; can be made slow or broken."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []
        self.gate = threading.Event()
        self.gate.set()
        self.fault: Exception | None = None
        self.result = SpanExportResult.SUCCESS
        self.entered = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.entered.set()
        self.gate.wait(10)
        if self.fault:
            raise self.fault
        self.spans.extend(spans)
        return self.result


def span(name: str = "job") -> RecordingSpan:
    found = Provider(Policy(), lambda _span: None).root(name, SpanKind.INTERNAL, None)
    found.end()
    return found


def dropped() -> dict[str, float]:
    return {values[0]: child.get() for values, child in catalog.SPANS_DROPPED.children.items()}


def test_spans_are_exported_in_batches() -> None:
    exporter = Exporter()
    queue = ExportQueue(exporter, RESOURCE, delay=0.01)
    for number in range(5):
        queue.put(span(str(number)))
    assert queue.flush()
    queue.shutdown()
    assert [span.name for span in exporter.spans] == list("01234")
    assert catalog.SPANS_EXPORTED.labels().get() == 5
    assert dropped() == {}


def test_a_full_queue_drops_and_counts_and_never_waits() -> None:
    exporter = Exporter()
    exporter.gate.clear()
    queue = ExportQueue(exporter, RESOURCE, size=10, batch=2, delay=0.01)
    queue.put(span())
    assert exporter.entered.wait(5)  # the thread hangs in the exporter now
    started = time.monotonic()
    for _ in range(1000):
        queue.put(span())
    assert time.monotonic() - started < 1
    assert dropped() == {"queue_full": 990}
    exporter.gate.set()
    queue.shutdown()
    assert len(exporter.spans) == 11


@pytest.mark.parametrize("broken", ["raises", "refuses"])
def test_a_failed_export_is_counted(broken: str) -> None:
    exporter = Exporter()
    exporter.fault = RuntimeError("gone") if broken == "raises" else None
    exporter.result = SpanExportResult.FAILURE
    queue = ExportQueue(exporter, RESOURCE, delay=0.01)
    queue.put(span())
    queue.put(span())
    queue.shutdown()
    assert dropped() == {"export_failed": 2}


def test_shutdown_gives_up_on_a_collector_that_hangs() -> None:
    exporter = Exporter()
    exporter.gate.clear()
    queue = ExportQueue(exporter, RESOURCE, batch=1, delay=0.01)
    queue.put(span())
    assert exporter.entered.wait(5)
    queue.put(span())
    started = time.monotonic()
    queue.shutdown(0.2)
    assert time.monotonic() - started < 2
    assert dropped() == {"shutdown": 1}
    queue.put(span())
    assert dropped() == {"shutdown": 2}
    exporter.gate.set()


def test_spans_are_redacted_before_they_leave() -> None:
    exporter = Exporter()
    queue = ExportQueue(exporter, RESOURCE, delay=0.01, redact=redact_attribute)
    found = Provider(Policy(), queue.put).root("job", SpanKind.INTERNAL, None, {"url.path": "/c/5511999998888", "n": 1})
    found.fail(RuntimeError("access_token=EAAabc"))
    found.end()
    queue.shutdown()
    (sent,) = exporter.spans
    assert dict(sent.attributes or {}) == {"url.path": "/c/[phone]", "n": 1, "error.type": "RuntimeError"}
    assert "EAAabc" not in sent.to_json()


# --- which exporters ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("environment", "kinds"),
    [
        ({}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}, ["grpc"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, ["http"]),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            ["http"],
        ),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, ["http"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_TRACES_EXPORTER": "none"}, []),
        ({"JAEGER_ENDPOINT": "http://127.0.0.1:14268/api/traces"}, ["jaeger"]),
        ({"JAEGER_ENDPOINT": "http://127.0.0.1:14268/api/traces", "ENABLE_JAEGER": "true"}, ["jaeger"]),
        ({"JAEGER_ENDPOINT": "http://127.0.0.1:14268/api/traces", "ENABLE_JAEGER": "false"}, []),
        ({"ENABLE_STDOUT_TRACES": "true"}, ["console"]),
        ({"ENABLE_JAEGER": "true"}, []),
        (
            {
                "JAEGER_ENDPOINT": "http://localhost:14268/api/traces",
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317",
            },
            ["jaeger"],  # one Jaeger: it would get every span twice
        ),
        (
            {
                "JAEGER_ENDPOINT": "http://jaeger:14268/api/traces",
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317",
            },
            ["jaeger", "grpc"],
        ),
        (
            {"OTEL_TRACES_EXPORTER": "console,jaeger", "JAEGER_ENDPOINT": "http://127.0.0.1:1/api/traces"},
            ["jaeger", "console"],
        ),
    ],
)
def test_the_environment_says_which_exporters(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], kinds: list[str]
) -> None:
    names = {"grpc": ".grpc.", "http": ".http.", "jaeger": ".jaeger", "console": ".export"}
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "JAEGER_ENDPOINT", "ENABLE_JAEGER", "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    built = exporters.build(TelemetrySettings(_env_file=None))
    for exporter in built:
        exporter.shutdown()
    found = [next(kind for kind, part in names.items() if part in f".{type(e).__module__}.") for e in built]
    assert found == kinds


# --- real transports ----------------------------------------------------------------------------------------------
class Collector:
    """An HTTP receiver that keeps bodies."""

    def __init__(self) -> None:
        bodies: list[tuple[str, str, bytes]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                bodies.append((self.path, self.headers["content-type"], body))
                self.send_response(outer.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None: ...

        outer = self
        self.status, self.bodies = 202, bodies
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.server.shutdown()
    found.server.server_close()
    found.thread.join()


def traced(exporter: SpanExporter) -> list[RecordingSpan]:
    """Send a job with a failed step through ``exporter``."""
    sent: list[RecordingSpan] = []
    queue = ExportQueue(exporter, RESOURCE, delay=0.01)
    tracing.set_provider(Provider(Policy(), lambda span: (sent.append(span), queue.put(span))[0]))
    try:
        with (
            tracing.span(
                "job", kind=SpanKind.CONSUMER, attributes={"n": 3, "ratio": 0.5, "ok": True, "list": ("a", "b")}
            ),
            tracing.span("step", links=tracing.link({"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})) as step,
        ):
            step.add_event("tried", {"attempt": 1})
            step.set_status(StatusCode.ERROR, "refused")
    finally:
        tracing.set_provider(None)
        queue.shutdown()
    return sent


def test_otlp_over_http(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TelemetrySettings(_env_file=None, otlp_endpoint=collector.url, otlp_protocol="http/protobuf")
    traced(exporters.build(settings)[0])
    path, kind, body = collector.bodies[0]
    assert (path, kind) == ("/v1/traces", "application/x-protobuf")
    request = otlp.ExportTraceServiceRequest.FromString(body)
    (group,) = request.resource_spans
    assert {span.name for scope in group.scope_spans for span in scope.spans} == {"job", "step"}
    assert dropped() == {}


def test_otlp_over_grpc() -> None:
    received: list[otlp.ExportTraceServiceRequest] = []

    class Service(otlp_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 (the service's name)
            received.append(request)
            return otlp.ExportTraceServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(2))
    otlp_grpc.add_TraceServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        settings = TelemetrySettings(_env_file=None, otlp_endpoint=f"http://127.0.0.1:{port}")
        traced(exporters.build(settings)[0])
        wait_until(lambda: received, 5, "spans at the gRPC collector")
    finally:
        server.stop(None).wait(5)
    assert received[0].resource_spans[0].resource.attributes


def test_jaeger_thrift_over_http(collector: Collector) -> None:
    settings = TelemetrySettings(_env_file=None, jaeger_endpoint=f"{collector.url}/api/traces")
    step, job = traced(exporters.build(settings)[0])
    path, kind, body = collector.bodies[0]
    assert (path, kind) == ("/api/traces", "application/vnd.apache.thrift.binary")
    batch = deserialize(jaeger.model.Batch(), body)
    assert batch.process.serviceName == "test"
    assert {tag.key: tag.vStr for tag in batch.process.tags} == {"host.name": "here"}
    spans = {span.operationName: span for span in batch.spans}
    sent = spans["step"]
    assert (sent.traceIdHigh << 64 | sent.traceIdLow & (1 << 64) - 1) & (1 << 128) - 1 == step.local.trace_id
    assert sent.parentSpanId & (1 << 64) - 1 == job.span_id
    assert sent.startTime == step.start // 1000
    tags = {tag.key: tag for tag in sent.tags}
    assert tags["error"].vBool is True
    assert tags["otel.status_description"].vStr == "refused"
    assert [field.vStr or field.vLong for field in sent.logs[0].fields] == ["tried", 1]
    assert sent.references[0].spanId & (1 << 64) - 1 == int("b" * 16, 16)
    tags = {tag.key: tag for tag in spans["job"].tags}
    assert tags["span.kind"].vStr == "consumer"
    assert (tags["n"].vLong, tags["ratio"].vDouble, tags["ok"].vBool) == (3, 0.5, True)


def test_our_thrift_is_what_jaegers_own_client_model_reads(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = types.ModuleType(
        "opentelemetry.exporter.jaeger.thrift"
    )  # itself it needs an older SDK; its model does not
    (location,) = (Path(p) / "exporter/jaeger/thrift" for p in opentelemetry.__path__)
    package.__path__ = [str(location)]
    monkeypatch.setitem(sys.modules, package.__name__, package)
    from opentelemetry.exporter.jaeger.thrift.gen.jaeger import ttypes
    from thrift.protocol.TBinaryProtocol import TBinaryProtocol
    from thrift.transport.TTransport import TMemoryBuffer

    traced(jaeger.JaegerThriftExporter(f"{collector.url}/api/traces"))
    batch = ttypes.Batch()
    batch.read(TBinaryProtocol(TMemoryBuffer(collector.bodies[0][2])))
    batch.validate()
    assert sorted(span.operationName for span in batch.spans) == ["job", "step"]


def test_a_jaeger_collector_that_refuses_or_is_gone_loses_counted_spans(collector: Collector) -> None:
    collector.status = 500
    traced(jaeger.JaegerThriftExporter(f"{collector.url}/api/traces"))
    assert dropped() == {"export_failed": 2}
    traced(jaeger.JaegerThriftExporter("http://127.0.0.1:9/api/traces"))
    assert dropped() == {"export_failed": 4}
