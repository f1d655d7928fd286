"""From the committed Alertmanager configuration to the one that runs.

The committed file names every channel. This step keeps the channels whose variable is set, writes their secrets into
files of mode 600 beside the configuration, and fills in addresses. Both runtimes use it: natively before Alertmanager
starts, with Docker in the ``alertmanager-config`` service. The result is checked with ``amtool`` where there is one.

Source of the fields' names: Alertmanager's configuration page, versions 0.25 to 0.35.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Integration = dict[str, Any]


class AlertingSettings(BaseSettings):
    """Where notifications go. A channel is on when its first variable is set."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    slack_webhook_url: SecretStr | None = Field(None, description="Incoming-webhook address of Slack; turns Slack on.")
    slack_channel_pages: str = Field("#pytake-pages", description="Slack channel for pages.")
    slack_channel_tickets: str = Field("#pytake-tickets", description="Slack channel for tickets.")
    smtp_host: str | None = Field(None, description="Mail server; turns e-mail on (with ALERT_EMAIL_TO).")
    smtp_port: int = Field(587, description="Port of the mail server.", ge=1, le=65535)
    smtp_from: str = Field("pytake-alerts@localhost", description="Sender of alert mails.")
    smtp_username: str | None = Field(None, description="User at the mail server; none sends without logging in.")
    smtp_password: SecretStr | None = Field(None, description="Password at the mail server.")
    smtp_require_tls: bool = Field(True, description="Refuse to send mail without STARTTLS.")
    alert_email_to: str = Field("oncall@localhost", description="Receivers of alert mails, separated by commas.")
    alert_email_to_messaging: str | None = Field(None, description="Receivers of WhatsApp alerts, else ALERT_EMAIL_TO.")
    alert_email_to_ai: str | None = Field(None, description="Receivers of AI alerts, else ALERT_EMAIL_TO.")
    alert_webhook_token: SecretStr | None = Field(
        None, description="Bearer token of PyTake's alert webhook; turns it on."
    )
    pytake_alert_webhook_url: str = Field(
        "http://localhost:8789/api/v1/webhooks/alerts", description="PyTake's alert webhook as Alertmanager reaches it."
    )
    oncall_webhook_url: SecretStr | None = Field(None, description="On-call service that takes Alertmanager's webhook.")
    heartbeat_webhook_url: SecretStr | None = Field(
        None, description="Outside service that alarms when the watchdog stops calling it."
    )
    pytake_grafana_url: str = Field("http://localhost:3000", description="Grafana's address in notifications.")
    pytake_jaeger_url: str = Field("http://localhost:16686", description="Jaeger's address in notifications.")
    pytake_runbooks_url: str = Field(
        "http://localhost:8789/runbooks", description="Where runbooks are read; the alert's name follows."
    )


@dataclass
class Rendered:
    """The rendered file, the channels that are on, and those left out with the variable that turns them on."""

    config: Path
    on: list[str] = field(default_factory=list)
    off: dict[str, str] = field(default_factory=dict)


class AlertmanagerConfigError(Exception):
    """The configuration does not load; the message is amtool's or names the file and the field."""


