"""Stream labels: text form, limits, service_name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytake.embedded.loki.errors import PushError, Reason
from pytake.embedded.loki.labels import check_labels, complete, format_labels, parse_labels
from pytake.embedded.loki.settings import Limits

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


@given(st.dictionaries(NAMES, st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=5))
def test_text_and_back(labels: dict[str, str]) -> None:
    assert parse_labels(format_labels(labels)) == labels


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('{a="b"}', {"a": "b"}),
        ('{ a = "b" , c=`d\\n` }', {"a": "b", "c": "d\\n"}),
        (r'{a="\u00e9\x41\n\""}', {"a": 'éA\n"'}),
        ("{}", {}),
    ],
)
def test_forms(text: str, labels: dict[str, str]) -> None:
    assert parse_labels(text) == labels


@pytest.mark.parametrize("text", ['a="b"', '{a="b"', "{a=b}", '{1a="b"}', '{a="b" c="d"}', '{a!="b"}'])
def test_what_is_not_labels(text: str) -> None:
    with pytest.raises(PushError, match="error parsing labels") as found:
        parse_labels(text)
    assert found.value.status == 400


def test_a_name_may_come_once() -> None:
    with pytest.raises(PushError, match="has duplicate label name: 'a'"):
        parse_labels('{a="b", a="c"}')


LIMITS = Limits(max_label_names_per_series=2, max_label_name_length=5, max_label_value_length=5)


@pytest.mark.parametrize(
    ("labels", "reason", "words"),
    [
        ({}, Reason.MISSING_LABELS, "error at least one label pair is required per stream"),
        ({"a": "1", "b": "2", "c": "3"}, Reason.TOO_MANY_LABELS, "has 3 label names; limit 2"),
        ({"abcdef": "1"}, Reason.LABEL_NAME_TOO_LONG, "has label name too long: 'abcdef'"),
        ({"a": "abcdef"}, Reason.LABEL_VALUE_TOO_LONG, "has label value too long: 'abcdef'"),
        ({"a-b": "1"}, Reason.INVALID_LABELS, "invalid label name: a-b"),
    ],
)
def test_limits_in_lokis_words(labels: dict[str, str], reason: Reason, words: str) -> None:
    with pytest.raises(PushError) as found:
        check_labels(labels, LIMITS)
    assert found.value.reason is reason
    assert words in found.value.text


def test_service_name_does_not_count() -> None:
    check_labels({"a": "1", "b": "2", "service_name": "x"}, Limits(max_label_names_per_series=2))


def test_service_name_is_found_in_the_documented_order() -> None:
    assert complete({"job": "j", "app": "a"}, Limits())["service_name"] == "a"
    assert complete({"x": "y"}, Limits())["service_name"] == "unknown_service"
    assert complete({"service_name": "s", "app": "a"}, Limits())["service_name"] == "s"
    assert "service_name" not in complete({"app": "a"}, Limits(discover_service_name=()))
    assert complete({"a": "", "b": "c"}, Limits(discover_service_name=())) == {"b": "c"}
