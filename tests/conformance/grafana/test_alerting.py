"""Views of alerting: Prometheus, Alertmanager, configuration without secrets, history, contact points."""

import secrets

import httpx
import pytest

CONFIG = """
route: {receiver: team, group_by: [alertname], routes: [{receiver: pager, matchers: ['severity="critical"']}]}
receivers:
- name: team
  slack_configs: [{api_url: https://hooks.example/T0/B0/abc, channel: '#ops'}]
- name: pager
  webhook_configs: [{url: http://127.0.0.1:8789/alerts, http_config: {authorization: {credentials: s3cr3t}}}]
  pagerduty_configs: [{routing_key: abcd}]
"""


@pytest.mark.parametrize("path", ["alerts", "alerts/groups", "silences", "status", "receivers", "silence/abc"])
def test_the_alertmanagers_state_is_passed_on(admin, fresh, path):
    fresh.answers[f"/api/v2/{path}"] = (200, [{"of": path}])
    assert admin.get(f"/api/alertmanager/alertmanager/api/v2/{path}").json() == [{"of": path}]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "alertmanager/api/v2/alerts"), ("GET", "alertmanager/-/healthy"),
     ("POST", "alertmanager/-/reload"), ("GET", "nobody/api/v2/alerts")],
)  # fmt: skip
def test_and_nothing_else(admin, fresh, method, path):
    assert admin.request(method, f"/api/alertmanager/{path}", json={}).status_code in (403, 404)
    assert fresh.asked == []


def test_silences_are_for_editors(grafana, admin, fresh):
    name = f"v-{secrets.token_hex(4)}"
    admin.post("/api/admin/users", json={"login": name, "password": "pass1234", "role": "Viewer"})
    fresh.answers["/api/v2/silences"] = (200, {"silenceID": "abc"})
    address = "/api/alertmanager/alertmanager/api/v2"
    with httpx.Client(base_url=grafana, auth=(name, "pass1234")) as viewer:
        assert viewer.post(f"{address}/silences", json={}).status_code == 403
        assert viewer.delete(f"{address}/silence/abc").status_code == 403
    assert fresh.asked == []
    assert admin.post(f"{address}/silences", json={"matchers": []}).json() == {"silenceID": "abc"}
    assert admin.delete(f"{address}/silence/abc").status_code == 200
    assert fresh.asked[-1][:2] == ("DELETE", "/api/v2/silence/abc")


def test_the_configuration_shows_the_tree_and_no_secret(admin, fresh):
    fresh.answers["/api/v2/status"] = (200, {"config": {"original": CONFIG}})
    answer = admin.get("/api/alertmanager/alertmanager/config/api/v1/alerts")
    config = answer.json()["alertmanager_config"]
    assert config["route"]["routes"][0]["receiver"] == "pager"
    assert [receiver["name"] for receiver in config["receivers"]] == ["team", "pager"]
    assert config["receivers"][0]["slack_configs"][0] == {"api_url": "<secret>", "channel": "#ops"}
    for secret in ("s3cr3t", "abcd", "hooks.example"):
        assert secret not in answer.text


def test_rules_and_alerts_of_prometheus(admin, fresh):
    for view in ("rules", "alerts"):
        fresh.answers[f"/api/v1/{view}"] = (200, {"status": "success", "data": {view: []}})
        assert admin.get(f"/api/prometheus/prometheus/api/v1/{view}").json()["data"] == {view: []}
    assert admin.get("/api/prometheus/prometheus/api/v1/targets").status_code == 404


def series(state, *seconds, **labels):
    metric = {"__name__": "ALERTS", "alertname": "Slow", "alertstate": state, **labels}
    return {"metric": metric, "values": [[second, "1"] for second in seconds]}


def test_the_history_of_an_alert(admin, fresh):
    start = 1_700_000_000
    matrix = [series("pending", start + 60, start + 75), series("firing", start + 90, start + 105, start + 120)]
    fresh.answers["/api/v1/query_range"] = (200, {"data": {"resultType": "matrix", "result": matrix}})
    params = {"from": start, "to": start + 600, "labels[alertname]": "Slow"}
    frame = admin.get("/api/v1/rules/history", params=params).json()
    assert [field["name"] for field in frame["schema"]["fields"]] == ["time", "line", "labels"]
    times, lines, _ = frame["data"]["values"]
    assert [(line["previous"], line["current"]) for line in lines] == [
        ("Alerting", "Normal"), ("Pending", "Alerting"), ("Normal", "Pending"),
    ]  # fmt: skip
    assert times == [(start + 135) * 1000, (start + 90) * 1000, (start + 60) * 1000]
    assert fresh.asked[-1][2]["query"] == ['ALERTS{alertname="Slow"}']
    assert fresh.asked[-1][2]["step"] == ["15"]


def test_contact_points_and_what_grafana_does_not_keep_here(embedded, admin):
    assert isinstance(admin.get("/api/v1/provisioning/contact-points").json(), list)
    assert admin.get("/api/v1/provisioning/alert-rules").json() == []
    assert admin.post("/api/v1/provisioning/contact-points", json={}).status_code == 403
