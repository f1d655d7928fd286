"""Receivers: syslog over TCP and UDP, Loki's push API."""

import socket

import cramjam
import httpx
import pytest

from pytake.embedded.common.loki_push_pb import PushRequest
from tests.support.ports import free_port
from tests.support.waiting import wait_until

RELABEL = [
    {"source_labels": ["__syslog_message_severity"], "target_label": "level"},
    {"source_labels": ["__syslog_message_hostname"], "target_label": "host"},
    {"source_labels": ["__syslog_message_app_name"], "target_label": "app"},
    {"source_labels": ["__syslog_message_sd_ex_32473_iut"], "target_label": "iut"},
]
RFC5424 = (
    '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [ex@32473 iut="3"] An application event'
)
RFC3164 = "<34>Oct 11 22:14:15 mymachine su[230]: 'su root' failed"


def syslog(promtail, protocol: str, form: str = "rfc5424", **more) -> int:
    port = free_port()
    promtail.config["scrape_configs"].append(
        {
            "job_name": "syslog",
            "syslog": {
                "listen_address": f"127.0.0.1:{port}", "listen_protocol": protocol, "syslog_format": form,
                "label_structured_data": True, "labels": {"job": "syslog"}, **more,
            },
            "relabel_configs": RELABEL,
        }
    )  # fmt: skip
    promtail.start()
    return port


@pytest.mark.parametrize("frame", ["{}\n", None])
def test_tcp_in_lines_and_in_counted_frames(promtail, loki, frame):
    port = syslog(promtail, "tcp", use_incoming_timestamp=True)
    data = frame.format(RFC5424) if frame else f"{len(RFC5424)} {RFC5424}"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall((data * 2).encode())
        promtail.wait_lines(2)
    labels, at, line, _, _ = loki.entries[0]
    assert line == "An application event"
    assert at == 1065910455003000000
    for pair in ('level="notice"', 'host="mymachine.example.com"', 'app="evntslog"', 'iut="3"', 'job="syslog"'):
        assert pair in labels


def test_udp(promtail, loki):
    port = syslog(promtail, "udp")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(RFC5424.encode(), ("127.0.0.1", port))
    assert promtail.wait_lines(1) == ["An application event"]


def test_the_older_form(promtail, loki):
    port = syslog(promtail, "udp", "rfc3164")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(RFC3164.encode(), ("127.0.0.1", port))
    assert promtail.wait_lines(1) == ["'su root' failed"]
    assert 'level="critical"' in loki.entries[0][0]
    assert 'app="su"' in loki.entries[0][0]


def test_what_is_no_syslog_is_counted_and_the_rest_goes_on(promtail, loki):
    port = syslog(promtail, "tcp")
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(f"hello\n<999>1 - - - - - - x\n{RFC5424}\n".encode())
        assert promtail.wait_lines(1) == ["An application event"]
    assert "promtail_syslog_target_parsing_errors_total 2" in httpx.get(f"{promtail.url}/metrics").text


# --------------------------------------------------------------------------------------------------------- push API
@pytest.fixture
def push_url(promtail) -> str:
    port = free_port()
    promtail.config["scrape_configs"].append(
        {
            "job_name": "push",
            "loki_push_api": {
                "server": {"http_listen_address": "127.0.0.1", "http_listen_port": port, "grpc_listen_port": 0},
                "labels": {"via": "push"}, "use_incoming_timestamp": True,
            },
        }
    )  # fmt: skip
    promtail.start()
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: httpx.get(f"{url}/ready").status_code == 200, 10, "the push receiver")
    return url


def test_json_pushes(promtail, loki, push_url):
    body = {"streams": [{"stream": {"app": "x"}, "values": [["1700000000000000001", "hello"]]}]}
    assert httpx.post(f"{push_url}/loki/api/v1/push", json=body).status_code == 204
    labels, at, line, _, _ = loki.entries[0]
    assert (at, line) == (1700000000000000001, "hello")
    assert 'app="x"' in labels
    assert 'via="push"' in labels


def test_protobuf_pushes(promtail, loki, push_url):
    request = PushRequest()
    entry = request.streams.add(labels='{app="y", b="c\\"d"}').entries.add(line="proto")
    entry.timestamp.seconds = 1700000000
    entry.structured_metadata.add(name="trace_id", value="abc")
    body = bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
    answer = httpx.post(
        f"{push_url}/loki/api/v1/push", content=body, headers={"Content-Type": "application/x-protobuf"}
    )
    assert answer.status_code == 204
    assert loki.entries[0][2:4] == ("proto", {"trace_id": "abc"})
    assert 'b="c\\"d"' in loki.entries[0][0]


def test_raw_lines(promtail, loki, push_url):
    assert httpx.post(f"{push_url}/promtail/api/v1/raw", content=b"a\nb\n").status_code == 204
    assert loki.lines() == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"{", "application/json"), (b'{"streams": 5}', "application/json"), (b"\x00garbage", "application/x-protobuf")],
)
def test_a_push_that_cannot_be_read_is_refused(promtail, loki, push_url, body, kind):
    answer = httpx.post(f"{push_url}/loki/api/v1/push", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert loki.entries == []
