"""Stages line by line: filters, parsers, formatting, errors; examples from the documentation."""

import pytest

from pytake.embedded.loki.logql import LogQuery, compile_pipeline, flatten_json, parse
from pytake.embedded.loki.logql.jsonlines import json_paths

TS = 1_679_577_215_000_000_000
NGINX = (
    '0.191.12.2 - - [10/Jun/2021:09:14:29 +0000] "GET /api/plugins/versioncheck HTTP/1.1" 200 2 "-" '
    '"Go-http-client/2.0" "13.76.247.102, 34.120.177.193" "TLSv1.2" "US" ""'
)
DOCUMENT = """{
    "protocol": "HTTP/2.0",
    "servers": ["129.0.1.1","10.2.1.3"],
    "request": {"time": "6.032", "method": "GET", "host": "foo.grafana.net", "size": "55",
                "headers": {"Accept": "*/*", "User-Agent": "curl/7.68.0"}},
    "response": {"status": 401, "size": "228", "latency_seconds": "6.031"}
}"""
LOGFMT = 'at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200'


def run(
    stages: str, line: str, labels: dict[str, str] | None = None, meta: dict[str, str] | None = None
) -> dict[str, str] | None:
    """Labels of the answer with the line under "", None where it is dropped."""
    query = parse('{job="x"} ' + stages)
    assert isinstance(query, LogQuery)
    entry = compile_pipeline(query).process(TS, line, labels or {}, meta or {})
    return None if entry is None else {**dict(entry.labels()), "": entry.line}


def kept(stages: str, line: str, labels: dict[str, str] | None = None) -> bool:
    return run(stages, line, labels) is not None


def parsed(stages: str, line: str, labels: dict[str, str] | None = None) -> dict[str, str]:
    found = run(stages, line, labels)
    assert found is not None
    return {name: value for name, value in found.items() if name and name != "__error_details__"}


@pytest.mark.parametrize(
    ("stages", "line", "stays"),
    [
        ('|= "error"', "an error here", True),
        ('|= "error"', "an Error here", False),
        ('!= "error"', "an error here", False),
        ('!= "error"', "fine", True),
        ('|= ""', "anything", True),
        ('!= ""', "anything", False),
        ('|= "a" or "b"', "xbx", True),
        ('|= "a" or "b"', "xcx", False),
        ('!= "a" or "b"', "xbx", False),
        ('!= "a" or "b"', "xcx", True),
        ('|= "a" |= "b"', "ab", True),
        ('|= "a" |= "b"', "a", False),
        ("|~ `tsdb-ops.*io:2003`", "x tsdb-ops y io:2003 z", True),
        ("|~ `error=\\w+`", "error=", False),
        ("|~ `(?i)ERROR`", "an error", True),
        ("|~ `^a.b$`", "a\nb", True),
        ("!~ `a|b`", "xyz", True),
        ("!~ `a|b`", "xbz", False),
        ("|~ `(?<word>a+)b`", "xaab", True),
        ('|> "<_> level=debug <_>"', "ts=1 level=debug msg=x", True),
        ('|> "<_> level=debug <_>"', "ts=1 level=info msg=x", False),
        ('|> "level=<_> msg=<_>"', "level=debug msg=x", True),
        ('|> "level=<_> msg=<_>"', " level=debug msg=x", False),
        ('|> "<_> end"', "the end", True),
        ('|> "<_> end"', "the end.", False),
        ('|> "a.b<_>"', "axb", False),
        ('!> "<_>debug<_>"', "a debug line", False),
        ('!> "<_>debug<_>"', "an info line", True),
        ('|= ip("3.180.71.3")', "3.180.71.3 - - GET", True),
        ('|= ip("3.180.71.3")', "93.180.71.3 - - GET", False),
        ('|= ip("192.168.4.5/16")', "from 192.168.200.1 ok", True),
        ('|= ip("192.168.4.5/16")', "from 192.169.0.1 ok", False),
        ('|= ip("192.168.0.1-192.189.10.12")', "[192.180.1.1]", True),
        ('!= ip("192.168.4.5-192.168.4.20")', "192.168.4.10", False),
        ('!= ip("192.168.4.5-192.168.4.20")', "192.168.4.21", True),
        ('|= ip("2001:db8::/32")', "at 2001:db8::7 now", True),
        ('|= ip("2001:db8::1-2001:db8::8")', "at 2001:db8::9 now", False),
        ('|= ip("::1")', "from [::1]:80", True),
        ('|= ip("10.0.0.0/8") or "error"', "plain error", True),
        ('|= ip("10.0.0.0/8") or ip("192.168.0.0/16")', "connection from 10.5.3.2 accepted", True),
        ('|= ip("10.0.0.0/8")', "300.1.1.1 999.999.1.1", False),
    ],
)
def test_line_filters(stages: str, line: str, stays: bool) -> None:
    assert kept(stages, line) is stays


