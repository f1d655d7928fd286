"""Customers, their webhooks, at-least-once delivery and the state that survives a restart."""

import random
import re
from pathlib import Path

import httpx
import pytest

from pytake.sandbox.app import create_app
from pytake.sandbox.customers import day_factor
from pytake.sandbox.profiles import PREFIXES, make_customers
from pytake.sandbox.settings import InstancesFileError, SandboxSettings, read_instances
from tests.support.waiting import wait_until_async
from tests.unit.sandbox.conftest import Receiver, Setup


def test_profiles_depend_on_the_seed_only() -> None:
    assert make_customers(50, random.Random(3)) == make_customers(50, random.Random(3))
    assert make_customers(50, random.Random(3)) != make_customers(50, random.Random(4))
    people = make_customers(500, random.Random(3))
    assert len({person.wa_id for person in people}) == 500
    assert {person.language for person in people} == set(PREFIXES)
    assert all(re.fullmatch(r"\d{10,13}", person.wa_id) for person in people)


def test_the_day_curve_averages_to_one_and_sleeps_at_night() -> None:
    hours = [day_factor(hour * 3600) for hour in range(24)]
    assert sum(hours) / 24 == pytest.approx(1.0)
    assert min(hours) == day_factor(4 * 3600) < 0.3
    assert max(hours) == day_factor(16 * 3600)


async def test_a_customers_message_looks_as_meta_documents_it(sandbox: Setup) -> None:
    body = {"text": "Olá 👋", "sender": "5511900000001", "name": "Ana"}
    (wamid,) = (await sandbox.api.post("/sandbox/messages", json=body)).json()["wamids"]
    await wait_until_async(sandbox.receiver.messages, 3, "the message")
    value = sandbox.receiver.changes("messages")[0]["value"]
    assert value["metadata"] == {"display_phone_number": "15550100001", "phone_number_id": "106540352242922"}
    assert value["contacts"][0]["profile"] == {"name": "Ana"}
    (message,) = value["messages"]
    assert message["id"] == wamid
    assert message["type"] == "text"
    assert message["text"] == {"body": "Olá 👋"}
    assert message["timestamp"].isdigit()


async def test_a_refused_webhook_comes_again_until_it_is_taken(sandbox: Setup) -> None:
    sandbox.receiver.answer = lambda number: {1: 0, 2: 503, 3: 401}.get(number, 200)
    (wamid,) = (await sandbox.api.post("/sandbox/messages", json={})).json()["wamids"]
    await wait_until_async(lambda: wamid in sandbox.box.delivery.acknowledged, 5, "the acknowledgement")
    assert len({item.content for item in sandbox.receiver.requests}) == 1
    assert sandbox.box.delivery.counts["retried"] == 3


async def test_customers_write_at_the_set_rate_and_go_on_when_answered(sandbox: Setup) -> None:
    sandbox.box.customers._day_curve = False
    await sandbox.api.put("/sandbox/rate", json={"rate": 3000})
    await wait_until_async(lambda: len(sandbox.receiver.messages()) >= 20, 5, "messages")
    await sandbox.api.put("/sandbox/rate", json={"rate": 0})
    opened = len(sandbox.box.world.received)
    customers = {row.sender for row in sandbox.box.world.received if row.instance == "support"}
    for customer in customers:
        await sandbox.send(to=customer)
    await wait_until_async(lambda: len(sandbox.box.world.received) > opened, 10, "a follow-up message")


async def test_state_counts_answers_per_customer(sandbox: Setup) -> None:
    await sandbox.send(to="15550100200")
    await sandbox.send(to="15550100200")
    await sandbox.send(to="15550100201")
    state = (await sandbox.api.get("/sandbox/state")).json()
    assert state["answers"] == {"15550100200": 2, "15550100201": 1}
    assert state["accepted"] == 3
    rows = (await sandbox.api.get("/sandbox/messages", params={"customer": "15550100200"})).json()["messages"]
    assert [row["recipient"] for row in rows] == ["15550100200"] * 2


async def test_an_answer_names_the_message_it_answers(sandbox: Setup) -> None:
    body = {"sender": "15550100300"}
    (wamid,) = (await sandbox.api.post("/sandbox/messages", json=body)).json()["wamids"]
    await sandbox.send(to="15550100300")
    (row,) = (await sandbox.api.get("/sandbox/messages")).json()["messages"]
    assert row["answers"] == wamid


async def test_undelivered_webhooks_survive_a_restart(settings: SandboxSettings, tmp_path: Path) -> None:
    settings.state_file = tmp_path / "sandbox" / "state.json"
    down = Receiver(answer=lambda _: 503)
    app = create_app(settings, httpx.AsyncClient(transport=httpx.MockTransport(down)))
    async with app.router.lifespan_context(app):
        app.state.sandbox.customers.rate = 0.5
        app.state.sandbox.customers.write(app.state.sandbox.world.instances["support"], "15550100123", "hello")
        await wait_until_async(lambda: down.requests, 3, "an attempt")
    up = Receiver()
    app = create_app(settings, httpx.AsyncClient(transport=httpx.MockTransport(up)))
    async with app.router.lifespan_context(app):
        await wait_until_async(up.messages, 3, "the message of the earlier run")
        assert app.state.sandbox.customers.rate == 0.5


async def test_a_damaged_state_file_is_set_aside(settings: SandboxSettings, tmp_path: Path) -> None:
    settings.state_file = tmp_path / "state.json"
    settings.state_file.write_text("{")
    app = create_app(settings, httpx.AsyncClient(transport=httpx.MockTransport(Receiver())))
    async with app.router.lifespan_context(app):
        assert (tmp_path / "state.damaged").exists()


def test_instances_come_from_the_shared_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret-token\n")
    path = tmp_path / "instances.yml"
    path.write_text(
        "- {slug: one, phone_number_id: '1', waba_id: '2', display_phone_number: '3', "
        f"access_token_file: {tmp_path / 'token'}}}\n"
    )
    (instance,) = read_instances(path)
    assert instance.token == "secret-token"
    for text in ("{}", "- {slug: one}", "- [", "[]"):
        path.write_text(text)
        with pytest.raises(InstancesFileError, match=r"instances\.yml"):
            read_instances(path)
    with pytest.raises(InstancesFileError, match="PYTAKE_INSTANCES_FILE"):
        read_instances(tmp_path / "missing.yml")


async def test_health_and_metrics(sandbox: Setup) -> None:
    assert (await sandbox.api.get("/healthz")).json() == {"status": "ok"}
    await sandbox.send()
    await sandbox.fault("undelivered")
    page = (await sandbox.api.get("/metrics")).text
    assert 'sandbox_fault_active{fault="undelivered"} 1.0' in page
    assert 'sandbox_messages_total{direction="outbound",whatsapp_instance="support"}' in page
