"""Puts a sandbox together and serves it as one ASGI application."""

import contextlib
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.routing import Route

from pytake.sandbox import control, graph, openai_api
from pytake.sandbox import faults as fl
from pytake.sandbox.answers import PromptCache
from pytake.sandbox.context import Sandbox, Silence, end_silently
from pytake.sandbox.customers import Customers
from pytake.sandbox.delivery import PARALLEL, Delivery
from pytake.sandbox.effects import Effects
from pytake.sandbox.lifecycle import Lifecycle
from pytake.sandbox.limits import Limits, OpenAIBudget
from pytake.sandbox.meta_errors import GraphError
from pytake.sandbox.settings import SandboxSettings
from pytake.sandbox.world import World
from pytake.telemetry.logging import get_logger
from pytake.telemetry.metrics import configure_label, metrics_response

log = get_logger(__name__)


def build(settings: SandboxSettings, client: httpx.AsyncClient) -> Sandbox:
    """Make the parts; nothing runs yet."""
    configure_label("sandbox_fault", fl.KINDS)
    rng = random.Random(settings.seed)  # noqa: S311 (delays and texts, no secrets)
    world = World(settings)
    configure_label("whatsapp_instance", world.instances)
    faults = fl.Faults(rng)
    delivery = Delivery(settings, faults, rng, client)
    lifecycle = Lifecycle(world, delivery, faults, rng, settings.speed)
    customers = Customers(
        world,
        delivery,
        faults,
        rng,
        count=settings.customers,
        rate=settings.rate,
        day_curve=settings.day_curve,
        speed=settings.speed,
    )
    lifecycle.on_delivered = customers.answered
    faults.listener = Effects(world, delivery, rng)
    return Sandbox(
        settings=settings,
        rng=rng,
        world=world,
        faults=faults,
        delivery=delivery,
        lifecycle=lifecycle,
        limits=Limits(),
        customers=customers,
        openai_budget=OpenAIBudget(),
        prompt_cache=PromptCache(),
    )


def create_app(settings: SandboxSettings | None = None, client: httpx.AsyncClient | None = None) -> FastAPI:
    """The application. ``client`` posts the webhooks (tests give one that calls the backend in the process)."""
    settings = settings or SandboxSettings()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        limits = httpx.Limits(max_connections=PARALLEL, max_keepalive_connections=PARALLEL)
        async with client or httpx.AsyncClient(timeout=settings.webhook_timeout, limits=limits) as http:
            box = build(settings, http)
            app.state.sandbox = box
            _load(box, settings.state_file)
            box.delivery.start()
            box.customers.start()
            yield
            await box.customers.stop()
            await box.faults.stop()
            await box.delivery.stop()
            _save(box, settings.state_file)

    app = FastAPI(title="PyTake sandbox", lifespan=lifespan, docs_url="/docs", redoc_url=None)
    app.include_router(graph.router)
    app.include_router(openai_api.router)
    app.include_router(control.router)
    _add_plumbing(app)
    return app


def _add_plumbing(app: FastAPI) -> None:
    """Error forms of the two APIs, health and metrics."""

    @app.exception_handler(GraphError)
    async def graph_error(_: Request, exc: GraphError) -> JSONResponse:
        return JSONResponse(exc.body(), exc.status)

    @app.exception_handler(openai_api.OpenAIError)
    async def openai_error(_: Request, exc: openai_api.OpenAIError) -> JSONResponse:
        return exc.response()

    @app.exception_handler(Silence)
    async def silence(request: Request, exc: Silence) -> Response:
        await end_silently(request, exc)
        return Response(status_code=504)

    @app.get("/healthz", tags=["plumbing"])
    async def healthz() -> dict[str, str]:
        """Answers when the sandbox serves."""
        return {"status": "ok"}

    app.router.routes.append(Route("/metrics", _metrics))


def _metrics(request: Request) -> Response:
    status, headers, body = metrics_response(request.scope["headers"])
    return Response(body, status, {name.decode(): value.decode() for name, value in headers})


def _load(box: Sandbox, path: Path | None) -> None:
    """Take over what an earlier run left; a damaged file is set aside, not fatal."""
    if path is None or not path.exists():
        return
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        box.delivery.load(saved["webhooks"])
        box.customers.rate = float(saved["rate"])
    except (ValueError, KeyError, TypeError) as exc:
        aside = path.with_suffix(".damaged")
        path.rename(aside)
        log.warning("state_file_damaged", path=str(path), set_aside=str(aside), error=str(exc))


def _save(box: Sandbox, path: Path | None) -> None:
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"rate": box.customers.rate, "webhooks": box.delivery.pending()}), encoding="utf-8")
    new.replace(path)
