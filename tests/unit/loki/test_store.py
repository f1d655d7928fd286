"""The store over restarts, full disks and damage: nothing acknowledged is lost, nothing comes twice."""

import errno
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from pytake.embedded.loki.query.engine import DamagedError
from pytake.embedded.loki.rowsource import Needs, StreamMatcher
from pytake.embedded.loki.store import segment
from pytake.embedded.loki.store.manifest import Manifest
from pytake.embedded.loki.store.wal import WriteAheadLog
from tests.support.waiting import wait_until
from tests.unit.loki.conftest import EVER, SECOND, Kit

NOW = time.time_ns()
MakeKit = Callable[..., Kit]


def crash(kit: Kit) -> None:
    """Leave the store as a killed process does: no flush, no clean end."""
    kit.store._stopping = True
    kit.store._wake.set()
    kit.store._wake_enricher.set()
    for thread in kit.store._threads:
        thread.join(10)
    kit.store.wal.close()
    kit.engine.close()


def segments(kit: Kit) -> list[str]:
    return sorted(kit.store.manifest.segments)


def test_rows_are_seen_in_memory_and_in_segments(kit: Kit) -> None:
    kit.push([(NOW, '{"status":200}'), (NOW + 1, "b", {"k": "v"})])
    needs = Needs(frozenset({"status"}), frozenset({"k"}))
    expected = [('{"status":200}', "200", None), ("b", None, "v")]
    assert kit.rows("line, j_status, m_k", needs=needs) == expected
    assert kit.store.flush()
    assert kit.store.totals()[2] == 0
    assert kit.rows("line, j_status, m_k", needs=needs) == expected


def test_labels_that_were_not_promoted_are_computed(kit: Kit) -> None:
    kit.push([(NOW, '{"a":{"b":1}}')])
    kit.store.flush()
    kit.push([(NOW + 1, '{"a_b":"x"}'), (NOW + 2, "no json")])
    assert kit.rows("j_a_b", needs=Needs(frozenset({"a_b"}))) == [("1",), ("x",), (None,)]


def test_tenants_see_their_own(kit: Kit) -> None:
    kit.push([(NOW, "a")], tenant="one")
    kit.push([(NOW, "b")], tenant="two")
    kit.store.flush()
    assert kit.lines("one") == ["a"]
    assert kit.lines("two") == ["b"]
    with kit.engine.query(["one", "two"], -EVER, EVER) as (source, _):
        found = source.streams([StreamMatcher("job", "=~", "t.*")], -EVER, EVER)
    assert sorted(labels["__tenant_id__"] for labels in found.values()) == ["one", "two"]


@pytest.mark.parametrize("flush", [False, True])
def test_a_crash_loses_and_doubles_nothing(make_kit: MakeKit, flush: bool) -> None:
    kit = make_kit()
    for at in range(5):
        kit.push([(NOW + at, f"line {at}")])
        if flush and at == 2:
            kit.store.flush()
    crash(kit)
    again = make_kit()
    assert again.lines() == [f"line {at}" for at in range(5)]
    again.push([(NOW + 9, "later")])
    crash(again)
    third = make_kit()
    assert third.lines()[-1] == "later"
    assert len(third.lines()) == 6


