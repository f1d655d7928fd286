"""The servers that the tests stand on."""

import pytest

from tests.support.ports import free_port
from tests.support.servers import PostgresServer, RedisServer
from tests.support.waiting import wait_until


def test_postgres_answers(postgres_server: PostgresServer, empty_database: str) -> None:
    name = empty_database.rsplit("/", 1)[1]
    assert postgres_server.execute("select current_database()", name) == name


def test_redis_keeps_appended_writes_over_a_kill(tmp_path) -> None:
    import redis

    server = RedisServer(tmp_path / "redis", appendonly=True)
    server.start()
    with redis.Redis.from_url(server.url()) as client:
        client.set("a", "1")
    server.kill()
    server.start()
    with redis.Redis.from_url(server.url()) as client:
        assert client.get("a") == b"1"
    server.stop()


def test_ports_differ() -> None:
    assert len({free_port() for _ in range(50)}) == 50


def test_waiting_says_what_it_waited_for() -> None:
    with pytest.raises(AssertionError, match="rain"):
        wait_until(lambda: False, 0.05, "rain")
