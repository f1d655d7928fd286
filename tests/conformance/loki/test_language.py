"""LogQL's corners: what the pages say of odd lines, every aggregation and operator by an example, refusals by name."""

# ruff: noqa: E501 - a case is a row of a table

import time
import uuid
from typing import Any

import pytest

from tests.conformance.loki.conftest import Api
from tests.conformance.loki.data import SECOND
from tests.support.waiting import wait_until

LINES: dict[str, list[str]] = {
    "json": ['{"a":1,"kind":"x","list":["p","q"],"obj":{"k":"v"},"dots.in-key":"y"}'],
    "logfmt": ["level=info foo=bar=buzz ok=1 alone"],
    "color": ["\x1b[31mred\x1b[0m plain"],
    "newline": ["first\nsecond"],
    "packed": ['{"_entry":"inner level=warn","pod":"p1"}'],
    "counter": ["c=10 host=a", "c=20 host=a", "c=5 host=a", "c=15 host=a"],
    "hosts": ["host=a v=1", "host=a v=2", "host=b v=3", "host=b v=4", "host=c v=10"],
    "broken": ["{not json"],
}


HIDDEN = ("job", "service_name", "kind", "detected_level")


class Odd:
    """The lines under a job of their own; the newest is at ``end`` - 1 s, each second one line before it."""

    def __init__(self, api: Api) -> None:
        self.api, self.job = api, f"lang-{uuid.uuid4().hex[:8]}"
        self.end = (time.time_ns() // (60 * SECOND) - 2) * 60 * SECOND
        self.start = self.end - 60 * SECOND
        rows = [
            (
                {"job": self.job, "kind": kind},
                [[self.end - (len(lines) - at) * SECOND, line] for at, line in enumerate(lines)],
            )
            for kind, lines in LINES.items()
        ]
        assert api.push(rows).status_code == 204
        count = f'sum(count_over_time({{job="{self.job}"}}[5m]))'
        total = sum(map(len, LINES.values()))
        wait_until(lambda: self._sum(count) == total, 20, "all lines")

    def _sum(self, query: str) -> int:
        return sum(int(item["value"][1]) for item in self.api.instant(query, self.end)["result"])

    def text(self, query: str) -> str:
        """``KIND`` becomes the selector of a kind's stream."""
        for kind in LINES:
            query = query.replace(kind.upper(), f'{{job="{self.job}", kind="{kind}"}}')
        return query

    def line(self, query: str) -> tuple[dict[str, str], str] | None:
        """Labels and text of the newest line, None without one."""
        result = self.api.range(self.text(query), self.start, self.end, limit=1)["result"]
        return (result[0]["stream"], result[0]["values"][0][1]) if result else None

    def vector(self, query: str) -> dict[str, float]:
        """Values by the label sets as text (without the job)."""
        answer = self.api.instant(self.text(query), self.end)
        return {
            ",".join(f"{k}={v}" for k, v in sorted(item["metric"].items()) if k not in HIDDEN): float(item["value"][1])
            for item in answer["result"]
        }


@pytest.fixture(scope="module")
def odd(api: Api) -> Odd:
    """The lines, stored."""
    return Odd(api)


LABELS: list[tuple[str, dict[str, str | None], str | None]] = [
    ("JSON | json", {"a": "1", "kind": "json", "kind_extracted": "x", "list": None, "obj_k": "v", "dots_in_key": "y"}, None),
    ('JSON | json l="list", first="list[0]", o="obj"', {"l": '["p","q"]', "first": "p", "o": '{"k":"v"}'}, None),
    ("JSON | json list", {"list": '["p","q"]'}, None),
    ('JSON | json none="no.such"', {"none": None}, None),
    ('JSON | json | label_format kind="{{.kind_extracted}}"', {"kind": "x"}, None),
    ("LOGFMT | logfmt", {"level": "info", "ok": "1", "alone": None}, None),
    ("LOGFMT | logfmt --keep-empty", {"ok": "1", "__error__": None}, None),
    ("LOGFMT | logfmt --strict", {"__error__": "LogfmtParserErr"}, None),
    ("COLOR | decolorize", {}, "red plain"),
    ('NEWLINE |~ "first.second"', {}, "first\nsecond"),
    ("PACKED | unpack", {"pod": "p1", "_entry": None}, "inner level=warn"),
    ("PACKED | unpack | logfmt", {"pod": "p1", "level": "warn"}, "inner level=warn"),
    ("BROKEN | json", {"__error__": "JSONParserErr"}, None),
    ("BROKEN | json | keep kind", {"__error__": "JSONParserErr", "job": None}, None),
    ("BROKEN | json | drop __error__, __error_details__", {"__error__": None, "__error_details__": None}, None),
    ('LOGFMT | logfmt | line_format "{{ __line__ | upper | trunc 5 }} {{ .level | default `none` }}"', {}, "LEVEL info"),
    ('LOGFMT | line_format "{{ __timestamp__ | date `2006` | len }}"', {}, "4"),
    ('LOGFMT | line_format "{{ regexReplaceAllLiteral `(o)` `foo` `$1` }} {{ count `o` `foo` }}"', {}, "f$1$1 2"),
    ('LOGFMT | line_format "{{ duration `1m30s` }} {{ bytes `2KB` }} {{ unixToTime `1679577215` | date `2006-01-02` }}"', {}, "90 2000 2023-03-23"),
    ('LOGFMT | line_format "{{ range $i, $x := fromJson `[1,2]` }}{{ $i }}{{ $x }};{{ end }}{{ nindent 2 `z` }}"', {}, "01;12;\n  z"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "labels", "line"), LABELS, ids=[query[:80] for query, _, _ in LABELS])
def test_labels_and_line(odd: Odd, query: str, labels: dict[str, str | None], line: str | None) -> None:
    found = odd.line(query)
    assert found is not None
    assert {name: found[0].get(name) for name in labels} == labels
    assert line is None or found[1] == line


NOT_FOUND = [
    "JSON | json | a = 2",
    'BROKEN | json | __error__ = ""',
    'NEWLINE |~ "first$" |~ "nothing"',
    'LOGFMT | logfmt | level = "warn" or level = "info" and ok = 2',
    'HOSTS | logfmt | host = "a", v > 2',
]


@pytest.mark.parametrize("query", NOT_FOUND)
def test_no_line(odd: Odd, query: str) -> None:
    assert odd.line(query) is None


PER_HOST = "sum by (host) (sum_over_time(HOSTS | logfmt | unwrap v [1m]))"
VECTORS: list[tuple[str, dict[str, float]]] = [
    (PER_HOST, {"host=a": 3, "host=b": 7, "host=c": 10}),
    ("sum_over_time(HOSTS | logfmt | unwrap v [1m])", {"host=a": 3, "host=b": 7, "host=c": 10}),
    ("avg_over_time(HOSTS | logfmt | unwrap v [1m]) without (host)", {"": 4}),
    ("first_over_time(HOSTS | logfmt | unwrap v [1m]) by (host)", {"host=a": 1, "host=b": 3, "host=c": 10}),
    ("last_over_time(HOSTS | logfmt | unwrap v [1m]) by (host)", {"host=a": 2, "host=b": 4, "host=c": 10}),
    ("stdvar_over_time(HOSTS | logfmt | unwrap v [1m]) by (host)", {"host=a": 0.25, "host=b": 0.25, "host=c": 0}),
    ("quantile_over_time(0.5, HOSTS | logfmt | unwrap v [1m]) by (kind)", {"": 3}),
    (f"topk(1, {PER_HOST})", {"host=c": 10}),
    (f"bottomk(2, {PER_HOST})", {"host=a": 3, "host=b": 7}),
    (f"approx_topk(2, {PER_HOST})", {"host=c": 10, "host=b": 7}),
    (f"avg({PER_HOST})", {"": 20 / 3}),
    (f"stddev({PER_HOST})", {"": 2.8674417556808756}),
    (f"count({PER_HOST} > 5)", {"": 2}),
    (f"sum without (host) ({PER_HOST})", {"": 20}),
    (f"{PER_HOST} > 5", {"host=b": 7, "host=c": 10}),
    (f"5 < {PER_HOST}", {"host=b": 7, "host=c": 10}),
    (f"{PER_HOST} > bool 5", {"host=a": 0, "host=b": 1, "host=c": 1}),
    (f"{PER_HOST} / ignoring (host) group_left () sum({PER_HOST})", {"host=a": 0.15, "host=b": 0.35, "host=c": 0.5}),
    (f"sum({PER_HOST}) - on () group_right () {PER_HOST}", {"host=a": 17, "host=b": 13, "host=c": 10}),
    (f"{PER_HOST} and {PER_HOST} > 8", {"host=c": 10}),
    (f"{PER_HOST} unless {PER_HOST} > 8", {"host=a": 3, "host=b": 7}),
    (f"{PER_HOST} > 8 or {PER_HOST} < 4", {"host=a": 3, "host=c": 10}),
    (f'label_replace({PER_HOST} > 8, "name", "host-$1", "host", "(.+)")', {"host=c,name=host-c": 10}),
    ("2 ^ 3 ^ 2 * vector(1)", {"": 512}),
    ("vector(7) % 4 - -1", {"": 4}),
    ("sum(rate_counter(COUNTER | logfmt | unwrap c [1m]))", {"": 25 * 1.5 / 60}),  # extrapolated to the window
    ("sum(rate(HOSTS[1m]))", {"": 5 / 60}),
    ('sum(rate(HOSTS |= "host=a" [1m] offset 10m)) or vector(0)', {"": 0}),
    ('absent_over_time({job="nowhere", app=~"x.+", env="e"}[1m])', {"env=e": 1}),
    ("sum(count_over_time(HOSTS[1m])) # a comment\n > 4 # another", {"": 5}),
]  # fmt: skip


@pytest.mark.parametrize(("query", "expected"), VECTORS, ids=[query[:90] for query, _ in VECTORS])
def test_vector(odd: Odd, query: str, expected: dict[str, float]) -> None:
    assert odd.vector(query) == pytest.approx(expected)


@pytest.mark.parametrize(("order", "hosts"), [("sort", "abc"), ("sort_desc", "cba")])
def test_sorted(odd: Odd, order: str, hosts: str) -> None:
    assert "".join(name[-1] for name in odd.vector(f"{order}({PER_HOST})")) == hosts


REFUSED = [
    ('{a="b"} | distinct x', "'distinct' is not supported"),
    ('count_values("x", sum(rate({a="b"}[1m])))', "'count_values' is not supported"),
    ('rate({a="b"}[1m] @ 5)', "'@' is not supported"),
    ('quantile(0.9, sum(rate({a="b"}[1m])))', "'quantile' is not supported"),
    ('histogram_quantile(0.9, sum(rate({a="b"}[1m])))', "'histogram_quantile' is not supported"),
    ('increase({a="b"}[1m])', "'increase' is not supported"),
    ('group(rate({a="b"}[1m]))', "'group' is not supported"),
    ('absent(rate({a="b"}[1m]))', "'absent' is not supported"),
    ('label_join(rate({a="b"}[1m]), "x", "-", "y")', "'label_join' is not supported"),
    ('variants(rate({a="b"}[1m])) of ({a="b"}[1m])', "multi variant queries"),
]


@pytest.mark.parametrize(("query", "words"), REFUSED)
def test_refused_by_name(api: Api, query: str, words: str) -> None:
    """Our words; Loki refuses these as syntax errors."""
    answer = api.get("query_range", {"query": query})
    assert answer.status_code == 400
    assert answer.text.startswith("parse error")
    if "pytake" in api.get("status/buildinfo").text:
        assert words in answer.text


MISTAKES = [
    ("{", "parse error at line 1, col 2: syntax error: unexpected $end"),
    ('{a="b"', "parse error at line 1, col 7: syntax error: unexpected $end"),
    ("{a=b}", "parse error at line 1, col 4: syntax error: unexpected IDENTIFIER, expecting STRING"),
    ('{a="b"} |= "x', "literal not terminated"),
    ("{a='b'}", "invalid char literal"),
    ('rate({a="b"}[5x])', 'not a valid duration string: "5x"'),
    ('rate({a="b"}[5m)', "missing closing ']' in duration"),
    ('sum_over_time({a="b"}[1m])', "invalid aggregation sum_over_time without unwrap"),
    ('count_over_time({a="b"} | unwrap x [1m])', "invalid aggregation count_over_time with unwrap"),
    ('quantile_over_time({a="b"} | unwrap x [1m])', "parameter required for operation quantile_over_time"),
    ('topk(sum(rate({a="b"}[1m])))', "parameter required for operation topk"),
    ('rate({a="b"}[1m]) by (x)', "grouping not allowed for rate aggregation"),
    ('1 and sum(rate({a="b"}[1m]))', "unexpected literal for left leg of logical/set binary operation (and): 1.000000"),
    ('sum(rate({a="b"}[1m])) + on (x) 1', "vector matching only allowed between instant vectors"),
    ('{a="b"} | regexp "x"', "at least one named capture must be supplied"),
    ('{a="b"} | pattern "<x><y>"', "found consecutive capture"),
    ('{a="b"} | label_format x=y,x="z"', "multiple label name 'x' not allowed in a single format operation"),
    ('{a="b"} | label_format __error__="z"', "__error__ cannot be formatted"),
    ('{a="b"} | line_format "{{ .x"', "invalid line template"),
    ('{a="b"} |~ "["', "error parsing regexp: missing closing ]"),
    ("count_over_time({a='b'}[1m]) offset 1m", "parse error"),
    ('count_over_time({a="b"}[1m]) offset 1m', "unexpected offset"),
    ('label_replace(rate({a="b"}[1m]), "x", "$1", "y", "(")', "invalid regex in label_replace"),
]


@pytest.mark.parametrize(("query", "words"), MISTAKES)
def test_words_of_mistakes(api: Api, query: str, words: str) -> None:
    answer = api.get("query_range", {"query": query})
    assert answer.status_code == 400
    assert words in answer.text


FORMATTED = [
    'sum(rate({a="b"}[5m]))by(x)',
    '{a="b"}|json|x>5m',
    '{a="b"}|="c"or"d"',
    'topk(2,sum by(x)(rate({a="b"}[5m])))>bool 1',
]


@pytest.mark.parametrize("query", FORMATTED)
def test_formatted_queries_mean_the_same(api: Api, query: str) -> None:
    """Spaces differ between versions; formatting the formatted changes nothing."""
    once: Any = api.get("format_query", {"query": query}).json()["data"]
    assert api.get("format_query", {"query": once}).json()["data"] == once
