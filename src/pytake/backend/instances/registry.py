"""The numbers of the instances file: slugs, ids and credentials, in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError, model_validator

from pytake.backend.settings import Settings
from pytake.telemetry.metrics import configure_label


class InstancesError(Exception):
    """The instances file cannot be used; says where and why."""


class InstanceConfig(BaseModel):
    """One number as the file has it."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)

    slug: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    phone_number_id: str = Field(min_length=1, max_length=64)
    waba_id: str = Field(min_length=1, max_length=64)
    display_phone_number: str = Field(min_length=1, max_length=32)
    access_token: SecretStr | None = None
    access_token_file: Path | None = None
    app_secret: SecretStr | None = None
    app_secret_file: Path | None = None
    rate_per_second: float | None = Field(None, gt=0)
    ai_enabled: bool = True

    @model_validator(mode="after")
    def _has_token(self) -> Self:
        if self.access_token is None and self.access_token_file is None:
            raise ValueError("needs access_token or access_token_file")
        return self

    def token(self) -> str:
        """The access token; a file is read each time, so that a renewed token is taken up without a restart."""
        return _secret(self.access_token, self.access_token_file)

    def secret(self) -> str:
        """The number's own app secret; empty when it has none."""
        return _secret(self.app_secret, self.app_secret_file)


def _secret(value: SecretStr | None, file: Path | None) -> str:
    if value is not None:
        return value.get_secret_value()
    return file.read_text().strip() if file is not None else ""


_file = TypeAdapter(list[InstanceConfig])


@dataclass(frozen=True)
class Registry:
    """Numbers by slug and by Meta's ids."""

    instances: dict[str, InstanceConfig]
    default_secret: str = ""

    def __iter__(self) -> Iterator[InstanceConfig]:
        return iter(self.instances.values())

    def by_number(self, phone_number_id: str | None) -> InstanceConfig | None:
        """The instance of Meta's phone number id."""
        return next((one for one in self if one.phone_number_id == phone_number_id), None)

    def by_account(self, waba_id: str) -> list[InstanceConfig]:
        """The instances of a WhatsApp business account."""
        return [one for one in self if one.waba_id == waba_id]

    def secret_of(self, instance: InstanceConfig) -> str:
        """The app secret that signs this number's webhooks."""
        return instance.secret() or self.default_secret

    def secrets(self) -> frozenset[str]:
        """All app secrets in use."""
        return frozenset({self.default_secret, *(one.secret() for one in self)} - {""})


def load_registry(settings: Settings) -> Registry:
    """Read the instances file and register the slugs as label values; raises :class:`InstancesError`."""
    secret = settings.meta_app_secret.get_secret_value()
    path = settings.instances_file
    if path is None:
        return Registry({}, secret)
    try:
        found = _file.validate_python(yaml.safe_load(path.read_text()) or [])
    except OSError as error:
        raise InstancesError(f"{path}: {error.strerror}; PYTAKE_INSTANCES_FILE names the list of numbers") from error
    except yaml.YAMLError as error:
        raise InstancesError(f"{path}: neither YAML nor JSON: {error}") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InstancesError(f"{path}: entry {where}: {first['msg']}") from error
    for what in ("slug", "phone_number_id"):
        values = [getattr(one, what) for one in found]
        if len(values) != len(set(values)):
            raise InstancesError(f"{path}: the same {what} twice")
    configure_label("whatsapp_instance", [one.slug for one in found])
    return Registry({one.slug: one for one in found}, secret)