VALUES = {
    "status": "500",
    "took": "1m30s",
    "size": "5KB",
    "method": "GET",
    "addr": "10.1.2.3",
    "word": "abc",
    "zero": "0",
}


@pytest.mark.parametrize(
    ("predicate", "stays"),
    [
        ('method="GET"', True),
        ('method!="GET"', False),
        ('method=~"G.."', True),
        ('method=~"G."', False),
        ('method!~"P.*"', True),
        ('missing=""', True),
        ('missing!=""', False),
        ('missing!="x"', True),
        ('missing=~".*"', True),
        ("status=500", True),
        ("status==500.0", True),
        ("status!=500", False),
        ("status>499", True),
        ("status>=500", True),
        ("status<500", False),
        ("status<=500", True),
        ("status>-1", True),
        ("missing>0", False),
        ("missing!=5", False),
        ("zero==0", True),
        ("took>1m", True),
        ("took>=90s", True),
        ("took<1.5m", False),
        ("took==90000ms", True),
        ("took!=2h", True),
        ("size>4KB", True),
        ("size==5000B", True),
        ("size<5KiB", True),
        ("size>=1MB", False),
        ('addr=ip("10.0.0.0/8")', True),
        ('addr!=ip("10.0.0.0/8")', False),
        ('addr=ip("10.1.2.4-10.1.2.9")', False),
        ('method=ip("10.0.0.0/8")', False),
        ('missing=ip("10.0.0.0/8")', False),
        ('status>400 and method="GET"', True),
        ('status>400 and method="POST"', False),
        ('status<400 or method="GET"', True),
        ('status<400 or method="POST"', False),
        ('method="POST" or method="GET" and status<400', False),
        ('(method="GET" or method="POST") and status<400', False),
        ('method="GET" or method="POST" and status<400', True),
        ('status>400, method="GET"', True),
        ('status>400 method="GET"', True),
    ],
)
def test_label_filters(predicate: str, stays: bool) -> None:
    assert kept(f"| {predicate}", "line", VALUES) is stays


@pytest.mark.parametrize("predicate", ["word>5", "word>5ms", "word>5KB", "took>5", "status>5s", "zero=5KB or word>1"])
def test_a_value_that_does_not_convert_keeps_the_line_with_an_error(predicate: str) -> None:
    found = run(f"| {predicate}", "line", VALUES)
    assert found is not None
    assert found["__error__"] == "LabelFilterErr"


@pytest.mark.parametrize(
    ("predicate", "stays"),
    [
        ("status>500", True),  # a filter that converts lets errors through
        ("took>1h", True),
        ('addr=ip("10.0.0.0/8")', True),
        ('__error__=""', False),
        ('__error__!=""', True),
        ('__error__="JSONParserErr"', True),
        ('__error__!="JSONParserErr"', False),
        ('method="POST"', False),
    ],
)
def test_only_text_filters_see_an_error(predicate: str, stays: bool) -> None:
    assert kept(f"| json | {predicate}", "not json", VALUES) is stays


