"""Jaeger's JSON: tags, references, processes, clock skew, warnings; export and import give the same trace."""

import orjson
import pytest

from pytake.embedded.jaeger import uijson
from pytake.embedded.jaeger.proto import ExportTraceServiceRequest
from pytake.embedded.jaeger.search import StoredSpan
from tests.unit.jaeger.build import NOW_US, ident, request, span


def stored(made: ExportTraceServiceRequest) -> list[StoredSpan]:
    """A request's spans as the store gives them back."""
    return [
        StoredSpan(
            item, resource.resource.SerializeToString(), scope.scope.SerializeToString(), item.SerializeToString()
        )
        for resource in made.resource_spans
        for scope in resource.scope_spans
        for item in scope.spans
    ]


def _tags(item: dict) -> dict:
    return {tag["key"]: (tag["type"], tag["value"]) for tag in item["tags"]}


def test_a_span_in_jaegers_shape() -> None:
    made = request(
        span(1, 2, parent=1, ms=1.5, at_ms=2, host="node-1", scope="lib", error=True, flag=True, n=5, x=1.5,
             raw=b"\x01", many=["a", "b"], big=2**60),
    )  # fmt: skip
    one = made.resource_spans[0].scope_spans[0].spans[0]
    one.trace_state = "a=b"
    one.links.add(trace_id=ident(9), span_id=ident(8, 8))
    event = one.events.add(name="exception", time_unix_nano=NOW_US * 1000)
    event.attributes.add(key="exception.type").value.string_value = "Timeout"
    trace = uijson.trace_json(stored(made))
    found = trace["spans"][0]
    assert trace["traceID"] == found["traceID"] == ident(1).hex()
    assert trace["processes"] == {
        "p1": {"serviceName": "api", "tags": [{"key": "host.name", "type": "string", "value": "node-1"}]}
    }
    assert (found["startTime"], found["duration"], found["operationName"]) == (NOW_US + 2000, 1500, "GET /")
    assert found["references"] == [
        {"refType": "CHILD_OF", "traceID": ident(1).hex(), "spanID": ident(1, 8).hex()},
        {"refType": "FOLLOWS_FROM", "traceID": ident(9).hex(), "spanID": ident(8, 8).hex()},
    ]
    assert found["logs"] == [{
        "timestamp": NOW_US,
        "fields": [{"key": "event", "type": "string", "value": "exception"},
                   {"key": "exception.type", "type": "string", "value": "Timeout"}],
    }]  # fmt: skip
    assert _tags(found) == {
        "otel.scope.name": ("string", "lib"), "flag": ("bool", True), "n": ("int64", 5), "x": ("float64", 1.5),
        "raw": ("binary", "AQ=="), "many": ("string", '["a","b"]'), "big": ("int64", str(2**60)),
        "span.kind": ("string", "server"), "otel.status_code": ("string", "ERROR"), "error": ("bool", True),
        "otel.status_description": ("string", "it failed"), "w3c.tracestate": ("string", "a=b"),
    }  # fmt: skip


def test_values_that_json_does_not_have() -> None:
    made = request(span(1, 1, nan=float("nan"), inf=float("inf")))
    assert orjson.loads(orjson.dumps(uijson.trace_json(stored(made))))
    assert _tags(uijson.trace_json(stored(made))["spans"][0])["inf"] == ("string", "inf")


def test_a_child_on_another_host_is_moved_into_its_parent() -> None:
    made = request(
        span(1, 1, host="a", at_ms=100, ms=100), span(1, 2, parent=1, host="b", at_ms=50, ms=20),
        span(1, 3, parent=2, host="b", at_ms=55, ms=5), span(1, 4, parent=1, host="a", at_ms=10, ms=5),
    )  # fmt: skip
    by_id = {item["spanID"]: item for item in uijson.trace_json(stored(made))["spans"]}
    moved = by_id[ident(2, 8).hex()]
    assert moved["startTime"] == NOW_US + 140_000  # in the middle of what its parent leaves
    assert moved["warnings"] == ["This span's timestamps were adjusted by 90ms"]
    assert by_id[ident(3, 8).hex()]["startTime"] == NOW_US + 145_000  # along with its parent
    assert by_id[ident(4, 8).hex()]["startTime"] == NOW_US + 10_000  # same host: as it is
    assert {item["startTime"] for item in uijson.trace_json(stored(made), raw=True)["spans"]} == {
        NOW_US + ms * 1000 for ms in (100, 50, 55, 10)
    }


