"""Text to tree: what the documentation writes, and Loki's words for what it refuses."""

import pytest

from pytake.embedded.loki.logql import LogQLError, ParseError, UnsupportedQuery, format_query, parse, selectors
from pytake.embedded.loki.logql import ast as a
from pytake.embedded.loki.logql.printer import WIDTH

JOB = (a.Matcher("job", a.MatchOp.EQ, "x"),)
EQ, NE, RE, NRE = a.MatchOp.EQ, a.MatchOp.NE, a.MatchOp.RE, a.MatchOp.NRE
MINUTE = 60_000_000_000


def stages(text: str) -> tuple[a.Stage, ...]:
    query = parse('{job="x"} ' + text)
    assert isinstance(query, a.LogQuery)
    return query.stages


@pytest.mark.parametrize(
    ("text", "matchers"),
    [
        ('{app="mysql"}', [("app", EQ, "mysql")]),
        ('{app="mysql",name="mysql-backup"}', [("app", EQ, "mysql"), ("name", EQ, "mysql-backup")]),
        ('{ app = "mysql" , name != "b" , }', [("app", EQ, "mysql"), ("name", NE, "b")]),
        ('{name =~ "mysql.+"}', [("name", RE, "mysql.+")]),
        ('{a="b", name !~ `mysql-\\d+`}', [("a", EQ, "b"), ("name", NRE, "mysql-\\d+")]),
        (r'{a="C:\\dir \"q\" \u00e9 \x41\n"}', [("a", EQ, 'C:\\dir "q" é A\n')]),
        (
            '{json="a", by="b", rate="c", offset="d"}',
            [("json", EQ, "a"), ("by", EQ, "b"), ("rate", EQ, "c"), ("offset", EQ, "d")],
        ),
        ('({app="mysql"})', [("app", EQ, "mysql")]),
        ('{app="mysql"} # all of it\n', [("app", EQ, "mysql")]),
        ('# first\n{app="mysql"}', [("app", EQ, "mysql")]),
        ('{app="a#b"}', [("app", EQ, "a#b")]),
    ],
)
def test_selectors(text: str, matchers: list[tuple[str, a.MatchOp, str]]) -> None:
    assert selectors(parse(text)) == (tuple(a.Matcher(*m) for m in matchers),)


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ('|= "error"', a.LineFilter(a.LineOp.CONTAINS, (a.LineMatch("error"),))),
        ('!= "error"', a.LineFilter(a.LineOp.NOT_CONTAINS, (a.LineMatch("error"),))),
        ("|~ `error=\\w+`", a.LineFilter(a.LineOp.MATCH, (a.LineMatch("error=\\w+"),))),
        ('!~ "a.*b"', a.LineFilter(a.LineOp.NOT_MATCH, (a.LineMatch("a.*b"),))),
        ('|> "<_> msg <_>"', a.LineFilter(a.LineOp.PATTERN, (a.LineMatch("<_> msg <_>"),))),
        ('!> "<_> msg"', a.LineFilter(a.LineOp.NOT_PATTERN, (a.LineMatch("<_> msg"),))),
        ('|= "a" or "b" or `c`', a.LineFilter(a.LineOp.CONTAINS, tuple(map(a.LineMatch, "abc")))),
        ('|= ip("192.168.4.5/16")', a.LineFilter(a.LineOp.CONTAINS, (a.LineMatch("192.168.4.5/16", ip=True),))),
        (
            '!= ip("1.2.3.4") or "x"',
            a.LineFilter(a.LineOp.NOT_CONTAINS, (a.LineMatch("1.2.3.4", ip=True), a.LineMatch("x"))),
        ),
        ("| json", a.Json()),
        ("| json servers", a.Json((a.Extraction("servers", "servers"),))),
        (
            '| json first="servers[0]", ua="request.headers[\\"User-Agent\\"]"',
            a.Json((a.Extraction("first", "servers[0]"), a.Extraction("ua", 'request.headers["User-Agent"]'))),
        ),
        ("| logfmt", a.Logfmt()),
        ("| logfmt --strict", a.Logfmt(strict=True)),
        ("| logfmt --keep-empty --strict host", a.Logfmt(True, True, (a.Extraction("host", "host"),))),
        (
            '| logfmt host, fwd_ip="fwd"',
            a.Logfmt(extractions=(a.Extraction("host", "host"), a.Extraction("fwd_ip", "fwd"))),
        ),
        ('| regexp "(?P<method>\\\\w+)"', a.Regexp("(?P<method>\\w+)")),
        ('| pattern "<ip> - <_>"', a.Pattern("<ip> - <_>")),
        ("| unpack", a.Unpack()),
        ("| decolorize", a.Decolorize()),
        ('| line_format "{{.a}}"', a.LineFormat("{{.a}}")),
        ("| label_format dst=src, b=`{{.c}}`", a.LabelFormat((a.Rename("dst", "src"), a.Assign("b", "{{.c}}")))),
        ('| drop name, other_name, some="v"', a.Drop(("name", "other_name", a.Matcher("some", EQ, "v")))),
        ('| keep level, app=~"some-api.*"', a.Keep(("level", a.Matcher("app", RE, "some-api.*")))),
        ('| level="error"', a.LabelFilter(a.Matcher("level", EQ, "error"))),
        ("| status >= 500", a.LabelFilter(a.NumberFilter("status", a.CompareOp.GE, 500.0))),
        ("| status = 200", a.LabelFilter(a.NumberFilter("status", a.CompareOp.EQ, 200.0))),
        ("| status == 0x10", a.LabelFilter(a.NumberFilter("status", a.CompareOp.EQ, 16.0))),
        ("| x > -1.5e3", a.LabelFilter(a.NumberFilter("x", a.CompareOp.GT, -1500.0))),
        ("| duration > 1m30s", a.LabelFilter(a.DurationFilter("duration", a.CompareOp.GT, 90_000_000_000))),
        ("| duration < 1.5h", a.LabelFilter(a.DurationFilter("duration", a.CompareOp.LT, 5_400_000_000_000))),
        ("| age != 2d", a.LabelFilter(a.DurationFilter("age", a.CompareOp.NE, 172_800_000_000_000))),
        ("| bytes_consumed > 20MB", a.LabelFilter(a.BytesFilter("bytes_consumed", a.CompareOp.GT, 20_000_000))),
        ("| size <= 1.5KiB", a.LabelFilter(a.BytesFilter("size", a.CompareOp.LE, 1536))),
        ('| pattern="x"', a.LabelFilter(a.Matcher("pattern", EQ, "x"))),
        ("| offset >= 5", a.LabelFilter(a.NumberFilter("offset", a.CompareOp.GE, 5.0))),
        ('| addr = ip("10.0.0.0/8")', a.LabelFilter(a.IPFilter("addr", EQ, "10.0.0.0/8"))),
        ('| addr != ip("::1-::8")', a.LabelFilter(a.IPFilter("addr", NE, "::1-::8"))),
    ],
)
def test_stages(text: str, stage: a.Stage) -> None:
    assert stages(text) == (stage,)


