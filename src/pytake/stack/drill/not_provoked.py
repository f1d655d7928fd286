"""Alerts that a drill on one host does not provoke, why, and the promtool test that stands for each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NotProvoked:
    """``reason`` completes "not provoked: it ..."; ``test`` is a file of monitoring/prometheus/tests."""

    reason: str
    test: str


NOT_PROVOKED: dict[str, NotProvoked] = {
    "HostHighMemory": NotProvoked(
        "would take nine tenths of this host's memory from everything on it", "host_test.yml"
    ),
    "PrometheusStorageFailing": NotProvoked(
        "needs a disk that fails below Prometheus; what the drill observes would be lost with it", "monitoring_test.yml"
    ),
}
