"""The ``metrics`` stage: counters, gauges and histograms that the operator defines in ``promtail.yml``.

These are the operator's metrics, not ours, so they live in a ``prometheus_client`` registry of their own and not in the
catalogue; ``/metrics`` shows both.
"""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pytake.embedded.common.config import parse_duration
from pytake.embedded.promtail.entry import Entry, text
from pytake.embedded.promtail.stages.base import Context, Options, Stage

ACTIONS = {"counter": {"inc", "add"}, "gauge": {"set", "inc", "dec", "add", "sub"}, "histogram": {"observe", ""}}
SERIES_CACHE = 4096
_CHILD_METHOD = {"add": "inc", "sub": "dec", "set": "set", "observe": "observe", "": "observe"}


class _Metric:
    """One metric: a family by label names, made when an entry with these labels comes."""

    def __init__(self, name: str, options: Options, registry: CollectorRegistry) -> None:
        self._kind = str(options.need("type")).lower()
        if self._kind not in ACTIONS:
            raise options.fail(f"{name}: type is Counter, Gauge or Histogram, not {self._kind!r}")
        self._help = str(options.take("description", "")) or name
        self._name = str(options.take("prefix", "promtail_custom_")) + name
        self._source = str(options.take("source", name))
        parse_duration(options.take("max_idle_duration", "5m"))
        config = dict(options.take("config", {}))
        self._action = str(config.pop("action", "")).lower()
        if self._action not in ACTIONS[self._kind]:
            raise options.fail(f"{name}: a {self._kind} has no action {self._action!r}")
        self._match_all = bool(config.pop("match_all", False))
        self._bytes = bool(config.pop("count_entry_bytes", False))
        value = config.pop("value", None)
        self._value = None if value is None else str(value)
        self._buckets = [float(item) for item in config.pop("buckets", [])]
        if config:
            raise options.fail(f"{name}.config: field not found: {', '.join(sorted(config))}")
        self._registry = registry
        self._families: dict[tuple[str, ...], Any] = {}
        self._children: dict[tuple[tuple[str, str], ...], Any] = {}
        options.close()

    def count(self, entry: Entry) -> None:
        """Count one entry."""
        value = text(entry.extracted.get(self._source))
        if self._bytes:
            value = str(len(entry.line.encode()))
        elif not self._match_all and (value is None or (self._value is not None and value != self._value)):
            return
        key = tuple(entry.labels.items())
        child = self._children.get(key)
        if child is None:
            if len(self._children) >= SERIES_CACHE:
                self._children.clear()
            child = self._children[key] = self._child(entry.labels)
        self._act(child, value)

    def _child(self, labels: dict[str, str]) -> Any:
        names = tuple(sorted(name for name in labels if not name.startswith("__")))
        family = self._families.get(names)
        if family is None:
            family = self._families[names] = self._make(names)
        return family.labels(*(labels[name] for name in names)) if names else family

    def _make(self, names: tuple[str, ...]) -> Any:
        # One name with several label sets, as Promtail allows: each further set is a family of the same name.
        registry = self._registry if not self._families else CollectorRegistry()
        if registry is not self._registry:
            self._registry.register(_Forward(registry))
        name = self._name.removesuffix("_total") if self._kind == "counter" else self._name
        if self._kind == "counter":
            return Counter(name, self._help, names, registry=registry)
        if self._kind == "gauge":
            return Gauge(name, self._help, names, registry=registry)
        return Histogram(name, self._help, names, registry=registry, buckets=self._buckets or Histogram.DEFAULT_BUCKETS)

    def _act(self, child: Any, value: str | None) -> None:
        if self._action == "inc":
            child.inc()
            return
        if self._action == "dec":
            child.dec()
            return
        try:
            number = float(value or "")
        except ValueError:
            return
        if self._kind == "counter" and number < 0:
            return
        getattr(child, _CHILD_METHOD[self._action])(number)


class _Forward:
    """Shows another registry's families in this one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._inner = registry

    def collect(self) -> Any:
        """The other registry's families."""
        return self._inner.collect()

    def describe(self) -> list[Any]:
        """Nothing: the name may stand there already."""
        return []


class Metrics(Stage):
    """``metrics``."""

    def __init__(self, value: object, options: Options, context: Context) -> None:
        if not isinstance(value, dict) or not value:
            raise options.fail("needs at least one metric")
        registry = CollectorRegistry() if context.dry_run else context.custom_metrics
        self._metrics = [
            _Metric(str(name), Options(str(name), options.where, settings), registry)
            for name, settings in value.items()
        ]

    def run(self, entries: list[Entry]) -> list[Entry]:
        """Count each entry in each metric."""
        for metric in self._metrics:
            for entry in entries:
                metric.count(entry)
        return entries
