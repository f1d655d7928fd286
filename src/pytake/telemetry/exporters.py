"""The span exporters that the settings ask for."""

import logging
import sys
from urllib.parse import unquote

from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

from pytake.telemetry.settings import TelemetrySettings

log = logging.getLogger(__name__)


def build(settings: TelemetrySettings) -> list[SpanExporter]:
    """Return the exporters: OTLP when an endpoint is set, Jaeger Thrift, standard output."""
    found: list[SpanExporter] = []
    wanted = settings.traces_exporter
    if "none" in wanted:
        return found
    if "otlp" in wanted and (settings.otlp_endpoint or settings.otlp_traces_endpoint):
        found.append(_otlp(settings))
    jaeger = settings.enable_jaeger if settings.enable_jaeger is not None else settings.jaeger_endpoint is not None
    if (jaeger or "jaeger" in wanted) and settings.jaeger_endpoint and settings.enable_jaeger is not False:
        from pytake.telemetry.jaeger import JaegerThriftExporter  # noqa: PLC0415 (loads thriftpy2, rarely needed)

        found.append(JaegerThriftExporter(str(settings.jaeger_endpoint), timeout=settings.otlp_timeout))
    elif jaeger:
        log.warning(
            "ENABLE_JAEGER is set, JAEGER_ENDPOINT is not: no spans go to Jaeger; set it to http://HOST:14268/api/traces"
        )
    if settings.enable_stdout_traces or "console" in wanted:
        found.append(ConsoleSpanExporter(out=sys.stdout, formatter=lambda span: span.to_json(indent=None) + "\n"))
    return found


def _protocol(settings: TelemetrySettings) -> str:
    if settings.otlp_protocol:
        return settings.otlp_protocol
    endpoint = settings.otlp_traces_endpoint or settings.otlp_endpoint
    return "http/protobuf" if endpoint is not None and endpoint.port == 4318 else "grpc"


def _pairs(text: str) -> list[tuple[str, str]]:
    """Read ``key=value,key=value``."""
    found = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return [(key, value) for key, _, value in found]


def _otlp(settings: TelemetrySettings) -> SpanExporter:
    base = settings.otlp_traces_endpoint or settings.otlp_endpoint
    headers = {key.strip(): unquote(value.strip()) for key, value in _pairs(settings.otlp_headers)}
    if _protocol(settings) == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc  # noqa: PLC0415 (heavy)

        secure = base is not None and base.scheme == "https"
        return Grpc(endpoint=str(base), insecure=not secure, headers=headers or None, timeout=settings.otlp_timeout)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http  # noqa: PLC0415 (heavy)

    url = str(base) if settings.otlp_traces_endpoint else f"{str(base).rstrip('/')}/v1/traces"
    return Http(endpoint=url, headers=headers or None, timeout=settings.otlp_timeout)
