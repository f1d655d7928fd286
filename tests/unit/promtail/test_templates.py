"""Functions of the template stage: the page's examples, then sprig's by sprig's own pages."""

import hashlib

import pytest

from pytake.embedded.promtail.gotemplate import Template, TemplateError
from pytake.embedded.promtail.sprig import REFUSED

VALUES = {"app": "Loki", "n": "5", "phone": "5511999999999", "list": "a,b,c"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ ToLower .app }} {{ .app | ToUpper }}", "loki LOKI"),
        ('{{ Replace .app "o" "0" 1 }}', "L0ki"),
        ('{{ Trim ",. x ., " ",. " }}|{{ TrimSpace " y " }}|{{ TrimPrefix "--z" "--" }}', "x|y|z"),
        ('{{ regexReplaceAll "(o)k" .app "${1}K" }}', "LoKi"),
        ('{{ regexReplaceAllLiteral "(ts=)" "ts=1" "timestamp=" }}', "timestamp=1"),
        ('{{ Hash .phone "salt" }}', hashlib.sha3_256(b"5511999999999salt").hexdigest()),
        ('{{ Sha2Hash .phone "salt" }}', hashlib.sha256(b"5511999999999salt").hexdigest()),
        ('{{ .phone | Sha2Hash "salt" }}', hashlib.sha256(b"salt5511999999999").hexdigest()),
        ('{{ add (.n | substr 0 1) 2 }} {{ if and (le .n "7") (eq .app "Loki") }}yes{{ end }}', "7 yes"),
        # sprig
        (
            '{{ "HTTPServer two" | snakecase }} {{ "foo_bar" | camelcase }} {{ "Foo Bar" | kebabcase }}',
            "http_server_two FooBar foo-bar",
        ),
        (
            '{{ abbrev 8 "hello world" }} {{ initials "First Try" }} {{ nospace "a b" }} {{ swapcase "aB" }}',
            "hello... FT ab Ab",
        ),
        ('{{ quote "a" 1 }} {{ squote "b" }} {{ cat "x" 2 }} {{ plural "one" "many" 2 }}', "\"a\" \"1\" 'b' x 2 many"),
        ('{{ ternary "y" "n" true }} {{ coalesce "" 0 "z" }} {{ empty "" }} {{ default "d" .none }}', "y z true d"),
        ('{{ .list | splitList "," | join "-" }} {{ first (list 1 2 3) }} {{ last (list 1 2 3) }}', "a-b-c 1 3"),
        (
            '{{ (split "," .list)._1 }} {{ has 2 (list 1 2) }} {{ uniq (list 1 1 2) }} {{ without (list 1 2) 1 }}',
            "b true [1 2] [2]",
        ),
        (
            '{{ $d := dict "a" 1 }}{{ get $d "a" }} {{ hasKey $d "b" }} {{ toJson (set $d "b" "x") }}',
            '1 false {"a":1,"b":"x"}',
        ),
        ('{{ regexMatch "^L" .app }} {{ regexFind "o." .app }} {{ regexFindAll "[a-z]" .app -1 }}', "true ok [o k i]"),
        ('{{ regexSplit "," .list 2 }} {{ mustRegexFind "k." .app }}', "[a b,c] ki"),
        (
            '{{ sha1sum "x" }} {{ adler32sum "x" }} {{ "x" | b32enc | b32dec }}',
            f"{hashlib.sha1(b'x').hexdigest()} 7929977 x",
        ),
        (
            '{{ add1 1 }} {{ biggest 1 3 2 }} {{ atoi "7" }} {{ until 3 }} {{ untilStep 0 5 2 }}',
            "2 3 7 [0 1 2] [0 2 4]",
        ),
        ('{{ base "/a/b.log" }} {{ dir "/a/b.log" }} {{ ext "b.log" }} {{ clean "/a/../b" }}', "b.log /a .log /b"),
        (
            '{{ dateInZone "15:04" 0 "UTC" }} {{ duration 95 }} {{ kindOf .app }} {{ kindIs "map" (dict) }}',
            "00:00 1m35s string true",
        ),
        ('{{ date_modify "-1h" (toDateInZone "2006-01-02 15:04" "UTC" "2026-11-24 10:00") | date "15:04" }}', "09:00"),
        ('{{ fail "no" }}', ""),
    ],
)  # fmt: skip
def test_functions(source, expected):
    assert Template(source).render(VALUES) == expected


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_by_name(name):
    with pytest.raises(TemplateError, match=f'"{name}" not defined: sprig has it'):
        Template(f"{{{{ {name} }}}}")


def test_an_unknown_function_is_not_called_sprigs():
    with pytest.raises(TemplateError, match=r'function "nope" not defined$'):
        Template("{{ nope }}")
