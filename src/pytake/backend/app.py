"""The API application."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import Any

from fastapi import APIRouter, FastAPI

from pytake.backend.alerts.endpoints import router as alerts
from pytake.backend.auth.endpoints import router as access
from pytake.backend.contacts.endpoints import router as contacts
from pytake.backend.conversations.endpoints import router as conversations
from pytake.backend.instances.endpoints import router as instances
from pytake.backend.limits import BodyLimit
from pytake.backend.messages.endpoints import router as messages
from pytake.backend.observability.checks import build_health
from pytake.backend.observability.endpoints import router as observability
from pytake.backend.observability.presets import preset_api
from pytake.backend.outages import install_outages
from pytake.backend.problems import ProblemDocument, install_problems
from pytake.backend.queue.endpoints import router as queues
from pytake.backend.realtime.endpoint import router as realtime
from pytake.backend.realtime.hub import Hub
from pytake.backend.resources import open_resources
from pytake.backend.runbooks.endpoints import router as runbooks
from pytake.backend.settings import Settings, get_settings
from pytake.backend.webhooks.endpoints import router as webhooks
from pytake.backend.webhooks.last import LastWebhooks
from pytake.telemetry.http import FASTAPI_TELEMETRY_OFF, TelemetryMiddleware
from pytake.telemetry.setup import configure, package_version

CANCEL_TIMEOUT = 3.0
DESCRIPTION = """\
PyTake answers WhatsApp customers. Errors are problem documents (RFC 9457); lists have pages by cursor; the API key goes
into `X-API-Key` or `Authorization: Bearer`."""


def _stop(app: FastAPI) -> None:
    """From now on readiness fails and sockets are closed with their reason."""
    app.state.stopping = True
    app.state.hub.stop()


@contextmanager
def _notice_stop(stop: Callable[[], object]) -> Iterator[None]:
    """Call ``stop`` at SIGTERM and SIGINT, before the server's own handler closes sockets without our reason."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        stop()
        following = earlier[signal.Signals(number)]
        if callable(following):
            following(number, frame)

    for number in earlier:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in earlier.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, handler)


def _lifespan(settings: Settings, with_telemetry: bool) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        telemetry = configure("pytake-api") if with_telemetry else None
        preset_api()
        try:
            async with open_resources(settings, name="pytake-api") as resources:
                app.state.resources = resources
                app.state.hub = Hub(resources.redis)
                app.state.health = build_health(resources)
                app.state.health.keep_fresh()  # memory, disk and queue: no probe asks for them, alerts do
                app.state.last_webhooks = LastWebhooks(resources)
                work = (app.state.hub.run(), app.state.last_webhooks.run())
                tasks = [asyncio.create_task(one) for one in work]
                loop = asyncio.get_running_loop()
                try:
                    with _notice_stop(lambda: loop.call_soon_threadsafe(_stop, app)):
                        yield
                finally:
                    await app.state.hub.close(settings.stop_timeout)
                    for task in tasks:
                        task.cancel()
                    await asyncio.wait(tasks, timeout=CANCEL_TIMEOUT)
        finally:
            if telemetry is not None:
                telemetry.shutdown()

    return lifespan


def _document_problems(app: FastAPI) -> None:
    """Put the problem document's schema into OpenAPI (responses refer to it)."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        document = original()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        return document

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend the document


def create_app(settings: Settings | None = None, *, with_telemetry: bool = True) -> FastAPI:
    """Build the application; nothing is opened before its lifespan starts.

    ``with_telemetry=False``: logs and traces of this process are set up by the caller (tests).
    """
    settings = settings or get_settings()
    app = FastAPI(
        title="PyTake",
        version=package_version(),
        description=DESCRIPTION,
        lifespan=_lifespan(settings, with_telemetry),
        telemetry=FASTAPI_TELEMETRY_OFF,  # type: ignore[arg-type] # a TypedDict of FastAPI's, kept plain there
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    app.state.stopping = False
    install_problems(app)
    install_outages(app)
    _document_problems(app)
    api = APIRouter(prefix="/api/v1")
    for router in (access, instances, contacts, conversations, messages, alerts, queues):
        api.include_router(router)
    for router in (webhooks, api, observability, realtime, runbooks):
        app.include_router(router)
    app.add_middleware(BodyLimit, limit=settings.request_max_bytes, unlimited=frozenset({"/webhooks/whatsapp"}))
    app.add_middleware(TelemetryMiddleware, service="pytake-api")
    return app
