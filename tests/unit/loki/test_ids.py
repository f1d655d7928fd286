"""The id filter never loses a line, and skips row groups that cannot hold an id."""

import re
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pytake.embedded.loki.store import ids

HEX = st.text("0123456789abcdef", min_size=30, max_size=40)
PIECES = st.lists(
    st.one_of(
        HEX, st.text("0123456789abcdef", min_size=32, max_size=32), st.sampled_from(["-", " ", '"', ":", "zz", "A"])
    ),
    max_size=6,
)


def build(path: Path, lines: list[str]) -> None:
    builder = ids.Builder()
    builder.add(pa.chunked_array([pa.array(lines, pa.string())]), 1, 2)
    builder.write(ids.sidecar(path))


@settings(max_examples=40, deadline=None)
@given(st.lists(PIECES.map("".join), min_size=1, max_size=10))
def test_no_line_is_ever_skipped(tmp_path_factory, lines: list[str]) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("ids") / "s.parquet"
    build(path, lines)
    for line in lines:
        for match in re.finditer(r"(?=[0-9a-f]{32})", line):
            for before in (0, 1, 3):
                for after in (0, 1, 3):
                    needle = line[max(0, match.start() - before) : match.start() + 32 + after]
                    assert ids.candidates(path, needle) in (None, [(1, 2)])


def test_other_ids_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    build(path, [f'{{"trace_id":"{at:032x}"}}' for at in range(10**30, 10**30 + 1000)])
    assert ids.candidates(path, f"{10**30 + 5:032x}") == [(1, 2)]
    missed = sum(ids.candidates(path, f"{at:032x}") == [] for at in range(10**31, 10**31 + 500))
    assert missed > 490


def test_needles_without_an_id_cannot_be_looked_up(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    build(path, ["x"])
    assert ids.candidates(path, "error") is None
    assert ids.candidates(path, "a" * 33) is None
    assert ids.candidates(tmp_path / "other.parquet", "a" * 32) is None
    ids.sidecar(path).write_bytes(b"rubbish!")
    assert ids.candidates(path, "a" * 32) is None
