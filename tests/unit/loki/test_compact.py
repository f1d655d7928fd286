"""Compaction, retention and deletion keep exactly the rows they should."""

import time
from collections.abc import Callable

import pytest

from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.rowsource import Needs
from pytake.embedded.loki.settings import Limits, StreamRetention
from pytake.embedded.loki.store import ids
from tests.unit.loki.conftest import EVER, SECOND, Kit

HOUR = 3600 * SECOND
NOW = time.time_ns() // HOUR * HOUR
MakeKit = Callable[..., Kit]


def fill(kit: Kit, count: int, start: int = NOW - 2 * HOUR, step: int = 60 * SECOND) -> None:
    for at in range(count):
        kit.push([(start + at * step, f'{{"n":{at},"trace_id":"{at:032x}"}}')])
        kit.store.flush()


def test_small_segments_become_one_an_hour(kit: Kit) -> None:
    fill(kit, 9, step=10 * 60 * SECOND)
    before = kit.rows("ts, line")
    kit.compactor.run_once(NOW + HOUR)
    assert sorted(item.level for item in kit.store.manifest.segments.values()) == [1, 1]
    assert kit.rows("ts, line") == before
    assert kit.rows("j_n", needs=Needs(frozenset({"n"}))) == [(str(at),) for at in range(9)]
    kit.compactor.run_once(NOW + HOUR)
    assert len(kit.store.manifest.segments) == 2


def test_an_open_hour_waits_for_more(kit: Kit) -> None:
    fill(kit, 3, start=NOW)
    kit.compactor.run_once(NOW + 60 * SECOND)
    assert len(kit.store.manifest.segments) == 3


def test_compacted_segments_find_ids_without_reading_lines(kit: Kit) -> None:
    fill(kit, 8, step=SECOND)
    kit.compactor.run_once(NOW + HOUR)
    (item,) = kit.store.manifest.segments.values()
    assert item.size == kit.store.path(item.name).stat().st_size + ids.sidecar(kit.store.path(item.name)).stat().st_size
    for needle, found in ((f"{3:032x}", [(f"{3:032x}",)]), ("f" * 32, [])):
        with kit.engine.query(["fake"], -EVER, EVER) as (source, running):
            relation = source.relation(None, -EVER, EVER, Needs(frozenset({"trace_id"}), needles=(needle,)))
            sql = f"SELECT j_trace_id FROM {relation} WHERE contains(line, '{needle}')"
            assert running.execute(sql).fetchall() == found
            assert len(source.stats.skipped) == (0 if found else 1)


def test_segments_of_different_columns_merge(kit: Kit) -> None:
    kit.push([(NOW, '{"a":"1"}')])
    kit.store.flush()
    kit.push([(NOW + 1, '{"b":"2"}'), (NOW + 2, "text")])
    kit.store.flush()
    kit.compactor.merge(list(kit.store.manifest.segments.values()))
    (item,) = kit.store.manifest.segments.values()
    assert item.columns == ("a", "b")
    assert kit.rows("j_a, j_b", needs=Needs(frozenset({"a", "b"}))) == [("1", None), (None, "2"), (None, None)]


def test_retention_by_age_and_by_stream(make_kit: MakeKit) -> None:
    limits = Limits(
        retention_period=10 * 3600, reject_old_samples=False,
        retention_stream=(StreamRetention('{level="debug"}', 1, 3600), StreamRetention('{job=~".+"}', 0, 5 * 3600)),
    )  # fmt: skip
    kit = make_kit(limits=limits)
    kit.push([(NOW - 11 * HOUR, "ancient")], {"app": "a"})
    kit.store.flush()
    kit.push([(NOW - 6 * HOUR, "kept by default")], {"app": "a"})
    kit.push([(NOW - 6 * HOUR, "too old for a job")], {"job": "j"})
    kit.push([(NOW - 6 * HOUR, "debug")], {"job": "j", "level": "debug"})
    kit.store.flush()
    kit.push([(NOW - 2 * HOUR, "job")], {"job": "j"})
    kit.push([(NOW - 2 * HOUR, "debug")], {"job": "j", "level": "debug"})
    kit.store.flush()
    kit.compactor.apply_retention(NOW)
    assert kit.lines() == ["kept by default", "job"]