@pytest.mark.parametrize(
    ("stages", "line", "labels"),
    [
        ("| json", '{ "a.b": {"c": "d"}, "e": "f" }', {"a_b_c": "d", "e": "f"}),
        (
            "| json",
            DOCUMENT,
            {
                "protocol": "HTTP/2.0",
                "request_time": "6.032",
                "request_method": "GET",
                "request_host": "foo.grafana.net",
                "request_size": "55",
                "request_headers_Accept": "*/*",
                "request_headers_User_Agent": "curl/7.68.0",
                "response_status": "401",
                "response_size": "228",
                "response_latency_seconds": "6.031",
            },
        ),
        (
            '| json first_server="servers[0]", ua="request.headers[\\"User-Agent\\"]"',
            DOCUMENT,
            {"first_server": "129.0.1.1", "ua": "curl/7.68.0"},
        ),
        (
            '| json server_list="servers", headers="request.headers"',
            DOCUMENT,
            {"server_list": '["129.0.1.1","10.2.1.3"]', "headers": '{"Accept": "*/*", "User-Agent": "curl/7.68.0"}'},
        ),
        ("| json servers", DOCUMENT, {"servers": '["129.0.1.1","10.2.1.3"]'}),
        ('| json x="a[1].b", y="a[9]", z="c"', '{"a":[1,{"b":2.50}],"c":null}', {"x": "2.50"}),
        ('| json x="[\\"a b\\"][0]"', '{"a b":["v"]}', {"x": "v"}),
        (
            "| json",
            '{"f":1.50,"i":10,"big":123456789012345678901234567890,"e":1e5,"t":true,"n":null,"o":{},"l":[1]}',
            {"f": "1.50", "i": "10", "big": "123456789012345678901234567890", "e": "1e5", "t": "true"},
        ),
        ("| json", '{"1st":"a","a-b":"c","é":"d"," s ":"e","":"f"}', {"_1st": "a", "a_b": "c", "_": "d", "s": "e"}),
        ("| json", '{"a_b":"1","a":{"b":"2"}}', {"a_b": "1"}),
        ("| json", '{"u":"\\u00e9\\n","q":"\\"x\\""}', {"u": "é\n", "q": '"x"'}),
        ("| json", "[1,2]", {"__error__": "JSONParserErr"}),
        ("| json", "plain", {"__error__": "JSONParserErr"}),
        ("| json", '{"a":', {"__error__": "JSONParserErr"}),
        ('| json x="a"', "plain", {"__error__": "JSONParserErr"}),
        (
            "| logfmt",
            LOGFMT,
            {
                "at": "info",
                "method": "GET",
                "path": "/",
                "host": "grafana.net",
                "fwd": "124.133.124.161",
                "service": "8ms",
                "status": "200",
            },
        ),
        ('| logfmt host, fwd_ip="fwd"', LOGFMT, {"host": "grafana.net", "fwd_ip": "124.133.124.161"}),
        ("| logfmt", 'a=1 lone b="x \\"y\\"" empty= c', {"a": "1", "b": 'x "y"'}),
        ("| logfmt --keep-empty", "a=1 lone empty=", {"a": "1", "lone": "", "empty": ""}),
        ("| logfmt", 'foo=bar=buzz fo"o=bar =value ok=1', {"ok": "1"}),
        ("| logfmt --strict", "ok=1 foo=bar=buzz", {"__error__": "LogfmtParserErr"}),
        ("| logfmt --strict", 'key="value in quotes" key2=value', {"key": "value in quotes", "key2": "value"}),
        ("| logfmt", "a=1 a=2", {"a": "1"}),
        ("| logfmt", 'x.y=1 msg="unterminated', {"x_y": "1"}),
        ("| logfmt", "", {}),
        (
            '| pattern `<ip> - - <_> "<method> <uri> <_>" <status> <size> <_> "<agent>" <_>`',
            NGINX,
            {
                "ip": "0.191.12.2",
                "method": "GET",
                "uri": "/api/plugins/versioncheck",
                "status": "200",
                "size": "2",
                "agent": "Go-http-client/2.0",
            },
        ),
        (
            '| pattern `<_> msg="<method> <path> (<status>) <latency>"`',
            'level=debug msg="POST /loki/api/v1/push (204) 16.652862ms"',
            {"method": "POST", "path": "/loki/api/v1/push", "status": "204", "latency": "16.652862ms"},
        ),
        ("| pattern `start <a> end`", "begin x end", {}),
        ("| pattern `<a>,<b>,<c>`", "1,2", {"a": "1", "b": "2"}),
        (
            '| regexp "(?P<method>\\\\w+) (?P<path>[\\\\w|/]+) \\\\((?P<status>\\\\d+?)\\\\) (?P<duration>.*)"',
            "POST /api/prom/api/v1/query_range (200) 1.5s",
            {"method": "POST", "path": "/api/prom/api/v1/query_range", "status": "200", "duration": "1.5s"},
        ),
        ("| regexp `(?<first>\\w+)( (?P<second>\\d+))?`", "word", {"first": "word"}),
        ("| regexp `(?P<n>\\d+)`", "none", {}),
        (
            "| unpack",
            '{"container": "myapp", "pod": "pod-3223f", "n": 5, "_entry": "original"}',
            {"container": "myapp", "pod": "pod-3223f"},
        ),
        ("| unpack", "plain", {"__error__": "JSONParserErr"}),
        ("| json | line_format `{{.msg}}` | logfmt", '{"msg":"a=1 b=2"}', {"msg": "a=1 b=2", "a": "1", "b": "2"}),
    ],
)
def test_parsers(stages: str, line: str, labels: dict[str, str]) -> None:
    assert parsed(stages, line) == labels


