"""Counting: label sets are closed, bounded and cheap; undeclared values raise in tests, are ``other`` in production."""

import threading
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytake.telemetry import metrics as m
from pytake.telemetry.labels import Bounded, Configured


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@pytest.fixture
def production(own_metrics: m._State) -> m._State:
    own_metrics.strict = False
    m.counter("telemetry_label_overflow_total", "Overflow.", labels={"metric": Bounded(50, r"\w+")})
    return own_metrics


def overflow(state: m._State) -> dict[str, float]:
    return {
        values[0]: child.get() for values, child in state.metrics["telemetry_label_overflow_total"].children.items()
    }


def test_a_counter_counts_by_label(own_metrics: m._State) -> None:
    paint = m.counter("paint_total", "Paint.", labels={"colour": Colour})
    paint.inc(colour=Colour.RED)
    paint.inc(2.5, colour="red")
    paint.labels(colour=Colour.BLUE).inc()
    assert paint.labels(colour="red").get() == 3.5
    assert paint.labels(colour="blue").get() == 1


def test_the_order_of_keywords_does_not_matter(own_metrics: m._State) -> None:
    metric = m.counter("x_total", "X.", labels={"a": Bounded(5), "b": Bounded(5)})
    metric.inc(a="1", b="2")
    metric.inc(b="2", a="1")
    metric.inc(a="2", b="1")
    assert metric.labels(a="1", b="2").get() == 2
    assert metric.labels(a="1", b="2") is metric.labels(b="2", a="1")


def test_a_counter_does_not_go_down(own_metrics: m._State) -> None:
    with pytest.raises(ValueError, match="only goes up"):
        m.counter("x_total", "X.").inc(-1)


def test_a_gauge_is_set_moved_and_removed(own_metrics: m._State) -> None:
    gauge = m.gauge("level", "Level.", labels={"colour": Colour})
    gauge.set(5, colour="red")
    gauge.inc(2, colour="red")
    gauge.dec(colour="red")
    assert gauge.labels(colour="red").get() == 6
    gauge.remove(colour="red")
    assert b"red" not in m.render()
    gauge.inc(colour="red")
    assert gauge.labels(colour="red").get() == 1


@given(st.lists(st.floats(min_value=-10, max_value=20, allow_nan=False), max_size=40))
def test_a_histogram_counts_each_value_in_one_bucket(values: list[float]) -> None:
    child = m.HistogramChild(m.Store(), 8, (), (1.0, 2.0, 5.0), exemplars=False)
    for value in values:
        child.observe(value, trace_id=0)
    low = sum(value <= 1 for value in values)
    assert child.read(4)[0] == low
    assert child.get()[0] == len(values)
    assert child.get()[1] == pytest.approx(sum(values))


def test_buckets_must_rise(own_metrics: m._State) -> None:
    with pytest.raises(ValueError, match="rise"):
        m.histogram("x_seconds", "X.", buckets=(1, 1, 2))


def test_a_metric_is_declared_once(own_metrics: m._State) -> None:
    m.counter("x_total", "X.")
    with pytest.raises(ValueError, match="declared twice"):
        m.gauge("x_total", "X.")


@pytest.mark.parametrize("labels", [{}, {"colour": "red", "more": "x"}, {"color": "red"}])
def test_wrong_label_names_are_an_error(own_metrics: m._State, labels: dict[str, str]) -> None:
    metric = m.counter("paint_total", "Paint.", labels={"colour": Colour})
    with pytest.raises(TypeError, match="colour"):
        metric.inc(**labels)


def test_an_undeclared_value_raises_in_strict_mode(own_metrics: m._State) -> None:
    metric = m.counter("paint_total", "Paint.", labels={"colour": Colour})
    with pytest.raises(m.UndeclaredLabelError, match="colour='green'"):
        metric.inc(colour="green")
    assert not metric.children


def test_an_undeclared_value_counts_as_other_in_production(production: m._State) -> None:
    metric = m.counter("paint_total", "Paint.", labels={"colour": Colour})
    for colour in ("green", "pink", "red"):
        metric.inc(colour=colour)
    assert {values[0]: child.get() for values, child in metric.children.items()} == {"other": 2, "red": 1}
    assert overflow(production) == {"paint_total": 2}


