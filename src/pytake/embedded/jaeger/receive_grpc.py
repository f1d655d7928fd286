"""OTLP over gRPC. Requests stay bytes: they are parsed once, by the check."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # published without types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # published without types
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from pytake.embedded.common.serving import PortTakenError
from pytake.embedded.jaeger.config import Endpoint
from pytake.embedded.jaeger.receive import MalformedError, Receiver, UnavailableError

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
THREADS = 16
_DETAILS = "grpc-status-details-bin"


class TraceService(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in the stubs only
    """``TraceService/Export``."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._handler = grpc.unary_unary_rpc_method_handler(self._export)

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of the called method, ``None`` for one that is not ours."""
        return self._handler if handler_call_details.method == f"/{SERVICE}/Export" else None

    def _export(self, body: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            accepted = self._receiver.store(body)
        except MalformedError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except UnavailableError as error:
            context.set_trailing_metadata(((_DETAILS, _retry(error)),))
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        response = ExportTraceServiceResponse()
        if accepted.rejected:
            response.partial_success.rejected_spans = accepted.rejected
            response.partial_success.error_message = accepted.message
        return response.SerializeToString()


def _retry(error: UnavailableError) -> bytes:
    """The status with the time to wait, as OTLP asks of a throttling server."""
    detail = AnyMessage()
    detail.Pack(RetryInfo(retry_delay=Duration(seconds=error.retry_seconds)))
    return bytes(
        Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message=str(error), details=[detail]).SerializeToString()
    )


def start(receiver: Receiver, endpoint: Endpoint) -> tuple[grpc.Server, int]:
    """A started server and its port. Raises :class:`PortTakenError`."""
    server = grpc.server(
        ThreadPoolExecutor(THREADS, thread_name_prefix="jaeger-grpc"),
        handlers=[TraceService(receiver)],
        options=[
            ("grpc.max_receive_message_length", endpoint.max_bytes), ("grpc.so_reuseport", 0),
            ("grpc.max_concurrent_streams", 256),
        ],
    )  # fmt: skip
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    try:
        port = server.add_insecure_port(f"{host}:{endpoint.port}")
    except RuntimeError:
        port = 0
    if port == 0:
        raise PortTakenError(98, f"cannot listen on {host}:{endpoint.port}; stop what uses it or choose another port")
    server.start()
    return server, port
