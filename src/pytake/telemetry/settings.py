"""Settings of telemetry, from the environment and ``.env``; the standard ``OTEL_*`` names keep their meaning."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, AnyHttpUrl, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Seconds = Annotated[float, Field(gt=0)]
LogLevelName = Literal["debug", "info", "warning", "error", "critical"]
SamplerName = Literal[
    "always_on", "always_off", "traceidratio",
    "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
]  # fmt: skip


class TelemetrySettings(BaseSettings):
    """Where metrics, traces and logs go, and how much of them is kept."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", populate_by_name=True, env_ignore_empty=True, frozen=True
    )

    environment: str = Field(
        "development",
        validation_alias="PYTAKE_ENVIRONMENT",
        description="Name of the environment, in logs and in traces (`deployment.environment.name`).",
    )
    # --- metrics ---
    metrics_dir: Path | None = Field(
        None,
        validation_alias="PYTAKE_METRICS_DIR",
        description="Directory that the processes of one service share their metric values through; needed when "
        "several processes answer on one port. Unset: each process shows its own values.",
    )
    # --- logs ---
    log_dir: Path | None = Field(
        None,
        validation_alias="PYTAKE_LOG_DIR",
        description="Directory of the log files (`<service>.log`, rotating). Unset: standard output only.",
    )
    log_level: LogLevelName = Field(
        "info", validation_alias="PYTAKE_LOG_LEVEL", description="Least severe level that is written."
    )
    log_stdout: bool = Field(
        True, validation_alias="PYTAKE_LOG_STDOUT", description="Write log lines to standard output too."
    )
    log_max_bytes: int = Field(
        50_000_000,
        gt=0,
        validation_alias="PYTAKE_LOG_MAX_BYTES",
        description="Size at which a log file is rotated, bytes.",
    )
    log_backups: int = Field(
        5, ge=0, validation_alias="PYTAKE_LOG_BACKUPS", description="Rotated log files that are kept."
    )
    log_queue: int = Field(
        20_000, gt=0, validation_alias="PYTAKE_LOG_QUEUE",
        description="Lines that may wait for the disk; more are dropped and counted.",
    )  # fmt: skip
    log_redact: bool = Field(
        True,
        validation_alias="PYTAKE_LOG_REDACT",
        description="Replace secrets, tokens, phone numbers and message texts in log lines and spans.",
    )
    # --- costs ---
    whatsapp_rates_file: Path | None = Field(
        None,
        validation_alias="PYTAKE_WHATSAPP_RATES_FILE",
        description="WhatsApp rate table to use instead of the one in the package (same form).",
    )
    # --- traces ---
    sdk_disabled: bool = Field(False, validation_alias="OTEL_SDK_DISABLED", description="Switch tracing off entirely.")
    service_name: str | None = Field(
        None, validation_alias="OTEL_SERVICE_NAME", description="Service name in traces; by default the process's own."
    )
    resource_attributes: str = Field(
        "", validation_alias="OTEL_RESOURCE_ATTRIBUTES", description="More resource attributes: `key=value,key=value`."
    )
    sampler: SamplerName = Field(
        "parentbased_traceidratio",
        validation_alias="OTEL_TRACES_SAMPLER",
        description="Which traces are kept; traces with an error or a slow request are kept besides.",
    )
    sampler_arg: float = Field(
        0.1, ge=0, le=1, validation_alias="OTEL_TRACES_SAMPLER_ARG", description="Share of traces that is kept, 0 to 1."
    )
    keep_errors: bool = Field(
        True,
        validation_alias="PYTAKE_TRACE_KEEP_ERRORS",
        description="Keep traces whose local root ended in an error whatever the sampler said.",
    )
    keep_slower_than: Seconds = Field(
        2.0,
        validation_alias="PYTAKE_TRACE_KEEP_SLOWER_THAN",
        description="Keep traces of requests that took longer than this whatever the sampler said, seconds.",
    )
    traces_exporter: Annotated[tuple[Literal["otlp", "jaeger", "console", "none"], ...], NoDecode] = Field(
        ("otlp",),
        validation_alias="OTEL_TRACES_EXPORTER",
        description="Exporters, separated by commas: `otlp` (when an endpoint is set), `jaeger`, `console`, `none`.",
    )
    otlp_endpoint: AnyHttpUrl | None = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="OTLP collector: `http://127.0.0.1:4317` (gRPC) or `:4318` (HTTP). Unset: no OTLP export.",
    )
    otlp_traces_endpoint: AnyHttpUrl | None = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        description="OTLP address of traces alone, used as it is (HTTP: with `/v1/traces`).",
    )
    otlp_protocol: Literal["grpc", "http/protobuf"] | None = Field(
        None,
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
        description="OTLP over `grpc` or `http/protobuf`; by default gRPC, or HTTP when the port is 4318.",
    )
    otlp_headers: str = Field(
        "",
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"),
        description="Headers of OTLP requests: `key=value,key=value`.",
    )
    otlp_timeout: Seconds = Field(
        10.0,
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"),
        description="Give up on one export after this many seconds.",
    )
    enable_jaeger: bool | None = Field(
        None,
        validation_alias="ENABLE_JAEGER",
        description="Export Jaeger Thrift to JAEGER_ENDPOINT; by default when that is set. `false` switches it off.",
    )
    jaeger_endpoint: AnyHttpUrl | None = Field(
        None,
        validation_alias="JAEGER_ENDPOINT",
        description="Jaeger collector that takes Thrift over HTTP: `http://127.0.0.1:14268/api/traces`.",
    )
    enable_stdout_traces: bool = Field(
        False, validation_alias="ENABLE_STDOUT_TRACES", description="Write finished spans to standard output as JSON."
    )
    span_queue: int = Field(
        2048, gt=0, validation_alias="OTEL_BSP_MAX_QUEUE_SIZE",
        description="Spans that may wait for an exporter; more are dropped and counted.",
    )  # fmt: skip
    span_batch: int = Field(
        512, gt=0, validation_alias="OTEL_BSP_MAX_EXPORT_BATCH_SIZE", description="Spans in one export at most."
    )
    span_delay_ms: int = Field(
        1000, gt=0, validation_alias="OTEL_BSP_SCHEDULE_DELAY", description="Pause between exports, milliseconds."
    )

    @field_validator("traces_exporter", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