A, B, C = (a.Matcher(name, EQ, "1") for name in "abc")


@pytest.mark.parametrize(
    ("text", "predicate"),
    [
        ('a="1" and b="1"', a.And(A, B)),
        ('a="1", b="1"', a.And(A, B)),
        ('a="1" b="1"', a.And(A, B)),
        ('a="1" or b="1"', a.Or(A, B)),
        ('a="1" or b="1" and c="1"', a.Or(A, a.And(B, C))),
        ('a="1" and b="1" or c="1"', a.Or(a.And(A, B), C)),
        ('(a="1" or b="1") and c="1"', a.And(a.Or(A, B), C)),
        ('a="1" or b="1", c="1"', a.Or(A, a.And(B, C))),
        ('a="1" OR (b="1" AND c="1")', a.Or(A, a.And(B, C))),
    ],
)
def test_and_binds_tighter_than_or(text: str, predicate: a.Predicate) -> None:
    assert stages(f"| {text}") == (a.LabelFilter(predicate),)


def test_a_pipe_starts_a_filter_of_its_own() -> None:
    assert stages('| a="1" or b="1" | c="1"') == (a.LabelFilter(a.Or(A, B)), a.LabelFilter(C))


def agg(**changes: object) -> a.RangeAggregation:
    base: dict[str, object] = {"op": a.RangeOp.COUNT, "query": a.LogQuery(JOB), "range": 5 * MINUTE}
    return a.RangeAggregation(**{**base, **changes})  # type: ignore[arg-type]


