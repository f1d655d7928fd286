"""Every metric that a rule, dashboard or runbook may ask for, with its type and labels.

Sources: our catalogue, the embedded servers' catalogue, the exporters' captured output, the documented names of servers
that are not on this machine, what Prometheus itself adds, and the recording rules (their labels are inferred).
"""

from collections.abc import Iterable, Mapping
from functools import cache

from pytake.checks import exporters
from pytake.checks.exporters import Sample
from pytake.checks.promql import Labels, parse
from pytake.checks.rules import Rule, load, recordings
from pytake.telemetry import catalog, catalog_embedded
from pytake.telemetry.metrics import Metric

TARGET = frozenset({"job", "instance"})
SYNTHETIC = {
    "up": Sample("gauge", TARGET),
    "scrape_duration_seconds": Sample("gauge", TARGET),
    "scrape_samples_scraped": Sample("gauge", TARGET),
    "scrape_samples_post_metric_relabeling": Sample("gauge", TARGET),
    "scrape_series_added": Sample("gauge", TARGET),
    "ALERTS": Sample(
        "gauge",
        TARGET
        | {"alertname", "alertstate", "severity", "component", "team", "notify", "cause", "slo", "whatsapp_instance"},
    ),
    "ALERTS_FOR_STATE": Sample("gauge", TARGET | {"alertname", "severity", "component", "team", "notify", "slo"}),
}
"""What Prometheus adds itself."""


def declared() -> Iterable[tuple[str, Sample]]:
    """What our own processes expose: the catalogues."""
    for metric in (*vars(catalog).values(), *vars(catalog_embedded).values()):
        if not isinstance(metric, Metric):
            continue
        labels = frozenset(metric.label_names) | TARGET
        if metric.kind == "histogram":
            yield f"{metric.name}_bucket", Sample("counter", labels | {"le"})
            yield f"{metric.name}_sum", Sample("counter", labels)
            yield f"{metric.name}_count", Sample("counter", labels)
        else:
            yield metric.name, Sample(metric.kind, labels)


def raw() -> dict[str, Sample]:
    """Everything that is scraped, by sample name."""
    found = dict(SYNTHETIC)
    for path in (exporters.DOCUMENTED, exporters.FILE):
        for names in exporters.load(path).values():
            for name, sample in names.items():
                before = found[name].labels if name in found else frozenset[str]()
                found[name] = Sample(sample.type, sample.labels | TARGET | before)
    for name, sample in declared():
        before = found[name].labels if name in found else frozenset[str]()
        found[name] = Sample(sample.type, sample.labels | before)
    return found


def schema(samples: Mapping[str, Sample]) -> dict[str, frozenset[str]]:
    """Only the labels."""
    return {name: sample.labels for name, sample in samples.items()}


def with_recordings(samples: Mapping[str, Sample], rules: Iterable[Rule]) -> dict[str, Sample]:
    """The samples and what the recording rules make of them.

    Rules may read rules of other files; they are inferred until nothing changes any more. What cannot be inferred is
    left out, and the check of that rule says why.
    """
    found, waiting = dict(samples), list(rules)
    while waiting:
        rest = []
        for rule in waiting:
            labels = Labels(schema(found))
            result = labels.of(parse(rule.expr)) | frozenset(rule.labels)
            if any(problem.check == "unknown_metric" for problem in labels.problems):
                rest.append(rule)
                continue
            before = found[rule.name].labels if rule.name in found else frozenset[str]()
            found[rule.name] = Sample("gauge", result | before)
        if len(rest) == len(waiting):
            break
        waiting = rest
    return found


@cache
def everything() -> dict[str, Sample]:
    """All of it, for the committed rules."""
    return with_recordings(raw(), recordings(load()))
