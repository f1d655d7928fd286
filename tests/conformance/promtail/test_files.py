"""Following files: what comes, what was rotated, truncated, compressed or left half read by a crash."""

import gzip
import os

import httpx
import pytest
import yaml

from tests.support.waiting import wait_until


def test_lines_arrive_with_labels_and_file_name(promtail, write, loki):
    path = write("a.log", "one", "two")
    promtail.scrape("*.log", labels={"team": "core"})
    promtail.start()
    assert promtail.wait_lines(2) == ["one", "two"]
    write("a.log", "three")
    promtail.wait_lines(3)
    labels = loki.entries[0][0]
    assert f'filename="{path}"' in labels
    assert 'job="job0"' in labels
    assert 'team="core"' in labels


def test_new_files_are_found_and_excluded_ones_are_not(promtail, write, loki):
    write("a.log", "a")
    promtail.scrape("*.log", labels={"__path_exclude__": str(promtail.folder / "skip*.log")})
    promtail.start()
    promtail.wait_lines(1)
    write("skip.log", "no")
    write("b.log", "b")
    assert promtail.wait_lines(2) == ["a", "b"]


def test_braces_and_folders_below(promtail, write):
    (promtail.folder / "x" / "y").mkdir(parents=True)
    write("x/y/deep.log", "deep")
    write("x/y/deep.txt", "text")
    write("x/y/deep.csv", "no")
    promtail.scrape("**/deep.{log,txt}")
    promtail.start()
    assert sorted(promtail.wait_lines(2)) == ["deep", "text"]


def test_a_half_line_waits_for_its_end(promtail, write, loki):
    write("a.log", "whole")
    write("a.log", "half", end="")
    promtail.scrape("a.log")
    promtail.start()
    promtail.wait_lines(1)
    write("a.log", " and the rest")
    assert promtail.wait_lines(2) == ["whole", "half and the rest"]


def test_rotation_loses_and_doubles_nothing(promtail, write):
    path = write("a.log", "1")
    promtail.scrape("a.log")
    promtail.start()
    promtail.wait_lines(1)
    for number in range(2, 12, 2):
        write("a.log", str(number))
        os.rename(path, promtail.folder / f"a.log.{number}")
        write("a.log", str(number + 1))
        promtail.wait_lines(number + 1)
    assert promtail.loki.lines() == [str(n) for n in range(1, 12)]


def test_truncation_starts_anew(promtail, write):
    path = write("a.log", "long line before", "another")
    promtail.scrape("a.log")
    promtail.start()
    promtail.wait_lines(2)
    path.write_text("new\n")
    assert promtail.wait_lines(3)[-1] == "new"


def test_after_a_stop_reading_goes_on_where_it_was(promtail, write):
    write("a.log", "1", "2")
    promtail.scrape("a.log")
    promtail.start()
    promtail.wait_lines(2)
    promtail.stop()
    positions = yaml.safe_load((promtail.folder / "positions.yaml").read_text())["positions"]
    assert positions == {str(promtail.folder / "a.log"): "4"}
    write("a.log", "3")
    promtail.start()
    assert promtail.wait_lines(3) == ["1", "2", "3"]


def test_a_rotation_while_it_was_down_loses_nothing(promtail, write):
    path = write("a.log", "1", "2")
    promtail.scrape("a.log")
    promtail.start()
    promtail.wait_lines(2)
    promtail.stop()
    write("a.log", "3")
    os.rename(path, promtail.folder / "a.log.1")
    write("a.log", "4", "5")
    promtail.start()
    assert sorted(promtail.wait_lines(5)) == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("killed_after", [1, 500, 2500])
def test_kill_9_loses_nothing(promtail, write, killed_after):
    promtail.config["clients"][0]["batchsize"] = 2000
    lines = [f"line {n}" for n in range(3000)]
    write("a.log", *lines)
    promtail.scrape("a.log")
    promtail.start()
    promtail.wait_lines(killed_after)
    promtail.kill()
    promtail.start()
    wait_until(lambda: set(promtail.loki.lines()) == set(lines), 20, "every line")


def test_a_loki_that_fails_delays_and_loses_nothing(promtail, write, loki):
    loki.answers = [500, 503, 429]
    write("a.log", "1", "2")
    promtail.scrape("a.log")
    promtail.start()
    assert promtail.wait_lines(2) == ["1", "2"]
    assert loki.requests == 4


def test_what_loki_refuses_for_good_is_counted_and_not_repeated(promtail, write, loki):
    loki.answers = [400]
    write("a.log", "bad")
    promtail.scrape("a.log")
    promtail.start()
    wait_until(lambda: loki.requests == 1, 10, "the first push")
    write("a.log", "good")
    assert promtail.wait_lines(1) == ["good"]
    page = httpx.get(f"{promtail.url}/metrics").text
    assert "promtail_dropped_entries_total" in page


def test_compressed_files_are_read_once(promtail, loki):
    with gzip.open(promtail.folder / "old.gz", "wt") as file:
        file.write("\n".join(f"z{n}" for n in range(5000)) + "\n")
    promtail.scrape("*.gz", decompression={"enabled": True, "format": "gz"})
    promtail.start()
    promtail.wait_lines(5000)
    promtail.stop()
    promtail.start()
    wait_until(lambda: httpx.get(f"{promtail.url}/ready").status_code == 200, 5, "ready")
    assert len(loki.lines()) == 5000


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "latin-1"])
def test_other_encodings(promtail, encoding):
    path = promtail.folder / "w.log"
    path.write_bytes("größe ਊ\n".replace("ਊ", "x").encode(encoding) + "zwei\n".encode(encoding))
    promtail.scrape("w.log", encoding=encoding)
    promtail.start()
    assert promtail.wait_lines(2) == ["größe x", "zwei"]


def test_bytes_that_are_no_text_do_not_stop_it(promtail):
    (promtail.folder / "b.log").write_bytes(b"\xff\xfe\x00bad\n\x80\nfine\n")
    promtail.scrape("b.log")
    promtail.start()
    assert promtail.wait_lines(3)[-1] == "fine"


@pytest.mark.parametrize(("truncate", "expected"), [(True, ["x" * 100, "ok"]), (False, ["ok"])])
def test_long_lines_are_cut_or_dropped(promtail, write, truncate, expected):
    promtail.config["limits_config"] = {"max_line_size": 100, "max_line_size_truncate": truncate}
    write("a.log", "x" * 5000, "ok")
    promtail.scrape("a.log")
    promtail.start()
    assert promtail.wait_lines(len(expected)) == expected


def test_relabelling_sets_and_drops(promtail, write, loki):
    write("keep.log", "k")
    write("drop.log", "d")
    promtail.scrape(
        "*.log",
        relabel_configs=[
            {"source_labels": ["__path__"], "regex": ".*/drop\\.log", "action": "drop"},
            {"source_labels": ["__path__"], "regex": ".*/(.*)\\.log", "target_label": "name", "replacement": "is-$1"},
        ],
    )
    promtail.start()
    assert promtail.wait_lines(1) == ["k"]
    assert 'name="is-keep"' in loki.entries[0][0]


def test_tenants_and_external_labels(promtail, write, loki):
    promtail.config["clients"][0] |= {"tenant_id": "acme", "external_labels": {"env": "test"}}
    write("a.log", "x")
    promtail.scrape("a.log")
    promtail.start()
    promtail.wait_lines(1)
    assert loki.entries[0][4] == "acme"
    assert 'env="test"' in loki.entries[0][0]
