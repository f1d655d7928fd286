"""The receivers that stand for Slack, mail and webhooks: what Alertmanager sends is understood and noted."""

import smtplib
from email.message import EmailMessage

import httpx
import pytest

from pytake.stack.drill.channels import open_channels

EVERY = frozenset({"slack", "email", "oncall", "heartbeat"})


@pytest.fixture
def channels():
    with open_channels() as opened:
        yield opened


def test_a_mail_is_noted_with_its_alert(channels):
    message = EmailMessage()
    message["Subject"] = "[FIRING 2] critical api: ApiDown (shop)"
    message["From"] = "a@b.invalid"
    message["To"] = channels.environment["ALERT_EMAIL_TO"]
    message.set_content("the values")
    with smtplib.SMTP(channels.environment["SMTP_HOST"], int(channels.environment["SMTP_PORT"])) as client:
        client.send_message(message)
    found = channels.inbox.first("ApiDown", "firing", 0, EVERY)
    assert found is not None
    assert (found.channel, "the values" in found.text) == ("email", True)


def test_slack_and_oncall_messages_are_noted(channels):
    title = "[RESOLVED] warning whatsapp: QualityDrop"
    httpx.post(channels.environment["SLACK_WEBHOOK_URL"], json={"attachments": [{"title": title, "text": "t"}]})
    httpx.post(
        channels.environment["ONCALL_WEBHOOK_URL"],
        json={
            "alerts": [
                {"status": "firing", "labels": {"alertname": "ApiDown"}},
                {"status": "resolved", "labels": {"alertname": "B"}},
            ]
        },
    )
    assert channels.inbox.first("QualityDrop", "resolved", 0, frozenset({"slack"}))
    assert channels.inbox.first("ApiDown", "firing", 0, frozenset({"oncall"}))
    assert channels.inbox.first("B", "firing", 0, EVERY) is None


@pytest.mark.parametrize(
    ("path", "body", "code"), [("/oncall", b"{", 400), ("/oncall", b"[1]", 400), ("/else", b"{}", 404)]
)
def test_what_is_not_a_notification_is_refused(channels, path, body, code):
    base = channels.environment["ONCALL_WEBHOOK_URL"].removesuffix("/oncall")
    assert httpx.post(base + path, content=body).status_code == code
    assert channels.inbox.all() == []
