"""``kill -9`` in the middle of ingest: every acknowledged span is there afterwards, once."""

import http.client
import threading
from pathlib import Path

import pytest

from tests.conformance.jaeger.server import PROTOBUF, OwnServer, call
from tests.conformance.jaeger.spans import request
from tests.support.waiting import wait_until

ROUNDS, WRITERS = 3, 4


class _Writer(threading.Thread):
    """Sends traces until the server is gone; notes what was acknowledged."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port, self.acknowledged = port, []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while True:
            trace_id, made = request("crash", *({"tags": {"n": number}} for number in range(10)))
            try:
                connection.request("POST", "/v1/traces", made.SerializeToString(), {"content-type": PROTOBUF})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                return
            if answer.status == 200:
                self.acknowledged.append(trace_id)


@pytest.mark.e2e
def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    server = OwnServer(tmp_path)
    acknowledged: list[str] = []
    for _ in range(ROUNDS):
        server.start()
        writers = [_Writer(server.ports["OTLP_HTTP"]) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        wait_until(lambda writers=writers: sum(len(writer.acknowledged) for writer in writers) > 100, 30, "100 traces")
        server.process.kill()
        for writer in writers:
            writer.join()
            acknowledged += writer.acknowledged
    target = server.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.ports["UI"], timeout=30)
    sizes = []
    for trace_id in acknowledged:
        connection.request("GET", f"/api/traces/{trace_id}")
        answer = connection.getresponse()
        sizes.append(answer.read().count(b'"spanID"') if answer.status == 200 else 0)
    connection.close()
    assert sizes == [10] * len(acknowledged)
    assert len(acknowledged) > ROUNDS * 100
    assert call(f"{target.query}/status").status == 200
    assert server.process.stop() == 0