def test_a_crash_between_segment_and_manifest(make_kit: MakeKit, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = make_kit()
    kit.push([(NOW, "once")])
    with monkeypatch.context() as patch:

        def fail(*_: Any) -> None:
            raise OSError(errno.EIO, "gone")

        patch.setattr(Manifest, "commit", fail)
        patch.setattr(kit.store, "_unlink", lambda _: None)
        assert not kit.store.flush(timeout=0.3)
        crash(kit)
    again = make_kit()
    assert again.lines() == ["once"]
    assert len(list(again.store.segment_directory.glob("*.parquet"))) == len(segments(again))


def test_a_partly_refused_push_replays_as_it_was_taken(make_kit: MakeKit) -> None:
    kit = make_kit()
    assert kit.push([(NOW - 10 * 86400 * SECOND, "old"), (NOW, "new", {"a": "b"})], now=NOW) is not None
    crash(kit)
    again = make_kit()
    assert again.rows("line, meta") == [("new", '{"a":"b"}')]


def test_exact_duplicates_are_kept_once_per_stream(kit: Kit) -> None:
    kit.push([(NOW, "same"), (NOW, "same"), (NOW, "other"), (NOW, "same", {"a": "b"})])
    kit.push([(NOW, "same")], {"job": "second"})
    kit.store.flush()
    assert sorted(kit.lines()) == ["other", "same", "same", "same"]


def test_out_of_order_rows_are_sorted(kit: Kit) -> None:
    kit.push([(NOW + 5, "c"), (NOW, "a"), (NOW + 3, "b")])
    kit.store.flush()
    table = segment.read_parts(kit.store.path(segments(kit)[0]))
    assert next(table).column("line").to_pylist() == ["a", "b", "c"]


def test_a_full_disk_refuses_pushes_and_recovers(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    kit.push([(NOW, "before")])
    real = os.write

    def full(handle: int, data: Any) -> int:
        if len(data) > 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            kit.push([(NOW + 1, "refused")])
        assert kit.lines() == ["before"]
    kit.push([(NOW + 2, "after")])
    assert kit.lines() == ["before", "after"]


def test_a_disk_that_is_full_for_segments_keeps_rows_in_memory(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    kit.push([(NOW, "kept")])
    with monkeypatch.context() as patch:

        def full(*_: Any, **__: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(segment.SegmentWriter, "finish", full)
        assert not kit.store.flush(timeout=0.3)
        wait_until(lambda: "No space left" in str(kit.store.flush_error), what="the flush to fail")
        assert kit.lines() == ["kept"]
    wait_until(lambda: kit.store.totals()[2] == 0, what="the flush to be tried again")
    assert kit.lines() == ["kept"]
    assert kit.store.flush_error is None


def damaged_kit(kit: Kit) -> str:
    kit.push([(NOW, "good")])
    kit.store.flush()
    kit.push([(NOW + 1, "bad " * 50)])
    kit.store.flush()
    name = segments(kit)[1]
    return name


def test_a_damaged_segment_is_set_aside_and_named(kit: Kit) -> None:
    name = damaged_kit(kit)
    path = kit.store.path(name)
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path.write_bytes(data)
    with pytest.raises(DamagedError, match=name):
        kit.lines()
    assert kit.lines() == ["good"]
    assert (kit.store.damaged_directory / name).exists()


@pytest.mark.parametrize("how", ["cut", "gone"])
def test_damage_is_noticed_at_the_start(make_kit: MakeKit, how: str) -> None:
    kit = make_kit()
    name = damaged_kit(kit)
    kit.close()
    path = kit.store.path(name)
    if how == "cut":
        os.truncate(path, 50)
    else:
        path.unlink()
    again = make_kit()
    assert again.lines() == ["good"]
    assert segments(again) != [name]


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_a_lost_manifest_is_made_again_from_the_segments(make_kit: MakeKit, how: str) -> None:
    kit = make_kit()
    kit.push([(NOW, "a")])
    kit.store.flush()
    kit.push([(NOW + 1, "b")])
    kit.close()
    path = kit.store.directory / "manifest.journal"
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(b"rubbish" + path.read_bytes())
    again = make_kit()
    assert again.lines() == ["a", "b"]
    assert again.index.label_names(["fake"], "", -EVER, EVER) == ["job", "service_name"]


def test_a_torn_line_of_the_manifest_is_its_end(tmp_path: Any) -> None:
    path = tmp_path / "m"
    Manifest(path)
    with path.open("ab") as handle:
        handle.write(b"00000000 {half")
    assert Manifest(path).torn


def test_segments_in_use_are_deleted_afterwards(kit: Kit) -> None:
    kit.push([(NOW, "x")])
    kit.store.flush()
    name = segments(kit)[0]
    with kit.engine.query(["fake"], -EVER, EVER) as (source, running):
        kit.compactor.merge(list(kit.store.manifest.segments.values()))
        assert kit.store.path(name).exists()
        relation = source.relation(None, -EVER, EVER, Needs())
        assert running.execute(f"SELECT line FROM {relation}").fetchall() == [("x",)]
    assert not kit.store.path(name).exists()
    assert kit.lines() == ["x"]


def test_rows_that_pile_up_become_segments(make_kit: MakeKit) -> None:
    kit = make_kit(segment_rows=10)
    for at in range(5):
        kit.push([(NOW + at * 10 + row, f"{at} {row}") for row in range(10)])
    wait_until(lambda: kit.store.totals()[2] == 0, what="segments")
    assert len(kit.lines()) == 50


def test_old_rows_are_flushed_by_time(make_kit: MakeKit) -> None:
    kit = make_kit(flush_seconds=0.0)
    kit.push([(NOW, "x")])
    wait_until(lambda: kit.store.totals()[0] == 1, what="a segment")


def test_the_log_is_emptied_as_segments_are_written(kit: Kit) -> None:
    for at in range(3):
        kit.push([(NOW + at, str(at))])
        kit.store.flush()
    assert isinstance(kit.store.wal, WriteAheadLog)
    wait_until(lambda: len(kit.store.wal.files()) <= 1, what="old log files to go")


def test_segments_are_not_searched_for_metadata_that_they_do_not_have(make_kit: MakeKit) -> None:
    kit = make_kit()
    for at, meta in enumerate(({"a": "1"}, {"b": "2"}, {"a": "3", "c": "4"})):
        kit.push([(NOW + at, "x", meta)])
        kit.store.flush()
    needs = Needs(meta_labels=frozenset({"a", "b"}))
    expected = [("1", None), (None, "2"), ("3", None)]
    assert kit.rows("m_a, m_b", needs=needs) == expected
    with kit.engine.query(["fake"], -EVER, EVER) as (source, _):
        assert source.relation(None, -EVER, EVER, needs).count("json_extract_string(meta") == 2
    kit.close()
    again = make_kit()
    assert [item.meta_keys for item in again.store.manifest.segments.values()] == [("a",), ("b",), ("a", "c")]
    again.compactor.merge(list(again.store.manifest.segments.values()))
    assert again.rows("m_a, m_b", needs=needs) == expected
    assert [item.meta_keys for item in again.store.manifest.segments.values()] == [("a", "b", "c")]
