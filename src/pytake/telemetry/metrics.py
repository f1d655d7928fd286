"""Counters, gauges and histograms as :mod:`pytake.telemetry.catalog` declares them.

Written for cost: a series is looked up once and kept (``.labels(...)`` returns a bound child), values live in a block
of doubles, label values are checked only when a label set is new. What ``prometheus_client`` does not have and this
project needs: closed label sets with a cardinality budget, exemplars with several processes, a page of 10,000 series in
a few milliseconds. The page is tested against ``prometheus_client``'s own parsers.

Undeclared label values raise :class:`UndeclaredLabelError` in strict mode (tests) and count as ``other`` otherwise;
``telemetry_label_overflow_total`` tells how often.
"""

import itertools
import logging
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, StrEnum
from math import inf, nan
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytake.telemetry.labels import OTHER
from pytake.telemetry.labelsets import LabelSpec, UndeclaredLabelError, allowed, capacity, configure, members
from pytake.telemetry.store import EXEMPLAR_SLOTS, HEADER_SLOTS, Store, StoreFullError

if TYPE_CHECKING:
    from pytake.telemetry.shared import SharedMetrics

__all__ = [
    "Counter", "Gauge", "Histogram", "Merge", "Metric", "UndeclaredLabelError", "configure_label", "counter", "gauge",
    "histogram", "metrics_app", "metrics_response", "on_collect", "render", "set_strict", "start_metrics_server",
    "state_set",
]  # fmt: skip

DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MAX_DEFAULT_BUDGET = 1000
LOCK = threading.RLock()
"""One lock for all values: an uncontended acquire costs less than a second dictionary look-up. Re-entrant, because a
finaliser or signal handler may count something while a count is going on."""
os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release)


