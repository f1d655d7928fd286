"""Go templates with Loki's functions; outputs from the documentation where it gives them."""

import pytest

from pytake.embedded.loki.logql import ParseError, TemplateError
from pytake.embedded.loki.logql.template import compile_template

TS = 1_679_577_215_123_456_789
LABELS = {
    "path": "/a b/c",
    "status": "200",
    "duration": "3000",
    "ip": " 1.1.1.1 ",
    "foo": "2021-11-02",
    "empty_": "",
    "took": "1m30s",
    "size": "1.5KiB",
    "err": "ErrTimeout: x",
    "queries": '[{"query": "a", "n": 1}, {"query": "b", "n": 2.5}]',
    "q": "select\n1",
}


def render(source: str) -> str:
    return compile_template(source).render("the line", TS, LABELS)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        # actions and blanks
        ("plain", "plain"),
        ("{{.path}}", "/a b/c"),
        ("{{ .missing }}|", "|"),
        ("a {{- .status -}} b", "a200b"),
        ("a{{/* no */}}b{{- /* no */ -}} c", "abc"),
        ("{{ `raw {{` }}", "raw {{"),
        ('{{ "q\\"\\n" }}', 'q"\n'),
        ("{{ 'a' }}", "97"),
        ("{{ true }} {{ 1 }} {{ -2.5 }} {{ 0x10 }} {{ 1e3 }}", "true 1 -2.5 16 1000"),
        # pipelines
        ('{{ .path | replace " " "_" | trunc 5 | upper }}', "/A_B/"),
        ("{{ (.status) }}{{ (upper .path) }}", "200/A B/C"),
        ("{{ __line__ | upper }}", "THE LINE"),
        ("{{ __line__ }}", "the line"),
        # variables
        ('{{ $x := .status }}{{ $x }}{{ $x = "5" }}{{ $x }}', "2005"),
        ("{{ $.status }}", "200"),
        ("{{ with .status }}{{ . }}{{ end }}", "200"),
        ("{{ with .missing }}x{{ else }}none{{ end }}", "none"),
        ("{{ with .missing }}x{{ else with .status }}{{ . }}{{ end }}", "200"),
        ("{{ with $x := .status }}{{ $x }}{{ $.path }}{{ end }}", "200/a b/c"),
        # if
        ("{{ if .status }}yes{{ else }}no{{ end }}", "yes"),
        ('{{ if .missing }}yes{{ else if eq .status "200" }}two{{ else }}no{{ end }}', "two"),
        ("{{ if .missing }}yes{{ else if .missing }}two{{ else }}no{{ end }}", "no"),
        ('{{ if and (contains "he" "hello") (contains "llo" "hello") }} yes {{end}}', " yes "),
        ('{{ if or (contains "xx" "hello") (contains "llo" "hello") }} yes {{end}}', " yes "),
        (
            '{{ if contains "ErrTimeout" .err }} timeout {{else if contains "he" "hello"}} yes {{else}} no {{end}}',
            " timeout ",
        ),
        ("{{ if not .missing }}x{{ end }}", "x"),
        ('{{ if ne .status "5" }}x{{ end }}{{ if lt 1 2 }}y{{ end }}{{ if ge 2.5 2.5 }}z{{ end }}', "xyz"),
        ('{{ eq "a" "b" "a" }} {{ le "a" "b" }} {{ gt 1 2 }}', "true true false"),
        # range
        ("{{ range $q := fromJson .queries }}{{ $q.query }};{{ end }}", "a;b;"),
        ("{{ range $i, $q := fromJson .queries }}{{ $i }}{{ .n }} {{ end }}", "01 12.5 "),
        ('{{ range $k, $v := fromJson `{"b":1,"a":"x"}` }}{{ $k }}={{ $v }},{{ end }}', "a=x,b=1,"),
        ("{{ range fromJson `[]` }}x{{ else }}empty{{ end }}", "empty"),
        ("{{ range fromJson `[1,2,3]` }}{{ if eq . 2.0 }}{{ continue }}{{ end }}{{ . }}{{ end }}", "13"),
        ("{{ range fromJson `[1,2,3]` }}{{ if eq . 2.0 }}{{ break }}{{ end }}{{ . }}{{ end }}", "1"),
        ('{{ fromJson "{\\"foo\\": 55}" }}', "map[foo:55]"),
        ('{{ fromJson "{bad" }}|', "|"),
        ("{{ index (fromJson .queries) 1 }}", "map[n:2.5 query:b]"),
        ("{{ (index (fromJson .queries) 0).query }}", "a"),
        ("{{ len .status }} {{ slice .status 1 2 }} {{ index .status 0 }}", "3 0 50"),
        # text
        ('{{ lower "HELLO" }} {{ ToUpper .foo }} {{ title "hello world" }}', "hello 2021-11-02 Hello World"),
        ("[{{ trim .ip }}] [{{ TrimSpace .ip }}]", "[1.1.1.1] [1.1.1.1]"),
        ('{{ trimAll "$" "$5.00" }} {{ trimPrefix "-" "-hello" }} {{ trimSuffix "-" "hello-" }}', "5.00 hello hello"),
        (
            '{{ TrimLeft "xxa" "x" }} {{ TrimRight "axx" "x" }} {{ Trim "xax" "x" }} {{ TrimPrefix "xa" "x" }} {{ TrimSuffix "ax" "x" }}',  # noqa: E501 - one query, one line
            "a a a a a",
        ),
        ('{{ replace "hello" "world" "hello world" }} {{ Replace "aaa" "a" "b" 2 }}', "world world bba"),
        (
            '{{ substr 0 5 "hello world"}} {{ substr 6 11 "hello world"}} {{ substr -1 3 "hello" }} {{ substr 2 -1 "hello" }}',  # noqa: E501 - one query, one line
            "hello world hel llo",
        ),
        ('{{ trunc 5 "hello world"}} {{ trunc -5 "hello world"}} {{ trunc 50 "x" }}', "hello world x"),
        ('{{ alignLeft 5 "hello world"}}|{{ alignLeft 5 "hi"}}|', "hello|hi   |"),
        ('{{ alignRight 5 "hello world"}}|{{ alignRight 5 "hi"}}|', "world|   hi|"),
        ("{{ indent 4 .q }}", "    select\n    1"),
        ("{{ nindent 2 .q }}", "\n  select\n  1"),
        ('{{ repeat 3 "hello" }}', "hellohellohello"),
        ('{{ default "-" "" }} {{ default "-" "foo" }} {{ .missing | default "none" }}', "- foo none"),
        ('{{ b64enc "hello" }} {{ b64dec "aGVsbG8=" }}', "aGVsbG8= hello"),
        ('{{ urlencode .path }} {{ urldecode "%2Fa+b" }}', "%2Fa+b%2Fc /a b"),
        ('{{ hasPrefix "he" "hello" }} {{ hasSuffix "lo" "hello" }} {{ contains "z" "hello" }}', "true true false"),
        # numbers
        ("{{ add 3 2 5 }} {{ addf 3.5 2 5 }} {{ sub 5 2 }} {{ subf 5.5 2 1.5 }}", "10 10.5 3 2"),
        ("{{ mul 5 2 3 }} {{ mulf 5.5 2 2.5 }} {{ div 10 2 }} {{ divf 10 2 4 }} {{ mod 10 3 }}", "30 27.5 5 1.25 1"),
        ("{{ div .duration 1000 }} {{ div -7 2 }} {{ mod -7 2 }}", "3 -3 -1"),
        ("{{ max 1 2 3 }} {{ min 1 2 3 }} {{ maxf 1 2.5 3 }} {{ minf 1 2.5 3 }} {{ minf 1.5 2 }}", "3 1 3 1 1.5"),
        ("{{ ceil 123.001 }} {{ floor 123.9999 }}", "124 123"),
        (
            "{{ round 123.555555 3 }} {{ round 123.88571428571 5 .2 }} {{ round 123.88571428571 5 }}",
            "123.556 123.88572 123.88571",
        ),
        ('{{ "3" | int }} {{ "3.5" | float64 }} {{ int "x" }} {{ int 2.9 }}', "3 3.5 0 2"),
        (
            "{{ divf 1 3 }} {{ divf 1 0 }} {{ mulf 1e20 10 }} {{ mulf 1e21 10 }} {{ divf 1 100000 }}",
            "0.3333333333333333 +Inf 1e+21 1e+22 1e-05",
        ),
        # regular expressions
        ('{{ count "a|b" "abab" }} {{ count "o" "foo" }}', "4 2"),
        ('{{ regexReplaceAll "(a*)bc" "aabc" "${1}a" }}', "aaa"),
        ('{{ regexReplaceAll "(?P<x>b)" "abc" "<$x>" }}', "a<b>c"),
        ('{{ regexReplaceAllLiteral "(ts=)" "ts=5" "$1timestamp=" }}', "$1timestamp=5"),
        # times, durations, sizes
        ('{{ __timestamp__ | date "2006-01-02T15:04:05.00Z07:00" }}', "2023-03-23T13:13:35.12Z"),
        (
            "{{ __timestamp__ | unixEpoch }} {{ unixEpochMillis __timestamp__ }} {{ unixEpochNanos __timestamp__ }}",
            "1679577215 1679577215123 1679577215123456789",
        ),
        ("{{ __timestamp__ }}", "2023-03-23 13:13:35.123456789 +0000 UTC"),
        ('{{ date "Mon Jan _2 3:04PM 06 -0700 MST 002" __timestamp__ }}', "Thu Mar 23 1:13PM 23 +0000 UTC 082"),
        ('{{ .foo | toDateInZone "2006-01-02" "UTC" | unixEpoch }}', "1635811200"),
        ('{{ toDateInZone "2006-01-02 15:04" "Europe/Berlin" "2021-07-02 12:00" | unixEpoch }}', "1625220000"),
        (
            '{{ toDateInZone "2006-01-02T15:04:05.999999999Z07:00" "UTC" "2021-11-02T01:02:03.5+02:00" | unixEpochMillis }}',  # noqa: E501 - one query, one line
            "1635807723500",
        ),
        (
            '{{ toDateInZone "02/Jan/2006:15:04:05 -0700" "UTC" "10/Jun/2021:09:14:29 +0000" | date "2006-01-02" }}',
            "2021-06-10",
        ),
        ('{{ date "2006-01-02" (unixToTime "1679577215") }}', "2023-03-23"),
        (
            '{{ unixToTime "1679577215123" | unixEpochMillis }} {{ unixToTime "19439" | date "2006-01-02" }}',
            "1679577215123 2023-03-23",
        ),
        ('{{ duration .took }} {{ duration_seconds "300ms" }}', "90 0.3"),
        ("{{ .size | bytes }}", "1536"),
        # printf
        ('{{ printf "The IP address was %s" .status }}', "The IP address was 200"),
        (
            '[{{ printf "%-6.3s" .path }}] [{{ printf "%6s" "ab" }}] [{{ printf "%15.15s" "abc" }}]',
            "[/a    ] [    ab] [            abc]",
        ),
        ('{{ printf "%d %05d %+d %x %o %b %c %U" 42 42 42 255 8 5 65 65 }}', "42 00042 +42 ff 10 101 A U+0041"),
        ('{{ printf "%f %.2f %8.3f %e %g" 1.5 2.345 3.14159 1500.0 0.5 }}', "1.500000 2.35    3.142 1.500000e+03 0.5"),
        ('{{ printf "%q %v %t %T %%" "a\\"b" .status true .status }}', '"a\\"b" 200 true string %'),
        (
            '{{ printf "%d" "x" }} {{ printf "%s" }} {{ printf "%s" "a" "b" }}',
            "%!d(string=x) %!s(MISSING) a%!(EXTRA string=b)",
        ),
        ('{{ printf "%*d" 5 42 }}|{{ printf "%v" (fromJson "[1,null]") }}', "   42|[1 <nil>]"),
        ('{{ print "a" 1 2 "b" }} {{ println "x" }}', "a1 2b x\n"),
        ('{{ html "<a>" }} {{ urlquery "a b" }}', "&lt;a&gt; a+b"),
    ],
)
def test_templates(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{ div 1 0 }}",
        "{{ mod 1 0 }}",
        '{{ bytes "x" }}',
        '{{ duration "x" }}',
        '{{ unixToTime "x" }}',
        '{{ unixToTime "123" }}',
        '{{ toDateInZone "2006-01-02" "UTC" "nope" }}',
        '{{ toDateInZone "2006-01-02" "Mars/Base" "2021-01-01" }}',
        '{{ eq "5" 5 }}',
        "{{ lt true false }}",
        "{{ upper 5 }}",
        "{{ index .status 9 }}",
        '{{ regexReplaceAll "(" .path "" }}',
        "{{ len 5 }}",
        '{{ slice "abc" 2 9 }}',
        "{{ $x := 5 }}{{ $x.y }}",
        "{{ range .status }}{{ end }}",
    ],
)
def test_failing_functions(source: str) -> None:
    with pytest.raises((TemplateError, ParseError)):
        render(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{",
        "{{ }}",
        "{{ .a",
        '{{ "x }}',
        "{{ nope }}",
        "{{ if }}x{{ end }}",
        "{{ if .a }}",
        "{{ end }}",
        "{{ else }}",
        "{{ .a .b }}",
        "{{ .a | .b }}",
        "{{ $x }}",
        "{{ $x = 5 }}",
        "{{ (.a }}",
        "{{ upper }}",
        "{{ upper .a .b }}",
        "{{ break }}",
        '{{ define "x" }}{{ end }}',
        '{{ template "x" }}',
        "{{ range .a }}{{ else range .b }}{{ end }}",
        "{{ .a | }}",
        "{{ & }}",
    ],
)
def test_templates_that_do_not_parse(source: str) -> None:
    with pytest.raises(ParseError, match="invalid line template"):
        compile_template(source)
