"""Health, readiness, metrics, and that every metric of the domain is recorded somewhere."""

import os
import re
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest

import pytake.backend
from pytake.backend.instances.registry import InstancesError, load_registry
from pytake.backend.instances.sync import poll_numbers, poll_templates
from pytake.backend.migrate import main as migrate
from pytake.backend.observability.checks import Remembered
from pytake.backend.observability.gauges import read_database, read_queues
from pytake.backend.settings import Settings
from pytake.telemetry import catalog
from pytake.telemetry.labels import Queue
from tests.support import meta
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.waiting import wait_until
from tests.unit.backend.conftest import value

BACKEND = Path(pytake.backend.__file__).parent
ELSEWHERE = re.compile(
    r"^(EVENT_LOOP_|HTTP_|DB_|REDIS_|BUILD_INFO|SPANS_|LOG|LABEL_|SERIES|DEPENDENCY_|SANDBOX_|PROCESS_)"
)


async def test_health_names_every_dependency(api) -> None:
    answer = await api.client.get("/observability/health")
    assert answer.status_code == 200
    found = answer.json()["dependencies"]
    assert set(found) == {"postgresql", "redis", "whatsapp_api", "openai_api", "memory", "disk", "queue"}
    assert all({"state", "latency_seconds", "error", "since"} <= set(one) for one in found.values())
    assert (await api.client.get("/observability/live")).json() == {"state": "alive"}
    assert (await api.client.get("/observability/version")).json() == {
        "expected_revision": "0001",
        "database_revision": "0001",
    }


async def test_readiness_asks_only_for_what_a_request_needs(api) -> None:
    answer = await api.client.get("/observability/ready")
    assert answer.status_code == 200
    assert set(answer.json()["dependencies"]) == {"postgresql", "redis"}
    api.app.state.stopping = True
    assert (await api.client.get("/observability/ready")).status_code == 503


async def test_health_without_the_model_is_degraded(api, remote) -> None:
    object.__setattr__(api.app.state.resources.settings, "openai_base_url", f"http://127.0.0.1:{free_port()}/v1")
    answer = await api.client.get("/observability/health")
    assert (answer.status_code, answer.json()["state"]) == (200, "degraded")
    assert "ConnectError" in answer.json()["dependencies"]["openai_api"]["error"]


async def test_a_remote_api_is_not_asked_by_every_probe() -> None:
    asked = []

    async def check():
        asked.append(1)
        raise RuntimeError("down")

    remembered = Remembered(check, pause=60)
    for _ in range(5):
        with pytest.raises(RuntimeError, match="down"):
            await remembered()
    assert len(asked) == 1


async def test_metrics_page(api) -> None:
    await api.webhook(meta.text())
    text = (await api.client.get("/metrics")).text
    assert 'whatsapp_webhook_events_total{field="messages",outcome="accepted"}' in text
    openmetrics = await api.client.get("/metrics", headers={"accept": "application/openmetrics-text"})
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")


async def test_gauges_of_the_business(api, worker, until, resources, remote) -> None:
    resources.settings.ai_budget_usd_per_day = 12.5
    remote.expires_at = 2_000_000_000
    remote.templates = [{"name": "hello_world", "language": "en_US", "status": "PAUSED", "category": "UTILITY"}]
    await api.webhook(meta.text())
    await until("select 1 from conversations where first_response_at is not null")
    await poll_numbers(resources)
    await poll_templates(resources)
    await read_database(resources)
    await read_queues(resources)
    support = {"whatsapp_instance": "support"}
    assert value(catalog.CONVERSATIONS, state="open", **support) == 1
    assert value(catalog.USERS_ACTIVE, window="5m") == 1
    assert value(catalog.QUALITY, rating="green", **support) == 1
    assert value(catalog.MESSAGING_LIMIT, **support) == 1000
    assert value(catalog.MESSAGING_LIMIT_USED, **support) == 0
    assert value(catalog.TOKEN_EXPIRY, **support) == 2_000_000_000
    assert value(catalog.ACCOUNT_STATE, state="active", **support) == 1
    assert value(catalog.TEMPLATE_STATE, template="hello_world:en_US", state="paused") == 1
    assert value(catalog.SENDS_IN_DOUBT, **support) == 0
    assert value(catalog.BUDGET, spender="ai") == 12.5
    assert value(catalog.QUEUE_DEAD, queue=Queue.WEBHOOKS) == 0


async def test_account_events_change_what_is_shown(remote, api, worker, until, rows) -> None:
    remote.phone = {}  # what a look at the number would say is not the subject here
    template = {"message_template_name": "sale", "message_template_language": "pt_BR"}
    events = [
        ("message_template_status_update", template | {"event": "PAUSED", "reason": "NONE"}),
        ("message_template_quality_update", template | {"new_quality_score": "RED"}),
        (
            "phone_number_quality_update",
            {"display_phone_number": "15550100001", "event": "FLAGGED", "current_limit": "TIER_10K"},
        ),
        ("account_update", {"event": "ACCOUNT_RESTRICTION"}),
        ("account_alerts", {"alert_type": "SOMETHING"}),
        ("made_up_field", {"a": "\x00"}),
    ]
    for field, body in events * 2:
        await api.webhook(meta.envelope(field, body, time=1_795_500_000))
    await until("select 1 from platform_events having count(*) = 6")
    [row] = await until("select * from templates where quality = 'red'")
    assert (row.name, row.state) == ("sale", "paused")
    [instance] = await until("select * from instances where slug = 'support' and account_state = 'restricted'")
    assert (instance.quality, instance.messaging_limit) == ("red", 10_000)
    assert len(await rows("select 1 from platform_events")) == 6