JSON = a.LogQuery(JOB, (a.Json(),))


@pytest.mark.parametrize(
    ("text", "expr"),
    [
        ('count_over_time({job="x"}[5m])', agg()),
        ('count_over_time(({job="x"})[5m])', agg()),
        ('count_over_time(({job="x"}[5m]))', agg()),
        ('count_over_time({job="x"} [ 5m ] )', agg()),
        ('count_over_time({job="x"} | json [5m])', agg(query=JSON)),
        ('count_over_time({job="x"}[5m] | json)', agg(query=JSON)),
        ('count_over_time(({job="x"} | json)[5m])', agg(query=JSON)),
        ('rate({job="x"}[5m] offset 1h30m)', agg(op=a.RangeOp.RATE, offset=90 * MINUTE)),
        ('rate({job="x"}[5m] offset -5m)', agg(op=a.RangeOp.RATE, offset=-5 * MINUTE)),
        ('rate({job="x"}[5m] offset 5m | json)', agg(op=a.RangeOp.RATE, query=JSON, offset=5 * MINUTE)),
        ('sum_over_time({job="x"} | json | unwrap d [5m])', agg(op=a.RangeOp.SUM, query=JSON, unwrap=a.Unwrap("d"))),
        (
            'sum_over_time({job="x"} | unwrap duration(d) | __error__="" [5m])',
            agg(
                op=a.RangeOp.SUM,
                unwrap=a.Unwrap("d", a.Conversion.DURATION, (a.LabelFilter(a.Matcher("__error__", EQ, "")),)),
            ),
        ),
        (
            'sum_over_time({job="x"}[5m] | unwrap bytes(d))',
            agg(op=a.RangeOp.SUM, unwrap=a.Unwrap("d", a.Conversion.BYTES)),
        ),
        (
            'quantile_over_time(0.99, {job="x"} | unwrap d [5m]) by (path)',
            agg(op=a.RangeOp.QUANTILE, unwrap=a.Unwrap("d"), param=0.99, grouping=a.Grouping(("path",))),
        ),
        (
            'max_over_time({job="x"} | unwrap d [5m]) without (path, host)',
            agg(op=a.RangeOp.MAX, unwrap=a.Unwrap("d"), grouping=a.Grouping(("path", "host"), without=True)),
        ),
        ('sum(count_over_time({job="x"}[5m]))', a.VectorAggregation(a.VectorOp.SUM, agg())),
        (
            'sum by (a, b) (count_over_time({job="x"}[5m]))',
            a.VectorAggregation(a.VectorOp.SUM, agg(), a.Grouping(("a", "b"))),
        ),
        ('sum(count_over_time({job="x"}[5m])) by (a)', a.VectorAggregation(a.VectorOp.SUM, agg(), a.Grouping(("a",)))),
        (
            'sum without () (count_over_time({job="x"}[5m]))',
            a.VectorAggregation(a.VectorOp.SUM, agg(), a.Grouping((), without=True)),
        ),
        (
            'topk(10, count_over_time({job="x"}[5m])) by (a)',
            a.VectorAggregation(a.VectorOp.TOPK, agg(), a.Grouping(("a",)), 10),
        ),
        (
            'topk by (a) (10, count_over_time({job="x"}[5m]))',
            a.VectorAggregation(a.VectorOp.TOPK, agg(), a.Grouping(("a",)), 10),
        ),
        ('approx_topk(5, count_over_time({job="x"}[5m]))', a.VectorAggregation(a.VectorOp.APPROX_TOPK, agg(), None, 5)),
        ('sort_desc(count_over_time({job="x"}[5m]))', a.VectorAggregation(a.VectorOp.SORT_DESC, agg())),
        ("vector(1)", a.Vector(1.0)),
        ("vector(-0.5)", a.Vector(-0.5)),
        ("1", a.Literal(1.0)),
        ("(-2.5)", a.Literal(-2.5)),
        (
            'label_replace(vector(1), "dst", "$1", "src", "(.*)")',
            a.LabelReplace(a.Vector(1.0), "dst", "$1", "src", "(.*)"),
        ),
    ],
)
def test_metrics(text: str, expr: a.Expr) -> None:
    assert parse(text) == expr


