"""``loki_push_api``: receives Loki pushes (JSON, or protobuf with snappy) on a port of its own."""

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import cramjam
import orjson
import uvicorn
from google.protobuf.message import DecodeError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pytake.embedded.common.loki_push_pb import PushRequest
from pytake.embedded.common.serving import bind
from pytake.embedded.loki.logql import LogQLError, parse, selectors
from pytake.embedded.promtail.entry import Entry, Ticket
from pytake.embedded.promtail.pipeline import Pipeline
from pytake.embedded.promtail.relabel import Rule, relabel, visible
from pytake.embedded.promtail.settings import PushServer
from pytake.embedded.promtail.sources.base import Source, TargetView

MAX_BODY = 16 * 1024 * 1024
_GZIP = re.compile(rb"\x1f\x8b")


class PushSource(Source):
    """A push receiver of one scrape configuration; a push is answered 204 once the clients' Loki has it."""

    def __init__(
        self, job: str, config: PushServer, rules: Sequence[Rule], pipeline: Pipeline, busy: Callable[[], bool]
    ) -> None:
        self._job, self._config, self._rules, self._pipeline, self._busy = job, config, rules, pipeline, busy
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.port = config.server.http_listen_port

    async def start(self) -> None:
        """Listen."""
        sock = bind(self._config.server.http_listen_address, self._config.server.http_listen_port)
        self.port = sock.getsockname()[1]
        app = Starlette(
            routes=[
                Route("/loki/api/v1/push", self._push, methods=["POST"]),
                Route("/promtail/api/v1/raw", self._raw, methods=["POST"]),
                Route("/ready", lambda _: PlainTextResponse("ready\n")),
            ]
        )
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        with contextlib.suppress(AttributeError):
            self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # older uvicorn only
        self._task = asyncio.create_task(self._server.serve(sockets=[sock]), name=f"push-{self._job}")

    async def stop(self) -> None:
        """Close the listener."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await asyncio.gather(self._task, return_exceptions=True)

    def views(self) -> list[TargetView]:
        """One row."""
        labels = self._config.labels
        return [TargetView("Push", self._job, True, labels, labels, {"port": str(self.port)})]

    async def _push(self, request: Request) -> Response:
        if self._busy():
            return PlainTextResponse("too many entries on their way; try again\n", 429)
        body = await _body(request)
        if body is None:
            return PlainTextResponse(f"body over {MAX_BODY} bytes\n", 413)
        try:
            streams = _decode(
                body, request.headers.get("content-type", ""), request.headers.get("content-encoding", "")
            )
        except (ValueError, KeyError, TypeError, LogQLError, DecodeError, cramjam.DecompressionError) as error:
            return PlainTextResponse(f"cannot read the push: {error}\n", 400)
        await self._hand_over(streams)
        return Response(status_code=204)

    async def _raw(self, request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return PlainTextResponse(f"body over {MAX_BODY} bytes\n", 413)
        now = time.time_ns()
        lines = body.decode("utf-8", errors="replace").splitlines()
        await self._hand_over([({}, [(now, line, []) for line in lines if line])])
        return Response(status_code=204)

    async def _hand_over(self, streams: list["Stream"]) -> None:
        """Push and wait until delivered: the sender keeps what was not."""
        delivered = asyncio.Event()
        ticket = Ticket(delivered.set)
        now = time.time_ns()
        for own, values in streams:
            labels = relabel(self._rules, {**own, **self._config.labels})
            if labels is None:
                continue
            shown = visible(labels)
            entries = []
            for at, line, metadata in values:
                entry = Entry(shown, at if self._config.use_incoming_timestamp else now, line, ticket)
                entry.metadata = metadata or None
                entries.append(entry)
            ticket.remaining += len(entries)
            self._pipeline.push(entries)
        ticket.settle()
        await delivered.wait()


Stream = tuple[dict[str, str], list[tuple[int, str, list[tuple[str, str]]]]]


async def _body(request: Request) -> bytes | None:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
    return b"".join(parts)


def _decode(body: bytes, content_type: str, encoding: str) -> list[Stream]:
    if encoding == "gzip" or _GZIP.match(body):
        body = bytes(cramjam.gzip.decompress(body))
    if content_type.startswith("application/json"):
        return [_json_stream(item) for item in orjson.loads(body)["streams"]]
    request = PushRequest.FromString(bytes(cramjam.snappy.decompress_raw(body)))
    return [
        (
            _labels(stream.labels),
            [
                (
                    entry.timestamp.seconds * 1_000_000_000 + entry.timestamp.nanos,
                    entry.line,
                    [(pair.name, pair.value) for pair in entry.structured_metadata],
                )
                for entry in stream.entries
            ],
        )
        for stream in request.streams
    ]


def _json_stream(item: dict[str, Any]) -> Stream:
    labels = item["stream"] if isinstance(item["stream"], dict) else _labels(item["stream"])
    return labels, [
        (int(value[0]), value[1], list(value[2].items()) if len(value) > 2 else []) for value in item["values"]
    ]


def _labels(text: str) -> dict[str, str]:
    return {matcher.name: matcher.value for matcher in selectors(parse(text))[0]}
