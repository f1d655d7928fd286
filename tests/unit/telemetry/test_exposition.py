"""The metrics page: what prometheus_client's own parsers read from it is what was counted."""

import http.client
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import parser
from prometheus_client.openmetrics import parser as open_parser

from pytake.telemetry import catalog, catalog_embedded
from pytake.telemetry import metrics as m
from pytake.telemetry.exposition import OPENMETRICS, TEXT
from pytake.telemetry.labels import Bounded

ANYTHING = Bounded(1000, r"(?s).*")
names = st.from_regex(r"[a-z][a-z_]{0,8}[a-z]", fullmatch=True)
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.floats(allow_nan=False)


@pytest.fixture
def series(own_metrics: m._State) -> m.Histogram:
    seconds = m.histogram(
        "work_seconds", 'Work, with a \\ and a "quote".', labels={"a": ANYTHING}, buckets=(0.5, 1, 2), exemplars=True
    )
    seconds.observe(0.7, a="x", trace_id=0xABC)
    seconds.observe(9, a="x", trace_id=0)
    return seconds


def parsed(page: bytes, open_metrics: bool) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    parse = open_parser.text_string_to_metric_families if open_metrics else parser.text_string_to_metric_families
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse(page.decode())
        for sample in family.samples
    }


def fresh() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(m, "_STATE", m._State())
        yield


@given(
    st.dictionaries(names, st.dictionaries(st.tuples(texts, texts), numbers, max_size=4), max_size=4),
    texts,
    st.booleans(),
)
def test_gauges_survive_the_round_trip(
    gauges: dict[str, dict[tuple[str, str], float]], help_text: str, open_metrics: bool
) -> None:
    for _ in fresh():
        want = {}
        for name, values in gauges.items():
            gauge = m.gauge(f"g_{name}_level", help_text.replace("\r", ""), labels={"one": ANYTHING, "two": ANYTHING})
            for (one, two), value in values.items():
                gauge.set(value, one=one, two=two)
                want[f"g_{name}_level", (("one", one), ("two", two))] = value
        assert parsed(m.render(open_metrics), open_metrics) == want


@given(st.dictionaries(texts, st.lists(st.floats(min_value=0, max_value=1e300), max_size=6), max_size=4), st.booleans())
def test_counters_survive_the_round_trip(counts: dict[str, list[float]], open_metrics: bool) -> None:
    for _ in fresh():
        counter = m.counter("work_total", "Work.", labels={"a": ANYTHING})
        for label, amounts in counts.items():
            counter.labels(a=label)
            for amount in amounts:
                counter.inc(amount, a=label)
        want = {("work_total", (("a", label),)): math.fsum([]) + sum(amounts) for label, amounts in counts.items()}
        assert parsed(m.render(open_metrics), open_metrics) == want


@given(st.lists(st.floats(min_value=-5, max_value=20), min_size=1, max_size=30), st.booleans())
def test_histograms_are_cumulative_and_complete(values: list[float], open_metrics: bool) -> None:
    for _ in fresh():
        histogram = m.histogram(
            "work_seconds", "Work.", labels={"a": ANYTHING}, buckets=(0, 0.5, 1, 10), exemplars=True
        )
        for value in values:
            histogram.observe(abs(value), a='q"\\\n', trace_id=5)
        found = parsed(m.render(open_metrics), open_metrics)
        for bound in (0.0, 0.5, 1.0, 10.0, math.inf):
            le = "+Inf" if bound == math.inf else repr(bound)
            key = ("work_seconds_bucket", (("a", 'q"\\\n'), ("le", le)))
            assert found[key] == sum(abs(value) <= bound for value in values)
        assert found["work_seconds_count", (("a", 'q"\\\n'),)] == len(values)


def test_exemplars_show_in_openmetrics_only(series: m.Histogram) -> None:
    assert b"trace_id" not in m.render()
    families = list(open_parser.text_string_to_metric_families(m.render(openmetrics=True).decode()))
    exemplars = [sample.exemplar for family in families for sample in family.samples if sample.exemplar]
    assert [(e.labels, e.value) for e in exemplars] == [({"trace_id": f"{0xABC:032x}"}, 0.7)]
    assert exemplars[0].timestamp is not None


def test_a_value_of_an_unsampled_trace_leaves_no_exemplar(series: m.Histogram) -> None:
    series.observe(0.1, a="y", trace_id=0)
    assert m.render(openmetrics=True).count(b"trace_id") == 1


def test_bounds_are_written_the_same_in_both_formats(series: m.Histogram) -> None:
    assert b'le="2.0"' in m.render()
    assert b'le="2.0"' in m.render(openmetrics=True)


def test_special_values(own_metrics: m._State) -> None:
    for name, value in {"up_inf": math.inf, "down_inf": -math.inf, "gone": math.nan, "tiny": 1e-300}.items():
        m.gauge(name, "X.").set(value)
    assert m.render().decode().count("gone") == 2  # help and type, no sample
    assert parsed(m.render(), False) == {("up_inf", ()): math.inf, ("down_inf", ()): -math.inf, ("tiny", ()): 1e-300}


@pytest.mark.usefixtures("catalogue")
def test_the_catalogue_is_good_openmetrics() -> None:
    m.set_strict(False)
    assert catalog_embedded.__name__  # its metrics are part of the page
    for metric in m._STATE.metrics.values():
        labels = dict.fromkeys(metric.label_names, "other")
        metric.labels(**labels)
        if isinstance(metric, m.Histogram):
            metric.observe(0.1, trace_id=7, **labels)
    catalog.WHATSAPP_COST.inc(0.0068, category="utility", type="regular", whatsapp_instance="other")
    families = {f.name: f for f in open_parser.text_string_to_metric_families(m.render(openmetrics=True).decode())}
    assert families["http_request_duration_seconds"].unit == "seconds"
    assert families["http_requests"].type == "counter"
    list(parser.text_string_to_metric_families(m.render().decode()))


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (b"application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2", OPENMETRICS),
        (b"text/plain", TEXT),
        (b"*/*", TEXT),
        (None, TEXT),
    ],
)
def test_the_format_is_negotiated(own_metrics: m._State, accept: bytes | None, kind: str) -> None:
    status, headers, body = m.metrics_response([(b"Accept", accept)] if accept else [])
    assert status == 200
    assert dict(headers)[b"content-type"] == kind.encode()
    assert dict(headers)[b"content-length"] == str(len(body)).encode()


async def test_the_asgi_application_serves_the_page(series: m.Histogram) -> None:
    sent = []

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    await m.metrics_app({"type": "http", "method": "GET", "headers": []}, receive, send)
    assert b"work_seconds_count" in sent[1]["body"]


def test_the_metrics_server_serves_a_process_without_an_application(series: m.Histogram) -> None:
    server = m.start_metrics_server("127.0.0.1", 0)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.request("GET", "/metrics", headers={"accept": "application/openmetrics-text"})
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.read().endswith(b"# EOF\n")
        connection.request("GET", "/other")
        assert connection.getresponse().status == 404
        connection.close()
    finally:
        server.close()
