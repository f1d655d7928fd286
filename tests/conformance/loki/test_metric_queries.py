"""LogQL metric queries: values by series at one instant and over ranges."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.conformance.loki.conftest import Api
from tests.conformance.loki.data import SECOND, Data

Fields = Mapping[str, Any]


def vector(api: Api, data: Data, query: str, at: int | None = None) -> dict[tuple[tuple[str, str], ...], float]:
    text = (
        query.replace("WEB", data.select("web"))
        .replace("API", data.select("api"))
        .replace("NGINX", data.select("nginx"))
    )
    text = text.replace("META", data.select("meta")).replace("JOB", f'{{job="{data.job}"}}')
    answer = api.instant(text, at or data.end)
    assert answer["resultType"] == "vector"
    return {tuple(sorted(item["metric"].items())): float(item["value"][1]) for item in answer["result"]}


def single(api: Api, data: Data, query: str) -> float:
    found = vector(api, data, query)
    assert len(found) == 1, found
    return next(iter(found.values()))


I = range(60)  # noqa: E741 (the numbers of the web lines)
SINGLES: list[tuple[str, float]] = [
    ("sum(count_over_time(WEB[10m]))", 60),
    ("sum(count_over_time(WEB[1m]))", 6),
    ("sum(count_over_time(WEB[5m]))", 30),
    ("sum(count_over_time(JOB[10m]))", 120),
    ("sum(rate(WEB[10m]))", 0.1),
    ("sum(rate(WEB[1m]))", 0.1),
    ('sum(rate(WEB |= "error" [10m]))', 15 / 600),
    ("sum(bytes_over_time(META[10m]))", 70),
    ("sum(bytes_rate(META[10m]))", 70 / 600),
    ("sum(count_over_time(WEB[5m] offset 5m))", 30),
    ("sum(count_over_time(WEB | json | status=500 [10m]))", 15),
    ("sum(count_over_time((WEB | json | status>=404)[10m]))", 30),
    ("sum(sum_over_time(WEB | json | unwrap duration_ms [10m]))", sum(I)),
    ("sum(sum_over_time(WEB | json | unwrap duration_ms [1m]))", sum(range(54, 60))),
    ("max(max_over_time(WEB | json | unwrap duration_ms [10m]))", 59),
    ("min(min_over_time(WEB | json | unwrap duration_ms [10m]))", 0),
    ("avg_over_time(WEB | json | unwrap duration_ms [10m]) by (app)", sum(I) / 60),
    ("max_over_time(WEB | json | unwrap duration_ms [10m]) by (app)", 59),
    ("min_over_time(WEB | json | unwrap duration_ms [10m]) by (app)", 0),
    ("first_over_time(WEB | json | unwrap duration_ms [10m]) by (app)", 0),
    ("last_over_time(WEB | json | unwrap duration_ms [10m]) by (app)", 59),
    ("stdvar_over_time(WEB | json | unwrap duration_ms [10m]) by (app)", (60**2 - 1) / 12),
    ("stddev_over_time(WEB | json | unwrap duration_ms [10m]) by (app)", math.sqrt((60**2 - 1) / 12)),
    ("quantile_over_time(0.5, WEB | json | unwrap duration_ms [10m]) by (app)", 29.5),
    ("quantile_over_time(0.99, WEB | json | unwrap duration_ms [10m]) by (app)", 0.99 * 59),
    ("quantile_over_time(0, WEB | json | unwrap duration_ms [10m]) by (app)", 0),
    ("quantile_over_time(1, WEB | json | unwrap duration_ms [10m]) by (app)", 59),
    ("sum(rate(WEB | json | unwrap duration_ms [10m]))", sum(I) / 600),
    ("sum(sum_over_time(WEB | json | unwrap duration(took) [10m]))", sum(I) / 1000),
    ("sum(sum_over_time(WEB | json | unwrap duration_seconds(took) [10m]))", sum(I) / 1000),
    ("sum(sum_over_time(WEB | json | unwrap bytes(size) [10m]))", sum(I) * 1000),
    ("sum(sum_over_time(API | logfmt | unwrap duration(dur) [10m]))", sum(range(30)) / 1000),
    ("sum(sum_over_time(WEB | json | unwrap duration_ms | duration_ms > 50 [10m]))", sum(range(51, 60))),
    ('sum(sum_over_time(WEB | json | unwrap duration_ms | __error__="" [10m]))', sum(I)),
    ('sum(sum_over_time(NGINX | pattern `<_>" <status> <size> <_>` | unwrap size [10m]))', sum(range(20)) * 100),
    ("count(count_over_time(WEB | json [10m]) > 0)", 60),
    ("count(sum by (path) (count_over_time(WEB | json [10m])))", 3),
    ("avg(sum by (path) (count_over_time(WEB | json [10m])))", 20),
    ("max(sum by (level) (count_over_time(WEB | json [10m])))", 30),
    ("min(sum by (level) (count_over_time(WEB | json [10m])))", 15),
    ("stddev(sum by (level) (count_over_time(WEB | json [10m])))", math.sqrt(50)),
    ("stdvar(sum by (level) (count_over_time(WEB | json [10m])))", 50),
    ("sum(count_over_time(WEB[10m])) * 2", 120),
    ("2 * sum(count_over_time(WEB[10m]))", 120),
    ("sum(count_over_time(WEB[10m])) / sum(count_over_time(JOB[10m]))", 0.5),
    ("sum(count_over_time(WEB[10m])) + 1 - 1", 60),
    ("sum(count_over_time(WEB[10m])) % 7", 4),
    ("sum(count_over_time(WEB[10m])) ^ 2", 3600),
    ("sum(count_over_time(WEB[10m])) > 50", 60),
    ("sum(count_over_time(WEB[10m])) > bool 50", 1),
    ("sum(count_over_time(WEB[10m])) < bool 50", 0),
    ("sum(count_over_time(WEB[10m])) == bool 60", 1),
    ("sum(count_over_time(WEB[10m])) != bool 60", 0),
    ("sum(count_over_time(WEB[10m])) >= bool 60", 1),
    ("1 + 2 * sum(count_over_time(WEB[10m]))", 121),
    ("(1 + 2) * sum(count_over_time(WEB[10m]))", 180),
    ("2 ^ 3 ^ 2 + 0 * sum(count_over_time(WEB[10m]))", 512),
    ("-1 * sum(count_over_time(WEB[10m]))", -60),
    ("vector(5)", 5),
    ("sum(count_over_time(WEB[10m])) or vector(0)", 60),
    ('sum(count_over_time(WEB |= "nothing at all" [10m])) or vector(0)', 0),
    ("sum(count_over_time(WEB[10m])) and sum(count_over_time(API[10m]))", 60),
    ('absent_over_time(WEB |= "nothing at all" [10m])', 1),
    ('sum(count_over_time(WEB[10m])) unless sum(count_over_time(API |= "nothing at all" [10m]))', 60),
    ('sum(count_over_time(WEB | detected_level="error" [10m]))', 15),
    ('sum(count_over_time(META | user="u1" [10m]))', 5),
    ("sum(count_over_time(WEB[10m])) # a comment", 60),
    ('sum(count_over_time(WEB | json | line_format "{{.path}}" | __error__="" [10m]))', 60),
    ("sum(bytes_over_time(WEB | json | line_format `{{.path}}` [10m]))", 180),
    ('sum(count_over_time(API | json | __error__="" [10m])) or vector(0)', 0),
]


@pytest.mark.parametrize(("query", "value"), SINGLES, ids=[query[:100] for query, _ in SINGLES])
def test_one_value(api: Api, data: Data, query: str, value: float) -> None:
    assert single(api, data, query) == pytest.approx(value)


EMPTY = [
    'sum(count_over_time(WEB |= "nothing at all" [10m]))',
    "sum(count_over_time(WEB[10m])) > 100",
    "sum(count_over_time(WEB[10m])) unless sum(count_over_time(API[10m]))",
    "sum(count_over_time(WEB[5m] offset 1h))",
    "absent_over_time(WEB[10m])",
    'count_over_time({job="no such job"}[10m])',
]


@pytest.mark.parametrize("query", EMPTY)
def test_no_value(api: Api, data: Data, query: str) -> None:
    assert vector(api, data, query) == {}


def by(data: Data, app: str, *names: str, value: Callable[[Fields], float] = lambda f: 1.0) -> dict[Any, float]:
    found: dict[Any, float] = defaultdict(float)
    for row in data.rows:
        if row.app == app:
            found[tuple(sorted((name, str(row.fields[name])) for name in names))] += value(row.fields)
    return dict(found)


GROUPED: list[tuple[str, str, tuple[str, ...], Callable[[Fields], float]]] = [
    ("sum by (level) (count_over_time(WEB | json [10m]))", "web", ("level",), lambda f: 1),
    ("sum by (path) (count_over_time(WEB | json [10m]))", "web", ("path",), lambda f: 1),
    ("sum by (path, level) (count_over_time(WEB | json [10m]))", "web", ("path", "level"), lambda f: 1),
    ("sum(count_over_time(WEB | json [10m])) by (status)", "web", ("status",), lambda f: 1),
    ("sum by (path) (rate(WEB | json [10m]))", "web", ("path",), lambda f: 1 / 600),
    ("sum by (path) (sum_over_time(WEB | json | unwrap duration_ms [10m]))", "web", ("path",), lambda f: f["i"]),
    ("sum by (user) (count_over_time(API | logfmt [10m]))", "api", ("user",), lambda f: 1),
    ("sum by (level, user) (count_over_time(API | logfmt [10m]))", "api", ("level", "user"), lambda f: 1),
    ("sum by (user) (count_over_time(META[10m]))", "meta", ("user",), lambda f: 1),
    ('sum by (status) (count_over_time(NGINX | pattern `<_>" <status> <_>` [10m]))', "nginx", ("status",), lambda f: 1),
    (
        'sum by (status) (count_over_time(NGINX | regexp `" (?P<status>\\d+) ` [10m]))',
        "nginx",
        ("status",),
        lambda f: 1,
    ),
    ("count_over_time(WEB | json | keep level | drop detected_level [10m])", "web", ("level",), lambda f: 1),
    (
        "sum without (app, env, job, service_name, detected_level) (count_over_time(WEB | json | keep level [10m]))",
        "web",
        ("level",),
        lambda f: 1,
    ),
]


@pytest.mark.parametrize(("query", "app", "names", "value"), GROUPED, ids=[item[0][:100] for item in GROUPED])
def test_grouped(
    api: Api, data: Data, query: str, app: str, names: tuple[str, ...], value: Callable[[Fields], float]
) -> None:
    found = vector(api, data, query)
    hidden = {"app", "env", "job", "service_name"}
    plain = {
        tuple(pair for pair in key if pair[0] not in hidden or pair[0] in names): number
        for key, number in found.items()
    }
    expected = by(data, app, *names, value=value)
    assert plain.keys() == expected.keys()
    for key, number in expected.items():
        assert plain[key] == pytest.approx(number)


def test_grouping_by_a_missing_label_leaves_it_out(api: Api, data: Data) -> None:
    assert vector(api, data, "sum by (nope) (count_over_time(WEB[10m]))") == {(): 60}


def test_series_have_all_labels_of_stream_and_metadata(api: Api, data: Data) -> None:
    found = vector(api, data, "count_over_time(WEB[10m])")
    levels = {dict(key)["detected_level"]: number for key, number in found.items()}
    assert levels == {"info": 30, "warn": 15, "error": 15}


@pytest.mark.parametrize(("k", "query"), [(1, "topk"), (2, "topk"), (1, "bottomk"), (2, "bottomk"), (10, "topk")])
def test_topk_and_bottomk(api: Api, data: Data, k: int, query: str) -> None:
    counts = Counter(row.fields["level"] for row in data.rows if row.app == "web")
    found = vector(api, data, f"{query}({k}, sum by (level) (count_over_time(WEB | json [10m])))")
    expected = sorted(counts.values(), reverse=query == "topk")[:k]
    assert sorted(found.values(), reverse=query == "topk") == expected


@pytest.mark.parametrize(("name", "down"), [("sort", False), ("sort_desc", True)])
def test_sort(api: Api, data: Data, name: str, down: bool) -> None:
    query = f"{name}(sum by (user) (sum_over_time({data.select('api')} | logfmt | unwrap duration(dur) [10m])))"
    values = [float(item["value"][1]) for item in api.instant(query, data.end)["result"]]
    assert values == sorted(values, reverse=down)
    assert len(values) == 5


def test_label_replace(api: Api, data: Data) -> None:
    query = 'label_replace(sum by (path) (count_over_time(WEB | json [10m])), "short", "$1", "path", "/(.*)")'
    assert {dict(key)["short"] for key in vector(api, data, query)} == {"p0", "p1", "p2"}


def test_matching_on_and_group_left(api: Api, data: Data) -> None:
    both = "sum by (path, level) (count_over_time(WEB | json [10m]))"
    one = "sum by (path) (count_over_time(WEB | json [10m]))"
    share = f"{both} / on (path) group_left () {one}"
    found = vector(api, data, share)
    assert sum(found.values()) == pytest.approx(3)
    ignoring = f"{both} / ignoring (level) group_left () {one}"
    assert vector(api, data, ignoring) == pytest.approx(found)


def test_many_to_many_is_an_error(api: Api, data: Data) -> None:
    many = f"sum by (path, level) (count_over_time({data.select('web')} | json [10m]))"
    answer = api.get("query", {"query": f"{many} / on (path) {many}", "time": data.end})
    assert answer.status_code in (400, 500)
    assert "many-to-many matching not allowed" in answer.text or "multiple matches" in answer.text


@pytest.mark.parametrize("rest", ["", ' | __error__!=""'])
def test_a_pipeline_error_fails_a_metric_query(api: Api, data: Data, rest: str) -> None:
    query = f"sum by (level) (count_over_time({data.select('api')} | json{rest} [10m]))"
    answer = api.get("query", {"query": query, "time": data.end})
    assert answer.status_code == 400
    assert "pipeline error: 'JSONParserErr'" in answer.text


@pytest.mark.parametrize("name", ["sum_over_time", "count_over_time", "rate", "bytes_rate"])
def test_grouping_where_it_is_not_allowed(api: Api, data: Data, name: str) -> None:
    unwrap = "| json | unwrap duration_ms " if name == "sum_over_time" else ""
    answer = api.get("query", {"query": f"{name}({data.select('web')} {unwrap}[10m]) by (path)", "time": data.end})
    assert answer.status_code == 400
    assert "grouping not allowed for" in answer.text


def test_unwrap_of_something_else_is_an_error(api: Api, data: Data) -> None:
    answer = api.get(
        "query", {"query": f"sum(sum_over_time({data.select('web')} | json | unwrap level [10m]))", "time": data.end}
    )
    assert answer.status_code == 400
    assert "SampleExtractionErr" in answer.text


# --- ranges
@pytest.mark.parametrize("step", [10, 30, 60, 90])
@pytest.mark.parametrize("window", [30, 60, 120])
def test_range_counts_at_every_step(api: Api, data: Data, step: int, window: int) -> None:
    found = api.range(f"sum(count_over_time({data.select('web')}[{window}s]))", data.start, data.end, step=f"{step}s")
    assert found["resultType"] == "matrix"
    points = {round(float(at) * SECOND): float(value) for at, value in found["result"][0]["values"]}
    for at in range(data.start, data.end + 1, step * SECOND):
        expected = sum(1 for row in data.rows if row.app == "web" and at - window * SECOND < row.at <= at)
        assert points.get(at, 0) == expected


@pytest.mark.parametrize("function", ["min", "max", "avg", "first", "last"])
def test_unwrapped_ranges(api: Api, data: Data, function: str) -> None:
    query = f"{function}_over_time({data.select('web')} | json | unwrap duration_ms [2m]) by (path)"
    found = api.range(query, data.start, data.end, step="60s")["result"]
    assert {item["metric"]["path"] for item in found} == {"/p0", "/p1", "/p2"}
    folds: dict[str, Callable[[list[int]], float]] = {
        "min": min,
        "max": max,
        "avg": lambda v: sum(v) / len(v),
        "first": lambda v: v[0],
        "last": lambda v: v[-1],
    }
    for item in found:
        for at, value in item["values"]:
            end = round(float(at) * SECOND)
            values = [
                row.fields["i"]
                for row in data.rows
                if row.app == "web"
                and row.fields["path"] == item["metric"]["path"]
                and end - 120 * SECOND < row.at <= end
            ]
            assert float(value) == pytest.approx(folds[function](values))


def test_steps_default_to_the_length(api: Api, data: Data) -> None:
    found = api.range(f"sum(count_over_time({data.select('web')}[1m]))", data.start, data.end)
    stamps = [at for at, _ in found["result"][0]["values"]]
    assert stamps[1] - stamps[0] == math.ceil(600 / 250)


def test_scalars(api: Api, data: Data) -> None:
    answer = api.instant("1 + 1", data.end)
    assert answer["resultType"] == "scalar"
    assert answer["result"][1] == "2"
