"""Reads a metrics page into numbers that can be asked for and compared."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.e2e.wire import HTTP

OPENMETRICS = "application/openmetrics-text"


@dataclass(frozen=True)
class Page:
    """One scrape: values by sample name and labels, and the trace ids of exemplars by sample name."""

    values: Mapping[tuple[str, frozenset[tuple[str, str]]], float]
    exemplars: Mapping[str, frozenset[str]]

    def sum(self, name: str, **labels: str) -> float:
        """The sum over all series of ``name`` that have these labels; 0 when there is none."""
        wanted = set(labels.items())
        return sum(value for (found, own), value in self.values.items() if found == name and wanted <= own)

    def label_values(self, label: str) -> set[str]:
        """Every value that a label has anywhere on the page."""
        return {value for _, own in self.values for key, value in own if key == label}


EMPTY = Page({}, {})


def scrape(url: str, *, openmetrics: bool = True) -> Page:
    """Read ``url`` (without ``/metrics``); the page must parse."""
    accept = f"{OPENMETRICS};version=1.0.0" if openmetrics else "text/plain"
    response = HTTP.get(f"{url}/metrics", headers={"accept": accept}, timeout=10)
    response.raise_for_status()
    assert response.headers["content-type"].startswith(OPENMETRICS if openmetrics else "text/plain")
    values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    exemplars: dict[str, set[str]] = {}
    families = (parse_openmetrics if openmetrics else parse_text)(response.text)
    for family in families:
        for sample in family.samples:
            values[sample.name, frozenset(sample.labels.items())] = sample.value
            if sample.exemplar is not None:
                exemplars.setdefault(family.name, set()).add(sample.exemplar.labels["trace_id"])
    return Page(values, {name: frozenset(found) for name, found in exemplars.items()})
