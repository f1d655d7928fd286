"""Nothing acknowledged is lost, nothing is found twice, old segments go."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pytake.embedded.jaeger import segment, wal
from pytake.embedded.jaeger.generation import OverloadedError, StoreClosedError
from pytake.embedded.jaeger.links import dependencies
from pytake.embedded.jaeger.search import Query, find_trace_ids, read_traces
from pytake.embedded.jaeger.store import Store
from tests.support.waiting import wait_until
from tests.unit.jaeger.build import NOW_US, body, ident, push, random_trace, span

MakeStore = Callable[..., Store]


def _spans(store: Store, *traces: int) -> list[int]:
    store.settle(30)
    return [len(found) for found in read_traces(store, [ident(trace) for trace in traces])]


def test_an_acknowledged_span_is_found_at_once(store: Store) -> None:
    store.append(body(*random_trace(1)), 20)
    assert _spans(store, 1, 2) == [20, 0]


def test_a_restart_reads_the_log_back(make_store: MakeStore) -> None:
    make_store().append(body(*random_trace(1)), 20)
    again = make_store()
    assert _spans(again, 1) == [20]
    again.append(body(*random_trace(2)), 20)
    assert _spans(make_store(), 1, 2) == [20, 20]


def test_a_segment_and_its_log_are_not_both_read(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store()
    store.append(body(*random_trace(1)), 20)
    log = next((tmp_path / "traces/wal").glob("*.wal"))
    kept = log.read_bytes()
    store.flush()
    assert not log.exists()
    log.write_bytes(kept)  # as after a crash between writing the segment and deleting the log
    assert _spans(make_store(), 1) == [20]
    assert not log.exists()


def test_a_torn_record_is_cut_off(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store()
    store.append(body(*random_trace(1)), 20)
    store.append(body(*random_trace(2)), 20)
    store.close()
    log = next((tmp_path / "traces/wal").glob("*.wal"))
    log.write_bytes(log.read_bytes()[:-7])
    again = make_store()
    assert _spans(again, 1, 2) == [20, 0]
    again.append(body(*random_trace(3)), 20)
    assert _spans(make_store(), 1, 2, 3) == [20, 0, 20]


def test_half_a_segment_is_removed_and_the_log_used(make_store: MakeStore, tmp_path: Path) -> None:
    make_store().append(body(*random_trace(1)), 20)
    segments = tmp_path / "traces/segments"
    (segments / "000000000001.idx").write_bytes(b"half")
    (segments / "000000000001.tmp").write_bytes(b"half")
    assert _spans(make_store(), 1) == [20]
    assert not list(segments.iterdir())


def test_full_generations_become_segments(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store(segment_spans=100)
    for trace in range(1, 31):
        push(store, *random_trace(trace))
    wait_until(lambda: len(store.segments()) >= 5, what="five segments")
    assert _spans(store, *range(1, 31)) == [20] * 30
    assert _spans(make_store(), *range(1, 31)) == [20] * 30
    assert len(list((tmp_path / "traces/wal").glob("*.wal"))) <= 3


def test_a_trace_in_several_parts_is_whole(store: Store) -> None:
    spans = random_trace(1)
    store.append(body(*spans[:7]), 7)
    store.flush()
    store.append(body(*spans[7:12]), 5)
    store.settle(30)
    store.append(body(*spans[12:]), 8)
    assert _spans(store, 1) == [20]


def test_the_same_span_sent_twice_is_shown_once(store: Store) -> None:
    store.append(body(span(1, 1)), 1)
    store.flush()
    store.append(body(span(1, 1)), 1)
    assert _spans(store, 1) == [1]


def test_many_writers_share_syncs_and_lose_nothing(make_store: MakeStore) -> None:
    store = make_store(segment_spans=500)

    def write(first: int) -> None:
        for trace in range(first, first + 25):
            push(store, *random_trace(trace))

    threads = [threading.Thread(target=write, args=(1 + 25 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _spans(store, *range(1, 201)) == [20] * 200


def test_too_much_waiting_is_refused_not_lost(make_store: MakeStore) -> None:
    store = make_store(pending_bytes=10)
    store.submit(body(span(1, 1)), 1, lambda _error: None)

    def flood() -> None:
        for _ in range(1000):
            store.submit(body(span(1, 2)), 1, lambda _error: None)

    with pytest.raises(OverloadedError):
        flood()


def test_a_full_disk_fails_the_request_and_the_next_may_succeed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wal.os, "fdatasync", full)
    with pytest.raises(OSError, match="No space left"):
        store.append(body(span(1, 1)), 1)
    monkeypatch.undo()
    store.append(body(span(2, 2)), 1)
    assert _spans(store, 1, 2) == [0, 1]


def test_a_stopping_store_takes_nothing(store: Store) -> None:
    store.close()
    with pytest.raises(StoreClosedError):
        store.append(body(span(1, 1)), 1)


def test_retention_by_age(make_store: MakeStore) -> None:
    now = [NOW_US / 1e6 + 50]
    store = make_store(retention_seconds=100, clock=lambda: now[0])
    store.append(body(span(1, 1)), 1)
    store.flush()
    assert store.enforce_retention() == 0
    now[0] += 100
    assert store.enforce_retention() == 1
    assert _spans(store, 1) == [0]
    assert store.operations() == set()


def test_retention_by_size_drops_the_oldest(make_store: MakeStore) -> None:
    store = make_store()
    for trace in (1, 2, 3):
        store.append(body(*random_trace(trace)), 20)
        store.flush()
    size = store.segments()[0].size
    store.close()
    store = make_store(retention_bytes=int(size * 2.5))
    assert store.enforce_retention() == 1
    assert _spans(store, 1, 2, 3) == [0, 20, 20]


def test_an_undecodable_request_in_the_log_does_not_stop_the_rest(store: Store) -> None:
    store.append(b"\xff\xff\xff", 1)
    store.append(body(span(1, 1)), 1)
    assert _spans(store, 1) == [1]


def test_old_spans_are_written_after_a_while(make_store: MakeStore) -> None:
    store = make_store(segment_seconds=0.01, index_seconds=0.01)
    store.append(body(span(1, 1)), 1)
    wait_until(store.segments, what="a segment by age")
    assert _spans(store, 1) == [1]


def test_the_cache_stays_within_its_size(make_store: MakeStore) -> None:
    store = make_store(cache_bytes=1)
    for trace in (1, 2, 3):
        store.append(body(*random_trace(trace)), 20)
        store.flush()
    assert len(find_trace_ids(store, Query("api", limit=10))) > 0
    assert store._cache.parts._used < 200_000
    assert len(store._cache.parts._entries) == 1


def test_a_directory_has_one_server(store: Store) -> None:
    with pytest.raises(OSError, match="another server uses"):
        Store(store.directory).start()


def test_a_segment_that_cannot_be_written_is_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.append(body(*random_trace(1)), 20)
    real, calls = segment.write, []

    def flaky(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 1:
            raise OSError(28, "No space left on device")
        real(*arguments)

    monkeypatch.setattr(segment, "write", flaky)
    store.flush()
    assert len(calls) == 2
    assert _spans(store, 1) == [20]


def test_counting_that_fails_does_not_stop_the_store(make_store: MakeStore) -> None:
    def broken(_columns: object) -> None:
        raise RuntimeError("no")

    store = make_store(on_spans=broken)
    store.append(body(span(1, 1)), 1)
    assert _spans(store, 1) == [1]


def test_a_segment_that_retention_deletes_meanwhile_is_left_out(make_store: MakeStore) -> None:
    store = make_store()
    for trace in (1, 2):
        store.append(body(span(trace, trace)), 1)
        store.flush()
    for path in (store.segments()[0].path, store.segments()[0].path.with_suffix(".idx")):
        path.unlink()
    assert find_trace_ids(store, Query("api")) == [ident(2)]
    assert _spans(store, 1, 2) == [0, 1]
    assert dependencies(store, 0, 2**62) == []
