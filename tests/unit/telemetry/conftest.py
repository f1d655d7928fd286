"""Metrics of a test's own, beside the catalogue's."""

from collections.abc import Iterator

import pytest

from pytake.telemetry import catalog, metrics, tracing
from pytake.telemetry.spans import Policy, Provider, RecordingSpan


@pytest.fixture
def own_metrics(monkeypatch: pytest.MonkeyPatch) -> metrics._State:
    """An empty registry: metrics that the test declares are the only ones, and strict."""
    assert catalog.HTTP_REQUESTS.name  # declared before the registry is swapped
    state = metrics._State()
    state.strict = True
    monkeypatch.setattr(metrics, "_STATE", state)
    return state


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The catalogue without series, strict; what the test counted is dropped afterwards."""
    monkeypatch.setattr(metrics._STATE, "strict", True)
    for metric in metrics._STATE.metrics.values():
        metric.forget()
    yield
    for metric in metrics._STATE.metrics.values():
        metric.forget()


class Spans(list[RecordingSpan]):
    """Exported spans; starts tracing with a policy of the test's choice."""

    def trace(self, **policy: float | bool) -> Provider:
        """Trace with ``Policy(**policy)``."""
        provider = Provider(Policy(**policy), self.append)  # type: ignore[arg-type] # keywords of Policy
        tracing.set_provider(provider)
        return provider

    def named(self, name: str) -> RecordingSpan:
        """Return the one span with this name."""
        (found,) = [span for span in self if span.name == name]
        return found


@pytest.fixture
def spans() -> Iterator[Spans]:
    """Record spans into a list."""
    found = Spans()
    found.trace(ratio=1.0)
    yield found
    tracing.set_provider(None)
