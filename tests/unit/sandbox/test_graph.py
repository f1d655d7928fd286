"""The Graph API: what a backend may rely on, and every refusal with Meta's code."""

import hashlib
import hmac

import pytest

from pytake.sandbox.limits import Limits
from tests.support.waiting import wait_until_async
from tests.unit.sandbox.conftest import SECRET, SUPPORT, TOKEN, WABA, Setup


async def test_a_text_is_accepted_and_told_of_until_it_is_read(sandbox: Setup) -> None:
    answer = await sandbox.send(biz_opaque_callback_data="trace-and-id")
    assert answer.status_code == 200
    body = answer.json()
    assert body["contacts"] == [{"input": "15550100123", "wa_id": "15550100123"}]
    wamid = body["messages"][0]["id"]
    assert wamid.startswith("wamid.")
    await wait_until_async(lambda: len(sandbox.receiver.statuses()) >= 2, 5, "sent and delivered")
    states = {row["status"]: row for row in sandbox.receiver.statuses()}
    assert states["sent"]["id"] == wamid
    assert states["sent"]["biz_opaque_callback_data"] == "trace-and-id"
    assert states["delivered"]["pricing"] == {
        "billable": False,
        "pricing_model": "PMP",
        "type": "free_customer_service",
        "category": "service",
    }
    assert states["sent"]["conversation"]["id"] == states["delivered"]["conversation"]["id"]


async def test_webhooks_carry_the_signature_of_the_raw_body(sandbox: Setup) -> None:
    await sandbox.send()
    await wait_until_async(lambda: sandbox.receiver.requests, 5, "a webhook")
    request = sandbox.receiver.requests[0]
    expected = hmac.new(SECRET.encode(), request.content, hashlib.sha256).hexdigest()
    assert request.headers["x-hub-signature-256"] == f"sha256={expected}"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"messaging_product": None}, 400, 100),
        ({"to": "12"}, 400, 131009),
        ({"text": {"body": " "}}, 400, 131009),
        ({"text": {"body": "x" * 4097}}, 400, 131009),
        ({"type": "sticker"}, 400, 131051),
        ({"biz_opaque_callback_data": "x" * 513}, 400, 131009),
        ({"type": "template", "template": {"name": "nothing", "language": {"code": "en"}}}, 404, 132001),
        ({"type": "template", "template": {"name": "order_update", "language": {"code": "en"}}}, 400, 132000),
        ({"type": "template", "template": "order_update"}, 400, 131009),
    ],
)
async def test_wrong_sends_are_refused_with_metas_codes(
    sandbox: Setup, body: dict[str, object], status: int, code: int
) -> None:
    answer = await sandbox.send(**body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["type"] == "OAuthException"
    assert not sandbox.box.world.sent


async def test_a_template_is_filled_in_and_priced(sandbox: Setup) -> None:
    parameters = [{"type": "text", "text": "Ana"}, {"type": "text", "text": "PT-1"}]
    components = [{"type": "body", "parameters": parameters}]
    template = {"name": "order_update", "language": {"code": "pt_BR"}, "components": components}
    assert (await sandbox.send(type="template", template=template)).status_code == 200
    (sent,) = sandbox.box.world.sent.values()
    assert sent.text == "Hello Ana, your order PT-1 is on its way."
    assert sent.category == "utility"


@pytest.mark.parametrize("header", ["Bearer wrong", "", "Basic c2FuZGJveA=="])
async def test_other_tokens_are_not_let_in(sandbox: Setup, header: str) -> None:
    body = {"messaging_product": "whatsapp", "to": "15550100123", "type": "text", "text": {"body": "x"}}
    answer = await sandbox.api.post(
        f"/meta/v23.0/{SUPPORT}/messages", json=body, headers={"authorization": header} if header else {}
    )
    assert answer.status_code == 401


async def test_a_proof_that_does_not_fit_the_token_is_refused(sandbox: Setup) -> None:
    good = hmac.new(SECRET.encode(), b"sandbox-token-support", hashlib.sha256).hexdigest()
    path = f"/meta/v23.0/{SUPPORT}"
    assert (await sandbox.api.get(path, params={"appsecret_proof": good}, headers=TOKEN)).status_code == 200
    assert (await sandbox.api.get(path, params={"appsecret_proof": "0" * 64}, headers=TOKEN)).status_code == 400


async def test_a_number_shows_the_fields_that_were_asked_for(sandbox: Setup) -> None:
    fields = "quality_rating,throughput{level},whatsapp_business_manager_messaging_limit"
    answer = await sandbox.api.get(f"/meta/v23.0/{SUPPORT}", params={"fields": fields}, headers=TOKEN)
    assert answer.json() == {
        "id": SUPPORT,
        "quality_rating": "GREEN",
        "throughput": {"level": "STANDARD"},
        "whatsapp_business_manager_messaging_limit": "TIER_2K",
    }


async def test_templates_come_in_pages(sandbox: Setup) -> None:
    path = f"/meta/v23.0/{WABA}/message_templates"
    first = (await sandbox.api.get(path, params={"limit": 20}, headers=TOKEN)).json()
    second = (await sandbox.api.get(first["paging"]["next"], headers=TOKEN)).json()
    names = {(row["name"], row["language"]) for row in first["data"] + second["data"]}
    assert len(names) == len(first["data"]) + len(second["data"]) == 24
    assert "next" not in second["paging"]


async def test_debug_token_tells_expiry(sandbox: Setup) -> None:
    params = {"input_token": "sandbox-token-support"}
    data = (await sandbox.api.get("/meta/v23.0/debug_token", params=params, headers=TOKEN)).json()["data"]
    assert data["is_valid"]
    await sandbox.fault("expired_token", instance="support")
    data = (await sandbox.api.get("/meta/v23.0/debug_token", params=params, headers=TOKEN)).json()["data"]
    assert not data["is_valid"]
    assert data["error"]["code"] == 190


async def test_unknown_objects_are_named(sandbox: Setup) -> None:
    answer = await sandbox.api.get("/meta/v23.0/424242", headers=TOKEN)
    assert answer.status_code == 400
    assert "424242" in answer.json()["error"]["error_data"]["details"]


async def test_mark_read_and_subscriptions(sandbox: Setup) -> None:
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x"}
    answer = await sandbox.api.post(f"/meta/v23.0/{SUPPORT}/messages", json=body, headers=TOKEN)
    assert answer.json() == {"success": True}
    apps = (await sandbox.api.get(f"/meta/v23.0/{WABA}/subscribed_apps", headers=TOKEN)).json()
    assert apps["data"][0]["whatsapp_business_api_data"]["name"] == "PyTake"


async def test_the_forty_sixth_message_in_a_row_to_one_customer_hits_the_pair_limit(sandbox: Setup) -> None:
    codes = [(await sandbox.send()).status_code for _ in range(46)]
    assert codes == [200] * 45 + [429]
    assert (await sandbox.send()).json()["error"]["code"] == 131056
    assert (await sandbox.send(to="15550100124")).status_code == 200


async def test_a_number_sends_eighty_messages_a_second(sandbox: Setup) -> None:
    second = [100.0]
    sandbox.box.limits = Limits(clock=lambda: second[0])
    answers = [await sandbox.send(to=f"1555010{index:04d}") for index in range(81)]
    assert [item.status_code for item in answers] == [200] * 80 + [429]
    assert answers[-1].json()["error"]["code"] == 130429
    second[0] += 1.0
    assert (await sandbox.send(to="15550109999")).status_code == 200
