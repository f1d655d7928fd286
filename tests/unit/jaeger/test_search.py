"""The index never hides a match and never shows a wrong one: compared with looking at every span."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytake.embedded.jaeger.search import Query, find_trace_ids
from pytake.embedded.jaeger.store import Store
from tests.unit.jaeger.build import NOW_US, body, ident, random_trace, request, span

MakeStore = Callable[..., Store]
TRACES = {number: random_trace(number, at_ms=number * 100) for number in range(1, 151)}


def _expected(query: Query) -> list[bytes]:
    """Every trace with a span that satisfies all of the query, newest first."""
    newest: dict[int, int] = {}
    for trace, spans in TRACES.items():
        for item in spans:
            start = int(NOW_US + item["at_ms"] * 1000)
            duration = int(item["ms"] * 1000)
            tags = {name.replace("__", "."): str(value) for name, value in item["attributes"].items()}
            tags |= {"span.kind": "server"} | ({"error": "true"} if item["error"] else {})
            if (
                item["service"] == query.service
                and query.operation in ("", item["name"])
                and query.start_us <= start <= query.end_us
                and duration >= query.min_duration_us
                and (query.max_duration_us is None or duration <= query.max_duration_us)
                and all(tags.get(key) == value for key, value in query.tags.items())
            ):
                newest[trace] = max(newest.get(trace, 0), start)
    return [ident(trace) for trace in sorted(newest, key=lambda trace: -newest[trace])][: query.limit]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with two segments and spans in memory; the second segment has traces split from the first."""
    store = Store(tmp_path_factory.mktemp("search"))
    store.start()
    late = []
    for trace, spans in TRACES.items():
        cut = 10 if trace % 10 == 0 else 20
        store.append(body(*spans[:cut]), cut)
        late += spans[cut:]
        if trace in (60, 120):
            store.flush()
            if late:
                store.append(body(*late), len(late))
            late = []
    if late:
        store.append(body(*late), len(late))
    store.settle(30)
    yield store
    store.close()


_queries = st.builds(
    Query,
    service=st.sampled_from(("api", "worker", "postgres", "nobody")),
    operation=st.sampled_from(("", "operation 1", "operation 3", "none")),
    tags=st.dictionaries(
        st.sampled_from(("http.route", "attempt", "error", "span.kind", "message.id", "absent")),
        st.sampled_from(("/v1/1", "1", "true", "server", "wamid.50.3", "wamid.130.7", "x")),
        max_size=2,
    ),
    start_us=st.integers(0, 16_000).map(lambda ms: NOW_US + ms * 1000),
    end_us=st.integers(0, 16_000).map(lambda ms: NOW_US + ms * 1000),
    min_duration_us=st.sampled_from((0, 0, 20_000)),
    max_duration_us=st.sampled_from((None, None, 30_000)),
    limit=st.sampled_from((1, 5, 20, 1000)),
)


@given(query=_queries)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_search_finds_what_a_look_at_every_span_finds(mixed: Store, query: Query) -> None:
    assert find_trace_ids(mixed, query) == _expected(query)


@pytest.mark.parametrize("number", [1, 60, 61, 120, 150])
def test_a_unique_value_is_found_in_every_part(mixed: Store, number: int) -> None:
    item = TRACES[number][4]
    query = Query(item["service"], tags={"message.id": item["attributes"]["message__id"]})
    assert find_trace_ids(mixed, query) == [ident(number)]


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("text", "a b"), ("whole", "200"), ("negative", "-5"), ("flag", "true"), ("off", "false"), ("price", "1.5"),
        ("round", "3"), ("tags", '["a","b"]'), ("host.name", "node-1"), ("otel.scope.name", "lib"),
        ("otel.status_description", "it failed"), ("otel.status_code", "ERROR"), ("event", "exception"),
        ("exception.type", "Timeout"), ("error", "true"), ("span.kind", "server"),
    ],
)  # fmt: skip
def test_every_kind_of_tag(make_store: MakeStore, key: str, text: str, flushed: bool) -> None:
    made = request(
        span(1, 1, host="node-1", scope="lib", error=True, text="a b", whole=200, negative=-5, flag=True, off=False,
             price=1.5, round=3.0, tags=["a", "b"]),
        span(2, 2, host="node-2", scope="other", text="ab", whole=201, negative=5, flag=False, off=True, kind=3),
    )  # fmt: skip
    event = made.resource_spans[0].scope_spans[0].spans[0].events.add(name="exception")
    event.attributes.add(key="exception.type").value.string_value = "Timeout"
    store = make_store()
    store.append(made.SerializeToString(), 2)
    store.flush() if flushed else store.settle(30)
    assert find_trace_ids(store, Query("api", tags={key: text})) == [ident(1)]
    assert find_trace_ids(store, Query("api", tags={key: f"{text}x"})) == []


def test_all_conditions_must_hold_on_one_span(store: Store) -> None:
    store.append(body(span(1, 1, a="1", ms=5), span(1, 2, b="2", ms=500)), 2)
    store.settle(30)
    assert find_trace_ids(store, Query("api", tags={"a": "1", "b": "2"})) == []
    assert find_trace_ids(store, Query("api", tags={"a": "1"}, min_duration_us=100_000)) == []
    assert find_trace_ids(store, Query("api", tags={"b": "2"}, min_duration_us=100_000)) == [ident(1)]


def test_newest_first_across_parts(make_store: MakeStore) -> None:
    store = make_store()
    for trace, at in ((1, 300), (2, 100), (3, 200)):  # the newest trace lies in the oldest segment
        store.append(body(span(trace, trace, at_ms=at)), 1)
        store.flush()
    assert find_trace_ids(store, Query("api", limit=2)) == [ident(1), ident(3)]
