"""The monitoring itself: configuration, scrapes, rules, notifications, certificates."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import yaml

from pytake.stack.drill.certificates import tls_server
from pytake.stack.drill.pages import changed_page
from pytake.stack.drill.scenario import Part, scenario
from pytake.stack.drill.scene import Scene

REFUSED = "DrillRefused"


@scenario("a rule that cannot be evaluated, a broken file refused, a target file lost",
          "PrometheusRuleFailures", "ConfigReloadFailed", "TargetMissing",
          breaks=(Part.PROMETHEUS,), detect=600)  # fmt: skip
def broken_configuration(scene: Scene) -> Iterator[None]:
    """Add a many-to-many rule and reload; then break the file and reload again; empty a target file."""
    folder = scene.arena.config / "prometheus"
    rule, main = folder / "rules" / "zz-drill.yml", folder / "prometheus.yml"
    kept, reload = main.read_text(), f"{scene.url('prometheus')}/-/reload"
    bad = {"groups": [{"name": "drill", "rules": [{"record": "drill:broken", "expr": "up * on () up"}]}]}
    rule.write_text(yaml.safe_dump(bad))
    scene.http.post(reload).raise_for_status()
    main.write_text(kept + "\nnot_a_field: 1\n")
    scene.http.post(reload)
    try:
        with scene.targets("blackbox-exporter", []):
            yield
    finally:
        main.write_text(kept)
        rule.unlink()
        scene.http.post(reload).raise_for_status()


@scenario("a page of the sandbox comes slowly", "ScrapeSlow", detect=600)
def slow_page(scene: Scene) -> Iterator[None]:
    """Something between Prometheus and the sandbox holds its answer back."""
    with (
        changed_page(f"{scene.url('pytake-sandbox')}/metrics", delay=3.25) as port,
        scene.targets("pytake-sandbox", [{"targets": [f"127.0.0.1:{port}"]}]),
    ):
        yield


@scenario("a worker's page has far too many series", "ScrapeTooLarge", detect=300)
def large_page(scene: Scene) -> Iterator[None]:
    """One more target of the workers, whose page has 45,000 samples."""
    with changed_page(more=45_000) as port, scene.one_more_target("pytake-worker", port):
        yield


@scenario("Prometheus stands still again and again", "PrometheusMissedEvaluations", detect=600)
def halting_prometheus(scene: Scene) -> Iterator[None]:
    """Stopped for longer than its rules' interval."""
    ended, pause = threading.Event(), max(2.5, 12 / scene.factor)

    def halt() -> None:
        while not ended.is_set():
            with scene.suspended("prometheus"):
                ended.wait(pause)
            ended.wait(2 * pause)

    with scene.thread(halt, ended):
        yield


@scenario("Slack refuses messages", "AlertmanagerNotificationsFailing", detect=500)
def refusing_channel(scene: Scene) -> Iterator[None]:
    """Slack answers 400 to the messages of one alert, which the drill raises at Alertmanager itself."""
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    labels = [{"alertname": REFUSED, "severity": "warning", "component": f"part{n}"} for n in range(16)]
    alerts = f"{scene.url('alertmanager')}/api/v2/alerts"
    scene.refuse.add(REFUSED)
    scene.http.post(alerts, json=[{"labels": each, "endsAt": until} for each in labels]).raise_for_status()
    try:
        yield
    finally:
        scene.refuse.discard(REFUSED)
        now = datetime.now(UTC).isoformat()
        scene.http.post(alerts, json=[{"labels": each, "endsAt": now} for each in labels]).raise_for_status()


@scenario("a certificate has expired", "CertificateExpired", hidden=("CertificateExpiresSoon",), detect=200)
def expired_certificate(scene: Scene) -> Iterator[None]:
    """A TLS server whose certificate has an hour left."""
    yield from _certificate(scene, days=0.04)


@scenario("a certificate is about to expire", "CertificateExpiresSoon", detect=200)
def old_certificate(scene: Scene) -> Iterator[None]:
    """A TLS server whose certificate has ten days left, probed as a public address."""
    yield from _certificate(scene, days=10)


def _certificate(scene: Scene, days: float) -> Iterator[None]:
    with tls_server(days) as port:
        labels = {"instance": "drill.invalid", "__param_module": "tls", "__param_target": f"127.0.0.1:{port}"}
        with scene.targets("probe-tls", [{"targets": [f"127.0.0.1:{scene.arena.port(9115)}"], "labels": labels}]):
            yield
