"""A sandbox in this process whose webhooks end in a list."""

import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from pytake.sandbox.app import create_app
from pytake.sandbox.context import Sandbox
from pytake.sandbox.settings import SandboxSettings
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.waiting import wait_until

SECRET = "a-secret-of-the-test"
SUPPORT = "106540352242922"
WABA = "102290129340398"
TOKEN = {"authorization": "Bearer sandbox-token-support"}
KEY = {"authorization": "Bearer sk-anything"}


@dataclass
class Receiver:
    """Plays the backend: keeps what was posted, answers as ``answer`` says."""

    requests: list[httpx.Request] = field(default_factory=list)
    answer: Callable[[int], int] = lambda _: 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        status = self.answer(len(self.requests))
        if status == 0:
            raise httpx.ConnectError("down", request=request)
        return httpx.Response(status)

    def changes(self, field_name: str | None = None) -> list[dict[str, Any]]:
        """The ``changes[]`` entries so far."""
        found = [json.loads(item.content)["entry"][0]["changes"][0] for item in self.requests]
        return [item for item in found if field_name in (None, item["field"])]

    def statuses(self) -> list[dict[str, Any]]:
        return [row for item in self.changes("messages") for row in item["value"].get("statuses", [])]

    def messages(self) -> list[dict[str, Any]]:
        return [row for item in self.changes("messages") for row in item["value"].get("messages", [])]


@dataclass
class Setup:
    """The API, what is behind it, and the other side."""

    api: httpx.AsyncClient
    box: Sandbox
    receiver: Receiver

    async def send(self, to: str = "15550100123", text: str = "hello", **more: Any) -> httpx.Response:
        body = {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": text}} | more
        return await self.api.post(f"/meta/v23.0/{SUPPORT}/messages", json=body, headers=TOKEN)

    async def fault(self, kind: str, seconds: float | None = None, **params: Any) -> httpx.Response:
        return await self.api.post("/sandbox/faults", json={"kind": kind, "params": params, "seconds": seconds})


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> SandboxSettings:
    for name in ("PYTAKE_INSTANCES_FILE", "PYTAKE_OPENAI_API_KEY", "PYTAKE_SANDBOX_STATE_FILE"):
        monkeypatch.delenv(name, raising=False)
    return SandboxSettings(
        _env_file=None,
        target="http://backend.test/webhooks/whatsapp",
        app_secret=SECRET,
        speed=50.0,
        retry_initial=0.02,
        retry_max=0.1,
        customers=20,
    )


@pytest.fixture
async def sandbox(settings: SandboxSettings) -> AsyncIterator[Setup]:
    receiver = Receiver()
    app = create_app(settings, httpx.AsyncClient(transport=httpx.MockTransport(receiver)))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.test") as api:
            yield Setup(api, app.state.sandbox, receiver)


@pytest.fixture(scope="module")
def running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of ``pytake-sandbox`` as a process of its own; nobody takes its webhooks."""
    directory: Path = tmp_path_factory.mktemp("sandbox")
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTAKE_", "OTEL_"))}
    env |= {
        "PYTAKE_SANDBOX_PORT": str(port),
        "PYTAKE_SANDBOX_TARGET": f"http://127.0.0.1:{free_port()}/webhooks/whatsapp",
        "PYTAKE_LOG_DIR": str(directory),
    }
    process = Process([sys.executable, "-m", "pytake.sandbox.main"], directory / "out.log", env=env, cwd=directory)
    process.start()
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        process.check()
        return httpx.get(f"{url}/healthz").status_code == 200

    wait_until(answers, 30, "the sandbox")
    yield url
    assert process.stop() == 0, process.tail()