class Merge(Enum):
    """How the gauges of several processes become one value."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"


class Child:
    """One series (or the series of one histogram): a metric with its label values bound."""

    __slots__ = ("_doubles", "_slot", "_store", "values")

    def __init__(self, store: Store, slot: int, values: tuple[str, ...]) -> None:
        self.values = values
        self.bind(store, slot)

    def bind(self, store: Store, slot: int) -> None:
        """Live in ``store`` from ``slot`` on."""
        self._store = store
        self._doubles = store.doubles
        self._slot = slot

    @property
    def place(self) -> tuple[Store, int]:
        """Store and first slot."""
        return self._store, self._slot

    @property
    def slot(self) -> int:
        """First slot of this series in the store."""
        return self._slot

    def read(self, count: int) -> list[float]:
        """Return the ``count`` doubles of this series."""
        return self._store.numbers(self._slot, self._slot + count)


class CounterChild(Child):
    """A bound counter."""

    __slots__ = ()

    def inc(self, amount: float = 1.0) -> None:
        """Add ``amount`` (>= 0)."""
        if amount < 0:
            msg = f"a counter only goes up; got {amount}"
            raise ValueError(msg)
        with LOCK:
            self._doubles[self._slot] += amount

    def get(self) -> float:
        """Return the value in this process."""
        return self._doubles[self._slot]


class GaugeChild(Child):
    """A bound gauge; NaN means that it is not shown."""

    __slots__ = ()

    def set(self, value: float) -> None:
        """Set to ``value``."""
        self._doubles[self._slot] = value

    def inc(self, amount: float = 1.0) -> None:
        """Add ``amount``; a gauge that was removed starts from 0."""
        with LOCK:
            old = self._doubles[self._slot]
            self._doubles[self._slot] = amount + (old if old == old else 0.0)  # noqa: PLR0124 (NaN differs from itself)

    def dec(self, amount: float = 1.0) -> None:
        """Subtract ``amount``."""
        self.inc(-amount)

    def get(self) -> float:
        """Return the value in this process."""
        return self._doubles[self._slot]


class HistogramChild(Child):
    """A bound histogram: slots of its buckets (not cumulated), of the sum, of the exemplars."""

    __slots__ = ("_bounds", "_exemplars", "_sum")

    def __init__(self, store: Store, slot: int, values: tuple[str, ...], bounds: tuple[float, ...], *, exemplars: bool):
        self._bounds = bounds
        self._exemplars = exemplars
        super().__init__(store, slot, values)

    def bind(self, store: Store, slot: int) -> None:
        """Live in ``store`` from ``slot`` on."""
        super().bind(store, slot)
        self._sum = slot + len(self._bounds) + 1

    def observe(self, value: float, *, trace_id: int | None = None) -> None:
        """Count ``value``; ``trace_id`` is its example, by default the current trace when that is sampled."""
        bucket = bisect_left(self._bounds, value)
        with LOCK:
            doubles = self._doubles
            doubles[self._slot + bucket] += 1.0
            doubles[self._sum] += value
        if self._exemplars:
            if trace_id is None:
                trace_id = _STATE.trace_id()
            if trace_id:
                at = self._sum + 1 + bucket * EXEMPLAR_SLOTS
                self._store.write_exemplar(at, trace_id, value, time.time())

    def get(self) -> tuple[float, float]:
        """Return ``(count, sum)`` in this process."""
        numbers = self.read(len(self._bounds) + 2)
        return sum(numbers[:-1]), numbers[-1]


C = TypeVar("C", CounterChild, GaugeChild, HistogramChild)


class _State:
    """What the process knows about all metrics: kept in one place so that tests can swap it."""

    def __init__(self) -> None:
        self.store = Store()
        self.void = Store()
        """Takes what has no room in the store; nobody reads it."""
        self.strict = False
        self.metrics: dict[str, Metric[Any]] = {}
        self.hooks: list[Callable[[], None]] = []
        self.trace_id: Callable[[], int] = lambda: 0
        self.on_series: Callable[[Metric[Any], Any], None] = lambda _metric, _child: None
        self.shared: SharedMetrics | None = None


class Metric(Generic[C]):
    """A declared metric and its series in this process."""

    kind = ""

    def __init__(
        self, name: str, help: str, labels: Mapping[str, LabelSpec], *, budget: int | None, merge: Merge = Merge.SUM
    ) -> None:
        self.name: str = name
        self.help: str = help
        self.specs: dict[str, LabelSpec] = dict(labels)
        self.label_names: tuple[str, ...] = tuple(self.specs)
        self.merge: Merge = merge
        self.budget: int = budget if budget is not None else min(MAX_DEFAULT_BUDGET, capacity(self.specs.values()))
        self.children: dict[tuple[str, ...], C] = {}
        self.prefixes: dict[tuple[str, ...], tuple[str, ...]] = {}
        """Beginnings of the lines of each series, kept by :mod:`~pytake.telemetry.exposition`."""
        self._cache: dict[tuple[str, ...], C] = {}
        if name in _STATE.metrics:
            msg = f"metric {name} is declared twice; declare it once in pytake.telemetry.catalog"
            raise ValueError(msg)
        _STATE.metrics[name] = self

    @property
    def value_slots(self) -> int:
        """Doubles that the values of one series need."""
        return 1

    @property
    def slots(self) -> int:
        """Doubles that one series needs, its exemplars included."""
        return self.value_slots

    def _make(self, store: Store, slot: int, values: tuple[str, ...]) -> C:
        raise NotImplementedError

    def labels(self, **labels: str) -> C:
        """Return the series with these label values; keep it where a line runs often."""
        key = (*labels, *labels.values())
        child = self._cache.get(key)
        return child if child is not None else self._resolve(labels, key)

    def _resolve(self, labels: Mapping[str, str], key: tuple[str, ...]) -> C:
        if labels.keys() != self.specs.keys():
            msg = f"{self.name} has the labels {list(self.label_names)}; got {list(labels)}"
            raise TypeError(msg)
        values, overflow = [], False
        with LOCK:
            for name, spec in self.specs.items():
                value = str(labels[name])
                if not allowed(spec, value):
                    if _STATE.strict:
                        raise UndeclaredLabelError(self.name, name, value)
                    value, overflow = OTHER, True
                values.append(value)
            child = self._child(tuple(values))
            if overflow or child.values != tuple(values):
                _count_overflow(self)
            else:
                self._cache[key] = child
            return child

    def _child(self, values: tuple[str, ...]) -> C:
        child = self.children.get(values)
        if child is not None:
            return child
        spare = (OTHER,) * len(values)
        if len(self.children) >= self.budget and values != spare:
            if _STATE.strict:
                msg = f"{self.name} has used its budget of {self.budget} label sets; {values} does not fit"
                raise UndeclaredLabelError(self.name, "*", msg)
            return self._child(spare)
        try:
            slot = _STATE.store.allocate(self.slots)
        except StoreFullError:
            return self._make(_STATE.void, HEADER_SLOTS, ())
        child = self._make(_STATE.store, slot, values)
        self.children[values] = child
        _STATE.on_series(self, child)
        return child

    def preset(self, **fixed: str) -> None:
        """Create every series over the closed labels not ``fixed``, at 0: the first event then shows as a rise."""
        free = [name for name in self.label_names if name not in fixed]
        for combination in itertools.product(*(members(self.specs[name]) for name in free)):
            self.labels(**fixed, **dict(zip(free, combination, strict=True)))

    def forget_into(self, store: Store) -> None:
        """Start every series anew, at zero, in ``store``: the counts stay where they were."""
        for child in self.children.values():
            child.bind(store, store.allocate(self.slots))

    def forget(self) -> None:
        """Drop every series of this process (for tests)."""
        with LOCK:
            self.children.clear()
            self._cache.clear()


class Counter(Metric[CounterChild]):
    """A sum that only goes up."""

    kind = "counter"

    def _make(self, store: Store, slot: int, values: tuple[str, ...]) -> CounterChild:
        return CounterChild(store, slot, values)

    def inc(self, amount: float = 1.0, **labels: str) -> None:
        """Add ``amount`` to the series with these label values."""
        self.labels(**labels).inc(amount)


class Gauge(Metric[GaugeChild]):
    """A value that goes up and down."""

    kind = "gauge"

    def _make(self, store: Store, slot: int, values: tuple[str, ...]) -> GaugeChild:
        return GaugeChild(store, slot, values)

    def set(self, value: float, **labels: str) -> None:
        """Set the series with these label values."""
        self.labels(**labels).set(value)

    def inc(self, amount: float = 1.0, **labels: str) -> None:
        """Add ``amount``."""
        self.labels(**labels).inc(amount)

    def dec(self, amount: float = 1.0, **labels: str) -> None:
        """Subtract ``amount``."""
        self.labels(**labels).inc(-amount)

    def remove(self, **labels: str) -> None:
        """Stop showing the series until it is set again (what it describes is gone)."""
        self.labels(**labels).set(nan)


class Histogram(Metric[HistogramChild]):
    """Counts of values by bucket, with their sum."""

    kind = "histogram"

    def __init__(
        self, name: str, help: str, labels: Mapping[str, LabelSpec], *, budget: int | None,
        buckets: Iterable[float], exemplars: bool,
    ) -> None:  # fmt: skip
        self.bounds = tuple(float(bound) for bound in buckets if bound != inf)
        self.exemplars = exemplars
        if list(self.bounds) != sorted(set(self.bounds)) or not self.bounds:
            msg = f"{name}: buckets must rise and not be empty; got {self.bounds}"
            raise ValueError(msg)
        super().__init__(name, help, labels, budget=budget)

    @property
    def value_slots(self) -> int:
        """Buckets with +Inf, and the sum."""
        return len(self.bounds) + 2

    @property
    def slots(self) -> int:
        """Buckets with +Inf, the sum, and the exemplars."""
        return self.value_slots + ((len(self.bounds) + 1) * EXEMPLAR_SLOTS if self.exemplars else 0)

    def _make(self, store: Store, slot: int, values: tuple[str, ...]) -> HistogramChild:
        return HistogramChild(store, slot, values, self.bounds, exemplars=self.exemplars)

    def observe(self, value: float, *, trace_id: int | None = None, **labels: str) -> None:
        """Count ``value`` (base units) in the series with these label values."""
        self.labels(**labels).observe(value, trace_id=trace_id)


_STATE = _State()


def counter(
    name: str, help: str, *, labels: Mapping[str, LabelSpec] | None = None, budget: int | None = None
) -> Counter:
    """Declare a counter; only the catalogues call this."""
    return Counter(name, help, labels or {}, budget=budget)


def gauge(
    name: str, help: str, *, labels: Mapping[str, LabelSpec] | None = None, merge: Merge = Merge.SUM,
    budget: int | None = None,
) -> Gauge:  # fmt: skip
    """Declare a gauge; ``merge`` says how several processes' values become one. Only the catalogues call this."""
    return Gauge(name, help, labels or {}, budget=budget, merge=merge)


