"""Unchanged clients: the OpenTelemetry SDKs of Python and Node, the Jaeger Thrift exporter."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from tests.conformance.jaeger.server import Target

HERE = Path(__file__).parent


def _trace(exporter: Any, service: str) -> str:
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("conformance", "1.0")
    with tracer.start_as_current_span(
        "parent", kind=SpanKind.SERVER, attributes={"list": ["a", "b"], "n": 5}
    ) as parent:
        with tracer.start_as_current_span("child", kind=SpanKind.CLIENT) as child:
            child.record_exception(ValueError("boom"))
            child.set_status(Status(StatusCode.ERROR, "boom"))
        trace_id = f"{parent.get_span_context().trace_id:032x}"
    provider.shutdown()
    return trace_id


def _check(jaeger: Target, service: str, trace_id: str) -> None:
    jaeger.search(service)
    trace = jaeger.trace(trace_id)
    by_name = {span["operationName"]: span for span in trace["spans"]}
    assert set(by_name) == {"parent", "child"}
    assert by_name["child"]["references"][0]["spanID"] == by_name["parent"]["spanID"]
    tags = {tag["key"]: tag["value"] for tag in by_name["child"]["tags"]}
    assert (tags["error"], tags["span.kind"]) == (True, "client")
    fields = {item["key"]: item["value"] for item in by_name["child"]["logs"][0]["fields"]}
    assert fields["exception.message"] == "boom"
    assert {process["serviceName"] for process in trace["processes"].values()} == {service}


def test_python_over_grpc(jaeger: Target, service: str) -> None:
    _check(jaeger, service, _trace(GrpcExporter(endpoint=jaeger.grpc, insecure=True), service))


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_python_over_http(jaeger: Target, service: str, compression: Compression) -> None:
    exporter = HttpExporter(endpoint=f"{jaeger.otlp}/v1/traces", compression=compression)
    _check(jaeger, service, _trace(exporter, service))


THRIFT = """
import sys
from opentelemetry.exporter.jaeger.thrift import JaegerExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

provider = TracerProvider(resource=Resource.create({"service.name": sys.argv[2]}))
exporter = JaegerExporter(collector_endpoint=sys.argv[1] + "/api/traces?format=jaeger.thrift")
provider.add_span_processor(BatchSpanProcessor(exporter))
tracer = provider.get_tracer("conformance")
with tracer.start_as_current_span("parent", kind=SpanKind.SERVER) as parent:
    with tracer.start_as_current_span("child", kind=SpanKind.CLIENT) as child:
        child.record_exception(ValueError("boom"))
        child.set_status(Status(StatusCode.ERROR, "boom"))
    print(f"{parent.get_span_context().trace_id:032x}")
provider.shutdown()
"""
NAMES = (
    "AGENT_HOST", "AGENT_PORT", "AGENT_SPLIT_OVERSIZED_BATCHES", "CERTIFICATE", "ENDPOINT", "PASSWORD", "TIMEOUT",
    "USER",
)  # fmt: skip


def _thrift(python: Path | str, script: str, jaeger: Target, service: str, **env: str) -> str:
    done = subprocess.run(
        [str(python), "-c", script, jaeger.thrift, service], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_jaeger_thrift_exporter(jaeger: Target, service: str) -> None:
    """The exporter with today's SDK, which no longer has the names of its environment variables."""
    names = "\n".join(
        f'environment_variables.OTEL_EXPORTER_JAEGER_{name} = "OTEL_EXPORTER_JAEGER_{name}"' for name in NAMES
    )
    script = f"from opentelemetry.sdk import environment_variables\n{names}\n{THRIFT}"
    _check(jaeger, service, _thrift(sys.executable, script, jaeger, service))


@pytest.mark.slow
def test_jaeger_thrift_exporter_with_its_own_sdk(jaeger: Target, service: str, tmp_path: Path) -> None:
    packages = [
        "opentelemetry-exporter-jaeger-thrift==1.21.0",
        "opentelemetry-sdk==1.21.0",
        "deprecated",
        "setuptools<81",
    ]
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [uv, "pip", "install", "-q", "--target", tmp_path, "--python", sys.executable, *packages], check=True
    )
    _check(jaeger, service, _thrift(sys.executable, THRIFT, jaeger, service, PYTHONPATH=str(tmp_path)))


NODE = """
const { NodeTracerProvider, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-node');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { SpanKind, SpanStatusCode, trace, context } = require('@opentelemetry/api');
const [kind, url, service] = process.argv.slice(2);
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-' + kind);
const exporter = new OTLPTraceExporter({ url });
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': service }),
  spanProcessors: [new SimpleSpanProcessor(exporter)],
});
const tracer = provider.getTracer('conformance');
const parent = tracer.startSpan('parent', { kind: SpanKind.SERVER });
const child = tracer.startSpan('child', { kind: SpanKind.CLIENT }, trace.setSpan(context.active(), parent));
child.recordException(new Error('boom'));
child.setStatus({ code: SpanStatusCode.ERROR, message: 'boom' });
child.end();
parent.end();
provider.shutdown().then(() => console.log(parent.spanContext().traceId));
"""


@pytest.fixture(scope="module")
def node_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the SDK installed."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("node")
    names = [
        "api",
        "resources",
        "sdk-trace-node",
        *(f"exporter-trace-otlp-{kind}" for kind in ("grpc", "proto", "http")),
    ]
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", *(f"@opentelemetry/{name}" for name in names)]
    subprocess.run(command, cwd=folder, check=True, timeout=300)
    (folder / "send.js").write_text(NODE)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["grpc", "proto", "http"])
def test_node(jaeger: Target, service: str, node_project: Path, kind: str) -> None:
    url = f"http://{jaeger.grpc}" if kind == "grpc" else f"{jaeger.otlp}/v1/traces"
    done = subprocess.run(
        ["node", "send.js", kind, url, service],
        cwd=node_project,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _check(jaeger, service, done.stdout.strip())


READER = """
import json
import sys
from jaeger_mcp import JaegerClient

client = JaegerClient.from_env()
service, trace_id = sys.argv[2], sys.argv[3]
found = client.search_traces(service, limit=5)
trace = client.get_trace(trace_id)
print(json.dumps({
    "services": client.list_services(),
    "found": [item.trace_id for item in found],
    "spans": {span.operation: span.error for span in trace.spans},
    "several": [item.trace_id for item in client.fetch_traces([trace_id])],
}))
"""


@pytest.mark.slow
def test_a_client_of_the_query_api(jaeger: Target, service: str, tmp_path: Path) -> None:
    """A package of PyPI that reads traces."""
    trace_id = _trace(GrpcExporter(endpoint=jaeger.grpc, insecure=True), service)
    _check(jaeger, service, trace_id)
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [uv, "pip", "install", "-q", "--target", tmp_path, "--python", sys.executable, "jaeger-mcp==0.6.1"], check=True
    )
    done = subprocess.run(
        [sys.executable, "-c", READER, jaeger.query, service, trace_id],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "JAEGER_URL": jaeger.query},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert service in answer["services"]
    assert answer["found"] == answer["several"] == [trace_id]
    assert answer["spans"] == {"parent": False, "child": True}
