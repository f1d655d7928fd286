"""The middleware: what a request leaves behind in metrics, access log, span and context, however it ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from fastapi import APIRouter, FastAPI, HTTPException, WebSocket
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, Router
from starlette.testclient import TestClient

from pytake.telemetry import catalog, logging
from pytake.telemetry import metrics as m
from pytake.telemetry.http import FASTAPI_TELEMETRY_OFF, TelemetryMiddleware, _remote
from pytake.telemetry.logcontext import request_id
from pytake.telemetry.routes import route_template
from pytake.telemetry.settings import TelemetrySettings
from tests.support.waiting import wait_until
from tests.unit.telemetry.conftest import Spans

pytestmark = pytest.mark.usefixtures("catalogue")
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def application() -> FastAPI:
    app = FastAPI(telemetry=FASTAPI_TELEMETRY_OFF)
    outer, inner, sub = APIRouter(prefix="/outer"), APIRouter(prefix="/inner"), FastAPI(telemetry=FASTAPI_TELEMETRY_OFF)

    @app.get("/items/{item}")
    async def item(item: int) -> dict[str, Any]:
        return {"item": item, "request_id": request_id.get()}

    @inner.post("/deep/{name}")
    async def deep(name: str) -> str:
        return name

    @sub.get("/leaf/{leaf}")
    async def leaf(leaf: str) -> str:
        return leaf

    @app.get("/boom/{kind}")
    async def boom(kind: str) -> None:
        if kind == "http":
            raise HTTPException(503, "busy")
        raise RuntimeError("token=abc")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"12345"

        return StreamingResponse(parts())

    @app.get("/half")
    async def half() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"12345"
            raise RuntimeError("the rest is missing")

        return StreamingResponse(parts())

    @app.websocket("/ws/{room}")
    async def ws(socket: WebSocket, room: str) -> None:
        if room == "closed":
            await socket.close(4403)
            return
        await socket.accept()
        if room == "broken":
            raise RuntimeError("broken")
        await socket.receive_text()
        await socket.close()

    async def raw(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("raw")(scope, receive, send)

    outer.include_router(inner)
    app.include_router(outer, prefix="/api")
    app.add_route("/plain/{file:path}", lambda _request: PlainTextResponse("plain"))
    app.mount("/sub", sub)
    app.mount("/raw", raw)
    app.mount("/tenant/{tenant}", Router([Route("/home/{page}", lambda _request: PlainTextResponse("home"))]))
    return app


@pytest.fixture
def client() -> TestClient:
    return TestClient(TelemetryMiddleware(application(), service="test"), raise_server_exceptions=False)


def requests() -> dict[tuple[str, ...], float]:
    return {values: child.get() for values, child in catalog.HTTP_REQUESTS.children.items() if child.get()}


@pytest.mark.parametrize(
    ("method", "path", "endpoint", "status"),
    [
        ("GET", "/items/5", "/items/{item}", "200"),
        ("GET", "/items/x", "/items/{item}", "422"),
        ("POST", "/items/5", "/items/{item}", "405"),
        ("POST", "/api/outer/inner/deep/a", "/api/outer/inner/deep/{name}", "200"),
        ("GET", "/sub/leaf/a", "/sub/leaf/{leaf}", "200"),
        ("GET", "/sub/nothing", "unmatched", "404"),
        ("GET", "/raw/any/thing", "/raw/*", "200"),
        ("GET", "/tenant/acme/home/1", "/tenant/{tenant}/home/{page}", "200"),
        ("GET", "/plain/a/b/c", "/plain/{file}", "200"),
        ("GET", "/wp-login.php", "unmatched", "404"),
        ("GET", "/openapi.json", "/openapi.json", "200"),
        ("GET", "/boom/http", "/boom/{kind}", "503"),
        ("GET", "/boom/other", "/boom/{kind}", "500"),
        ("BREW", "/items/5", "/items/{item}", "405"),
    ],
)
def test_requests_are_counted_by_route_template(
    client: TestClient, method: str, path: str, endpoint: str, status: str
) -> None:
    assert str(client.request(method, path).status_code) == status
    assert requests() == {(method if method != "BREW" else "other", endpoint, status): 1}
    assert catalog.HTTP_IN_FLIGHT.labels().get() == 0


@pytest.mark.parametrize(
    ("path", "params", "template"),
    [
        ("/files/a/b", {"rest": "a/b"}, "/files/{rest}"),
        ("/x/5/y/6", {"a": 5, "b": "6"}, "/x/{a}/y/{b}"),
        ("/static", {}, "/static"),
    ],
)
def test_a_router_that_leaves_no_route_still_gives_a_template(path: str, params: dict[str, Any], template: str) -> None:
    scope = {"path": path, "endpoint": object(), "path_params": params}
    assert route_template(scope, "", 200) == template


def test_hostile_paths_make_no_series(client: TestClient) -> None:
    for number in range(50):
        client.get(f"/no/{number}/<script>%0A")
    assert requests() == {("GET", "unmatched", "404"): 50}


def test_sizes_and_duration_are_observed(client: TestClient) -> None:
    client.post("/api/outer/inner/deep/a", content=b"x" * 2500)
    client.get("/stream")
    by = {"method": "POST", "endpoint": "/api/outer/inner/deep/{name}"}
    assert catalog.HTTP_REQUEST_SIZE.labels(**by).get()[0] == 1
    assert catalog.HTTP_RESPONSE_SIZE.labels(method="GET", endpoint="/stream").get() == (1, 15)
    assert catalog.HTTP_DURATION.labels(**by).get()[1] > 0


def test_bodies_are_counted_as_read() -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = type("Route", (), {"path": "/echo"})
        while (await receive()).get("more_body"):
            pass
        await PlainTextResponse("")(scope, receive, send)

    TestClient(TelemetryMiddleware(echo)).post("/echo", content=(b"x" * 1000 for _ in range(3)))
    assert catalog.HTTP_REQUEST_SIZE.labels(method="POST", endpoint="/echo").get() == (1, 3000)


@pytest.mark.parametrize(("path", "endpoint"), [("/boom/other", "/boom/{kind}"), ("/half", "/half")])
def test_an_exception_is_counted_once(client: TestClient, spans: Spans, path: str, endpoint: str) -> None:
    client.get(path)
    assert {v: c.get() for v, c in catalog.HTTP_EXCEPTIONS.children.items()} == {(endpoint, "RuntimeError"): 1}
    (span,) = spans
    assert span.failed
    assert [event.name for event in span.events or ()] == ["exception"]


def test_an_answer_that_is_a_5xx_is_no_exception(client: TestClient) -> None:
    client.get("/boom/http")
    assert not catalog.HTTP_EXCEPTIONS.children


async def drive(app: Any, receive: list[dict[str, Any]], **scope: Any) -> list[dict[str, Any]]:
    """Run one request by hand: what the server would deliver, in order, and what it was sent."""
    sent: list[dict[str, Any]] = []
    waiting = list(receive)

    async def give() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def take(message: dict[str, Any]) -> None:
        sent.append(message)

    full = {"type": "http", "method": "GET", "path": "/slow", "headers": [], "query_string": b"", **scope}
    await TelemetryMiddleware(app)(full, give, take)
    return sent


async def test_a_client_that_left_is_a_499() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = type("Route", (), {"path": "/slow"})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    await drive(slow, [{"type": "http.request"}, {"type": "http.disconnect"}])
    assert requests() == {("GET", "/slow", "499"): 1}


async def test_a_disconnect_after_the_answer_changes_nothing() -> None:
    async def quick(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = type("Route", (), {"path": "/slow"})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"all"})
        await receive()

    await drive(quick, [{"type": "http.disconnect"}])
    assert requests() == {("GET", "/slow", "200"): 1}


async def test_a_cancelled_request_is_a_499_and_no_exception() -> None:
    async def endless(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = type("Route", (), {"path": "/slow"})
        await receive()

    task = asyncio.create_task(drive(endless, []))
    await asyncio.sleep(0)
    assert catalog.HTTP_IN_FLIGHT.labels().get() == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert requests() == {("GET", "/slow", "499"): 1}
    assert not catalog.HTTP_EXCEPTIONS.children
    assert catalog.HTTP_IN_FLIGHT.labels().get() == 0


async def test_an_application_that_answers_nothing_is_a_500() -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = type("Route", (), {"path": "/slow"})

    await drive(silent, [])
    assert requests() == {("GET", "/slow", "500"): 1}


# --- request id ---------------------------------------------------------------------------------------------------
def test_a_request_has_an_id_that_the_client_sees(client: TestClient) -> None:
    answer = client.get("/items/5")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-request-id"] != client.get("/items/5").headers["x-request-id"]
    assert client.get("/items/5", headers={"x-request-id": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"
    assert request_id.get() == ""


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, 'a"b', "<script>"])
def test_an_id_of_another_form_is_replaced(client: TestClient, given: str) -> None:
    assert client.get("/items/5", headers={"x-request-id": given}).headers["x-request-id"] != given


# --- spans --------------------------------------------------------------------------------------------------------
def test_a_request_has_one_server_span_with_stable_conventions(client: TestClient, spans: Spans) -> None:
    client.get("/items/5?token=abc", headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=b"})
    (span,) = spans
    assert (span.name, span.kind) == ("GET /items/{item}", SpanKind.SERVER)
    assert f"{span.local.trace_id:032x}" == TRACE
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == PARENT
    assert span.local.state is not None
    assert span.local.state["a"] == "b"
    attributes = span.attributes or {}
    assert attributes["http.route"] == "/items/{item}"
    assert attributes["http.response.status_code"] == 200
    assert attributes["url.path"] == "/items/5"
    assert "abc" not in str(attributes)


@pytest.mark.parametrize(
    "header",
    ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-{PARENT}-01", "00-é"],
)
def test_a_bad_traceparent_starts_a_new_trace(client: TestClient, spans: Spans, header: str) -> None:
    assert client.get("/items/5", headers={"traceparent": header.encode("latin-1")}).status_code == 200
    (span,) = spans
    assert span.parent is None


traceparents = st.binary(max_size=80) | st.from_regex(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


@given(traceparents, st.none() | st.binary(max_size=200))
def test_any_header_is_a_parent_or_none(parent: bytes, state: bytes | None) -> None:
    found = _remote(parent, state)
    assert found is None or (found.is_valid and found.is_remote)


def test_the_parents_decision_is_followed(client: TestClient, spans: Spans) -> None:
    client.get("/items/5", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    assert not spans


def test_an_unsampled_request_that_failed_is_kept(client: TestClient, spans: Spans) -> None:
    spans.trace(ratio=0.0)
    client.get("/items/5")
    assert not spans
    client.get("/boom/http")
    span = spans.named("GET /boom/{kind}")
    assert (span.attributes or {})["http.response.status_code"] == 503
    assert span.status is not None
    assert span.status.status_code is StatusCode.ERROR


def test_an_unsampled_request_that_was_slow_is_kept(client: TestClient, spans: Spans) -> None:
    spans.trace(ratio=0.0, slower_than=0.0)
    client.get("/items/5")
    assert spans.named("GET /items/{item}").attributes


def test_the_exemplar_is_the_trace_of_a_kept_request(client: TestClient, spans: Spans) -> None:
    client.get("/items/5", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert f'trace_id="{TRACE}"'.encode() in m.render(openmetrics=True)
    spans.trace(ratio=0.0)
    client.get("/api/nothing")
    assert m.render(openmetrics=True).count(b"# {trace_id") == 1


def test_spans_of_requests_do_not_nest_across_requests(client: TestClient, spans: Spans) -> None:
    client.get("/items/5")
    client.get("/items/6")
    assert len({span.local.trace_id for span in spans}) == 2
    assert not trace.get_current_span().get_span_context().is_valid


def test_probes_are_counted_but_not_traced(spans: Spans) -> None:
    async def probe(scope: Any, receive: Any, send: Any) -> None:
        scope["endpoint"], scope["path_params"] = probe, {}
        await PlainTextResponse("ok")(scope, receive, send)

    TestClient(TelemetryMiddleware(probe)).get("/observability/live")
    assert requests() == {("GET", "/observability/live", "200"): 1}
    assert not spans


# --- access log ---------------------------------------------------------------------------------------------------
@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    pipeline = logging.LogPipeline("test", TelemetrySettings(_env_file=None, log_stdout=False))
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(pipeline, "line", lambda _level, line: found.append(orjson.loads(line)))
    monkeypatch.setattr(logging, "_pipeline", pipeline)
    return found


def test_a_request_writes_one_line_without_its_path(
    client: TestClient, lines: list[dict[str, Any]], spans: Spans
) -> None:
    answer = client.get("/items/5511999998888?token=abc")
    (line,) = lines
    (span,) = spans
    assert line["event"] == "http_request"
    assert (line["level"], line["logger"], line["endpoint"], line["status"]) == (
        "info",
        "test.access",
        "/items/{item}",
        200,
    )
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["trace_id"] == f"{span.local.trace_id:032x}"
    assert line["span_id"] == f"{span.span_id:016x}"
    assert line["response_bytes"] == len(answer.content)
    assert "5511999998888" not in str(line)
    assert "abc" not in str(line)


def test_a_failed_request_is_an_error_line(client: TestClient, lines: list[dict[str, Any]]) -> None:
    client.get("/boom/other")
    assert (lines[-1]["level"], lines[-1]["exception_type"]) == ("error", "RuntimeError")


# --- WebSockets and lifespan --------------------------------------------------------------------------------------
def test_a_long_socket_is_no_slow_request(client: TestClient, spans: Spans) -> None:
    spans.trace(ratio=0.0, slower_than=0.0)
    with client.websocket_connect("/ws/lobby") as socket:
        socket.send_text("hello")
        socket.receive()
    assert not spans


def test_a_socket_is_counted_when_it_ends(client: TestClient, spans: Spans, lines: list[dict[str, Any]]) -> None:
    with client.websocket_connect("/ws/lobby") as socket:
        socket.send_text("hello")
        socket.receive()
    assert requests() == {("WEBSOCKET", "/ws/{room}", "101"): 1}
    assert spans.named("GET /ws/{room}").kind is SpanKind.SERVER
    assert lines[-1]["event"] == "websocket_closed"


@pytest.mark.parametrize(
    ("path", "endpoint", "status"), [("/ws/closed", "/ws/{room}", "403"), ("/nope", "unmatched", "403")]
)
def test_a_refused_socket_is_counted(client: TestClient, path: str, endpoint: str, status: str) -> None:
    with pytest.raises(Exception), client.websocket_connect(path):  # noqa: B017, PT011 (the client's own)
        pass
    assert requests() == {("WEBSOCKET", endpoint, status): 1}


def test_a_broken_socket_counts_its_exception_once(client: TestClient, spans: Spans) -> None:
    with pytest.raises(RuntimeError), client.websocket_connect("/ws/broken") as socket:
        socket.receive()
    assert {v: c.get() for v, c in catalog.HTTP_EXCEPTIONS.children.items()} == {("/ws/{room}", "RuntimeError"): 1}
    assert spans.named("GET /ws/{room}").failed


def test_the_event_loop_is_watched_while_the_application_runs(client: TestClient) -> None:
    lag = catalog.EVENT_LOOP_LAG.labels()
    with client:
        wait_until(lambda: lag.get()[0] >= 1, 5, "an observation of the event loop's lag")


async def test_concurrent_requests_keep_their_own_context(spans: Spans) -> None:
    app = TelemetryMiddleware(application())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answers = await asyncio.gather(*(client.get("/items/1", headers={"x-request-id": f"r{n}"}) for n in range(20)))
    assert [answer.json()["request_id"] for answer in answers] == [f"r{n}" for n in range(20)]
    assert len({span.local.trace_id for span in spans}) == 20
