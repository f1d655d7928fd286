"""The span exporters that the settings ask for."""

import logging
import sys
from urllib.parse import unquote

from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter
from pydantic import AnyHttpUrl

from pytake.telemetry.settings import TelemetrySettings

log = logging.getLogger(__name__)


def build(settings: TelemetrySettings) -> list[SpanExporter]:
    """Return the exporters: Jaeger Thrift, OTLP when an endpoint is set, standard output.

    When ``JAEGER_ENDPOINT`` and the OTLP endpoint are on one host, Jaeger would get every span twice: then Thrift alone
    is used, since that address was given on purpose.
    """
    wanted = settings.traces_exporter
    if "none" in wanted:
        return []
    found: list[SpanExporter] = []
    jaeger = _jaeger_endpoint(settings)
    if jaeger is not None:
        from pytake.telemetry.jaeger import JaegerThriftExporter  # noqa: PLC0415 (loads thriftpy2, rarely needed)

        found.append(JaegerThriftExporter(str(jaeger), timeout=settings.otlp_timeout))
    otlp = settings.otlp_traces_endpoint or settings.otlp_endpoint
    if otlp is not None and jaeger is not None and _host(otlp) == _host(jaeger):
        log.info("JAEGER_ENDPOINT and the OTLP endpoint are on one host: spans go to JAEGER_ENDPOINT alone")
    elif otlp is not None and "otlp" in wanted:
        found.append(_otlp(settings))
    if settings.enable_stdout_traces or "console" in wanted:
        found.append(ConsoleSpanExporter(out=sys.stdout, formatter=lambda span: span.to_json(indent=None) + "\n"))
    return found


def _jaeger_endpoint(settings: TelemetrySettings) -> AnyHttpUrl | None:
    """Return where Thrift goes, None when it is not asked for."""
    if settings.enable_jaeger is False:
        return None
    if settings.jaeger_endpoint is None and (settings.enable_jaeger or "jaeger" in settings.traces_exporter):
        log.warning("Jaeger is asked for without JAEGER_ENDPOINT; set it to http://HOST:14268/api/traces")
    return settings.jaeger_endpoint


def _host(url: AnyHttpUrl) -> str:
    return "127.0.0.1" if url.host == "localhost" else str(url.host)


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
