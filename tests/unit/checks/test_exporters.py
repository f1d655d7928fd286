"""Names out of an exposition page: as they are written, with types that rate() cares about."""

from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from pytake.checks import exporters
from pytake.checks.exporters import Sample, load, merged, names_of, save

PAGE = """\
# HELP pg_blks_hit Blocks.
# TYPE pg_blks_hit counter
pg_blks_hit{datname="a",datid="1"} 5
# TYPE pg_size gauge
pg_size{datname="with \\"quotes\\", and=signs"} 1 1700000000
# TYPE q_seconds summary
q_seconds{quantile="0.5"} 1
q_seconds_sum 3
q_seconds_count 2
# TYPE h_seconds histogram
h_seconds_bucket{le="+Inf"} 2
h_seconds_sum 3
h_seconds_count 2
bare 1e+06
"""


def test_names_types_and_labels() -> None:
    assert names_of(PAGE) == {
        "pg_blks_hit": Sample("counter", frozenset({"datname", "datid"})),
        "pg_size": Sample("gauge", frozenset({"datname"})),
        "q_seconds": Sample("gauge", frozenset({"quantile"})),
        "q_seconds_sum": Sample("counter", frozenset()),
        "q_seconds_count": Sample("counter", frozenset()),
        "h_seconds_bucket": Sample("counter", frozenset({"le"})),
        "h_seconds_sum": Sample("counter", frozenset()),
        "h_seconds_count": Sample("counter", frozenset()),
        "bare": Sample("untyped", frozenset()),
    }


def test_a_capture_adds_to_what_is_known() -> None:
    old = {"a": Sample("gauge", frozenset({"x"})), "b": Sample("gauge", frozenset())}
    new = {"a": Sample("counter", frozenset({"y"}))}
    assert merged(old, new) == {"a": Sample("counter", frozenset({"x", "y"})), "b": Sample("gauge", frozenset())}


def test_saved_names_load_again(tmp_path: Path) -> None:
    found = {"one": names_of(PAGE)}
    save(found, tmp_path / "names.json")
    assert load(tmp_path / "names.json") == found


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(exporters, "FILE", tmp_path / "names.json")
    monkeypatch.setattr(exporters.load, "__defaults__", (tmp_path / "names.json",))
    monkeypatch.setattr(exporters.save, "__defaults__", (tmp_path / "names.json",))
    answer = lambda request: httpx.Response(200, text=PAGE) if "up" in request.url.host else httpx.Response(500)  # noqa: E731
    client = httpx.Client
    monkeypatch.setattr(exporters.httpx, "Client", lambda **o: client(transport=httpx.MockTransport(answer), **o))
    return tmp_path / "names.json"


def test_capture_writes_the_file(file: Path) -> None:
    assert CliRunner().invoke(exporters.app, ["capture", "one=http://up/metrics"]).exit_code == 0
    assert set(load(file)["one"]) == set(names_of(PAGE))


def test_capture_of_what_does_not_answer_says_so(file: Path) -> None:
    result = CliRunner().invoke(exporters.app, ["capture", "one=http://down/metrics"])
    assert result.exit_code == 1
    assert not file.exists()
