"""Log queries through the engine: order, limits, slices, pages."""

import itertools

import pytest

from pytake.embedded.loki.logql import Entry, LogQuery, explain, parse, query_logs
from pytake.embedded.loki.logql.logs import slices
from pytake.embedded.loki.logql.reference import Line, evaluate_logs
from tests.unit.loki.logql.memory import MemorySource

SECOND = 1_000_000_000
HOUR = 3600 * SECOND


def logs(text: str) -> LogQuery:
    query = parse(text)
    assert isinstance(query, LogQuery)
    return query


def ask(lines: list[Line], text: str, **bounds: int | bool) -> tuple[list[Entry], int]:
    """The answer, equal to the evaluator's, and how many statements it took."""
    source = MemorySource(lines)
    limits: dict[str, int] = {"start": 0, "end": HOUR, "limit": 100, **bounds}
    got = query_logs(logs(text), source, source.execute, **limits)  # type: ignore[arg-type]
    want = evaluate_logs(logs(text), lines, **limits)  # type: ignore[arg-type]
    source.close()
    assert [entry.ts for entry in got] == [entry.ts for entry in want]
    assert sorted(got, key=repr) == sorted(want, key=repr)
    return got, len(source.statements)


def many(count: int, text: str = "line {}") -> list[Line]:
    return [Line(HOUR * at // count, text.format(at), {"job": "x"}) for at in range(count)]


def test_newest_first_and_forward() -> None:
    lines = many(1000)
    assert [e.line for e in ask(lines, '{job="x"}', limit=3)[0]] == ["line 999", "line 998", "line 997"]
    assert [e.line for e in ask(lines, '{job="x"}', limit=3, forward=True)[0]] == ["line 0", "line 1", "line 2"]


def test_start_is_inside_and_end_is_not() -> None:
    lines = [Line(at, str(at), {"job": "x"}) for at in (10, 20, 30)]
    assert [e.ts for e in ask(lines, '{job="x"}', start=10, end=30)[0]] == [20, 10]


def test_a_frequent_line_needs_only_the_newest_slice() -> None:
    assert ask(many(20_000), '{job="x"} |= "line"', limit=50)[1] == 1


def test_a_rare_line_is_found_in_growing_slices() -> None:
    lines = [*many(2000), Line(5, "needle", {"job": "x"})]
    found, statements = ask(lines, '{job="x"} |= "needle"', limit=10)
    assert len(found) == 1
    assert statements <= 6


def test_an_id_is_looked_for_in_one_statement() -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    lines = [
        *many(100),
        Line(7, f'{{"trace_id":"{trace}"}}', {"job": "x"}),
        Line(9, "{}", {"job": "x"}, {"trace_id": trace}),
    ]
    found, statements = ask(lines, f'{{job="x"}} | json | trace_id="{trace}"')
    assert [entry.ts for entry in found] == [9, 7]
    assert statements == 1


def test_pages_go_on_where_only_python_knows_which_lines_stay() -> None:
    lines = [Line(HOUR - 1 - at * 1000, f"n={at}", {"job": "x"}) for at in range(9000)]
    found, _ = ask(lines, '{job="x"} | logfmt | n > 8990', limit=5)
    assert [entry.line for entry in found] == [f"n={at}" for at in range(8991, 8996)]


def test_many_lines_of_one_instant_are_neither_lost_nor_doubled() -> None:
    lines = [Line(HOUR // 2, f"n={at}", {"job": "x"}) for at in range(5000)]
    found, _ = ask(lines, '{job="x"} | logfmt | n >= 0', limit=4999 + 100)
    assert len({entry.line for entry in found}) == len(found) == 5000


def test_nothing_matches_and_nothing_is_asked() -> None:
    assert ask(many(10), '{job="y"}') == ([], 0)
    source = MemorySource(many(10))
    assert query_logs(logs('{job="x"}'), source, source.execute, start=0, end=HOUR, limit=0) == []
    source.close()


def test_structured_metadata_and_level_are_in_the_answer() -> None:
    line = Line(5, '{"a":1}', {"job": "x"}, {"trace_id": "t", "detected_level": "error"})
    (entry,), _ = ask([line], '{job="x"} | json | detected_level="error" | trace_id="t"')
    assert (entry.stream, entry.metadata, entry.parsed) == (
        (("job", "x"),),
        (("detected_level", "error"), ("trace_id", "t")),
        (("a", "1"),),
    )


@pytest.mark.parametrize("forward", [False, True])
def test_slices_cover_the_range_once(forward: bool) -> None:
    spans = list(slices(7, 10 * HOUR + 3, forward=forward))
    ordered = spans if forward else spans[::-1]
    assert (ordered[0][0], ordered[-1][1]) == (7, 10 * HOUR + 3)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(ordered))
    assert len(spans) < 8


def test_quotes_in_values_stay_values() -> None:
    text = "it's -- ; DROP TABLE lines"
    lines = [Line(5, f'say {text} "quoted" \x00 nul', {"job": "x'y"})]
    query = '{job="x\'y"} |= "' + text + '" |= "\\"quoted\\"" |= "\\x00"'
    assert len(ask(lines, query)[0]) == 1


def test_explain_of_lines_that_python_decides() -> None:
    source = MemorySource(many(3))
    (said,) = explain(parse('{job="x"} | unpack | a="b"'), source, start=0, end=HOUR)
    source.close()
    assert said.startswith("-- narrowed")
