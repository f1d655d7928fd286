"""Every row of the matrix of signals, on real PostgreSQL, Redis, API, worker and sandbox."""

import pytest

from tests.e2e.actions import idle, new_customer
from tests.e2e.scrape import Page
from tests.e2e.signals import MATRIX, Metric, Signal
from tests.e2e.stack import Stack
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack")]
SERVICES = ("api", "worker", "sandbox")


def pages(stack: Stack) -> dict[str, Page]:
    return {service: stack.metrics(service) for service in SERVICES}


def wrong(metric: Metric, before: dict[str, Page], after: dict[str, Page]) -> str | None:
    """What is not as the matrix says, or None."""
    old = 0.0 if metric.gauge else before[metric.service].sum(metric.name, **metric.labels)
    grown = after[metric.service].sum(metric.name, **metric.labels) - old
    right = grown >= metric.amount if metric.least else grown == pytest.approx(metric.amount)
    sign = ">= " if metric.least else ""
    return None if right else f"{metric.service}: {metric.name}{metric.labels} is {grown}, not {sign}{metric.amount}"


def all_right(metrics: tuple[Metric, ...], before: dict[str, Page], stack: Stack) -> None:
    after = pages(stack)
    faults = [fault for metric in metrics if (fault := wrong(metric, before, after))]
    assert not faults, "\n".join(faults)


def eventually(check: object, what: str) -> None:
    """Wait until a check that asserts does not fail any more."""
    assert callable(check)
    wait_until(lambda: check() is None, 8, what, every=0.1)


@pytest.mark.parametrize("signal", MATRIX, ids=lambda signal: signal.event.replace(" ", "-"))
def test_event_leaves_its_signals(stack: Stack, signal: Signal) -> None:
    idle(stack)
    customer = new_customer(signal.prefix)
    stored = stack.count("SELECT count(*) FROM messages")
    before = pages(stack)
    trace_id = signal.act(stack, customer)

    def rows() -> None:
        for row in signal.rows:
            found = stack.count(row.query.format(customer=customer))
            assert found == row.count, f"{row.query}: {found}, not {row.count}"

    def spans() -> None:
        assert trace_id is not None
        found = {(span.service, span.name) for span in stack.collector.trace(trace_id)}
        missing = {(span.service, span.name) for span in signal.spans} - found
        assert not missing, f"no span {missing} among {found}"

    def logs() -> None:
        for log in signal.logs:
            lines = [line for line in stack.log_lines(log.service) if line.get("trace_id") == trace_id]
            assert log.event in {line["event"] for line in lines}, f"{log.event} not in {lines}"

    eventually(rows, "the rows")
    eventually(lambda: all_right(signal.metrics, before, stack), "the metrics")
    if signal.spans:
        eventually(spans, "the spans")
    eventually(logs, "the log lines")
    if signal.stores_nothing:
        idle(stack)
        assert stack.count("SELECT count(*) FROM messages") == stored
