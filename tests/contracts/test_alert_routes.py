"""Where each alert goes: the label sets of the committed rules against amtool; inhibition names real alerts."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

CONFIG = Path("monitoring/alertmanager/alertmanager.yml")
TEAM = {"whatsapp": "messaging", "ai": "ai"}


def alerts() -> dict[str, dict[str, str]]:
    found = {}
    for path in sorted(Path("monitoring/prometheus/rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            found |= {rule["alert"]: rule["labels"] for rule in group["rules"] if "alert" in rule}
    return found


ALERTS = alerts()
CASES = sorted({(labels["severity"], labels["component"]) for name, labels in ALERTS.items() if name != "Watchdog"})


def expected(severity: str, component: str) -> str:
    if severity in ("info", "none"):
        return "record"
    return f"{'page' if severity == 'critical' else 'ticket'}-{TEAM.get(component, 'platform')}"


def receivers(**labels: str) -> str:
    pairs = [f"{name}={value}" for name, value in labels.items()]
    command = ["amtool", "config", "routes", "test", f"--config.file={CONFIG}", *pairs]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


@pytest.mark.parametrize(("severity", "component"), CASES)
def test_an_alert_reaches_the_receiver_of_its_severity_and_component(severity, component):
    name = next(n for n, labels in ALERTS.items() if (labels["severity"], labels["component"]) == (severity, component))
    assert receivers(**ALERTS[name], alertname=name) == expected(severity, component)


def test_the_watchdog_goes_to_the_heartbeat_and_nowhere_else():
    assert receivers(**ALERTS["Watchdog"], alertname="Watchdog") == "heartbeat"


def test_an_alert_that_nobody_foresaw_still_reaches_people():
    assert receivers(alertname="Unforeseen") == "ticket-platform"


def test_the_configuration_is_clean():
    done = subprocess.run(
        ["amtool", "check-config", str(CONFIG)], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_that_inhibition_speaks_of_exists():
    config = yaml.safe_load(CONFIG.read_text())
    unknown = []
    for rule in config["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            if found := re.fullmatch(r'alertname(=~|=|!~)"(.*)"', matcher):
                parts = re.findall(r"[^|(]+(?:\([^)]*\)[^|]*)?", found[2])
                unknown += [part for part in parts if not any(re.fullmatch(part, name) for name in ALERTS)]
    assert unknown == []


def test_nobody_is_told_the_same_more_often_than_every_four_hours():
    config = yaml.safe_load(CONFIG.read_text())

    def routes(route):
        yield route
        for child in route.get("routes", []):
            yield from routes(child)

    for route in routes(config["route"]):
        if route["receiver"] != "heartbeat" and "repeat_interval" in route:
            hours = re.fullmatch(r"(\d+)h", route["repeat_interval"])
            assert hours, route
            assert int(hours[1]) >= 4, route


def test_resolved_messages_are_sent_by_every_channel_that_people_read():
    for receiver in yaml.safe_load(CONFIG.read_text())["receivers"]:
        for kind, integrations in receiver.items():
            if kind.endswith("_configs") and receiver["name"] != "heartbeat":
                assert all(item["send_resolved"] for item in integrations), receiver["name"]


def test_tickets_rest_at_night_and_pages_do_not():
    config = yaml.safe_load(CONFIG.read_text())
    for route in config["route"]["routes"]:
        leaves = [route, *route.get("routes", [])]
        muted = [leaf.get("mute_time_intervals") for leaf in leaves]
        assert all(muted) if route["receiver"].startswith("ticket") else not any(muted)
