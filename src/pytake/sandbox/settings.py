"""What the sandbox is told from outside (environment and ``.env``); everything has a working default."""

import json
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class InstancesFileError(ValueError):
    """The instances file cannot be used; the message says which entry and why."""


class Instance(BaseModel):
    """One WhatsApp number as both sides know it: the backend sends with it, the sandbox answers for it."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    slug: str = Field(description="Name of the number in metrics and logs.")
    phone_number_id: str = Field(description="Meta's id of the number.")
    waba_id: str = Field(description="Meta's id of the WhatsApp Business Account that owns the number.")
    display_phone_number: str = Field(description="The number as people write it.")
    access_token: SecretStr | None = Field(None, description="Bearer token for Graph API calls about this number.")
    access_token_file: Path | None = Field(None, description="File that holds the token, instead of access_token.")

    app_secret: SecretStr | None = Field(None, description="Secret of the number's own app; signs its webhooks.")
    app_secret_file: Path | None = Field(None, description="File that holds it.")

    @property
    def token(self) -> str:
        """The bearer token, empty when the file gives none (then no call about the number is let in)."""
        return _secret(self.access_token, self.access_token_file)

    @property
    def secret(self) -> str:
        """The number's own app secret, empty when it has none."""
        return _secret(self.app_secret, self.app_secret_file)


def _secret(value: SecretStr | None, file: Path | None) -> str:
    if value is not None:
        return value.get_secret_value()
    return file.read_text(encoding="utf-8").strip() if file is not None else ""


DEMO_INSTANCES = (
    {
        "slug": "support",
        "phone_number_id": "106540352242922",
        "waba_id": "102290129340398",
        "display_phone_number": "15550100001",
        "access_token": "sandbox-token-support",
    },
    {
        "slug": "sales",
        "phone_number_id": "106540352242933",
        "waba_id": "102290129340398",
        "display_phone_number": "15550100002",
        "access_token": "sandbox-token-sales",
    },
)


class SandboxSettings(BaseSettings):
    """Settings of ``pytake-sandbox``."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", populate_by_name=True)

    host: str = Field("127.0.0.1", alias="PYTAKE_SANDBOX_HOST", description="Address to listen on.")
    port: int = Field(8791, alias="PYTAKE_SANDBOX_PORT", description="Port to listen on; 0 asks for a free one.")
    target: str = Field(
        "http://127.0.0.1:8789/webhooks/whatsapp",
        alias="PYTAKE_SANDBOX_TARGET",
        description="Webhook address of the backend: where signed webhooks are posted.",
    )
    rate: float = Field(
        0.0, ge=0, alias="PYTAKE_SANDBOX_RATE", description="New customer conversations a minute, a day's average."
    )
    day_curve: bool = Field(
        True, alias="PYTAKE_SANDBOX_DAY_CURVE", description="Let the rate follow the hours of a day (few at night)."
    )
    customers: int = Field(400, ge=1, alias="PYTAKE_SANDBOX_CUSTOMERS", description="How many customers exist.")
    seed: int = Field(7, alias="PYTAKE_SANDBOX_SEED", description="Seed of names, numbers, texts and delays.")
    speed: float = Field(
        1.0, gt=0, alias="PYTAKE_SANDBOX_SPEED", description="Divides every realistic delay; 10 is ten times faster."
    )
    retry_initial: float = Field(
        1.0, gt=0, alias="PYTAKE_SANDBOX_RETRY_INITIAL", description="Seconds before a refused webhook comes again."
    )
    retry_max: float = Field(
        60.0, gt=0, alias="PYTAKE_SANDBOX_RETRY_MAX", description="Longest pause between two attempts, seconds."
    )
    webhook_timeout: float = Field(
        10.0, gt=0, alias="PYTAKE_SANDBOX_WEBHOOK_TIMEOUT", description="Give up on one webhook attempt after seconds."
    )
    pair_limits: bool = Field(
        True, alias="PYTAKE_SANDBOX_LIMITS", description="Enforce Meta's number and pair limits (130429, 131056)."
    )
    state_file: Path | None = Field(
        None,
        alias="PYTAKE_SANDBOX_STATE_FILE",
        description="Keeps undelivered webhooks and the rate over a restart; nothing is kept when unset.",
    )
    app_secret: SecretStr = Field(
        SecretStr("sandbox-app-secret"), alias="PYTAKE_META_APP_SECRET", description="Secret that signs webhooks."
    )
    openai_api_key: SecretStr | None = Field(
        None, alias="PYTAKE_OPENAI_API_KEY", description="The only key that is let in; any key when unset."
    )
    openai_model: str = Field("gpt-4o-mini", alias="PYTAKE_OPENAI_MODEL", description="First of the listed models.")
    oncall_template: str = Field(
        "pytake_alert", alias="PYTAKE_ONCALL_TEMPLATE", description="Template for alerts; it exists in the sandbox."
    )
    instances_file: Path | None = Field(
        None, alias="PYTAKE_INSTANCES_FILE", description="The numbers, shared with the backend; two demo ones if unset."
    )

    def instances(self) -> tuple[Instance, ...]:
        """The numbers this sandbox answers for.

        Raises:
            InstancesFileError: the file is missing, not a list, or an entry of it is not valid.
        """
        if self.instances_file is None:
            return tuple(Instance.model_validate(entry) for entry in DEMO_INSTANCES)
        return read_instances(self.instances_file)


def read_instances(path: Path) -> tuple[Instance, ...]:
    """Read the shared instances file (YAML or JSON, a list or ``{"instances": [...]}``)."""
    try:
        text = path.read_text(encoding="utf-8")
        raw = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as exc:
        raise InstancesFileError(f"{path}: cannot be read ({exc}); PYTAKE_INSTANCES_FILE names it") from exc
    entries = raw.get("instances") if isinstance(raw, dict) else raw
    if not isinstance(entries, list) or not entries:
        raise InstancesFileError(f"{path}: expected a list of instances; see docs/settings.md")
    try:
        found = tuple(Instance.model_validate(entry) for entry in entries)
        for instance in found:  # a missing file is told at the start, not at the first call
            _ = instance.token, instance.secret
        return found
    except (ValidationError, OSError) as exc:
        raise InstancesFileError(f"{path}: {exc}") from exc