def bin_(op: str, left: a.MetricExpr, right: a.MetricExpr, **more: object) -> a.BinaryOperation:
    return a.BinaryOperation(a.BinaryOp(op), left, right, **more)  # type: ignore[arg-type]


ONE, TWO, THREE = (a.Literal(float(n)) for n in (1, 2, 3))
V = a.Vector(1.0)


@pytest.mark.parametrize(
    ("text", "expr"),
    [
        ("1 + 2 * 3", bin_("+", ONE, bin_("*", TWO, THREE))),
        ("(1 + 2) * 3", bin_("*", bin_("+", ONE, TWO), THREE)),
        ("1 - 2 - 3", bin_("-", bin_("-", ONE, TWO), THREE)),
        ("1 ^ 2 ^ 3", bin_("^", ONE, bin_("^", TWO, THREE))),
        ("1 / 2 % 3", bin_("%", bin_("/", ONE, TWO), THREE)),
        ("1 > 2 + 3", bin_(">", ONE, bin_("+", TWO, THREE))),
        ("vector(1) or vector(1) and vector(1)", bin_("or", V, bin_("and", V, V))),
        ("vector(1) unless vector(1) or vector(1)", bin_("or", bin_("unless", V, V), V)),
        ("vector(1) and vector(1) > 2", bin_("and", V, bin_(">", V, TWO))),
        ("vector(1) == bool 2", bin_("==", V, TWO, return_bool=True)),
        ("vector(1) * on (a, b) vector(1)", bin_("*", V, V, matching=a.Matching(("a", "b"), on=True))),
        ("vector(1) - ignoring(a) vector(1)", bin_("-", V, V, matching=a.Matching(("a",)))),
        (
            "vector(1) / on(a) group_left(b) vector(1)",
            bin_("/", V, V, matching=a.Matching(("a",), True, a.Cardinality.GROUP_LEFT, ("b",))),
        ),
        (
            "vector(1) / on(a) group_right vector(1)",
            bin_("/", V, V, matching=a.Matching(("a",), True, a.Cardinality.GROUP_RIGHT)),
        ),
        (
            "vector(1) > bool ignoring(a) group_left() vector(1)",
            bin_(">", V, V, return_bool=True, matching=a.Matching(("a",), False, a.Cardinality.GROUP_LEFT)),
        ),
    ],
)
def test_operators(text: str, expr: a.Expr) -> None:
    assert parse(text) == expr


