"""One message from Meta's webhook to the read receipt, looked at closely; and what must hold around it."""

import json
import re
import secrets
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.e2e import meta
from tests.e2e.actions import HISTORY, MESSAGES, idle, new_customer, status_of
from tests.e2e.collector import Span
from tests.e2e.stack import KEYS, NUMBERS, SECRET, VERIFY, Stack
from tests.e2e.wire import HTTP
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack")]
SUPPORT, SALES = NUMBERS


def arrived(stack: Stack, customer: str) -> bool:
    return status_of(stack, customer, "delivered") or status_of(stack, customer, "read")


def root_of(span: Span, spans: list[Span]) -> str:
    """Name of the topmost span above ``span`` that the collector has."""
    by_id = {one.span_id: one for one in spans}
    while span.parent_id in by_id:
        span = by_id[span.parent_id]
    return span.name


def test_one_trace_joins_webhook_queue_answer_send_status_and_logs(stack: Stack) -> None:
    """Meta sends no ``traceparent``: the API starts the trace, ``biz_opaque_callback_data`` brings it back."""
    customer = new_customer()
    request_id = f"flow-{secrets.token_hex(8)}"
    response = stack.meta.post(
        meta.text(SUPPORT, customer, "Olá, onde está o meu pedido?"), **{"x-request-id": request_id}
    )
    assert response.status_code == 200
    assert response.headers["x-request-id"] == request_id
    wait_until(lambda: arrived(stack, customer), 20, "the delivered answer")

    def access_line() -> dict[str, object]:
        return next(line for line in stack.log_lines("api") if line.get("request_id") == request_id)

    trace_id = str(wait_until(access_line, 5, "the access line")["trace_id"])
    wanted = {"POST /webhooks/whatsapp", "process messages", "work on conversation", "send message", "process statuses"}

    def spans() -> list[Span]:
        found = stack.collector.trace(trace_id)
        assert wanted <= {span.name for span in found}
        assert {root_of(span, found) for span in found} == {"POST /webhooks/whatsapp"}
        return found

    idle(stack)
    found = wait_until(spans, 10, "all spans under one root")
    names = {span.name: span for span in found}
    chat = names["chat gpt-4o-mini"]
    assert chat.attributes["gen_ai.provider.name"] == "openai"
    assert chat.attributes["gen_ai.request.model"] == "gpt-4o-mini"
    assert chat.attributes["gen_ai.usage.input_tokens"] > 0
    assert names["process statuses"].linked, "the status' own webhook is linked"
    (sent,) = stack.sent_to(customer)
    assert trace_id in sent["opaque"]
    assert len(sent["opaque"]) <= 512
    events = {
        line["event"]
        for service in ("api", "worker")
        for line in stack.log_lines(service)
        if line.get("trace_id") == trace_id
    }
    assert {"http_request", "message_received", "message_sent", "message_status"} <= events


def test_exemplars_of_the_metrics_point_at_kept_traces(stack: Stack) -> None:
    customer = new_customer()
    stack.meta.post(meta.text(SUPPORT, customer, "hello"))
    wait_until(lambda: arrived(stack, customer), 20, "the delivered answer")
    api, worker = stack.metrics("api").exemplars, stack.metrics("worker").exemplars
    assert api["http_request_duration_seconds"]
    assert worker["ai_request_duration_seconds"]
    known = {span.trace_id for span in list(stack.collector.spans)}
    assert worker["ai_request_duration_seconds"] <= known


def test_logs_and_spans_hold_no_numbers_texts_or_secrets(stack: Stack) -> None:
    customer, words = new_customer(), f"my secret is {secrets.token_hex(8)}"
    stack.meta.post(meta.text(SUPPORT, customer, words))
    wait_until(lambda: arrived(stack, customer), 20, "the delivered answer")
    idle(stack)
    secrets_of_ours = (customer, words, SECRET, VERIFY, "sk-end-to-end", SUPPORT["access_token"], *KEYS.values())
    texts = [path.read_text() for path in stack.logs_dir.glob("pytake-*.log") if "sandbox" not in path.name]
    texts.append(json.dumps([span.attributes for span in stack.collector.spans if span.service != "pytake-sandbox"]))
    for secret in secrets_of_ours:
        assert not any(secret in text for text in texts), f"{secret!r} is in logs or spans"


def test_handshake(stack: Stack) -> None:
    def ask(token: str) -> httpx.Response:
        params = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": token}
        return HTTP.get(stack.webhook_url, params=params)

    assert (ask(VERIFY).status_code, ask(VERIFY).text) == (200, "1158201444")
    assert ask("wrong").status_code == 403


