"""Span metrics and the metrics API, compared with counting by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from pytake.embedded.jaeger import metricsquery
from pytake.embedded.jaeger.columns import from_requests
from pytake.embedded.jaeger.config import SpanMetricsOptions
from pytake.embedded.jaeger.metricsquery import MetricsQuery
from pytake.embedded.jaeger.spanmetrics import SpanMetrics
from pytake.embedded.jaeger.store import Store
from pytake.embedded.jaeger.tail_sampling import TailSampler
from tests.unit.jaeger.build import NOW_US, body, ident, span

LABELS = {
    "service_name": "api",
    "span_name": "GET /",
    "span_kind": "SPAN_KIND_SERVER",
    "status_code": "STATUS_CODE_UNSET",
}


def _samples(page: str) -> dict:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample
        for family in parse_openmetrics(page + "# EOF\n")
        for sample in family.samples
    }


def test_names_labels_and_values_are_the_connectors() -> None:
    metrics = SpanMetrics(SpanMetricsOptions(buckets=(10.0, 100.0), exemplars=True))
    metrics.observe(from_requests([body(span(1, 1, ms=5), span(1, 2, ms=10), span(2, 3, ms=50, error=True))]))
    metrics.observe(from_requests([body(span(3, 4, ms=500))]))
    found = _samples(metrics.render(openmetrics=True))

    def value(name: str, **more: str) -> float:
        return found[name, tuple(sorted((LABELS | more).items()))].value

    assert value("traces_span_metrics_calls_total") == 3
    assert value("traces_span_metrics_calls_total", status_code="STATUS_CODE_ERROR") == 1
    assert value("traces_span_metrics_duration_milliseconds_bucket", le="10.0") == 2
    assert value("traces_span_metrics_duration_milliseconds_bucket", le="+Inf") == 3
    assert value("traces_span_metrics_duration_milliseconds_sum") == 515
    bucket = found["traces_span_metrics_duration_milliseconds_bucket", tuple(sorted((LABELS | {"le": "+Inf"}).items()))]
    assert bucket.exemplar.labels == {"trace_id": ident(3).hex(), "span_id": ident(4, 8).hex()}
    assert bucket.exemplar.value == 500
    assert {family.name for family in parse_text(metrics.render(openmetrics=False))} == {
        "traces_span_metrics_calls", "traces_span_metrics_duration_milliseconds",
    }  # fmt: skip


def test_seconds_namespace_and_dimensions() -> None:
    metrics = SpanMetrics(SpanMetricsOptions(namespace="", unit="s", buckets=(0.01,), dimensions=("tenant.plan",)))
    metrics.observe(from_requests([body(span(1, 1, tenant__plan="gold"), span(2, 2))]))
    page = metrics.render(openmetrics=False)
    assert 'tenant_plan="gold"} 1' in page
    assert "duration_seconds_bucket" in page


def test_series_are_limited() -> None:
    metrics = SpanMetrics(SpanMetricsOptions(cardinality_limit=2))
    metrics.observe(from_requests([body(*(span(1, number, name=f"op {number}") for number in range(1, 11)))]))
    page = metrics.render(openmetrics=False)
    assert page.count("calls_total{") == 3
    assert 'traces_span_metrics_calls_total{otel_metric_overflow="true"} 8' in page


def test_hostile_names_stay_inside_their_quotes() -> None:
    metrics = SpanMetrics(SpanMetricsOptions())
    metrics.observe(from_requests([body(span(1, 1, name='a"} 1\nevil{x="\\'))]))
    assert len(list(parse_text(metrics.render(openmetrics=False)))) == 2


def _query(**more: object) -> MetricsQuery:
    values = {"services": ("api",), "kinds": frozenset((2,)), "by_operation": False, "end_us": NOW_US + 60_000_000,
              "lookback_us": 50_000_000, "step_us": 10_000_000, "rate_us": 20_000_000} | more  # fmt: skip
    return MetricsQuery(**values)  # type: ignore[arg-type]  # built from a dictionary


@pytest.fixture
def filled(store: Store) -> Store:
    """One call every second for a minute, every fifth fails, taking 1 to 60 ms; half on disk."""
    spans = [
        span(number, number, name=f"op {number % 2}", at_ms=number * 1000, ms=number, error=number % 5 == 0)
        for number in range(1, 61)
    ]
    store.append(body(*spans[:30]), 30)
    store.flush()
    store.append(body(*spans[30:], span(99, 99, service="worker"), span(98, 98, kind=3)), 32)
    store.settle(30)
    return store


def test_call_rates(filled: Store) -> None:
    rates = metricsquery.call_rates(filled, _query())
    assert list(rates) == [("api",)]
    assert rates["api",].tolist() == [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]  # the first window begins before the first call


def test_error_rates(filled: Store) -> None:
    assert metricsquery.error_rates(filled, _query())["api",][-1] == pytest.approx(0.2)


def test_latencies(filled: Store) -> None:
    found = metricsquery.latencies(filled, _query(), 0.5)["api",]
    assert found[-1] == pytest.approx(50, rel=0.1)


def test_by_operation_and_without_data(filled: Store) -> None:
    assert list(metricsquery.call_rates(filled, _query(by_operation=True))) == [("api", "op 0"), ("api", "op 1")]
    assert metricsquery.call_rates(filled, _query(services=("nobody",))) == {}
    late = metricsquery.latencies(filled, _query(end_us=NOW_US + 100_000_000), 0.95)["api",]
    assert np.isnan(late[-1])


def test_family_in_jaegers_json(filled: Store) -> None:
    query = _query(by_operation=True)
    family = metricsquery.family(
        "service_operation_call_rate", "calls/sec", metricsquery.call_rates(filled, query), query
    )
    first = family["metrics"][0]
    assert first["labels"] == [{"name": "service_name", "value": "api"}, {"name": "operation", "value": "op 0"}]
    assert len(first["metricPoints"]) == 6
    assert first["metricPoints"][-1]["gaugeValue"]["doubleValue"] == pytest.approx(0.5)
    assert first["metricPoints"][-1]["timestamp"].endswith("Z")


def _sampled(make_store: Callable[..., Store]) -> Store:
    """A store that keeps the errors only: one span in five of 1,000."""
    errors = {"name": "errors", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}}
    store = make_store(sampler=TailSampler({"decision_wait": "0s", "policies": [errors]}))
    spans = [span(n, n, at_ms=n * 50, ms=10 if n % 5 else 100, error=n % 5 == 0) for n in range(1, 1001)]
    store.append(body(*spans), len(spans))
    return store


def test_spans_that_the_tail_decision_left_out_are_counted(make_store: Callable[..., Store]) -> None:
    query = _query(end_us=NOW_US + 50_000_000, lookback_us=0, step_us=60_000_000, rate_us=60_000_000)

    def figures(store: Store) -> list[float]:
        found = (
            metricsquery.call_rates(store, query),
            metricsquery.error_rates(store, query),
            metricsquery.latencies(store, query, 0.5),
        )
        return [float(series["api",][-1]) for series in found]

    store = _sampled(make_store)
    store.settle(30)
    before = figures(store)
    assert before == [pytest.approx(1000 / 60), pytest.approx(0.2), pytest.approx(10, rel=0.1)]
    store.flush()
    assert store.figures()["segment_spans"] == 200
    assert figures(store) == pytest.approx(before)
    assert figures(make_store()) == pytest.approx(before)  # from disk


def test_counts_are_deleted_with_their_time(make_store: Callable[..., Store], tmp_path: Path) -> None:
    _sampled(make_store).flush()
    assert list(tmp_path.glob("traces/left-out/*.parquet"))
    store = make_store(retention_seconds=3600.0, clock=lambda: NOW_US / 1e6 + 4000)
    assert store.enforce_retention() == 1
    assert not list(tmp_path.glob("traces/left-out/*"))
    assert metricsquery.call_rates(store, _query()) == {}