NO_MATCHER = (
    "parse error : queries require at least one regexp or equality matcher that does not have an empty-compatible value. "  # noqa: E501 - one query, one line
    'For instance, app=~".*" does not meet this requirement, but app=~".+" will'
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "parse error at line 1, col 1: syntax error: unexpected $end"),
        ('{app="foo"', "parse error at line 1, col 11: syntax error: unexpected $end, expecting } or ,"),
        (
            '{a b="c"}',
            "parse error at line 1, col 4: syntax error: unexpected IDENTIFIER, expecting = or =~ or !~ or !=",
        ),
        ('{a="b" c="d"}', "parse error at line 1, col 8: syntax error: unexpected IDENTIFIER, expecting } or ,"),
        (
            '{app="foo"} |= test',
            "parse error at line 1, col 16: syntax error: unexpected IDENTIFIER, expecting STRING or ip",
        ),
        ('rate({app="foo"}[5minutes])', 'parse error at line 1, col 17: not a valid duration string: "5minutes"'),
        ('rate({app="foo"}[0s])', "parse error at line 1, col 17: duration must be greater than 0, got 0s"),
        ('{foo!="bar"}', NO_MATCHER),
        ('{app=~".*"}', NO_MATCHER),
        ('{foo!~"bar|baz"}', NO_MATCHER),
        ("{}", NO_MATCHER),
        ('{a=""}', NO_MATCHER),
        ('sum_over_time({a="b"} | json [5m])', "parse error : invalid aggregation sum_over_time without unwrap"),
        ('count_over_time({a="b"} | unwrap d [5m])', "parse error : invalid aggregation count_over_time with unwrap"),
        ('rate_counter({a="b"}[5m])', "parse error : invalid aggregation rate_counter without unwrap"),
        ('rate({a="b"}[5m]) by (a)', "parse error : grouping not allowed for rate aggregation"),
        (
            'sum_over_time({a="b"} | unwrap d [5m]) by (a)',
            "parse error : grouping not allowed for sum_over_time aggregation",
        ),
        (
            'quantile_over_time({a="b"} | unwrap d [5m])',
            "parse error : parameter required for operation quantile_over_time",
        ),
        ('rate(1, {a="b"}[5m])', "parse error : parameter 1 not supported for operation rate"),
        ('topk(rate({a="b"}[5m]))', "parse error : parameter required for operation topk"),
        ('topk(0, rate({a="b"}[5m]))', "parse error : invalid parameter (must be greater than 0) topk(0"),
        ('sum(2, rate({a="b"}[5m]))', "parse error : unsupported parameter for operation sum(2,"),
        ('sort(rate({a="b"}[5m])) by (a)', "parse error : sort and sort_desc doesn't allow grouping by"),
        ("{a='b'}", "parse error at line 1, col 4: invalid char literal"),
        ('{a="b"} |= "x', "parse error at line 1, col 12: literal not terminated"),
        ('{a="b"}\n|= 5', "parse error at line 2, col 4: syntax error: unexpected NUMBER, expecting STRING or ip"),
        ('{a="b"} | json | unwrap x', "parse error at line 1, col 25: syntax error: unexpected unwrap"),
        ('{a="b"} | regexp "x"', "parse error : at least one named capture must be supplied"),
        ('{a="b"} | regexp "(?P<x>a)("', "parse error : error parsing regexp: missing closing ): `(?P<x>a)(`"),
        (
            '{a="b"} | pattern "<a><b>"',
            "parse error : invalid pattern: consecutive capture not allowed: found consecutive capture '<a>' with '<b>'",  # noqa: E501 - one query, one line
        ),
        ('{a="b"} | pattern "<_> x"', "parse error : invalid pattern: at least one capture is required"),
        ('{a="b"} | pattern "<a> <a>"', "parse error : invalid pattern: duplicate capture name (a)"),
        ('{a="b"} |> "<name> x"', "parse error : invalid pattern filter: named captures are not allowed, use <_>"),
        (
            '{a="b"} | label_format x=y, x=`z`',
            "parse error : multiple label name 'x' not allowed in a single format operation",
        ),
        (
            '{a="b"} | line_format "{{.a | nope}}"',
            'parse error : invalid line template: template: line:1: function "nope" not defined',
        ),
        (
            '{a="b"} | line_format "{{ if .a }}"',
            "parse error : invalid line template: template: line:1: unexpected EOF",
        ),
        ('{a="b"} |= ip("10.0.0.x")', 'parse error : ip: invalid pattern "10.0.0.x"'),
        ('{a="b"} |~ ip("10.0.0.1")', "parse error : ip: invalid operation '|~', only '|=' and '!=' are allowed"),
        ('{a="b"} | addr =~ ip("10.0.0.1")', "parse error : ip: invalid operation '=~', only '=' and '!=' are allowed"),
        ('{a="b"} | json x="a..b"', "parse error : cannot parse expression [a..b]: syntax error: unexpected '.'"),
        ('{a="b"} | logfmt --loose', "parse error : unknown parser flag: --loose"),
        (
            "vector(1) and 1",
            "parse error : unexpected literal for right leg of logical/set binary operation (and): 1.000000",
        ),
        ("vector(1) + bool 1", "parse error : bool modifier can only be used on comparison operators, not +"),
        ("vector(1) and on(a) group_left(b) vector(1)", "parse error : no grouping allowed for set operations"),
        (
            "vector(1) + on(a) group_left(a) vector(1)",
            'parse error : label "a" must not occur in ON and GROUP clause at once',
        ),
        ("variants(vector(1)) of (x)", "parse error at line 1, col 1: multi variant queries are no longer supported"),
        ('label_replace(vector(1), "a b", "", "", "")', "parse error : invalid label name in label_replace: a b"),
        ('label_replace(vector(1), "a", "", "", "(")', "parse error : invalid regex in label_replace: ("),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(ParseError) as problem:
        parse(text)
    assert (str(problem.value), problem.value.status) == (message, 400)