def test_every_metric_of_the_domain_is_recorded() -> None:
    """A metric that nothing records makes an empty panel and an alert that never fires."""
    source = "\n".join(path.read_text() for path in BACKEND.rglob("*.py"))
    names = [name for name, one in vars(catalog).items() if name.isupper() and hasattr(one, "labels")]
    assert len(names) > 50
    missing = [
        name
        for name in names
        if not ELSEWHERE.match(name)
        and not re.search(rf"\b{name}\.(inc|set|observe)\b|state_set\((catalog\.)?{name}\b", source)
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[{", "neither YAML nor JSON"),
        ("- slug: A B", "slug"),
        ("- {slug: a, phone_number_id: 1, waba_id: 2, display_phone_number: 3}", "access_token"),
        ("- &a {slug: a, phone_number_id: 1, waba_id: 2, display_phone_number: 3, access_token: x}\n- *a", "twice"),
    ],
)
def test_a_wrong_instances_file_says_what_is_wrong(tmp_path, content: str, complaint: str) -> None:
    path = tmp_path / "instances.yaml"
    path.write_text(content)
    with pytest.raises(InstancesError, match=complaint):
        load_registry(Settings(_env_file=None, instances_file=path))
    with pytest.raises(InstancesError, match="PYTAKE_INSTANCES_FILE"):
        load_registry(Settings(_env_file=None, instances_file=tmp_path / "none"))


def test_a_renewed_token_is_taken_up(tmp_path) -> None:
    token = tmp_path / "token"
    token.write_text("one\n")
    path = tmp_path / "instances.yaml"
    path.write_text(
        f"- {{slug: a, phone_number_id: 1, waba_id: 2, display_phone_number: 3, access_token_file: {token}}}"
    )
    instance = load_registry(Settings(_env_file=None, instances_file=path)).instances["a"]
    assert instance.token() == "one"
    token.write_text("two\n")
    assert instance.token() == "two"


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_migrating_says_when_the_database_is_away(capsys, monkeypatch) -> None:
    monkeypatch.setattr(
        "pytake.backend.migrate.get_settings",
        lambda: Settings(_env_file=None, database_url=f"postgresql+asyncpg://x@127.0.0.1:{free_port()}/x"),
    )
    assert migrate([]) == 1
    assert "PYTAKE_DATABASE_URL" in capsys.readouterr().err


@pytest.fixture
def environment(settings, tmp_path) -> dict[str, str]:
    """The environment of a process of ours."""
    ours = {name: text for name, text in os.environ.items() if not name.startswith(("PYTAKE_", "OTEL_"))}
    return ours | {
        "PYTAKE_DATABASE_URL": settings.database_url,
        "PYTAKE_REDIS_URL": settings.redis_url,
        "PYTAKE_API_PORT": str(free_port()),
        "PYTAKE_WORKER_METRICS_PORT": str(free_port()),
        "PYTAKE_INSTANCES_FILE": str(settings.instances_file),
        "PYTAKE_META_APP_SECRET": meta.SECRET,
        "OTEL_TRACES_EXPORTER": "none",
    }


def run(name: str, environment: dict[str, str], tmp_path: Path) -> Process:
    process = Process([Path(sys.executable).parent / name], tmp_path / f"{name}.log", env=environment, cwd=tmp_path)
    process.start()
    return process


def test_the_processes_start_work_and_stop_as_asked(environment, tmp_path) -> None:
    api, worker = (run(name, environment, tmp_path) for name in ("pytake-api", "pytake-worker"))
    base = f"http://127.0.0.1:{environment['PYTAKE_API_PORT']}"
    wait_until(lambda: httpx.get(f"{base}/observability/ready").is_success, 60, "the API")
    body, headers = meta.encode(meta.text())
    assert httpx.post(f"{base}/webhooks/whatsapp", content=body, headers=headers).status_code == 200
    page = f"http://127.0.0.1:{environment['PYTAKE_WORKER_METRICS_PORT']}/metrics"
    wait_until(lambda: 'direction="inbound",status="received"' in httpx.get(page).text, 60, "the message to be stored")
    for process, number in ((api, signal.SIGTERM), (worker, signal.SIGINT)):
        assert process.stop(number, 30) == 0, process.tail()
        assert '"trace_id"' in process.tail(100_000)


def test_a_taken_port_is_named(environment, tmp_path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environment["PYTAKE_API_PORT"] = str(taken.getsockname()[1])
        environment["PYTAKE_WORKER_METRICS_PORT"] = environment["PYTAKE_API_PORT"]
        for name, setting in (("pytake-api", "PYTAKE_API_PORT"), ("pytake-worker", "PYTAKE_WORKER_METRICS_PORT")):
            process = run(name, environment, tmp_path)
            wait_until(lambda process=process: not process.running, 60, "the process to give up")
            assert process.stop() == 1
            assert setting in process.tail()
