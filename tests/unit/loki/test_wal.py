"""The write-ahead log: what was acknowledged is read back, what was torn is not."""

import errno
import os
import threading
from pathlib import Path

import pytest

from pytake.embedded.loki.store.wal import MAGIC, Damage, WriteAheadLog, read_file


def write(log: WriteAheadLog, seqs: range) -> list[BaseException | None]:
    results: list[BaseException | None] = []
    done = threading.Semaphore(0)

    def finish(error: BaseException | None) -> None:
        results.append(error)
        done.release()

    for seq in seqs:
        log.append(seq, f"record {seq}".encode(), finish)
    for _ in seqs:
        assert done.acquire(timeout=10)
    return results


def read(directory: Path) -> tuple[list[int], list[Damage]]:
    damage: list[Damage] = []
    seqs = []
    for path in sorted(directory.glob("*.wal")):
        for seq, body in read_file(path, damage):
            assert body == f"record {seq}".encode()
            seqs.append(seq)
    return seqs, damage


def test_records_come_back_in_order(tmp_path: Path) -> None:
    log = WriteAheadLog(tmp_path)
    assert write(log, range(1, 50)) == [None] * 49
    log.rotate()
    assert write(log, range(50, 60)) == [None] * 10
    assert len(log.files()) == 2
    log.drop_through(49)
    assert len(log.files()) == 1
    log.close()
    assert read(tmp_path) == (list(range(50, 60)), [])


@pytest.mark.parametrize("cut", [1, 5, 15, 20])
def test_a_torn_end_loses_only_the_last_record(tmp_path: Path, cut: int) -> None:
    log = WriteAheadLog(tmp_path)
    write(log, range(1, 4))
    log.close()
    path = log.files()[0]
    os.truncate(path, path.stat().st_size - cut)
    seqs, damage = read(tmp_path)
    assert seqs == [1, 2]
    assert [item.path for item in damage] == [path]


def test_damage_in_the_middle_is_reported(tmp_path: Path) -> None:
    log = WriteAheadLog(tmp_path)
    write(log, range(1, 4))
    log.close()
    path = log.files()[0]
    data = bytearray(path.read_bytes())
    data[len(MAGIC) + 17] ^= 0xFF
    path.write_bytes(data)
    seqs, damage = read(tmp_path)
    assert seqs == []
    assert damage[0].lost == len(data) - len(MAGIC)


def test_a_file_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "1.wal").write_bytes(b"not a log")
    (tmp_path / "2.wal").write_bytes(b"")
    assert read(tmp_path)[1][0].offset == 0


def test_a_failed_write_is_cut_off_and_later_ones_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = WriteAheadLog(tmp_path)
    write(log, range(1, 3))
    real = os.write

    def full(handle: int, data: bytes) -> int:
        real(handle, bytes(data[:7]))
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        errors = write(log, range(3, 4))
    assert isinstance(errors[0], OSError)
    assert write(log, range(4, 6)) == [None, None]
    log.close()
    assert read(tmp_path) == ([1, 2, 4, 5], [])