def test_configured_names_must_be_registered(own_metrics: m._State) -> None:
    metric = m.counter("x_total", "X.", labels={"shop": Configured("test_shop", limit=2)})
    with pytest.raises(m.UndeclaredLabelError):
        metric.inc(shop="sul")
    m.configure_label("test_shop", ["sul", "norte"])
    metric.inc(shop="sul")
    metric.inc(shop="other")
    assert sorted(values[0] for values in metric.children) == ["other", "sul"]


def test_configured_names_beyond_their_limit_are_refused(own_metrics: m._State) -> None:
    metric = m.counter("x_total", "X.", labels={"shop": Configured("test_many", limit=2)})
    m.configure_label("test_many", ["a", "b", "c"])
    metric.inc(shop="a")
    with pytest.raises(m.UndeclaredLabelError):
        metric.inc(shop="c")


@given(st.lists(st.text(max_size=200), max_size=60))
def test_hostile_values_of_a_bounded_label_stay_bounded(values: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(m, "_STATE", m._State())
        metric = m.counter("x_total", "X.", labels={"path": Bounded(10)})
        for value in values:
            metric.inc(path=value)
        assert len(metric.children) <= 11
        assert sum(child.get() for child in metric.children.values()) == len(values)
        assert len(metric._cache) <= 11


def test_a_budget_holds_and_what_is_beyond_is_counted_together(production: m._State) -> None:
    metric = m.counter("x_total", "X.", labels={"a": Bounded(100), "colour": Colour}, budget=3)
    for number in range(10):
        metric.inc(a=f"v{number}", colour="red")
    assert len(metric.children) == 4
    assert metric.children["other", "other"].get() == 7
    assert overflow(production) == {"x_total": 7}


def test_a_budget_is_an_error_in_strict_mode(own_metrics: m._State) -> None:
    metric = m.counter("x_total", "X.", labels={"a": Bounded(100)}, budget=1)
    metric.inc(a="1")
    with pytest.raises(m.UndeclaredLabelError, match="budget of 1"):
        metric.inc(a="2")


def test_a_full_store_loses_counts_but_breaks_nothing(production: m._State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(production.store, "slots", production.store.used + 2)
    metric = m.counter("x_total", "X.", labels={"a": Bounded(100)})
    for number in range(10):
        metric.inc(a=f"v{number}")
    assert len(metric.children) <= 2
    m.render()


def test_preset_shows_series_before_their_first_event(own_metrics: m._State) -> None:
    metric = m.counter("paint_total", "Paint.", labels={"colour": Colour, "coat": Bounded(3)})
    metric.preset(coat="1")
    assert b'paint_total{colour="red",coat="1"} 0.0' in m.render()
    assert b'paint_total{colour="blue",coat="1"} 0.0' in m.render()


def test_a_state_set_is_one_at_one_member(own_metrics: m._State) -> None:
    gauge = m.gauge("mood", "Mood.", labels={"shop": Bounded(3), "state": Colour})
    m.state_set(gauge, Colour, Colour.RED, shop="sul")
    m.state_set(gauge, Colour, "blue", shop="sul")
    assert {values: child.get() for values, child in gauge.children.items()} == {("sul", "red"): 0, ("sul", "blue"): 1}


def test_threads_lose_no_counts(own_metrics: m._State) -> None:
    child = m.counter("x_total", "X.").labels()

    def count() -> None:
        for _ in range(20_000):
            child.inc()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert child.get() == 80_000


def test_hooks_run_before_the_page_and_one_that_fails_harms_nobody(
    own_metrics: m._State, caplog: pytest.LogCaptureFixture
) -> None:
    gauge = m.gauge("level", "Level.")

    def broken() -> None:
        raise RuntimeError("no level")

    m.on_collect(broken)
    m.on_collect(lambda: gauge.set(7))
    assert b"level 7.0" in m.render()
    assert "collect hook" in caplog.text


def test_record_counts_one_event_in_several_metrics(own_metrics: m._State) -> None:
    counter, seconds = m.counter("x_total", "X.").labels(), m.histogram("x_seconds", "X.", exemplars=True).labels()
    m.record(counter, ((seconds, 0.3),), trace_id=0xABC)
    assert counter.get() == 1
    assert seconds.get() == (1, 0.3)
    assert b'trace_id="00000000000000000000000000000abc"' in m.render(openmetrics=True)
