"""Calls between services: within a segment, across parts, by time."""

from pytake.embedded.jaeger.links import Link, dependencies
from pytake.embedded.jaeger.store import Store
from tests.unit.jaeger.build import NOW_US, body, span

HOUR = 3_600_000_000


def _links(store: Store) -> list[Link]:
    store.settle(30)
    return dependencies(store, NOW_US - HOUR, NOW_US + HOUR)


def test_a_call_is_a_child_in_another_service(store: Store) -> None:
    store.append(
        body(
            span(1, 1, service="api"), span(1, 2, service="api", parent=1), span(1, 3, service="worker", parent=2),
            span(1, 4, service="postgres", parent=3, error=True), span(1, 5, service="postgres", parent=3),
        ),
        5,
    )  # fmt: skip
    expected = [Link("api", "worker", 1, 0), Link("worker", "postgres", 2, 1)]
    assert _links(store) == expected
    store.flush()
    assert _links(store) == expected


def test_a_caller_in_another_part_is_found(store: Store) -> None:
    store.append(body(span(1, 1, service="api")), 1)
    store.flush()
    store.append(body(span(1, 2, service="worker", parent=1)), 1)
    assert _links(store) == [Link("api", "worker", 1, 0)]
    store.flush()
    assert _links(store) == [Link("api", "worker", 1, 0)]


def test_a_span_id_of_another_trace_is_no_caller(store: Store) -> None:
    store.append(body(span(1, 1, service="api"), span(2, 2, service="worker", parent=1)), 2)
    assert _links(store) == []


def test_only_the_asked_time_counts(store: Store) -> None:
    store.append(body(span(1, 1, service="api"), span(1, 2, service="worker", parent=1)), 2)
    store.settle(30)
    assert dependencies(store, NOW_US + HOUR, NOW_US + 2 * HOUR) == []
