"""Alertmanager itself, at the end: nothing arrives while it is down."""

from collections.abc import Iterator

from pytake.stack.drill.scenario import Part, scenario
from pytake.stack.drill.scene import Scene


@scenario("Alertmanager is killed and kept down", "Watchdog", later=("PrometheusNotificationsFailing",),
          breaks=(Part.CHANNELS,), detect=900)  # fmt: skip
def silent_watchdog(scene: Scene) -> Iterator[None]:
    """The heartbeat stops, which tells whoever watches from outside; Prometheus' complaint arrives when it is back."""
    with scene.stopped("alertmanager"):
        yield