def test_too_much_skew_is_told_and_left() -> None:
    made = request(span(1, 1, host="a", at_ms=0, ms=100), span(1, 2, parent=1, host="b", at_ms=60_000, ms=20))
    found = uijson.trace_json(stored(made), max_skew_ns=10**9)["spans"][1]
    assert found["startTime"] == NOW_US + 60_000_000
    assert "more than the configured limit" in found["warnings"][0]


def test_a_partial_trace_says_so() -> None:
    found = uijson.trace_json(stored(request(span(1, 2, parent=77))))["spans"][0]
    assert found["references"][0]["spanID"] == ident(77, 8).hex()
    assert ident(77, 8).hex() in found["warnings"][0]


@pytest.mark.parametrize("parents", [(1, 1), (2, 1), (3, 1)], ids=["itself", "each other", "longer"])
def test_cycles_of_parents_do_not_hang(parents: tuple[int, int]) -> None:
    made = request(span(1, 1, parent=parents[0]), span(1, 2, parent=parents[1]), span(1, 3, parent=2))
    assert len(uijson.trace_json(stored(made))["spans"]) == 3


def test_a_shared_span_id_becomes_client_and_server() -> None:
    made = request(span(1, 1, service="a", kind=3, ms=20), span(1, 1, service="b", kind=2, at_ms=5, ms=10))
    client, server = uijson.trace_json(stored(made))["spans"]
    assert server["spanID"] != client["spanID"]
    assert server["references"][0]["spanID"] == client["spanID"]


def test_a_deep_trace_is_not_a_recursion() -> None:
    made = request(*(span(1, number, parent=number - 1, host=str(number % 2)) for number in range(1, 3000)))
    assert len(uijson.trace_json(stored(made))["spans"]) == 2999


def test_export_and_import_give_the_same_trace() -> None:
    made = request(
        span(1, 1, scope="lib", a="b", n=5, x=1.5, flag=False, raw=b"\x01", ms=3),
        span(1, 2, parent=1, error=True, ms=1),
        span(1, 3, parent=1, service="worker", kind=0),
    )  # fmt: skip
    made.resource_spans[0].scope_spans[0].spans[0].links.add(trace_id=ident(9), span_id=ident(8, 8))
    made.resource_spans[0].scope_spans[0].spans[0].events.add(name="hello", time_unix_nano=NOW_US * 1000)
    exported = uijson.trace_json(stored(made), raw=True)
    imported = uijson.from_json(orjson.loads(orjson.dumps({"data": [exported]})))
    again = uijson.trace_json(stored(imported), raw=True)

    def sort(trace: dict) -> dict:
        for item in trace["spans"]:
            item["tags"].sort(key=lambda tag: tag["key"])
        return trace

    assert sort(again) == sort(exported)


@pytest.mark.parametrize(
    "document",
    [1, [], {"data": 5}, {"data": [1]}, {"spans": [{}]}, {"data": [{"spans": [{"traceID": "x", "spanID": "1"}]}]},
     {"data": [{"spans": [{"traceID": "1", "spanID": "1", "processID": "p9", "startTime": 1, "duration": 1}]}]}],
)  # fmt: skip
def test_what_is_not_an_export_is_refused(document: object) -> None:
    if document == []:
        assert not uijson.from_json(document).resource_spans
        return
    with pytest.raises(ValueError, match=r"Jaeger|not a"):
        uijson.from_json(document)
