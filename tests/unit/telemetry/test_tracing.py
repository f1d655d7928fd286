"""Spans: what is recorded, which traces are kept, how they cross queues, and how they look when they are exported."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode

from pytake.telemetry import metrics as m
from pytake.telemetry import tracing
from pytake.telemetry.spans import MAX_BUFFERED, MAX_EVENTS, Policy, Provider
from tests.unit.telemetry.conftest import Spans


def test_spans_nest_and_share_a_trace(spans: Spans) -> None:
    with tracing.span("job", kind=SpanKind.CONSUMER, attributes={"queue": "webhooks"}) as job:
        with tracing.span("step") as step:
            assert trace.get_current_span() is step
        assert trace.get_current_span() is job
    assert [span.name for span in spans] == ["step", "job"]
    assert spans[0].parent is not None
    assert spans[0].parent.span_id == spans[1].span_id
    assert spans[0].local.trace_id == spans[1].local.trace_id
    assert not trace.get_current_span().get_span_context().is_valid


def test_an_exception_is_recorded_and_goes_on(spans: Spans) -> None:
    with pytest.raises(ValueError, match="no"), tracing.span("job"):
        raise ValueError("no")
    (span,) = spans
    assert span.failed
    assert (span.attributes or {})["error.type"] == "ValueError"
    (event,) = span.events or ()
    assert event.attributes is not None
    assert event.attributes["exception.type"] == "ValueError"


def test_cancellation_is_not_an_error(spans: Spans) -> None:
    with pytest.raises(asyncio.CancelledError), tracing.span("job"):
        raise asyncio.CancelledError
    assert not spans[0].failed


def test_without_tracing_a_block_still_runs() -> None:
    tracing.set_provider(None)
    with tracing.span("job") as span:
        span.set_attribute("a", 1)
        assert not span.is_recording()
    assert tracing.start("job") is None
    assert tracing.inject({}) == {}


# --- which traces are kept ----------------------------------------------------------------------------------------
@given(st.integers(min_value=1, max_value=(1 << 128) - 1), st.floats(min_value=0, max_value=1))
def test_the_ratio_decides_as_the_sdk_does(trace_id: int, ratio: float) -> None:
    theirs = TraceIdRatioBased(ratio).should_sample(None, trace_id, "x").decision.is_sampled()
    assert Policy(ratio=ratio).samples(trace_id, None) == theirs


def test_an_unsampled_trace_that_went_well_leaves_nothing(spans: Spans) -> None:
    spans.trace(ratio=0.0)
    with tracing.span("job"), tracing.span("step"):
        pass
    assert not spans


def test_an_unsampled_trace_that_failed_is_kept_whole(spans: Spans) -> None:
    def work() -> None:
        with tracing.span("job"):
            with tracing.span("select"):
                pass
            with tracing.span("send"):
                raise ValueError

    spans.trace(ratio=0.0)
    with pytest.raises(ValueError):  # noqa: PT011 (any)
        work()
    assert [span.name for span in spans] == ["select", "send", "job"]
    assert all(span.get_span_context().trace_flags.sampled for span in spans)


def test_an_error_that_was_handled_does_not_keep_the_trace(spans: Spans) -> None:
    spans.trace(ratio=0.0)
    with tracing.span("job"):
        with pytest.raises(ValueError), tracing.span("try"):  # noqa: PT011 (any)
            raise ValueError
        with tracing.span("again"):
            pass
    assert not spans


def test_a_slow_request_is_kept_a_slow_job_is_not(spans: Spans) -> None:
    spans.trace(ratio=0.0, slower_than=2.0)
    for name, timed in (("job", False), ("request", True)):
        span = tracing.start(name)
        assert span is not None
        span.timed = timed
        span.end(span.start + 2_500_000_000)
    assert [span.name for span in spans] == ["request"]


def test_a_child_that_ends_after_its_root_follows_its_trace(spans: Spans) -> None:
    spans.trace(ratio=0.0)
    for failed in (False, True):
        with tracing.span("job") as job:
            late = tracing.start("late")
            if failed:
                job.set_status(Status(StatusCode.ERROR))
        assert late is not None
        late.end()
    assert [span.name for span in spans] == ["job", "late"]


def test_what_waits_for_a_decision_is_bounded(spans: Spans) -> None:
    spans.trace(ratio=0.0)
    with tracing.span("job") as job:
        for number in range(MAX_BUFFERED * 2):
            with tracing.span(f"step {number}"):
                pass
        job.set_status(StatusCode.ERROR)
    assert len(spans) == MAX_BUFFERED + 1


def test_errors_are_not_kept_when_that_is_switched_off(spans: Spans) -> None:
    spans.trace(ratio=0.0, keep_errors=False)
    with pytest.raises(ValueError), tracing.span("job"):  # noqa: PT011 (any)
        raise ValueError
    assert not spans


@pytest.mark.parametrize(("flag", "kept"), [("00", 0), ("01", 1)])
def test_a_parents_decision_is_followed(spans: Spans, flag: str, kept: int) -> None:
    parent = tracing.extract({"traceparent": f"00-{'1' * 32}-{'2' * 16}-{flag}"})
    with tracing.span("job", context=parent):
        pass
    assert len(spans) == kept


def test_a_sampler_that_is_not_parent_based_decides_anew(spans: Spans) -> None:
    spans.trace(ratio=1.0, parent_based=False)
    with tracing.span("job", context=tracing.extract({"traceparent": f"00-{'1' * 32}-{'2' * 16}-00"})):
        pass
    assert len(spans) == 1


# --- across queues ------------------------------------------------------------------------------------------------
def test_a_trace_goes_on_behind_a_queue(spans: Spans) -> None:
    with tracing.span("publish", kind=SpanKind.PRODUCER):
        message = tracing.inject({"wamid": "x"})
    with tracing.span("process", kind=SpanKind.CONSUMER, context=tracing.extract(message)):
        pass
    publish, process = spans
    assert process.local.trace_id == publish.local.trace_id
    assert process.parent is not None
    assert process.parent.span_id == publish.span_id


def test_a_link_points_at_another_trace(spans: Spans) -> None:
    with tracing.span("send"):
        carried = tracing.inject({})
    with tracing.span("status", links=tracing.link(carried)):
        pass
    (link,) = spans[1].links or ()
    assert link.context.span_id == spans[0].span_id
    assert tracing.link({}) == []
    assert tracing.link({"traceparent": "nonsense"}) == []


async def test_tasks_inherit_the_span(spans: Spans) -> None:
    async def step() -> None:
        with tracing.span("step"):
            await asyncio.sleep(0)

    with tracing.span("job"):
        await asyncio.gather(step(), step())
    assert len({span.local.trace_id for span in spans}) == 1
    assert len(spans) == 3


# --- OpenTelemetry's API ------------------------------------------------------------------------------------------
def test_a_tracer_serves_code_written_against_the_api(spans: Spans) -> None:
    tracer = tracing.tracer("library")
    with tracing.span("job"), tracer.start_as_current_span("inner", attributes={"a": 1}) as span:
        span.add_event("happened", {"b": 2})
        span.add_link(trace.SpanContext(1, 2, False))
        span.update_name("renamed")
        span.set_attributes({"c": 3})
    found = spans.named("renamed")
    assert found.attributes == {"a": 1, "c": 3}
    assert found.scope is not None
    assert found.scope.name == "library"


def test_a_finished_span_does_not_change(spans: Spans) -> None:
    with tracing.span("job") as span:
        pass
    span.set_attribute("late", 1)
    span.add_event("late")
    span.end()
    assert len(spans) == 1
    assert not spans[0].attributes
    assert not spans[0].events


def test_ok_is_final(spans: Spans) -> None:
    with tracing.span("job") as span:
        span.set_status(StatusCode.OK)
        span.set_status(StatusCode.ERROR)
    assert not spans[0].failed


def test_events_are_bounded(spans: Spans) -> None:
    with tracing.span("job") as span:
        for number in range(MAX_EVENTS * 2):
            span.add_event(str(number))
    assert len(spans[0].events or ()) == MAX_EVENTS


def test_exported_spans_are_the_sdks(spans: Spans) -> None:
    with tracing.span("job", attributes={"n": 1}):
        with pytest.raises(ValueError), tracing.span("step", links=[]):  # noqa: PT011 (any)
            raise ValueError("no")
        span = trace.get_current_span()
        span.add_link(span.get_span_context())
    resource = Resource({"service.name": "test"})
    request = encode_spans([span.readable(resource) for span in spans])
    (scope,) = request.resource_spans[0].scope_spans
    step, job = scope.spans
    assert (step.name, job.name) == ("step", "job")
    assert step.parent_span_id == job.span_id
    assert step.status.code == 2
    assert job.end_time_unix_nano >= job.start_time_unix_nano > 0
    assert len(job.links) == 1


def test_a_trace_id_for_exemplars_only_of_sampled_traces(spans: Spans) -> None:
    with tracing.span("job"):
        assert tracing.current_trace_id() == spans_id()
    spans.trace(ratio=0.0)
    with tracing.span("job"):
        assert tracing.current_trace_id() == 0
    assert tracing.current_trace_id() == 0


def spans_id() -> int:
    return trace.get_current_span().get_span_context().trace_id


def test_an_observation_takes_the_current_trace_as_its_example(spans: Spans, own_metrics: m._State) -> None:
    own_metrics.trace_id = tracing.current_trace_id
    histogram = m.histogram("x_seconds", "X.", exemplars=True)
    with tracing.span("job"):
        histogram.observe(0.3)
    assert f"{spans[0].local.trace_id:032x}".encode() in m.render(openmetrics=True)


def test_no_garbage_is_left_to_the_collector() -> None:
    import gc

    provider = Provider(Policy(ratio=0.0), lambda _span: None)
    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            provider.root("job", SpanKind.INTERNAL, None).end()
        assert gc.collect() == 0
    finally:
        gc.enable()
