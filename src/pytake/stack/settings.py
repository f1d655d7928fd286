"""Settings of the stack as a whole; the servers of ours have settings classes of their own beside their code.

They come from the environment and from ``.env`` at the root of the checkout; the environment wins. ``.env`` is written
on the first run (:mod:`pytake.stack.envfile`) and never overwritten.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Offset = Annotated[int, Field(ge=0, le=48000)]


class StackSettings(BaseSettings):
    """Settings that decide what runs, where its data lies and which ports it takes."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    pytake_environment: str = Field(
        "local",
        pattern=r"^[a-z][a-z0-9-]{0,30}$",
        description="Name of this stack: its state lies in var/<environment>, its metrics and logs carry it.",
    )
    pytake_port_offset: Offset = Field(
        0,
        description="Added to every port of the native stack, so that two run side by side. Up to 16000 it stays "
        "below the ports that Linux gives to outgoing connections.",
    )
    pytake_state_dir: Path | None = Field(
        None, description="Where the state of the native stack lies; default: var/ in the checkout."
    )
    pytake_instances_file: Path | None = Field(
        None,
        description="YAML list of your WhatsApp numbers with real credentials. Unset: the sandbox plays Meta.",
    )
    pytake_openai_api_key: SecretStr | None = Field(None, description="OpenAI key. Unset: the sandbox plays OpenAI.")
    pytake_without: str = Field(
        "", description="Components that are left out of this stack, separated by commas, for example `jaeger,grafana`."
    )
    pytake_sandbox_rate: float = Field(20.0, ge=0, description="Messages a minute that the sandbox's customers write.")
    prometheus_retention_time: str = Field(
        "30d", pattern=r"^(\d+(ms|[smhdwy]))+$", description="How long Prometheus keeps samples."
    )
    prometheus_retention_size: str = Field(
        "10GB",
        pattern=r"^\d+(B|KB|MB|GB|TB|PB|EB)$",
        description="How much disk Prometheus may take before it drops its oldest blocks.",
    )
    pytake_postgres_password: SecretStr = Field(
        SecretStr(""), description="Password of the role `pytake`, which owns the backend's database."
    )
    pytake_postgres_admin_password: SecretStr = Field(
        SecretStr(""), description="Password of the superuser `postgres` of the native cluster."
    )
    pytake_postgres_exporter_password: SecretStr = Field(
        SecretStr(""), description="Password of the role `pytake_exporter`, which may read statistics only."
    )
    pytake_redis_password: SecretStr = Field(SecretStr(""), description="Password of Redis for the backend.")
    pytake_redis_exporter_password: SecretStr = Field(
        SecretStr(""), description="Password of the Redis user `pytake_exporter`, which may read statistics only."
    )
    pytake_start_timeout: float = Field(
        90.0, gt=0, description="Seconds that one component may take until it is ready."
    )

    @property
    def without(self) -> frozenset[str]:
        """Names of the components that the operator leaves out."""
        return frozenset(name.strip() for name in self.pytake_without.split(",") if name.strip())

    @property
    def sandbox_plays_meta(self) -> bool:
        """Whether the sandbox stands in for the Graph API."""
        return self.pytake_instances_file is None

    @property
    def sandbox_plays_openai(self) -> bool:
        """Whether the sandbox stands in for OpenAI."""
        return self.pytake_openai_api_key is None
