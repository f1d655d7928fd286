"""LogQL log queries: which lines an answer holds, and their labels."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest

from tests.conformance.loki.conftest import Api
from tests.conformance.loki.data import SECOND, Data

Test = Callable[[Mapping[str, Any]], bool]
ALL: Test = lambda f: True  # noqa: E731 (a table of tests reads best with lambdas)
NONE: Test = lambda f: False  # noqa: E731


def lines_of(api: Api, data: Data, query: str) -> list[str]:
    result = api.range(query, data.start, data.end)["result"]
    return [value[1] for stream in result for value in stream["values"]]


CASES: list[tuple[str, str, Test]] = [
    # line filters
    ("web", "", ALL),
    ("web", '|= "request 1"', lambda f: str(f["i"]).startswith("1")),
    ("web", '!= "request 1"', lambda f: not str(f["i"]).startswith("1")),
    ("web", '|= "REQUEST"', NONE),
    ("web", '|~ "(?i)REQUEST 2[0-9]"', lambda f: 20 <= f["i"] <= 29),
    ("web", '!~ "request [0-9]\\""', lambda f: f["i"] > 9),
    ("web", '|= "request 5" or "request 6"', lambda f: str(f["i"])[0] in "56"),
    ("web", '!= "request 5" or "request 6"', lambda f: str(f["i"])[0] not in "56"),
    ("web", '|~ "request 5.?\\"" or "request 6.?\\""', lambda f: str(f["i"])[0] in "56"),
    ("web", '|= "error" != "request 3"', lambda f: f["level"] == "error" and not str(f["i"]).startswith("3")),
    ("web", '|= `request 7"`', lambda f: f["i"] == 7),
    ("web", '|= ""', ALL),
    ("web", '|~ ".*"', ALL),
    ("web", '|> "<_>request 1<_>"', lambda f: str(f["i"]).startswith("1")),
    ("web", '!> "<_>request 1<_>"', lambda f: not str(f["i"]).startswith("1")),
    ("web", '|> "<_>request 1<_>" or "<_>request 2<_>"', lambda f: str(f["i"])[0] in "12"),
    ("nginx", '|= ip("192.168.1.4")', lambda f: f["i"] == 4),
    ("nginx", '|= ip("192.168.1.0/29")', lambda f: f["i"] < 8),
    ("nginx", '|= ip("192.168.1.3-192.168.1.6")', lambda f: 3 <= f["i"] <= 6),
    ("nginx", '!= ip("192.168.1.0/29")', lambda f: f["i"] >= 8),
    # json
    ("web", "| json", ALL),
    ("web", "| json | status = 500", lambda f: f["status"] == 500),
    ("web", "| json | status == 500", lambda f: f["status"] == 500),
    ("web", "| json | status != 500", lambda f: f["status"] != 500),
    ("web", "| json | status >= 404", lambda f: f["status"] >= 404),
    ("web", "| json | status > 404", lambda f: f["status"] > 404),
    ("web", "| json | status < 404", lambda f: f["status"] < 404),
    ("web", "| json | status <= 404", lambda f: f["status"] <= 404),
    ("web", '| json | status = "500"', lambda f: f["status"] == 500),
    ("web", '| json | status =~ "4.."', lambda f: f["status"] == 404),
    ("web", '| json | status !~ "4.."', lambda f: f["status"] != 404),
    ("web", '| json | level = "error"', lambda f: f["level"] == "error"),
    ("web", '| json | level != "error"', lambda f: f["level"] != "error"),
    ("web", '| json | level =~ "err.*|warn"', lambda f: f["level"] in ("error", "warn")),
    ("web", '| json | path = "/p1" and status = 200', lambda f: f["path"] == "/p1" and f["status"] == 200),
    ("web", '| json | path = "/p1" or status = 500', lambda f: f["path"] == "/p1" or f["status"] == 500),
    ("web", '| json | path = "/p1", status = 200', lambda f: f["path"] == "/p1" and f["status"] == 200),
    ("web", '| json | path = "/p1" status = 200', lambda f: f["path"] == "/p1" and f["status"] == 200),
    (
        "web",
        '| json | level = "error" or level = "warn" and path = "/p1"',
        lambda f: f["level"] == "error" or (f["level"] == "warn" and f["path"] == "/p1"),
    ),
    (
        "web",
        '| json | (level = "error" or level = "warn") and path = "/p1"',
        lambda f: f["level"] in ("error", "warn") and f["path"] == "/p1",
    ),
    ("web", '| json | level = "error" | path = "/p1"', lambda f: f["level"] == "error" and f["path"] == "/p1"),
    ("web", "| json | duration_ms > 30.5", lambda f: f["i"] > 30),
    ("web", "| json | ratio = 2.5", lambda f: f["i"] == 20),
    ("web", "| json | ratio > 1.1e0", lambda f: f["i"] / 8 > 1.1),
    ("web", "| json | took > 30ms", lambda f: f["i"] > 30),
    ("web", "| json | took >= 0.03s", lambda f: f["i"] >= 30),
    ("web", "| json | took < 1m", ALL),
    ("web", "| json | size > 30KB", lambda f: f["i"] > 30),
    ("web", "| json | size >= 30KiB", lambda f: f["i"] * 1000 >= 30 * 1024),
    ("web", "| json | size < 10kb", lambda f: f["i"] < 10),
    ("web", '| json | nested_a = "1"', lambda f: f["nested"]["a"] == 1),
    ("web", "| json | nested_a = 1", lambda f: f["nested"]["a"] == 1),
    ("web", '| json | nested_b = "x"', ALL),
    ("web", '| json | ok = "true"', lambda f: f["ok"]),
    ("web", '| json | missing = ""', ALL),
    ("web", '| json | missing != ""', NONE),
    ("web", '| json | missing = "x"', NONE),
    ("web", '| json | list = ""', ALL),
    ("web", '| json | none = ""', ALL),
    ("web", '| json | trace_id = "000000000000000000056bc75e2d631000"', NONE),
    ("web", f'| json | trace_id = "{10**20 + 7:032x}"', lambda f: f["i"] == 7),
    ("web", f'|= "{10**20 + 8:032x}"', lambda f: f["i"] == 8),
    ("web", '| json s="status", l="level" | s = 500 | l = "error"', lambda f: f["status"] == 500),
    ("web", '| json a="nested.a" | a = 1', lambda f: f["nested"]["a"] == 1),
    ("web", '| json first="list[0]" | first = 1', ALL),
    ("web", '| json b="[\\"nested\\"][\\"b\\"]" | b = "x"', ALL),
    ("web", '| json level | level = "warn"', lambda f: f["level"] == "warn"),
    ("web", "| json status | status >= 500", lambda f: f["status"] >= 500),
    ("web", '|= "error" | json | status = 500', lambda f: f["level"] == "error"),
    ("web", '| json |= "request 1"', lambda f: str(f["i"]).startswith("1")),
    ("web", '| app = "web"', ALL),
    ("web", '| env = "dev"', NONE),
    ("web", '| detected_level = "error"', lambda f: f["level"] == "error"),
    ("web", '| detected_level =~ "warn|info"', lambda f: f["level"] in ("warn", "info")),
    ("web", '| json | __error__ = ""', ALL),
    ("web", '| json | __error__ != ""', NONE),
    ("api", '| json | __error__ = "JSONParserErr"', ALL),
    ("api", '| json | __error__ = ""', NONE),
    # logfmt
    ("api", "| logfmt", ALL),
    ("api", '| logfmt | level = "error"', lambda f: f["level"] == "error"),
    ("api", '| logfmt | msg = "hello world 3"', lambda f: f["i"] == 3),
    ("api", "| logfmt | dur > 10ms", lambda f: f["i"] > 10),
    ("api", "| logfmt | bytes >= 10KB", lambda f: f["i"] >= 10),
    ("api", '| logfmt | user =~ "u[12]"', lambda f: f["user"] in ("u1", "u2")),
    ("api", '| logfmt u="user" | u = "u3"', lambda f: f["user"] == "u3"),
    (
        "api",
        '| logfmt user, level | user = "u3" and level = "error"',
        lambda f: f["user"] == "u3" and f["level"] == "error",
    ),
    ("api", "| logfmt --strict", ALL),
    ("api", '| logfmt --keep-empty | empty = ""', ALL),
    ("api", '| logfmt | ip = ip("10.0.0.0/29")', lambda f: f["i"] < 8),
    ("api", '| logfmt | ip != ip("10.0.0.0/29")', lambda f: f["i"] >= 8),
    ("api", '| logfmt | ip = ip("10.0.0.5")', lambda f: f["i"] == 5),
    ("api", '|= "level=error" | logfmt | dur < 10ms', lambda f: f["level"] == "error" and f["i"] < 10),
    # regexp, pattern
    ("nginx", '| regexp "HTTP/1.1\\" (?P<status>\\\\d+)" | status = 500', lambda f: f["status"] == 500),
    ("nginx", '| regexp `"(?P<method>\\w+) (?P<path>\\S+) ` | path = "/index/4"', lambda f: f["i"] == 4),
    (
        "nginx",
        '| pattern `<ip> - - <_> "<method> <path> <_>" <status> <size> <_>` | status = "500"',
        lambda f: f["status"] == 500,
    ),
    ("nginx", '| pattern `<ip> <_>` | ip = ip("192.168.1.2")', lambda f: f["i"] == 2),
    ("nginx", '| pattern `<_> "<method> <path> <_>" <status> <size> <_>` | size > 1000', lambda f: f["bytes"] > 1000),
    # structured metadata
    ("meta", '| trace_id = "t3"', lambda f: f["i"] == 3),
    ("meta", '| user = "u1"', lambda f: f["i"] % 2 == 1),
    ("meta", '| user != "u1"', lambda f: f["i"] % 2 == 0),
    ("meta", '| trace_id =~ "t[1-3]" | user = "u1"', lambda f: f["i"] in (1, 3)),
    ("meta", '|= "plain" | user = "u0"', lambda f: f["i"] % 2 == 0),
    # label_format and what follows it
    ("web", "| json | label_format s=status | s = 500", lambda f: f["status"] == 500),
    ("web", '| json | label_format x="{{.level}}-{{.status}}" | x = "error-500"', lambda f: f["status"] == 500),
    ("web", '| json | line_format "{{.path}}" |= "/p1"', lambda f: f["path"] == "/p1"),
    ("web", '| json | drop level | level = ""', ALL),
    ("web", "| json | keep status | status = 500", lambda f: f["status"] == 500),
    ("web", "| json | drop status | status = 500", NONE),
    ("web", "| decolorize", ALL),
]


@pytest.mark.parametrize(
    ("app", "pipeline", "test"), CASES, ids=[f"{app} {pipeline}"[:90] for app, pipeline, _ in CASES]
)
def test_lines(api: Api, data: Data, app: str, pipeline: str, test: Test) -> None:
    found = lines_of(api, data, f"{data.select(app)} {pipeline}")
    expected = data.count(app, test)
    assert len(found) == expected
    if expected and "line_format" not in pipeline:
        wanted = sorted(row.line for row in data.rows if row.app == app and test(row.fields))
        assert sorted(found) == wanted


SELECTORS: list[tuple[str, int]] = [
    ('app="web"', 60),
    ('app!="web"', 60),
    ('app=~"web|api"', 90),
    ('app!~"web|api"', 30),
    ('app=~"w.*"', 60),
    ('app=~"we"', 0),
    ('env="prod"', 80),
    ('env="dev"', 40),
    ('env="prod", app!="web"', 20),
    ('missing=""', 120),
    ('missing!=""', 0),
    ('missing=~".*"', 120),
    ('missing=~".+"', 0),
    ('app=~"(?i)WEB"', 60),
    ('app="web", app="api"', 0),
    ('app=~".+", env=~"p.+"', 80),
    ('service_name=~".+"', 120),
    ('app!~".+"', 0),
    ("app=`web`", 60),
]


@pytest.mark.parametrize(("matchers", "count"), SELECTORS)
def test_selectors(api: Api, data: Data, matchers: str, count: int) -> None:
    assert len(lines_of(api, data, f'{{job="{data.job}", {matchers}}}')) == count


def stream_of(api: Api, data: Data, query: str) -> tuple[dict[str, str], str]:
    result = api.range(query, data.start, data.end, limit=1)["result"]
    assert len(result) == 1
    return result[0]["stream"], result[0]["values"][0][1]


LABELS: list[tuple[str, str, dict[str, str | None]]] = [
    ("web", "", {"app": "web", "env": "prod", "service_name": "web", "detected_level": "error", "status": None}),
    (
        "web",
        "| json",
        {
            "status": "500",
            "level": "error",
            "path": "/p2",
            "nested_a": "1",
            "nested_b": "x",
            "ok": "false",
            "list": None,
        },
    ),
    ("web", "| json", {"duration_ms": "59", "msg": "request 59", "size": "59KB", "ratio": "7.375"}),
    ("web", '| json s="status"', {"s": "500", "level": None, "status": None}),
    ("web", "| json | label_format s=status", {"s": "500", "status": None}),
    ("web", '| json | label_format app="new"', {"app": "new"}),
    ("web", '| label_format x="{{ .app | ToUpper }}"', {"x": "WEB"}),
    ("web", '| json | label_format x=`{{ if eq .level "error" }}bad{{ else }}good{{ end }}`', {"x": "bad"}),
    ("web", "| json | drop level, status", {"level": None, "status": None, "path": "/p2"}),
    ("web", '| json | drop level="info"', {"level": "error"}),
    ("web", '| json | drop level="error"', {"level": None}),
    ("web", "| json | keep status", {"status": "500", "level": None, "path": None}),
    ("web", '| json | keep level="error", status', {"status": "500", "level": "error", "path": None}),
    ("api", "| logfmt", {"level": "debug", "user": "u4", "dur": "29ms", "empty": None, "msg": "hello world 29"}),
    ("api", '| logfmt dur, who="user"', {"dur": "29ms", "who": "u4", "level": None}),
    ("api", "| json", {"__error__": "JSONParserErr"}),
    (
        "nginx",
        '| pattern `<ip> - - <_> "<method> <path> <_>" <status> <_>`',
        {"ip": "192.168.1.19", "method": "GET", "path": "/index/19", "status": "200"},
    ),
    ("nginx", '| regexp "(?P<first>\\\\d+)\\\\."', {"first": "192"}),
    ("meta", "", {"trace_id": "t9", "user": "u1"}),
    ("meta", "| drop trace_id", {"trace_id": None, "user": "u1"}),
    ("meta", '| label_format t="{{.trace_id}}!"', {"t": "t9!"}),
]


@pytest.mark.parametrize(("app", "pipeline", "labels"), LABELS)
def test_labels_of_the_answer(api: Api, data: Data, app: str, pipeline: str, labels: dict[str, str | None]) -> None:
    stream, _ = stream_of(api, data, f"{data.select(app)} {pipeline}")
    assert {name: stream.get(name) for name in labels} == labels


FORMATS: list[tuple[str, str, str]] = [
    ("web", '| json | line_format "{{.status}} {{.path}}"', "500 /p2"),
    ("web", '| json | line_format "{{.msg | upper}}"', "REQUEST 59"),
    ("web", '| json | line_format "{{ trunc 3 .msg }}"', "req"),
    ("web", '| json | line_format "{{ .msg | replace \\"request\\" \\"r\\" }}"', "r 59"),
    ("web", '| json | line_format "{{ regexReplaceAll \\"[0-9]\\" .msg \\"#\\" }}"', "request ##"),
    ("web", '| json | line_format "{{ add .duration_ms 1 }}"', "60"),
    ("web", '| json | line_format "{{ mul 2 3 }} {{ sub 5 2 }} {{ div 9 2 }} {{ mod 9 2 }}"', "6 3 4 1"),
    ("web", '| json | line_format "{{ if ge (int .status) 500 }}bad{{ end }}"', "bad"),
    ("web", '| json | line_format "{{ printf \\"%05d\\" (int .duration_ms) }}"', "00059"),
    ("web", '| json | line_format "{{ default \\"none\\" .missing }}"', "none"),
    ("web", '| json | line_format "{{ .missing }}|"', "|"),
    ("web", '| json | line_format "{{ substr 0 3 .msg }}"', "req"),
    ("web", '| json | line_format "{{ hasPrefix \\"req\\" .msg }} {{ contains \\"59\\" .msg }}"', "true true"),
    ("web", '| json | line_format "{{ .msg | trimPrefix \\"request \\" }}"', "59"),
    ("web", '| json | line_format "{{ len .msg }}"', "10"),
    ("web", '| json | line_format "{{ b64enc .path }}"', "L3Ay"),
    ("web", '| json | line_format "{{ urlencode .msg }}"', "request+59"),
    ("web", '| json | line_format "{{ title .msg }}"', "Request 59"),
    ("web", '| json | line_format "{{ repeat 2 .path }}"', "/p2/p2"),
    ("web", '| json | line_format "{{ alignLeft 5 .path }}|"', "/p2  |"),
    ("web", '| json | line_format "{{ alignRight 5 .path }}"', "  /p2"),
    ("web", '| json | line_format "{{ round 3.14159 2 }} {{ ceil 1.2 }} {{ floor 1.8 }}"', "3.14 2 1"),
    ("web", '| json | line_format "{{ max 1 5 3 }} {{ min 4 2 }}"', "5 2"),
    ("web", '| json | line_format "{{ .app }} {{ .env }}"', "web prod"),
    ("api", '| logfmt | line_format "{{.user}}: {{.msg}}"', "u4: hello world 29"),
    ("api", '| logfmt | line_format "{{ .user }}" | line_format "<{{ __line__ }}>"', "<u4>"),
]


@pytest.mark.parametrize(("app", "pipeline", "line"), FORMATS)
def test_line_format(api: Api, data: Data, app: str, pipeline: str, line: str) -> None:
    assert stream_of(api, data, f"{data.select(app)} {pipeline}")[1] == line


def test_newest_first_and_oldest_first(api: Api, data: Data) -> None:
    for direction, expected in (("backward", [59, 58, 57]), ("forward", [0, 1, 2])):
        found = api.range(
            f'{data.select("web")} | json | line_format "{{{{.duration_ms}}}}" | keep app',
            data.start,
            data.end,
            limit=3,
            direction=direction,
        )
        values = sorted((int(ts), line) for stream in found["result"] for ts, line in stream["values"])
        assert [int(line) for _, line in (values if direction == "forward" else reversed(values))] == expected


def test_start_is_inclusive_end_exclusive(api: Api, data: Data) -> None:
    at = data.start + 10 * SECOND + SECOND
    assert len(api.range(data.select("web"), at, at + 1)["result"]) == 1
    assert api.range(data.select("web"), at - 5 * SECOND, at)["result"] == []


def test_limit_counts_over_all_streams(api: Api, data: Data) -> None:
    found = api.range(f'{{job="{data.job}"}}', data.start, data.end, limit=7)["result"]
    assert sum(len(stream["values"]) for stream in found) == 7


def test_interval_thins_lines(api: Api, data: Data) -> None:
    found = api.range(data.select("web") + " | keep app", data.start, data.end, interval="60s", direction="forward")[
        "result"
    ]
    stamps = sorted(int(value[0]) for stream in found for value in stream["values"])
    assert all(b - a >= 60 * SECOND for a, b in pairwise(stamps))


def test_categorized_labels(api: Api, data: Data) -> None:
    answer = api.get(
        "query_range",
        {"query": data.select("meta") + ' | label_format x="y"', "start": data.start, "end": data.end, "limit": 1},
        **{"X-Loki-Response-Encoding-Flags": "categorize-labels"},
    ).json()["data"]
    assert answer["encodingFlags"] == ["categorize-labels"]
    (stream,) = answer["result"]
    assert "trace_id" not in stream["stream"]
    _, line, extra = stream["values"][0]
    assert (line, extra["structuredMetadata"]["trace_id"], extra["parsed"]) == ("plain 9", "t9", {"x": "y"})