def test_a_burst_of_one_customer_is_one_conversation_answered_in_order(stack: Stack) -> None:
    customer = new_customer()
    payloads = [meta.text(SUPPORT, customer, f"message {number}") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        codes = [answer.status_code for answer in pool.map(stack.meta.post, payloads)]
    assert codes == [200] * 8
    wait_until(lambda: arrived(stack, customer), 20, "an answer")
    idle(stack)
    conversations = (
        f"SELECT count(*) FROM conversations c JOIN contacts k ON k.id = c.contact_id WHERE k.wa_id = '{customer}'"
    )
    assert stack.count(conversations) == 1
    assert stack.count(MESSAGES.format(customer=customer) + " AND m.direction = 'inbound'") == 8
    answers = stack.count(MESSAGES.format(customer=customer) + " AND m.direction = 'outbound'")
    assert 1 <= answers <= 8
    assert len(stack.sent_to(customer)) == answers


def test_statuses_out_of_order_and_twice_count_once(stack: Stack) -> None:
    customer = new_customer()
    with stack.fault("undelivered"):
        stack.meta.post(meta.text(SUPPORT, customer, "hello"))
        (sent,) = wait_until(lambda: stack.sent_to(customer), 20, "the answer")
        before = stack.metrics("worker").sum("whatsapp_delivery_total", outcome="delivered")
        for state in ("read", "delivered", "read", "sent", "delivered"):
            payload = meta.status(SUPPORT, sent["wamid"], state, customer, biz_opaque_callback_data=sent["opaque"])
            assert stack.meta.post(payload).status_code == 200
        idle(stack)
        wait_until(lambda: status_of(stack, customer, "read"), 10, "read")
        entered = stack.sql(
            HISTORY.replace("count(*)", "e.status, count(*)").format(customer=customer)
            + " AND m.direction = 'outbound' GROUP BY e.status"
        )
    assert {status: int(count) for status, count in entered} == dict.fromkeys(
        ("queued", "accepted", "sent", "delivered", "read"), 1
    )
    assert stack.metrics("worker").sum("whatsapp_delivery_total", outcome="delivered") - before == 1


def test_delivered_after_failed_has_arrived(stack: Stack) -> None:
    """Meta may deliver a message after it reported its failure."""
    customer = new_customer()
    with stack.fault("undelivered"):
        stack.meta.post(meta.text(SUPPORT, customer, "hello"))
        (sent,) = wait_until(lambda: stack.sent_to(customer), 20, "the answer")
    stack.meta.post(meta.status(SUPPORT, sent["wamid"], "failed", customer, errors=[meta.FAILED]))
    wait_until(lambda: status_of(stack, customer, "failed"), 10, "failed")
    stack.meta.post(meta.status(SUPPORT, sent["wamid"], "delivered", customer, pricing=meta.PRICING))
    wait_until(lambda: status_of(stack, customer, "delivered"), 10, "delivered")


def test_a_customer_without_a_phone_number_is_answered_by_user_id(stack: Stack) -> None:
    """Since April 2026 a business-scoped user id may stand in the number's place."""
    user_id = f"BR.{secrets.randbelow(10**15)}"
    payload = meta.text(SUPPORT, user_id, "oi")
    value = payload["entry"][0]["changes"][0]["value"]
    value["contacts"] = [{"profile": {"name": "Ana", "username": "ana"}, "user_id": user_id}]
    value["messages"][0]["from_user_id"] = value["messages"][0].pop("from")
    assert stack.meta.post(payload).status_code == 200
    (sent,) = wait_until(lambda: stack.sent_to(user_id), 20, "the answer")
    assert sent["recipient"] == user_id


def test_two_numbers_keep_their_customers_apart(stack: Stack) -> None:
    customer = new_customer()
    for number in NUMBERS:
        stack.meta.post(meta.text(number, customer, "hello"))
    wait_until(lambda: len(stack.sent_to(customer)) == 2, 20, "two answers")
    assert {row["instance"] for row in stack.sent_to(customer)} == {"support", "sales"}
    assert stack.count(f"SELECT count(*) FROM contacts WHERE wa_id = '{customer}'") == 2


def test_pages_parse_in_both_forms_and_labels_hold_no_numbers(stack: Stack) -> None:
    for service in ("api", "worker", "sandbox"):
        page = stack.metrics(service)
        assert page.values
        numbers = {
            value
            for _, labels in page.values
            for name, value in labels
            if name not in ("code", "le") and re.fullmatch(r"\+?\d{7,}|wamid\..*|[0-9a-f-]{32,36}", value)
        }
        assert not numbers


def test_health_names_every_dependency(stack: Stack) -> None:
    report = HTTP.get(f"{stack.api_url}/observability/health").json()
    assert report["state"] in ("healthy", "degraded")
    known = {"postgresql", "redis", "whatsapp_api", "openai_api", "memory", "disk", "queue"}
    assert known <= set(report["dependencies"])


async def test_agents_see_it_on_the_socket(stack: Stack) -> None:
    import asyncio

    import websockets

    customer = new_customer()
    url = stack.api_url.replace("http", "ws") + "/ws"
    async with websockets.connect(url, additional_headers={"x-api-key": KEYS["agent"]}) as socket:
        hello = json.loads(await asyncio.wait_for(socket.recv(), 10))
        assert hello["type"] == "hello"
        seen: set[str] = set()
        for words, wanted in (("hello", {"message", "status"}), ("I want to talk to a human", {"conversation"})):
            await asyncio.to_thread(stack.meta.post, meta.text(SUPPORT, customer, words))
            async with asyncio.timeout(30):
                while not wanted <= seen:
                    seen.add(json.loads(await socket.recv())["type"])
