"""Alertmanager's webhook."""

from typing import Any

from pytake.telemetry import catalog
from tests.unit.backend.conftest import value

HEADERS = {"authorization": "Bearer alert-token"}


def notification(
    status: str = "firing", name: str = "ApiDown", severity: str = "critical", **more: Any
) -> dict[str, Any]:
    alert = {
        "status": status,
        "labels": {"alertname": name, "severity": severity, "instance": "x"},
        "annotations": {"summary": "The API does not answer", "runbook_url": "docs/runbooks/ApiDown.md"},
        "startsAt": "2026-11-24T13:00:00.123Z",
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else "2026-11-24T13:05:00Z",
        "generatorURL": "http://127.0.0.1:9090/graph?g0.expr=up",
        "fingerprint": "c" + name.encode().hex()[:15],
    }
    return {
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "pytake",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://127.0.0.1:9093",
        "alerts": [alert | more],
    }


async def post(api, body, headers=HEADERS):
    return await api.client.post("/api/v1/webhooks/alerts", json=body, headers=headers)


async def test_alerts_are_stored_once_and_listed(api) -> None:
    before = value(catalog.ALERTS_RECEIVED, status="firing", severity="critical")
    assert (await post(api, notification())).json() == {"stored": 1, "unchanged": 0}
    assert (await post(api, notification())).json() == {"stored": 0, "unchanged": 1}
    [alert] = (await api.get("/api/v1/alerts", status="firing")).json()["items"]
    assert (alert["name"], alert["severity"], alert["ends_at"]) == ("ApiDown", "critical", None)
    assert (await post(api, notification("resolved"))).json() == {"stored": 1, "unchanged": 0}
    assert (await api.get("/api/v1/alerts", status="firing")).json()["items"] == []
    [alert] = (await api.get("/api/v1/alerts", status="resolved")).json()["items"]
    assert alert["ends_at"] == "2026-11-24T13:05:00Z"
    assert value(catalog.ALERTS_RECEIVED, status="firing", severity="critical") == before + 2


async def test_the_token_is_needed(api, subtests) -> None:
    for headers in ({}, {"authorization": "Bearer x"}, {"authorization": "Basic alert-token"}):
        with subtests.test(headers=headers):
            assert (await post(api, notification(), headers)).status_code == 401


async def test_without_a_configured_token_nothing_is_trusted(api, resources, monkeypatch) -> None:
    from pydantic import SecretStr

    monkeypatch.setattr(api.app.state.resources.settings, "alert_webhook_token", SecretStr(""))
    assert (await post(api, notification(), {"authorization": "Bearer "})).status_code == 503


async def test_wrong_forms(api, subtests) -> None:
    changes = ({"labels": {"a\x00": "b"}}, {"startsAt": "yesterday"}, {"startsAt": None}, {"fingerprint": "-"})
    for body in (notification("odd"), *(notification(**change) for change in changes)):
        with subtests.test(body=body):
            assert (await post(api, body)).status_code == 422


async def test_a_hostile_severity_is_none(api) -> None:
    before = value(catalog.ALERTS_RECEIVED, status="firing", severity="none")
    await post(api, notification(severity='"}evil{', name="x" * 300))
    assert value(catalog.ALERTS_RECEIVED, status="firing", severity="none") == before + 1


async def test_the_on_call_number_is_told_once_by_template(api, worker, remote, until, monkeypatch) -> None:
    monkeypatch.setattr(api.app.state.resources.settings, "oncall_number", "4915112345678")
    await post(api, notification())
    await post(api, notification())
    await until("select 1 from messages where author = 'system' and status = 'accepted'")
    await post(api, notification("resolved"))
    await until("select 1 from messages where author = 'system' and status = 'accepted' having count(*) = 2")
    texts = [one["template"]["components"][0]["parameters"][0]["text"] for one in remote.sent]
    assert texts == ["FIRING: ApiDown", "RESOLVED: ApiDown"]
    assert remote.sent[0]["to"] == "4915112345678"
