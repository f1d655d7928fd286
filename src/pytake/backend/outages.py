"""A store that is down is a 503 with a problem document, not a 500."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from pytake.backend.problems import problem_response
from pytake.backend.queue.failures import is_outage
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)


async def on_store_error(request: Request, error: Exception) -> JSONResponse:
    """Answer 503 for an outage; anything else is a fault of ours: logged, and 500."""
    name = (
        "PostgreSQL" if isinstance(error, SQLAlchemyError) else "Redis" if isinstance(error, RedisError) else "a store"
    )
    if is_outage(error) or isinstance(error, TimeoutError):
        log.error("store_unreachable", store=name, error=f"{type(error).__name__}: {error}"[:300])
        headers = {"retry-after": "5"}
        detail = f"{name} does not answer: try again later"
        return problem_response(request, 503, detail, kind="urn:pytake:problem:outage", headers=headers)
    log.error("request_failed", error=f"{type(error).__name__}: {error}"[:500], exc_info=error)
    return problem_response(request, 500, "an unexpected error; the log has it under this request's id")


def install_outages(app: FastAPI) -> None:
    """Register the handler for the exceptions of the stores' clients."""
    for kind in (SQLAlchemyError, RedisError, OSError):
        app.add_exception_handler(kind, on_store_error)
    app.add_exception_handler(Exception, on_store_error)
