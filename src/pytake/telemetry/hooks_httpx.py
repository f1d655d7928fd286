"""Hook on an httpx client: a client span a request, with ``traceparent`` sent along."""

from typing import Any

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from pytake.telemetry import tracing


def trace_httpx(client: Any) -> None:
    """Wrap ``client.send`` (``httpx.AsyncClient`` or ``httpx.Client``); a second call changes nothing."""
    if getattr(client, "_pytake_traced", False):
        return
    client._pytake_traced = True
    send = client.send
    if hasattr(client, "aclose"):

        async def traced(request: Any, **kwargs: Any) -> Any:
            span, token = _begin(request)
            try:
                response = await send(request, **kwargs)
            except BaseException as fault:
                _end(span, token, None, fault)
                raise
            _end(span, token, response, None)
            return response

    else:

        def traced(request: Any, **kwargs: Any) -> Any:  # type: ignore[misc] # the same for a client that is not async
            span, token = _begin(request)
            try:
                response = send(request, **kwargs)
            except BaseException as fault:
                _end(span, token, None, fault)
                raise
            _end(span, token, response, None)
            return response

    client.send = traced


def _begin(request: Any) -> tuple[Any, Any]:
    url = request.url
    span = tracing.start(
        request.method, SpanKind.CLIENT,
        {
            "http.request.method": request.method, "server.address": url.host,
            "server.port": url.port or _default(url.scheme),
            "url.full": str(url.copy_with(query=None, fragment=None, username=None, password=None)),
        },
    )  # fmt: skip
    if span is None:
        return None, None
    token = context_api.attach(trace.set_span_in_context(span))
    tracing.inject(request.headers)
    return span, token


def _default(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _end(span: Any, token: Any, response: Any, fault: BaseException | None) -> None:
    if span is None:
        return
    context_api.detach(token)
    if fault is not None:
        span.set_attribute("error.type", type(fault).__qualname__)
        if isinstance(fault, Exception):  # to be cancelled is not an error
            span.set_status(Status(StatusCode.ERROR, type(fault).__name__))
    else:
        span.set_attribute("http.response.status_code", response.status_code)
        if response.status_code >= 400:
            span.set_attribute("error.type", str(response.status_code))
            span.set_status(StatusCode.ERROR)
    span.end()
