"""Columns of a segment: levels, valid JSON, promoted keys exactly as ``| json`` extracts them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytake.embedded.loki.batch import Batch
from pytake.embedded.loki.logql import flatten_json
from pytake.embedded.loki.store.enrich import Enricher, line_level, normal_level
from pytake.embedded.loki.store.promote import Promoter


@pytest.fixture(scope="module")
def enricher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Enricher]:
    engine = Enricher(str(tmp_path_factory.mktemp("enrich")))
    yield engine
    engine.close()


def enrich(
    enricher: Enricher, lines: list[str], labels: tuple[str, ...] = (), meta: list[Any] | None = None, **more: Any
) -> list[Any]:
    packed = pa.array([orjson.dumps(item).decode() if item else None for item in meta], pa.string()) if meta else None
    batch = Batch(
        pa.array(range(len(lines)), pa.int64()),
        pa.array([1] * len(lines), pa.int32()),
        pa.array(lines, pa.string()),
        packed,
        0,
    )
    options = {"levels": True, "hints": {}, "known": {}, **more}
    return enricher.run([batch], labels, **options).to_pylist()


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ('{"level":"error"}', "error"),
        ('{"level":"WARNING"}', "warn"),
        ('{"severity":"Info"}', "info"),
        ('{"lvl":"dbg"}', "debug"),
        ('{"log":{"level":"fatal"}}', "fatal"),
        ('{"level":"strange"}', "unknown"),
        ('{"message":"an error happened"}', "error"),
        ("level=warn msg=x", "warn"),
        ('ts=1 lvl="err" x', "error"),
        ("2026 CRITICAL disk", "critical"),
        ("traceback (most recent): exception", "error"),
        ("nothing to see", "unknown"),
        ("[INFO] started", "info"),
    ],
)
def test_detected_level(enricher: Enricher, line: str, level: str) -> None:
    assert enrich(enricher, [line])[0]["detected_level"] == level
    if '"log":{' not in line:
        assert line_level(line, {}) == level


def test_levels_of_metadata_and_labels_come_first(enricher: Enricher) -> None:
    found = enrich(
        enricher,
        ["error"] * 4,
        meta=[{"level": "debug"}, {"severity_number": "13"}, None, {"detected_level": "info", "a": "b"}],
    )
    assert [row["detected_level"] for row in found] == ["debug", "warn", "error", "info"]
    assert found[3]["meta"] == '{"a":"b"}'
    assert enrich(enricher, ["error"], hints={1: "trace"})[0]["detected_level"] == "trace"
    assert enrich(enricher, ["error"], levels=False)[0]["detected_level"] is None


@pytest.mark.parametrize(
    ("line", "ok"),
    [
        ('{"a":1}', True),
        (' {"a":1}', True),
        ("[1]", False),
        ('{"a":1', False),
        ("5", False),
        ("", False),
        ('{"a":1} x', False),
    ],
)
def test_what_is_json(enricher: Enricher, line: str, ok: bool) -> None:
    assert enrich(enricher, [line])[0]["json_ok"] is ok


LEAVES = st.one_of(
    st.booleans(),
    st.none(),
    st.integers(-(2**53), 2**53),
    st.text(st.characters(codec="ascii", exclude_characters="\x00"), max_size=8),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
KEYS = st.sampled_from(["a", "b", "a_b", "a-b", "c", "level", "x.y"])
OBJECTS = st.dictionaries(
    KEYS, st.one_of(LEAVES, st.dictionaries(KEYS, LEAVES, max_size=3), st.lists(LEAVES, max_size=2)), max_size=5
)


@settings(max_examples=40, deadline=None)
@given(st.lists(OBJECTS, min_size=1, max_size=6))
@example([{"a": None, "b": None, "a_b": {"level": 0}, "level": 1.0000000272564224e16}])
def test_promoted_columns_are_what_json_extracts(enricher: Enricher, objects: list[Any]) -> None:
    lines = [orjson.dumps(item).decode() for item in objects]
    promoter = Promoter()
    promoter.choose(lines)
    labels = tuple(sorted(promoter.paths))
    expected = [flatten_json(line) or {} for line in lines]
    ambiguous = {name for name, paths in promoter.paths.items() if len(paths) > 1}
    found = enrich(enricher, lines, labels, known=promoter.paths)
    for row, want in zip(found, expected, strict=True):
        for label in set(labels) - ambiguous:
            assert (row[f"j_{label}"] or "") == want.get(label, ""), (label, row["line"])


def test_numbers_stay_as_they_were_written(enricher: Enricher) -> None:
    found = enrich(enricher, ['{"a":1.50,"b":1e3,"c":2.0,"d":"3.10"}', '{"a": 1.500}'], ("a", "b", "c", "d"))
    assert [found[0][f"j_{name}"] for name in "abcd"] == ["1.50", "1e3", "2.0", "3.10"]
    assert found[1]["j_a"] == "1.500"


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ('{"x":{"a":0},"a":1e3}', "1e3"),
        ('{"x":{"a":2.50},"a" : 1.50}', "1.50"),
        ('{"a":1.50,"x":{"a":2.50}}', "1.50"),
        ('{"b":1000.0,"a":1e3}', "1e3"),
        ('{"x":{"a":"1.50"},"a":1.50}', "1.50"),
        ('{"b":"\\"a\\":1.5","a":1.50}', "1.50"),
    ],
)
def test_numbers_are_those_of_the_path(enricher: Enricher, line: str, written: str) -> None:
    """The key, or the number, is also elsewhere on the line."""
    assert enrich(enricher, [line], ("a",))[0]["j_a"] == written


def test_keys_are_chosen_by_cost_not_by_name() -> None:
    lines = [
        orjson.dumps(
            {
                "zebra": "x" if at % 2 else "y",
                "id": f"{at:032x}",
                "took": round(at / 7, 2),
                "text": f"a free text of its own {at} " * 3,
            }
        ).decode()
        for at in range(400)
    ]
    promoter = Promoter()
    assert promoter.choose(lines) == ("took", "zebra")
    promoter.asked(["id"])
    assert "id" in promoter.choose(lines)
    assert Promoter().choose(["plain text"] * 10) == ()


def test_level_names() -> None:
    assert normal_level(" Warning ") == "warn"
    assert normal_level("whatever") == "unknown"


def test_a_temp_directory_is_all_it_leaves(tmp_path: Path) -> None:
    Enricher(str(tmp_path)).close()
    assert list(tmp_path.iterdir()) == []
