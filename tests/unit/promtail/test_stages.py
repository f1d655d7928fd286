"""Every pipeline stage by the examples of Promtail's documentation pages (written anew)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from pytake.embedded.common.config import ConfigError
from pytake.embedded.promtail.entry import Entry
from pytake.embedded.promtail.stages import Context
from pytake.embedded.promtail.stages.base import Options
from pytake.embedded.promtail.stages.edit import Replace, ReplaceMany


def labels_of(entry):
    return {k: v for k, v in entry.labels.items() if k != "job"}


# ------------------------------------------------------------------------------------------------------------ json
def test_json_takes_keys_and_paths(pipe):
    entry = pipe("[json: {expressions: {output: log, stream: , user: 'a.user', first: 'list[0].x', nested: a}}]").one(
        '{"log":"hi","stream":"err","a":{"user":"m"},"list":[{"x":1}]}'
    )
    assert {k: entry.extracted.get(k) for k in ("output", "stream", "user", "first", "nested")} == {
        "output": "hi", "stream": "err", "user": "m", "first": 1, "nested": '{"user":"m"}',
    }  # fmt: skip


def test_json_from_another_value(pipe):
    entry = pipe(
        "[json: {expressions: {extra: }}, json: {source: extra, expressions: {user: }}]".replace(", json:", "}, {json:")
        .replace("[json", "[{json")
        .replace("}}]", "}}}]")
    ).one('{"extra": "{\\"user\\":\\"m\\"}"}')
    assert entry.extracted["user"] == "m"


@pytest.mark.parametrize("line", ["not json", "[1,2]", '"text"', '{"a":', ""])
def test_a_malformed_line_goes_on_unless_told_otherwise(pipe, line):
    assert pipe("[json: {expressions: {a: }}]")(line)
    assert not pipe("[json: {expressions: {a: }, drop_malformed: true}]")(line)


# ---------------------------------------------------------------------------------------------------- logfmt, regex
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('level=warn msg="a b" n=3', {"level": "warn", "msg": "a b", "n": "3"}),
        (r'msg="say \"hi\"\n" level=', {"msg": 'say "hi"\n', "level": ""}),
        ("level=info level=warn", {"level": "info"}),
        ("flag level=x", {"level": "x"}),
        ("", {}),
    ],
)
def test_logfmt(pipe, line, expected):
    entry = pipe("[logfmt: {mapping: {level: , msg: , n: }}]").one(line)
    assert {k: v for k, v in entry.extracted.items() if k != "job"} == expected


def test_regex_extracts_named_groups(pipe):
    entry = pipe(r"[{regex: {expression: '^(?s)(?P<time>\S+?) (?P<stream>stdout|stderr) (?P<content>.*)$'}}]").one(
        "2019-01-01T01:00:00Z stderr i'm a log"
    )
    assert (entry.extracted["stream"], entry.extracted["content"]) == ("stderr", "i'm a log")


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("[{regex: {expression: '('}}]", "invalid regular expression"),
        ("[{regex: {expression: 'abc'}}]", "at least one named group"),
        ("[{regex: {}}]", "expression: required"),
        ("[{json: {expressions: {a: '['}}}]", "JMESPath"),
        ("[{json: {expressions: {a: b}, sauce: x}}]", "field not found: sauce"),
        ("[{geoip: {db: x}}]", "geoip"),
        ("[{frobnicate: {}}]", "unknown stage type: frobnicate"),
        ("[{labels: {'a-b': }}]", "invalid label name: a-b"),
        ("[{match: {selector: '{', stages: [{labels: {a: }}]}}]", "invalid selector"),
        ("[{match: {selector: '{a=\"b\"}', action: drop, stages: [{labels: {a: }}]}}]", "takes no stages"),
        ("[{drop: {}}]", "at least one of"),
        ("[{tenant: {label: a, value: b}}]", "exactly one of"),
        ("[{template: {source: a, template: '{{ nope .a }}'}}]", "nope"),
        ("[{timestamp: {source: a, format: RFC3339, location: Mars/Phobos}}]", "time zone"),
        ("[{sampling: {rate: 2}}]", "share from 0 to 1"),
        ("[{metrics: {x: {type: Summary}}}]", "Counter, Gauge or Histogram"),
        ("[{json: {expressions: {a: }}, labels: {a: }}]", "exactly one key"),
    ],
)
def test_a_wrong_stage_is_refused_with_its_place(pipe, stage, words):
    with pytest.raises(ConfigError, match=words) as error:
        pipe(stage)
    assert str(error.value).startswith("stages[0]")


# ---------------------------------------------------------------------------------------- replace, template, output
@pytest.mark.parametrize(
    ("stage", "line", "expected"),
    [
        (r"{expression: 'password (\S+)', replace: '****'}", "login password 123 ok", "login password **** ok"),
        (r"{expression: 'password', replace: ''}", "a password b", "a  b"),
        (r"{expression: '(\d+)-(\d+)', replace: 'x'}", "1-2 3-4", "x-x x-x"),
        (r"{expression: '(\w+)', replace: '{{ .Value | ToUpper }}'}", "ab cd", "AB CD"),
        (r"{expression: 'none', replace: 'x'}", "same", "same"),
    ],
)
def test_replace(pipe, stage, line, expected):
    assert pipe(f"[{{replace: {stage}}}]").one(line).line == expected


def test_template_makes_and_removes_values(pipe):
    text = """
    - json: {expressions: {app: , level: }}
    - template: {source: app, template: '{{ .Value }} doki'}
    - template: {source: new, template: '{{ .level | ToUpper }}: {{ .Entry }}'}
    - template: {source: level, template: '{{ "" }}'}
    """
    entry = pipe(text).one('{"app":"loki","level":"warn"}')
    assert entry.extracted["app"] == "loki doki"
    assert entry.extracted["new"] == 'WARN: {"app":"loki","level":"warn"}'
    assert "level" not in entry.extracted


def test_output_and_decolorize(pipe):
    entry = pipe("[{json: {expressions: {m: }}}, {output: {source: m}}, {decolorize: {}}]").one(
        '{"m":"\\u001b[31mred\\u001b[0m text"}'
    )
    assert entry.line == "red text"


# ----------------------------------------------------------------------------------------------------------- labels
def test_labels_metadata_static_and_their_removal(pipe):
    text = """
    - json: {expressions: {level: , trace: , n: , absent: }}
    - labels: {level: , number: n, absent: }
    - structured_metadata: {trace_id: trace, absent: }
    - static_labels: {team: core}
    """
    entry = pipe(text).one('{"level":"info","trace":"abc","n":5}')
    assert labels_of(entry) == {"level": "info", "number": "5", "team": "core"}
    assert entry.metadata == [("trace_id", "abc")]
    assert labels_of(pipe("[{labeldrop: [a, c]}]").one("x", labels={"job": "t", "a": "1", "b": "2"})) == {"b": "2"}
    assert pipe("[{labelallow: [b]}]").one("x", labels={"job": "t", "b": "2"}).labels == {"b": "2"}


def test_an_entry_never_changes_the_labels_of_its_source(pipe):
    shared = {"job": "t"}
    pipe("[{static_labels: {a: b}}]").one("x", labels=shared)
    assert shared == {"job": "t"}


def test_tenant_and_pack(pipe):
    assert pipe("[{tenant: {label: ns}}]").one("x", labels={"ns": "a"}).tenant == "a"
    assert pipe("[{json: {expressions: {c: }}}, {tenant: {source: c}}]").one('{"c":"b"}').tenant == "b"
    entry = pipe("[{pack: {labels: [container], ingest_timestamp: false}}]").one(
        "hi", labels={"job": "t", "container": "x"}
    )
    assert json.loads(entry.line) == {"container": "x", "_entry": "hi"}
    assert labels_of(entry) == {}


# ------------------------------------------------------------------------------------------------------------- flow
def test_match_sends_only_some_through_its_stages_and_keeps_the_order(pipe):
    text = """
    - match:
        selector: '{app="loki"} |= "panic"'
        stages: [{static_labels: {alarm: "yes"}}]
    """
    under_test = pipe(text)
    entries = under_test("panic now", "fine", labels={"app": "loki"})
    assert [(e.line, e.labels.get("alarm")) for e in entries] == [("panic now", "yes"), ("fine", None)]
    assert under_test.one("panic", labels={"app": "other"}).labels.get("alarm") is None


def test_match_drops(pipe):
    under_test = pipe('[{match: {selector: \'{app=~"l.*"} !~ "keep"\', action: drop}}]')
    assert [e.line for e in under_test("keep me", "other", labels={"app": "loki"})] == ["keep me"]


@pytest.mark.parametrize(
    ("stage", "line", "dropped"),
    [
        ("{expression: '.*debug.*'}", "a debug line", True),
        ("{expression: 'debug'}", "fine", False),
        ("{source: level, value: debug}", '{"level":"debug"}', True),
        ("{source: level, value: debug}", '{"level":"info"}', False),
        ("{source: level}", '{"level":"x"}', True),
        ("{source: [level, msg], separator: '#', expression: 'error#.*loud'}", '{"level":"error","msg":"loud"}', True),
        ("{longer_than: 8}", "123456789", True),
        ("{longer_than: 8kb}", "123456789", False),
        ("{older_than: 24h}", "old", False),
        ("{longer_than: 3, expression: keep}", "dropped not", False),
    ],
)  # fmt: skip
def test_drop_needs_every_condition(pipe, stage, line, dropped):
    under_test = pipe(f"[{{json: {{expressions: {{level: , msg: }}}}}}, {{drop: {stage}}}]")
    assert (under_test(line) == []) is dropped


def test_drop_older_than(pipe, clock):
    under_test = pipe(
        "[{json: {expressions: {t: }}}, {timestamp: {source: t, format: Unix}}, {drop: {older_than: 1h}}]"
    )
    assert [e.line for e in under_test(f'{{"t":{int(clock()) - 7200}}}', f'{{"t":{int(clock()) - 60}}}')] == [
        f'{{"t":{int(clock()) - 60}}}'
    ]


def test_limit_drops_or_waits(pipe, clock):
    dropping = pipe("[{limit: {rate: 2, burst: 2, drop: true}}]")
    assert len(dropping(*"abcd")) == 2
    clock.now += 1
    assert len(dropping(*"abcd")) == 2
    waiting = pipe("[{limit: {rate: 2, burst: 2}}]")
    assert [e.line for e in waiting(*"abcd")] == ["a", "b"]
    clock.now += 1
    assert [e.line for e in waiting.flush()] == ["c", "d"]


def test_limit_by_label(pipe):
    under_test = pipe("[{limit: {rate: 1, burst: 1, drop: true, by_label_name: ns}}]")
    assert len(under_test("a", "b", labels={"ns": "x"})) == 1
    assert len(under_test("a", labels={"ns": "y"})) == 1
    assert len(under_test("a", "b", labels={"other": "z"})) == 2


def test_sampling_keeps_a_share(pipe):
    assert pipe("[{sampling: {rate: 0}}]")(*"abc") == []
    assert len(pipe("[{sampling: {rate: 1}}]")(*"abc")) == 3
    assert 300 < len(pipe("[{sampling: {rate: 0.5}}]")(*("x" * 1000))) < 700


# -------------------------------------------------------------------------------------------------------- multiline
def test_multiline_joins_until_the_next_first_line(pipe, clock):
    under_test = pipe(r"[{multiline: {firstline: '^\d', max_wait_time: 3s, max_lines: 4}}]")
    assert [e.line for e in under_test("1 error", "  at a", "  at b", "2 next")] == ["1 error\n  at a\n  at b"]
    assert under_test.flush() == []
    clock.now += 3
    assert [e.line for e in under_test.flush()] == ["2 next"]


def test_multiline_ends_at_max_lines_and_keeps_streams_apart(pipe):
    under_test = pipe(r"[{multiline: {firstline: '^S', max_lines: 2}}]")
    assert [e.line for e in under_test("S", "a", "b")] == ["S\na"]
    assert under_test("S2", labels={"job": "other"}) == []
    assert {e.line for e in under_test.flush(force=True)} == {"b", "S2"}


def test_cri_joins_partial_lines(pipe):
    stamp = "2019-01-01T01:00:00.000000001Z"
    entries = pipe("[{cri: {}}]")(
        f"{stamp} stdout P par", f"{stamp} stdout F tial", f"{stamp} stderr F whole", "no cri"
    )
    assert [(e.line, e.labels.get("stream")) for e in entries] == [
        ("partial", "stdout"),
        ("whole", "stderr"),
        ("no cri", None),
    ]
    assert entries[0].ts == 1546304400000000001


def test_docker(pipe):
    entry = pipe("[{docker: {}}]").one(
        '{"log":"log message\\n","stream":"stderr","time":"2019-04-30T02:12:41.8443515Z"}'
    )
    assert (entry.line, entry.labels["stream"], entry.ts) == ("log message", "stderr", 1556590361844351500)
    assert pipe("[{docker: {}}]").one("plain").line == "plain"


# ---------------------------------------------------------------------------------------------------------- metrics
def test_metrics_count_set_and_observe(pipe):
    text = """
    - json: {expressions: {n: , level: }}
    - metrics:
        lines_total: {type: Counter, description: all, config: {match_all: true, action: inc}}
        bytes_total: {type: Counter, config: {match_all: true, count_entry_bytes: true, action: add}}
        errors_total: {type: Counter, source: level, config: {value: error, action: inc}}
        depth: {type: Gauge, source: n, config: {action: set}}
        sizes: {type: Histogram, source: n, config: {buckets: [1, 10]}}
    """
    under_test = pipe(text)
    under_test('{"n":5,"level":"error"}', '{"n":20,"level":"info"}')
    page = generate_latest(under_test.registry).decode()
    for line in (
        'promtail_custom_lines_total{job="t"} 2.0',
        'promtail_custom_bytes_total{job="t"} 46.0',
        'promtail_custom_errors_total{job="t"} 1.0',
        'promtail_custom_depth{job="t"} 20.0',
        'promtail_custom_sizes_bucket{job="t",le="10.0"} 1.0',
    ):
        assert line in page, page


def test_metrics_with_different_labels_share_a_name(pipe):
    under_test = pipe("[{metrics: {n_total: {type: Counter, config: {match_all: true, action: inc}}}}]")
    under_test("a", labels={"x": "1"})
    under_test("b", labels={"y": "2"})
    page = generate_latest(under_test.registry).decode()
    assert 'promtail_custom_n_total{x="1"} 1.0' in page
    assert 'promtail_custom_n_total{y="2"} 1.0' in page


# ------------------------------------------------------------------------------------------- replace stages at once
PATTERNS = st.sampled_from(
    [r"(\d+)", r"^a", r"b$", r"(?i)TOKEN=(\S+)", r"(?:^|\W)(\+?\d{3})(?:$|\W)", r"[^x]b", r"(?s)a.b", r"é", r'"(\w*)"']
)
LINES = st.lists(st.text('ab1 2x"é\n+=tokenTOKEN', max_size=12), max_size=8)


@given(st.lists(PATTERNS, min_size=1, max_size=4), LINES)
def test_replace_stages_together_do_what_they_do_one_by_one(patterns, lines):
    def stage(pattern):
        return Replace(Options("replace", "", {"expression": pattern, "replace": "<>"}), Context("t", lambda: 0.0))

    def entries():
        return [Entry({}, 0, line) for line in lines]

    alone = entries()
    for pattern in patterns:
        alone = stage(pattern).run(alone)
    together = ReplaceMany([stage(pattern) for pattern in patterns]).run(entries())
    assert [e.line for e in together] == [e.line for e in alone]