def histogram(
    name: str, help: str, *, labels: Mapping[str, LabelSpec] | None = None,
    buckets: Iterable[float] = DEFAULT_BUCKETS, exemplars: bool = False, budget: int | None = None,
) -> Histogram:  # fmt: skip
    """Declare a histogram; ``exemplars`` keeps a trace id for each bucket. Only the catalogues call this."""
    return Histogram(name, help, labels or {}, budget=budget, buckets=buckets, exemplars=exemplars)


def configure_label(name: str, values: Iterable[str]) -> None:
    """Allow names from the configuration as values of a :class:`~pytake.telemetry.labels.Configured` label."""
    with LOCK:
        configure(name, values)


def set_strict(strict: bool) -> None:
    """Raise on undeclared label values (tests) or count them as ``other`` (production, the default)."""
    _STATE.strict = strict


def on_collect(hook: Callable[[], None]) -> None:
    """Call ``hook`` before each page and every few seconds: for gauges that are read, not counted."""
    if hook not in _STATE.hooks:
        _STATE.hooks.append(hook)


def collect() -> None:
    """Run the collect hooks; one that fails is reported once a call and does not keep the others from running."""
    for hook in tuple(_STATE.hooks):
        try:
            hook()
        except Exception:
            logging.getLogger(__name__).warning("collect hook %r failed", hook, exc_info=True)


