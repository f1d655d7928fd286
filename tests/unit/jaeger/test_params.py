"""Parameters: what Jaeger takes is taken, what it refuses is refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytake.embedded.jaeger import params
from pytake.embedded.jaeger.params import ParameterError, Values


def _search(**values: str):
    return params.search(Values([("service", "api"), *values.items()]))


def test_defaults() -> None:
    query = _search()
    assert (query.service, query.operation, query.limit, query.tags) == ("api", "", 100, {})
    assert query.end_us - query.start_us == params.DEFAULT_LOOKBACK_US


def test_lookback_sets_the_start_unless_it_is_custom() -> None:
    assert _search(end="10000000000", lookback="1h").start_us == 10_000_000_000 - 3_600_000_000
    assert _search(end="10", start="5", lookback="custom").start_us == 5


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("tag", "a:b:c", {"a": "b:c"}), ("tags", '{"a":"b"}', {"a": "b"}), ("tags", "a=b c=1", {"a": "b", "c": "1"}),
        ("tags", 'a="x y" error', {"a": "x y", "error": "true"}), ("tags", r'q="a \"b\""', {"q": 'a "b"'}),
        ("error", "true", {"error": "true"}), ("error", "false", {}),
    ],
)  # fmt: skip
def test_tags(name: str, value: str, expected: dict[str, str]) -> None:
    assert _search(**{name: value}).tags == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [("tag", "novalue"), ("tags", "{bad"), ("tags", '{"a":1}'), ("tags", 'a="open'), ("limit", "0"), ("limit", "x"),
     ("limit", "99999999999999999999"), ("minDuration", "5"), ("minDuration", "x"), ("start", "1e5"),
     ("error", "maybe")],
)  # fmt: skip
def test_refused(name: str, value: str) -> None:
    with pytest.raises(ParameterError):
        _search(**{name: value})


def test_values_must_fit_together() -> None:
    for values in ({"start": "2", "end": "1"}, {"minDuration": "2s", "maxDuration": "1s"}):
        with pytest.raises(ParameterError):
            _search(**values)
    with pytest.raises(ParameterError, match="'service' is required"):
        params.search(Values([]))


@pytest.mark.parametrize(("text", "expected"), [("1", 1), ("00000000000000000000000000000001", 1), ("AbC", 0xABC)])
def test_trace_ids_with_and_without_leading_zeros(text: str, expected: int) -> None:
    assert params.trace_id(text) == expected.to_bytes(16, "big")


@given(st.text(max_size=40))
def test_any_text_is_a_trace_id_or_an_error(text: str) -> None:
    with contextlib.suppress(ParameterError):
        assert len(params.trace_id(text)) == 16


@given(st.lists(st.tuples(st.sampled_from(
    ["service", "start", "end", "limit", "tags", "tag", "minDuration", "maxDuration", "lookback", "error", "step",
     "endTs", "ratePer", "spanKind", "groupByOperation"]), st.text(max_size=30)), max_size=6))  # fmt: skip
def test_any_parameters_give_a_query_or_a_parameter_error(pairs: list[tuple[str, str]]) -> None:
    for read in (params.search, params.metrics):
        with contextlib.suppress(ParameterError):
            read(Values(pairs))


def test_too_many_points_are_refused() -> None:
    with pytest.raises(ParameterError, match="points"):
        params.metrics(Values([("service", "a"), ("step", "1"), ("lookback", "3600000")]))


@pytest.mark.parametrize(
    "text", ["2026-11-24T10:00:00Z", "2026-11-24T10:00:00.123456789Z", "2026-11-24T11:00:00+01:00"]
)
def test_rfc3339(text: str) -> None:
    assert params.rfc3339_us(text, "t") // 1_000_000 == 1_795_514_400
