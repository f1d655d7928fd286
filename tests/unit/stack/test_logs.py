"""Ends of log files, and following them over a rotation."""

import itertools

from pytake.stack import logs
from pytake.stack.components import BY_NAME


def test_the_end_of_a_file_that_is_larger_than_a_chunk(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("".join(f"line {number}\n" for number in range(20_000)))
    assert logs.tail(path, 3) == ["line 19997", "line 19998", "line 19999"]


def test_a_file_that_is_shorter_than_asked_for(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("one\ntwo")
    assert logs.tail(path, 10) == ["one", "two"]
    assert logs.tail(path, 0) == []
    assert logs.tail(tmp_path / "none.log", 5) == []


def test_following_over_a_rotation_and_a_half_written_line(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("before\n")
    stream = logs.follow([path], poll=0.001)

    def write():
        with path.open("a") as file:
            file.write("first\nhal")
        yield
        with path.open("a") as file:
            file.write("f\n")
        yield
        path.rename(tmp_path / "a.log.1")
        path.write_text("after the rotation\n")
        yield

    steps = write()

    def impatient():
        # `follow` begins at the end of the file: let it look once before anything is written.
        real = logs.time.sleep
        logs.time.sleep = lambda seconds: next(steps, None)
        try:
            yield from itertools.islice(stream, 3)
        finally:
            logs.time.sleep = real

    assert [line for _, line in impatient()] == ["first", "half", "after the rotation"]


def test_a_server_of_ours_shows_its_own_log_and_others_what_was_captured(stack):
    (stack.logs / "pytake-sandbox.log").write_text("{}\n")
    (stack.logs / "pytake-sandbox.stdout").write_text("trace\n")
    (stack.logs / "redis.log").write_text("x\n")
    assert logs.files_of(stack, BY_NAME["pytake-sandbox"]) == [stack.logs / "pytake-sandbox.log"]
    assert logs.files_of(stack, BY_NAME["redis"]) == [stack.logs / "redis.log"]
    assert logs.files_of(stack, BY_NAME["prometheus"]) == []
