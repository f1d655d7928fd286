"""Errors and slow traces are always kept, the rest by ratio, undecided ones never dropped."""

from collections.abc import Callable

import numpy as np
import pytest

from pytake.embedded.common.config import ConfigError
from pytake.embedded.jaeger.columns import from_requests
from pytake.embedded.jaeger.search import read_traces
from pytake.embedded.jaeger.store import Store
from pytake.embedded.jaeger.tail_sampling import TailSampler
from tests.support.waiting import wait_until
from tests.unit.jaeger.build import body, ident, push, span


def _sampler(*policies: dict, **more: object) -> TailSampler:
    return TailSampler({"decision_wait": "0s", "policies": list(policies), **more})


ERRORS = {"name": "e", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}}
SLOW = {"name": "s", "type": "latency", "latency": {"threshold_ms": 1000}}


def _share(percent: float) -> dict:
    return {"name": "p", "type": "probabilistic", "probabilistic": {"sampling_percentage": percent}}


def test_a_trace_is_kept_whole_when_any_span_failed() -> None:
    found = from_requests([body(span(1, 1), span(1, 2, error=True), span(2, 3))])
    assert _sampler(ERRORS).keep(found).tolist() == [True, True, False]


def test_latency_is_of_the_whole_trace() -> None:
    found = from_requests([body(span(1, 1, at_ms=0, ms=10), span(1, 2, at_ms=1500, ms=10), span(2, 3, ms=999))])
    assert _sampler(SLOW).keep(found).tolist() == [True, True, False]


def test_later_spans_in_memory_count() -> None:
    found, newer = from_requests([body(span(1, 1), span(2, 2))]), from_requests([body(span(1, 3, error=True))])
    assert _sampler(ERRORS).keep(found, [newer]).tolist() == [True, False]


def test_the_share_is_about_right_and_the_same_for_all_spans_of_a_trace() -> None:
    found = from_requests([body(*(span(trace, trace * 10 + part) for trace in range(1, 2001) for part in (1, 2)))])
    kept = _sampler(_share(20)).keep(found)
    assert 0.15 < kept.mean() < 0.25
    assert (kept[0::2] == kept[1::2]).all()
    assert _sampler(_share(100)).keep(found).all()
    assert not _sampler(_share(0)).keep(found).any()


def test_late_spans_of_a_kept_trace_are_kept_within_the_cache() -> None:
    sampler = _sampler(ERRORS, decision_cache={"sampled_cache_size": 1})
    sampler.keep(from_requests([body(span(1, 1, error=True))]))
    late = from_requests([body(span(1, 2))])
    assert sampler.keep(late).tolist() == [True]
    sampler.keep(from_requests([body(span(2, 3, error=True))]))
    assert sampler.keep(late).tolist() == [False]


def test_attribute_policies() -> None:
    policy = {"name": "a", "type": "string_attribute", "string_attribute": {"key": "tenant", "values": ["gold"]}}
    found = from_requests([body(span(1, 1, tenant="gold"), span(2, 2, tenant="iron"), span(3, 3))])
    assert _sampler(policy).keep(found).tolist() == [True, False, False]
    policy = {"name": "a", "type": "string_attribute", "string_attribute": {"key": "service.name", "values": ["api"]}}
    found = from_requests([body(span(1, 1, service="api"), span(2, 2, service="worker"))])
    assert _sampler(policy).keep(found).tolist() == [True, False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policies": [{"name": "x", "type": "rate_limiting"}]}, "'x': type 'rate_limiting' is not supported"),
        ({"policies": [{"name": "x", "type": "latency"}]}, "'x'.*threshold_ms"),
        ({"policies": []}, "needs at least one policy"),
    ],
)
def test_what_is_not_supported_is_named(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TailSampler(options)


def test_the_store_shows_all_until_the_decision_and_drops_the_rest(make_store: Callable[..., Store]) -> None:
    store = make_store(sampler=_sampler(ERRORS))
    store.append(body(span(1, 1), span(1, 2, error=True), span(2, 3)), 3)
    store.settle(30)
    assert [len(found) for found in read_traces(store, [ident(1), ident(2)])] == [2, 1]
    store.flush()
    assert [len(found) for found in read_traces(store, [ident(1), ident(2)])] == [2, 0]
    assert store.tail_decisions() == (2, 1)
    assert store.tail_decisions() == (0, 0)


def test_a_generation_that_nobody_wants_leaves_nothing(make_store: Callable[..., Store]) -> None:
    store = make_store(sampler=_sampler(ERRORS))
    store.append(body(span(1, 1)), 1)
    store.flush()
    assert not store.segments()
    assert len(read_traces(make_store(), [ident(1)])[0]) == 0


def test_memory_is_bounded_before_the_wait_is_over(make_store: Callable[..., Store]) -> None:
    sampler = _sampler(ERRORS, _share(100))
    sampler.decision_wait = 3600
    store = make_store(sampler=sampler, segment_spans=10)
    for trace in range(1, 30):
        push(store, *(span(trace, trace * 100 + number) for number in range(1, 11)))
    wait_until(lambda: len(store.segments()) >= 25, what="segments in spite of the wait")
    store.settle(timeout=10)
    assert len(store.segments()) >= 25
    assert np.mean([len(found) for found in read_traces(store, [ident(trace) for trace in range(1, 30)])]) == 10