def test_a_name_that_the_stream_or_the_metadata_has_is_extracted_beside_it() -> None:
    found = run("| json", '{"level":"a","trace":"b","free":"c"}', {"level": "s"}, {"trace": "m"})
    assert found is not None
    del found[""]
    assert found == {"level": "s", "level_extracted": "a", "trace": "m", "trace_extracted": "b", "free": "c"}


def test_origins_of_labels_are_kept_apart() -> None:
    query = parse('{job="x"} | json | label_format env=`{{.a}}`')
    assert isinstance(query, LogQuery)
    entry = compile_pipeline(query).process(TS, '{"a":"b"}', {"job": "x", "env": "p"}, {"trace": "m"})
    assert entry is not None
    assert (entry.stream, entry.metadata, entry.parsed) == (
        (("job", "x"),),
        (("trace", "m"),),
        (("a", "b"), ("env", "b")),
    )


def test_unpack_replaces_the_line() -> None:
    found = run("| unpack", '{"a": "b", "_entry": "original log message"}')
    assert found == {"a": "b", "": "original log message"}


BASE = {"a": "1", "b": "2", "level": "info", "app": "some-api-x"}


@pytest.mark.parametrize(
    ("stages", "changes", "line"),
    [
        ("| line_format `{{.a}}-{{.b}}`", {}, "1-2"),
        ("| line_format `{{.missing}}`", {}, ""),
        ("| line_format `{{__line__ | upper}}`", {}, "LINE"),
        ("| label_format c=a", {"c": "1", "a": None}, "line"),
        ("| label_format c=missing", {}, "line"),
        ("| label_format a=b", {"a": "2", "b": None}, "line"),
        ("| label_format c=`{{.a}}{{.b}}`", {"c": "12"}, "line"),
        ("| label_format a=`x`, b=`{{.a}}`", {"a": "x", "b": "1"}, "line"),
        ("| label_format a=`{{.missing}}`", {"a": None}, "line"),
        ("| drop a, b", {"a": None, "b": None}, "line"),
        ('| drop level="info", a="9"', {"level": None}, "line"),
        ('| drop app=~"some-api.*", b', {"app": None, "b": None}, "line"),
        ("| keep a", {"b": None, "level": None, "app": None}, "line"),
        ('| keep a, app=~"some-api.*", level="error"', {"b": None, "level": None}, "line"),
        ("| drop missing", {}, "line"),
    ],
)
def test_formatting_stages(stages: str, changes: dict[str, str | None], line: str) -> None:
    found = run(stages, "line", BASE)
    want = {**BASE, **changes}
    assert found == {"": line, **{name: value for name, value in want.items() if value is not None}}


def test_decolorize_strips_terminal_sequences() -> None:
    assert run("| decolorize", "\x1b[31;1mred\x1b[0m plain\x1b[K \x1b]0;title\x07x") == {"": "red plain x"}


def test_a_template_that_fails_leaves_line_and_labels_and_notes_the_error() -> None:
    found = run('| line_format `{{ div 1 0 }}` | label_format a=`{{ bytes "x" }}`', "line", {"a": "1"})
    assert found is not None
    assert (found[""], found["a"], found["__error__"]) == ("line", "1", "TemplateFormatErr")


def test_errors_can_be_dropped_and_keep_does_not_drop_them() -> None:
    assert run("| json | drop __error__, __error_details__", "plain", {"a": "1"}) == {"": "plain", "a": "1"}
    found = run("| json | keep a", "plain", {"a": "1", "b": "2"})
    assert found is not None
    assert set(found) == {"", "a", "__error__", "__error_details__"}


def test_templates_see_errors() -> None:
    found = run("| json | line_format `{{.__error__}}`", "plain")
    assert found is not None
    assert found[""] == "JSONParserErr"


def test_flatten_json_is_none_for_what_is_no_object() -> None:
    assert [flatten_json(text) for text in ("", "5", "[1]", "{", '{"a":1}x')] == [None] * 5
    assert flatten_json("{}") == {}


def test_json_paths_say_where_labels_come_from() -> None:
    assert dict(json_paths('{"a":{"b-c":1},"d":"x","e":[1],"f":null}')) == {"a_b_c": ("a", "b-c"), "d": ("d",)}
