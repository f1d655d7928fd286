"""Every pipeline stage through the program: one Promtail with one file and one scrape configuration a case.

A case: stages as an operator writes them, lines, and what Loki is sent: labels (a part of them), line, and where it
matters time, metadata and tenant. Written from the pages of the stages.
"""

# ruff: noqa: E501 - a case is a row of a table, and pipelines are long

import re
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import yaml

from tests.conformance.promtail.conftest import NotingLoki, Promtail
from tests.conformance.promtail.test_program import run
from tests.support.waiting import wait_until


@dataclass
class Sent:
    """An expected entry; what is empty is not compared."""

    line: str
    labels: dict[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    ts: int = 0
    tenant: str = ""


JSON = '{"level":"warn","msg":"hi","user":{"id":7},"t":"2026-11-24T10:00:00.5Z","n":"3"}'
AT = 1795514400500000000
TAKE = "{json: {expressions: {level: , msg: , id: user.id, t: , n: }}}"
CASES: dict[str, tuple[str, list[str], list[Sent]]] = {
    "docker": (
        "[docker: {}]",
        ['{"log":"hello\\n","stream":"stderr","time":"2026-11-24T10:00:00.5Z"}'],
        [Sent("hello", {"stream": "stderr"}, ts=AT)],
    ),
    "cri": (
        "[cri: {}]",
        [
            "2026-11-24T10:00:00.5Z stdout P part one, ",
            "2026-11-24T10:00:00.5Z stdout F part two",
            "2026-11-24T10:00:00.5Z stderr F x",
        ],
        [Sent("part one, part two", {"stream": "stdout"}), Sent("x", {"stream": "stderr"}, ts=AT)],
    ),
    "json labels": (f"[{TAKE}, labels: {{level: , user_id: id}}]", [JSON], [Sent(JSON, {"level": "warn", "user_id": "7"})]),
    "json from a source": (
        "[{json: {expressions: {inner: }}}, {json: {source: inner, expressions: {a: }}}, {labels: {a: }}]",
        ['{"inner":"{\\"a\\":\\"b\\"}"}'],
        [Sent('{"inner":"{\\"a\\":\\"b\\"}"}', {"a": "b"})],
    ),
    "logfmt": ("[logfmt: {mapping: {level: , who: user}}, labels: {level: , who: }]", ['level=info user="a b"'],
               [Sent('level=info user="a b"', {"level": "info", "who": "a b"})]),
    "regex": ("[regex: {expression: '^(?P<ip>\\S+) (?P<verb>\\S+)$'}, labels: {ip: , verb: }]", ["10.0.0.1 GET"],
              [Sent("10.0.0.1 GET", {"ip": "10.0.0.1", "verb": "GET"})]),
    "replace": ("[replace: {expression: 'password=(\\S+)', replace: '***'}]", ["a password=x b"], [Sent("a password=*** b")]),
    "replace by a template": ("[replace: {expression: '(\\S+)@', replace: '{{ ToUpper .Value }}'}]", ["joe@home"], [Sent("JOE@home")]),
    "template": (f"[{TAKE}, template: {{source: msg, template: '{{{{ .level }}}}: {{{{ .Value | ToUpper }}}}'}}, output: {{source: msg}}]",
                 [JSON], [Sent("warn: HI")]),
    "template with the entry": ("[template: {source: x, template: '<{{ .Entry }}>'}, output: {source: x}]", ["a"], [Sent("<a>")]),
    "template Hash": ("[template: {source: x, template: '{{ Sha2Hash .Entry \"salt\" | trunc 8 }}'}, output: {source: x}]", ["a"],
                      [Sent("19780804")]),
    "template of sprig": ("[template: {source: x, template: '{{ splitList \",\" .Entry | last | quote }}'}, output: {source: x}]", ["a,b"],
                          [Sent('"b"')]),
    "match keeps": ('[match: {selector: \'{job="J"} |= "yes"\', stages: [static_labels: {seen: "1"}]}]', ["yes", "no"],
                    [Sent("yes", {"seen": "1"}), Sent("no", without=("seen",))]),
    "match drops": ('[match: {selector: \'{job="J"} |~ "no.*"\', action: drop}]', ["none", "yes"], [Sent("yes")]),
    "timestamp": (f"[{TAKE}, timestamp: {{source: t, format: RFC3339Nano}}]", [JSON], [Sent(JSON, ts=AT)]),
    "timestamp with a zone": ("[regex: {expression: '^(?P<t>.+) x$'}, timestamp: {source: t, format: '2006-01-02 15:04:05', location: America/Sao_Paulo}]",
                              ["2026-11-24 07:00:00 x"], [Sent("2026-11-24 07:00:00 x", ts=AT - AT % 10**9)]),
    "timestamp Unix": ("[regex: {expression: '^(?P<t>\\S+)'}, timestamp: {source: t, format: Unix}]", ["1795514400.5 x"],
                       [Sent("1795514400.5 x", ts=AT)]),
    "timestamp fallback": ("[regex: {expression: '^(?P<t>\\S+)'}, timestamp: {source: t, format: RFC3339, fallback_formats: [UnixMs]}]",
                           ["1795514400500 x"], [Sent("1795514400500 x", ts=AT)]),
    "output": (f"[{TAKE}, output: {{source: msg}}]", [JSON], [Sent("hi")]),
    "labeldrop": ("[static_labels: {a: '1', b: '2'}, labeldrop: [a, filename]]", ["x"], [Sent("x", {"b": "2"}, without=("a", "filename"))]),
    "labelallow": ("[static_labels: {a: '1', b: '2'}, labelallow: [b, case]]", ["x"], [Sent("x", {"b": "2"}, without=("a", "job", "filename"))]),
    "static_labels": ("[static_labels: {team: core}]", ["x"], [Sent("x", {"team": "core"})]),
    "structured_metadata": (f"[{TAKE}, structured_metadata: {{id: , n: , none: }}]", [JSON], [Sent(JSON, metadata={"id": "7", "n": "3"})]),
    "tenant": (f"[{TAKE}, tenant: {{source: level}}]", [JSON], [Sent(JSON, tenant="warn")]),
    "tenant of a value": ("[tenant: {value: acme}]", ["x"], [Sent("x", tenant="acme")]),
    "drop by expression": ("[drop: {expression: 'debug|trace'}]", ["a debug", "b"], [Sent("b")]),
    "drop by source and value": (f"[{TAKE}, drop: {{source: level, value: warn}}]", [JSON, "x"], [Sent("x")]),
    "drop longer": ("[drop: {longer_than: 5B}]", ["123456", "1234"], [Sent("1234")]),
    "drop older": ("[regex: {expression: '^(?P<t>\\d+)'}, timestamp: {source: t, format: Unix}, drop: {older_than: 1h}]",
                   ["1000000000 old", "NOW new"], [Sent("NOW new")]),
    "limit": ("[limit: {rate: 0.01, burst: 2, drop: true}]", ["1", "2", "3"], [Sent("1"), Sent("2")]),
    "sampling": ("[sampling: {rate: 1}]", ["1", "2"], [Sent("1"), Sent("2")]),
    "multiline": ("[multiline: {firstline: '^\\d', max_wait_time: 200ms}]", ["1 a", "  b", "2 c"], [Sent("1 a\n  b"), Sent("2 c")]),
    "pack": ("[static_labels: {pod: p1}, pack: {labels: [pod], ingest_timestamp: false}]", ["x"],
             [Sent('{"pod":"p1","_entry":"x"}', without=("pod",))]),
    "decolorize": ("[decolorize: {}]", ["\x1b[31mred\x1b[0m"], [Sent("red")]),
    "metrics": (f"[{TAKE}, metrics: {{seen_total: {{type: Counter, source: level, config: {{action: inc}}}}}}]", [JSON], [Sent(JSON)]),
    "metrics histogram": (f"[{TAKE}, metrics: {{n_size: {{type: Histogram, source: n, config: {{buckets: [1, 5]}}}}}}]", [JSON], [Sent(JSON)]),
}  # fmt: skip


def labels_of(stream: str) -> dict[str, str]:
    return {
        name: value.encode().decode("unicode_escape")
        for name, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', stream)
    }


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A Promtail with all cases, and the Loki behind it."""
    folder = tmp_path_factory.mktemp("pipelines")
    loki = NotingLoki()
    promtail = Promtail(folder, loki)
    now = str(int(time.time()))
    for number, (stages, lines, _) in enumerate(CASES.values()):
        text = stages.replace('job="J"', f'job="job{number}"')
        # a list of mappings with one key each may be written without braces
        items = [{name: value} for item in yaml.safe_load(text) for name, value in item.items()]
        promtail.scrape(f"case{number}.log", *items, labels={"case": str(number)})
        (folder / f"case{number}.log").write_text("".join(line.replace("NOW", now) + "\n" for line in lines))
    promtail.start()
    expected = sum(len(sent) for _, _, sent in CASES.values())
    try:
        wait_until(lambda: len(loki.lines()) >= expected, 20, f"{expected} lines")
        yield promtail, loki, now
    finally:
        promtail.stop()
        loki.close()


@pytest.mark.parametrize("name", CASES)
def test_stage(program: Any, name: str) -> None:
    _, loki, now = program
    number = str(list(CASES).index(name))
    found = [entry for entry in loki.entries if labels_of(entry[0]).get("case") == number]
    expected = CASES[name][2]
    assert sorted(entry[2] for entry in found) == sorted(sent.line.replace("NOW", now) for sent in expected)
    for sent in expected:
        stream, at, _, metadata, tenant = next(e for e in found if e[2] == sent.line.replace("NOW", now))
        labels = labels_of(stream)
        assert {key: labels.get(key) for key in sent.labels} == sent.labels
        assert not set(sent.without) & set(labels)
        assert not sent.metadata or metadata == sent.metadata
        assert not sent.ts or at == sent.ts
        assert tenant == sent.tenant


def test_metrics_of_the_stages_are_shown(program: Any) -> None:
    promtail, _, _ = program
    page = httpx.get(f"{promtail.url}/metrics").text
    assert re.search(
        r'^promtail_custom_seen_total\{[^}]*level="warn"|^promtail_custom_seen_total\{', page, re.MULTILINE
    )
    assert re.search(r'^promtail_custom_n_size_bucket\{[^}]*le="5(\.0)?"[^}]*\} 1', page, re.MULTILINE)


REFUSED = [
    ({"geoip": {"db": "x", "source": "ip"}}, "geoip"),
    ({"eventlogmessage": {}}, "eventlogmessage"),
    ({"template": {"source": "a", "template": "{{ genPrivateKey }}"}}, "genPrivateKey"),
    ({"template": {"source": "a", "template": "{{ nope }}"}}, "nope"),
    ({"regex": {"expression": "no groups"}}, "named group"),
    ({"metrics": {"x": {"type": "Gauge", "config": {"action": "jump"}}}}, "jump"),
]


@pytest.mark.parametrize(("stage", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_a_wrong_stage_is_refused_by_name(
    promtail: Promtail, loki: NotingLoki, stage: dict[str, Any], words: str
) -> None:
    promtail.scrape("x.log", stage)
    done = run(promtail.command("-check-syntax"))
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