def render(source: Path, target: Path, settings: AlertingSettings) -> Rendered:
    """Write the running copy of the Alertmanager configuration in ``source`` into the folder ``target``.

    Raises :class:`AlertmanagerConfigError` when the source is not YAML, holds an integration of a kind that this step
    does not know, or amtool refuses the result; ``target`` then keeps what it had.
    """
    text = (source / "alertmanager.yml").read_text()
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise AlertmanagerConfigError(f"{source / 'alertmanager.yml'}: {error}") from error
    staging = target.with_name(target.name + ".new")
    shutil.rmtree(staging, ignore_errors=True)
    (staging / "secrets").mkdir(parents=True, mode=0o700)
    shutil.copytree(source / "templates", staging / "templates")
    (staging / "templates" / "addresses.tmpl").write_text(_addresses(settings))
    rendered = Rendered(target / "alertmanager.yml")
    for receiver in config["receivers"]:
        _prune(receiver, settings, rendered)
    _globals(config["global"], settings)
    _write_secrets(staging / "secrets", settings)
    _write_private(staging / "alertmanager.yml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    check(staging / "alertmanager.yml")
    _replace(staging, target)
    return rendered


def check(config: Path) -> None:
    """Raise :class:`AlertmanagerConfigError` in amtool's words unless ``config`` loads; no amtool, no check."""
    if (amtool := shutil.which("amtool")) is None:
        return
    # Relative secret paths resolve against the working directory, so it is the configuration's.
    done = subprocess.run(
        [amtool, "check-config", config.name],
        cwd=config.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if done.returncode:
        raise AlertmanagerConfigError(f"{config}: {(done.stdout + done.stderr).strip()}")


def _prune(receiver: dict[str, Any], settings: AlertingSettings, rendered: Rendered) -> None:
    """Keep the receiver's integrations that are on; an empty receiver stays, so that routes still find it."""
    name = receiver["name"]
    for kind in [key for key in receiver if key.endswith("_configs")]:
        if kind not in _FILL:
            raise AlertmanagerConfigError(
                f"receiver {name}: {kind} is not known here; add it to _FILL in {Path(__file__).name} with its variable"
            )
        kept = []
        for integration in receiver[kind]:
            filled, channel, variable = _FILL[kind](dict(integration), name, settings)
            if filled is None:
                rendered.off[channel] = variable
                continue
            kept.append(filled)
            if channel not in rendered.on:
                rendered.on.append(channel)
        receiver[kind] = kept
        if not kept:
            del receiver[kind]


Fill = Callable[[Integration, str, AlertingSettings], tuple[Integration | None, str, str]]


def _slack(item: Integration, receiver: str, settings: AlertingSettings) -> tuple[Integration | None, str, str]:
    if settings.slack_webhook_url is None:
        return None, "slack", "SLACK_WEBHOOK_URL"
    item["channel"] = settings.slack_channel_pages if receiver.startswith("page") else settings.slack_channel_tickets
    return item, "slack", ""


def _email(item: Integration, receiver: str, settings: AlertingSettings) -> tuple[Integration | None, str, str]:
    if settings.smtp_host is None:
        return None, "email", "SMTP_HOST"
    team = receiver.partition("-")[2]
    item["to"] = getattr(settings, f"alert_email_to_{team}", None) or settings.alert_email_to
    return item, "email", ""


def _webhook(item: Integration, receiver: str, settings: AlertingSettings) -> tuple[Integration | None, str, str]:
    """The committed address's last part says which webhook it is."""
    match item["url"].rpartition("/")[2]:
        case "alerts":
            item["url"] = settings.pytake_alert_webhook_url
            return (item if settings.alert_webhook_token else None), "pytake", "ALERT_WEBHOOK_TOKEN"
        case "oncall":
            secret, channel, variable = settings.oncall_webhook_url, "oncall", "ONCALL_WEBHOOK_URL"
        case "heartbeat":
            secret, channel, variable = settings.heartbeat_webhook_url, "heartbeat", "HEARTBEAT_WEBHOOK_URL"
        case _:
            return item, f"{receiver} webhook", ""  # an operator's own: left as it is
    if secret is None:
        return None, channel, variable
    # Alertmanager 0.25 has no url_file, so the address stands in the rendered file, which only its owner may read.
    item["url"] = secret.get_secret_value()
    return item, channel, variable


_FILL: dict[str, Fill] = {"slack_configs": _slack, "email_configs": _email, "webhook_configs": _webhook}


def _globals(section: dict[str, Any], settings: AlertingSettings) -> None:
    if settings.slack_webhook_url is None:
        section.pop("slack_api_url_file", None)
    if settings.smtp_host is None:
        for key in [key for key in section if key.startswith("smtp_")]:
            del section[key]
        return
    section["smtp_smarthost"] = f"{settings.smtp_host}:{settings.smtp_port}"
    section["smtp_from"] = settings.smtp_from
    section["smtp_require_tls"] = settings.smtp_require_tls
    if settings.smtp_username:
        section["smtp_auth_username"] = settings.smtp_username
    else:
        section.pop("smtp_auth_username", None)
        section.pop("smtp_auth_password_file", None)


def _write_secrets(folder: Path, settings: AlertingSettings) -> None:
    secrets = {
        "slack_webhook_url": settings.slack_webhook_url,
        "smtp_password": settings.smtp_password,
        "alert_webhook_token": settings.alert_webhook_token,
    }
    for name, secret in secrets.items():
        if secret is not None:
            _write_private(folder / name, secret.get_secret_value())


def _addresses(settings: AlertingSettings) -> str:
    bases = {
        "pytake.grafana": settings.pytake_grafana_url,
        "pytake.jaeger": settings.pytake_jaeger_url,
        "pytake.runbooks": settings.pytake_runbooks_url,
    }
    return "".join(f'{{{{ define "{name}" }}}}{url.rstrip("/")}{{{{ end }}}}\n' for name, url in bases.items())


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _replace(staging: Path, target: Path) -> None:
    """Swap the folder's files one by one: a mounted or watched folder must stay the same folder."""
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ("secrets", "templates"):
        (target / name).mkdir(exist_ok=True, mode=0o700)
        fresh = {path.name for path in (staging / name).iterdir()}
        for old in (target / name).iterdir():
            if old.name not in fresh:
                old.unlink()
        for path in (staging / name).iterdir():
            path.replace(target / name / path.name)
    (staging / "alertmanager.yml").replace(target / "alertmanager.yml")
    shutil.rmtree(staging)
