"""An application for tests with several uvicorn workers on one port."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from pytake.telemetry.endpoints import ObservabilityEndpoints
from pytake.telemetry.http import FASTAPI_TELEMETRY_OFF, TelemetryMiddleware
from pytake.telemetry.setup import configure


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Shut telemetry down with the application."""
    yield
    telemetry.shutdown()


telemetry = configure("serving-app")
inner = FastAPI(telemetry=FASTAPI_TELEMETRY_OFF, lifespan=lifespan)


@inner.get("/pid")
async def pid() -> int:
    """Answer with the worker's process id."""
    return os.getpid()


app = TelemetryMiddleware(ObservabilityEndpoints(inner), service="serving-app")