def test_retention_is_off_unless_enabled(make_kit: MakeKit) -> None:
    kit = make_kit(retention_enabled=False, limits=Limits(retention_period=1, reject_old_samples=False))
    kit.push([(NOW - HOUR, "old")])
    kit.store.flush()
    kit.compactor.run_once(NOW)
    assert kit.lines() == ["old"]


def test_retention_by_size_drops_the_oldest(make_kit: MakeKit) -> None:
    kit = make_kit(retention_bytes=1)
    fill(kit, 3, step=SECOND)
    kit.compactor.apply_retention(NOW)
    assert [line[:6] for line in kit.lines()] == ['{"n":2']


def test_deletes_hide_at_once_and_rewrite_later(make_kit: MakeKit) -> None:
    kit = make_kit(delete_cancel_period=3600.0)
    at = NOW - HOUR
    kit.push([(at, "secret one"), (at + 1, "fine"), (at + HOUR // 2, "secret late")])
    kit.push([(at, "secret elsewhere")], {"job": "other"})
    kit.deletes.add("fake", '{job="test"} |= "secret"', at, at + SECOND)
    assert kit.lines() == ["secret elsewhere", "fine", "secret late"]
    kit.compactor.apply_deletes(time.time_ns())
    assert kit.deletes.listing("fake")[0]["status"] == "received"
    kit.compactor.apply_deletes(time.time_ns() + 2 * HOUR)
    assert kit.deletes.listing("fake")[0]["status"] == "processed"
    assert kit.lines() == ["secret elsewhere", "fine", "secret late"]
    assert kit.deletes.hidden(["fake"]) == []


def test_a_canceled_delete_shows_its_lines_again(make_kit: MakeKit) -> None:
    kit = make_kit(delete_cancel_period=3600.0)
    kit.push([(NOW, "x")])
    request = kit.deletes.add("fake", '{job="test"}', NOW, NOW + 1)
    assert kit.lines() == []
    kit.deletes.cancel("fake", request.request_id, force=False)
    assert kit.lines() == ["x"]
    with pytest.raises(RequestError, match="could not find delete request"):
        kit.deletes.cancel("fake", "nope", force=False)


def test_delete_requests_survive_a_restart(make_kit: MakeKit) -> None:
    kit = make_kit(delete_cancel_period=3600.0)
    kit.push([(NOW, "x")])
    kit.deletes.add("fake", '{job="test"}', NOW, NOW + 1)
    kit.close()
    assert make_kit(delete_cancel_period=3600.0).lines() == []


@pytest.mark.parametrize("query", ['{job="a"} | json', 'rate({job="a"}[1m])', "nonsense", '{job="a"} |> "<_>x"'])
def test_deletes_that_cannot_be_done_are_refused(kit: Kit, query: str) -> None:
    with pytest.raises(RequestError) as found:
        kit.deletes.add("fake", query, 0, 1)
    assert found.value.status == 400


def test_streams_without_lines_are_forgotten(make_kit: MakeKit) -> None:
    kit = make_kit(limits=Limits(retention_period=3600, reject_old_samples=False, max_global_streams_per_user=2))
    clock = [0.0]
    kit.store.streams._clock = lambda: clock[0]
    kit.push([(NOW - 5 * HOUR, "old")], {"pod": "1"})
    kit.push([(NOW, "new")], {"pod": "2"})
    kit.store.flush()
    assert kit.push([(NOW, "x")], {"pod": "3"}) is not None
    kit.compactor.run_once(NOW)
    assert kit.store.streams.count("fake") == 2
    clock[0] = 2000.0
    kit.compactor.run_once(NOW)
    assert [dict(kit.store.streams.get(sid).labels)["pod"] for sid in kit.store.streams.all_sids()] == ["2"]
    assert kit.push([(NOW, "x")], {"pod": "3"}) is None
    kit.close()
    assert make_kit().store.streams.count("fake") == 2


def test_idle_streams_do_not_count_against_the_limit(make_kit: MakeKit) -> None:
    kit = make_kit(limits=Limits(max_global_streams_per_user=1))
    clock = [0.0]
    kit.store.streams._clock = lambda: clock[0]
    kit.push([(NOW, "x")], {"pod": "1"})
    assert kit.push([(NOW, "x")], {"pod": "2"}) is not None
    clock[0] = 2000.0
    assert kit.push([(NOW, "x")], {"pod": "2"}) is None