@pytest.mark.parametrize(
    ("text", "construct", "place"),
    [
        ('{a="b"} | distinct x', "distinct", "line 1, col 20"),
        ('rate({a="b"}[5m] @ 5)', "@", "line 1, col 18"),
        ('count_values("v", rate({a="b"}[5m]))', "count_values", "line 1, col 1"),
        ('sum(\n increase({a="b"}[5m]))', "increase", "line 2, col 2"),
        ('absent(rate({a="b"}[5m]))', "absent", "line 1, col 1"),
    ],
)
def test_constructs_of_other_languages_are_refused_by_name(text: str, construct: str, place: str) -> None:
    with pytest.raises(UnsupportedQuery) as problem:
        parse(text)
    assert problem.value.construct == construct
    assert str(problem.value).startswith(f"parse error at {place}: syntax error: unexpected ")
    assert f"'{construct}' is not supported; " in str(problem.value)


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(LogQLError, match="input size too long"):
        parse('{a="' + "b" * 200_000 + '"}')


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("{ app=`x`,b!='' }".replace("''", '""'), '{app="x", b!=""}'),
        ('{a="b"}|="x"|json|s>=500,d<1m', '{a="b"} |= "x" | json | s>=500 and d<1m'),
        ('sum(rate({a="b"}[1m30s]))by(x)', 'sum by (x) (rate({a="b"} [1m30s]))'),
        ("1+2*3", "(1 + (2 * 3))"),
        ('{a="b"} | size > 1KiB', '{a="b"} | size>1024B'),
        ('{a="b"} | a="1" and (b="1" or c="1")', '{a="b"} | a="1" and (b="1" or c="1")'),
    ],
)
def test_printing(text: str, printed: str) -> None:
    assert format_query(parse(text)) == printed


def test_long_queries_break_into_lines_that_parse_back() -> None:
    text = (
        'topk(5, sum by (path, method, status, service) (rate({job="api", env=~"prod|stage"} |= "error" != "timeout" | json '  # noqa: E501 - one query, one line
        '| status >= 500 | path!="" [5m] offset 1h))) / ignoring (status) group_left (team) label_replace(sum(rate({job="api"}[5m])), '  # noqa: E501 - one query, one line
        '"team", "$1", "service", "(.*)-service")'
    )
    printed = format_query(parse(text))
    assert parse(printed) == parse(text)
    assert max(map(len, printed.splitlines())) <= WIDTH + 2
    assert selectors(parse(text)) == (
        (a.Matcher("job", EQ, "api"), a.Matcher("env", RE, "prod|stage")),
        (a.Matcher("job", EQ, "api"),),
    )
