"""``/observability/*`` and ``/metrics``."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from pytake.backend.migrate import current_revision, newest_revision
from pytake.backend.problems import responses
from pytake.telemetry.health import HealthReport
from pytake.telemetry.metrics import metrics_response

router = APIRouter(tags=["observability"])
_REPORT: dict[int | str, dict[str, Any]] = {
    200: {"description": "Healthy or degraded", "content": {"application/json": {"schema": {"type": "object"}}}},
    503: {"description": "Unhealthy", "content": {"application/json": {"schema": {"type": "object"}}}},
}


def _answer(report: HealthReport) -> JSONResponse:
    return JSONResponse(report.as_dict(), status_code=report.status_code, headers={"cache-control": "no-store"})


@router.get("/observability/health", responses=_REPORT)
async def health(request: Request) -> JSONResponse:
    """State of every dependency: latency, error, since when. 503 only without a critical one."""
    return _answer(await request.app.state.health.report())


@router.get("/observability/ready", responses=_REPORT)
async def ready(request: Request) -> JSONResponse:
    """Only what a request needs; fails while the process is stopping, so that no new work is sent here."""
    if request.app.state.stopping:
        return JSONResponse({"state": "unhealthy", "reason": "stopping"}, status_code=503)
    return _answer(await request.app.state.health.ready())


@router.get("/observability/live")
async def live() -> dict[str, str]:
    """The event loop answers."""
    return {"state": "alive"}


@router.get("/observability/version", responses=responses(503))
async def version(request: Request) -> dict[str, str | None]:
    """Database revision that the code expects, and the one that there is."""
    found = await current_revision(request.app.state.resources.engine)
    return {"expected_revision": newest_revision(), "database_revision": found}


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """The metrics page: OpenMetrics with exemplars when asked for, else Prometheus text."""
    # With several workers it reads the others' values and may wait for their lock: not on the event loop.
    status, headers, body = await asyncio.to_thread(metrics_response, request.scope["headers"])
    answer = Response(body, status_code=status)
    answer.raw_headers = headers
    return answer