def record(counter: CounterChild, observations: Iterable[tuple[HistogramChild, float]], trace_id: int = 0) -> None:
    """Add 1 to ``counter`` and count each observation, under one lock: the metrics of one event at half the cost."""
    now = time.time() if trace_id else 0.0
    with LOCK:
        doubles = counter._doubles
        doubles[counter._slot] += 1.0
        for child, value in observations:
            bucket = bisect_left(child._bounds, value)
            doubles[child._slot + bucket] += 1.0
            doubles[child._sum] += value
            if trace_id and child._exemplars:
                child._store.write_exemplar(child._sum + 1 + bucket * EXEMPLAR_SLOTS, trace_id, value, now)


def state_set(gauge: Gauge, enum_cls: type[StrEnum], current: str, *, label: str = "state", **labels: str) -> None:
    """Set ``gauge`` to 1 at ``current`` and to 0 at every other member of ``enum_cls``."""
    for member in enum_cls:
        gauge.set(1.0 if member == current else 0.0, **{label: member}, **labels)


def _count_overflow(metric: Metric[Any]) -> None:
    overflow = _STATE.metrics.get("telemetry_label_overflow_total")
    if overflow is not None and overflow is not metric:
        overflow.labels(metric=metric.name).inc()


from pytake.telemetry.exposition import metrics_app, metrics_response, render, start_metrics_server  # noqa: E402 (exposition reads the classes above)
