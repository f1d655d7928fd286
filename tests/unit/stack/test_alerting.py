"""The running Alertmanager configuration: only channels that are set, secrets in files, addresses filled in."""

import stat
from pathlib import Path

import pytest
import yaml

from pytake.stack.alerting import AlertingSettings, AlertmanagerConfigError, render

SOURCE = Path("monitoring/alertmanager")


def settings(**values) -> AlertingSettings:
    return AlertingSettings(_env_file=None, **values)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in AlertingSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def load(rendered) -> dict:
    return yaml.safe_load(rendered.config.read_text())


def kinds(config: dict) -> set[str]:
    return {key for receiver in config["receivers"] for key in receiver if key.endswith("_configs")}


def test_nothing_set_leaves_every_receiver_empty_and_names_the_variables(tmp_path):
    rendered = render(SOURCE, tmp_path / "am", settings())
    config = load(rendered)
    assert kinds(config) == set()
    assert not [key for key in config["global"] if key.startswith(("smtp", "slack"))]
    assert rendered.off == {
        "slack": "SLACK_WEBHOOK_URL",
        "email": "SMTP_HOST",
        "oncall": "ONCALL_WEBHOOK_URL",
        "pytake": "ALERT_WEBHOOK_TOKEN",
        "heartbeat": "HEARTBEAT_WEBHOOK_URL",
    }


@pytest.mark.parametrize(
    ("values", "channel"),
    [
        ({"slack_webhook_url": "http://127.0.0.1:1/slack"}, "slack"),
        ({"smtp_host": "mail.internal"}, "email"),
        ({"alert_webhook_token": "token"}, "pytake"),
        ({"oncall_webhook_url": "http://127.0.0.1:1/page"}, "oncall"),
        ({"heartbeat_webhook_url": "http://127.0.0.1:1/beat"}, "heartbeat"),
    ],
)
def test_a_channel_is_on_when_its_variable_is_set(tmp_path, values, channel):
    assert render(SOURCE, tmp_path / "am", settings(**values)).on == [channel]


def test_secrets_are_in_private_files_and_not_in_the_configuration(tmp_path):
    rendered = render(
        SOURCE,
        tmp_path / "am",
        settings(
            slack_webhook_url="http://127.0.0.1:1/sl4ck", smtp_host="m", smtp_username="u", smtp_password="pa55",
            alert_webhook_token="t0ken",
        ),
    )  # fmt: skip
    text = rendered.config.read_text()
    for secret, name in {"sl4ck": "slack_webhook_url", "pa55": "smtp_password", "t0ken": "alert_webhook_token"}.items():
        file = tmp_path / "am" / "secrets" / name
        assert secret not in text
        assert secret in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(rendered.config.stat().st_mode) == 0o600


def test_teams_have_their_own_mail_addresses(tmp_path):
    config = load(
        render(
            SOURCE,
            tmp_path / "am",
            settings(smtp_host="m", smtp_port=2525, alert_email_to="a@x", alert_email_to_ai="ai@x"),
        )
    )
    to = {r["name"]: r["email_configs"][0]["to"] for r in config["receivers"] if "email_configs" in r}
    assert to["page-ai"] == to["ticket-ai"] == "ai@x"
    assert to["page-messaging"] == to["page-platform"] == "a@x"
    assert config["global"]["smtp_smarthost"] == "m:2525"


def test_a_wrong_source_is_refused_and_the_running_copy_stays(tmp_path):
    target = tmp_path / "am"
    good = render(SOURCE, target, settings()).config.read_text()
    bad = tmp_path / "source"
    (bad / "templates").mkdir(parents=True)
    (bad / "alertmanager.yml").write_text(
        "global: {}\nroute: {receiver: nobody}\nreceivers: [{name: a}]\ntemplates: []\n"
    )
    with pytest.raises(AlertmanagerConfigError, match="nobody"):
        render(bad, target, settings())
    assert (target / "alertmanager.yml").read_text() == good


def test_an_integration_of_an_unknown_kind_is_refused_by_name(tmp_path):
    bad = tmp_path / "source"
    (bad / "templates").mkdir(parents=True)
    (bad / "alertmanager.yml").write_text("global: {}\nreceivers: [{name: a, pushover_configs: [{}]}]\n")
    with pytest.raises(AlertmanagerConfigError, match="pushover_configs"):
        render(bad, tmp_path / "am", settings())


def test_a_secret_that_was_taken_back_leaves_no_file(tmp_path):
    render(SOURCE, tmp_path / "am", settings(alert_webhook_token="t0ken"))
    render(SOURCE, tmp_path / "am", settings())
    assert list((tmp_path / "am" / "secrets").iterdir()) == []
