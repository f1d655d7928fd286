"""Settings of ``pytake-jaeger`` beside Jaeger's configuration file, and the variables which that file names."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class JaegerSettings(BaseSettings):
    """The embedded trace server; ports move by the offset, or one by one by ``PYTAKE_JAEGER_<NAME>_PORT``.

    The names are UI, OTLP_GRPC, OTLP_HTTP, THRIFT_HTTP, ZIPKIN, SAMPLING, HEALTH, METRICS and SPAN_METRICS.
    """

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True, frozen=True)

    port_offset: int = Field(0, validation_alias="PYTAKE_PORT_OFFSET", description="Added to every port.")
    max_disk: str = Field(
        "10GB", validation_alias="PYTAKE_JAEGER_MAX_DISK",
        description="Size of all segments beyond which the oldest are deleted (`0`: no limit).",
    )  # fmt: skip
    grafana_url: str = Field(
        "", validation_alias="PYTAKE_GRAFANA_URL",
        description="Grafana's address, for the way from a span to its logs (empty: this host's port 3000 + offset).",
    )  # fmt: skip
    listen_host: str = Field(
        "127.0.0.1", validation_alias="JAEGER_LISTEN_HOST", description="Address that every port listens on."
    )
    data_dir: Path = Field(
        Path("/var/lib"), validation_alias="PYTAKE_DATA_DIR", description="Traces are kept in `jaeger/` below it."
    )
    storage: str = Field(
        "badger", validation_alias="JAEGER_STORAGE",
        description="File of `monitoring/jaeger/storage/` to use; the embedded server has `badger` only.",
    )  # fmt: skip
    retention: str = Field(
        "168h", validation_alias="JAEGER_RETENTION", description="How long traces are kept, a Go duration."
    )
    keep_percent: float = Field(
        100, validation_alias="JAEGER_KEEP_PERCENT",
        description="Share of the traces without error and delay that the tail decision keeps.",
    )  # fmt: skip
    slow_ms: int = Field(
        2000, validation_alias="JAEGER_SLOW_MS", description="Traces that take longer than this are always kept."
    )
