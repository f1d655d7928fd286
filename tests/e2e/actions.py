"""What happens in the signals matrix: each action makes one event happen for one customer and waits until it is over.

An action gives back the trace id that the event's spans and log lines must have, or None where nothing of it is traced.
"""

import itertools
import secrets
from collections.abc import Callable

from tests.e2e import meta
from tests.e2e.stack import ALERT_TOKEN, NUMBERS, Stack
from tests.support.waiting import wait_until

Action = Callable[[Stack, str], str | None]
SUPPORT = NUMBERS[0]
PATIENCE = 30.0
_customers = itertools.count(1)


def new_customer(prefix: str = "1555") -> str:
    """A phone number that no other test uses; by default from a fictional range of North America."""
    return f"{prefix}{next(_customers):07d}"


def traced() -> tuple[dict[str, str], str]:
    """A ``traceparent`` header that is sampled, and its trace id."""
    trace_id = secrets.token_hex(16)
    return {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}, trace_id


def status_of(stack: Stack, customer: str, status: str) -> bool:
    """Whether an outbound message of the customer is in this state."""
    return (
        stack.count(f"{MESSAGES} AND m.direction = 'outbound' AND m.status = '{status}'".format(customer=customer)) > 0
    )


MESSAGES = (
    "SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id "
    "JOIN contacts k ON k.id = c.contact_id WHERE k.wa_id = '{customer}'"
)
HISTORY = (
    "SELECT count(*) FROM message_events e JOIN messages m ON m.id = e.message_id "
    "JOIN conversations c ON c.id = m.conversation_id JOIN contacts k ON k.id = c.contact_id "
    "WHERE k.wa_id = '{customer}'"
)


def write(stack: Stack, customer: str, body: str = "Hello, where is my order?") -> str:
    """A customer's text arrives at the webhook."""
    headers, trace_id = traced()
    response = stack.meta.post(meta.text(SUPPORT, customer, body), **headers)
    assert response.status_code == 200, response.text
    return trace_id


def answered(stack: Stack, customer: str) -> str:
    """A text is answered and the answer delivered."""
    trace_id = write(stack, customer)
    arrived = lambda: status_of(stack, customer, "delivered") or status_of(stack, customer, "read")  # noqa: E731
    wait_until(arrived, PATIENCE, "the delivered answer")
    return trace_id


def written_twice(stack: Stack, customer: str) -> str:
    """Meta delivers the same webhook twice; only the first is answered."""
    headers, trace_id = traced()
    payload = meta.text(SUPPORT, customer, "Hello?")
    for _ in range(2):
        assert stack.meta.post(payload, **headers).status_code == 200
    wait_until(lambda: stack.sent_to(customer), PATIENCE, "the answer")
    idle(stack)
    return trace_id


def human_wanted(stack: Stack, customer: str) -> str:
    """The customer asks for a person."""
    trace_id = write(stack, customer, "I want to talk to a human")
    state = f"SELECT state FROM conversations c JOIN contacts k ON k.id = c.contact_id WHERE k.wa_id = '{customer}'"
    wait_until(lambda: stack.sql(state) == [["pending"]], PATIENCE, "the hand-over")
    idle(stack)
    return trace_id


def template_delivered(stack: Stack, customer: str) -> None:
    """An agent sends a utility template to somebody who has not written: it is delivered and billed."""
    message = {"type": "template", "name": "order_update", "language": "en", "parameters": ["Ana", "PT-1"]}
    body = {"instance": "support", "to": customer, "message": message}
    answer = stack.rest("POST", "/api/v1/messages", json=body, role="agent")
    assert answer.status_code == 202, answer.text
    arrived = lambda: status_of(stack, customer, "delivered") or status_of(stack, customer, "read")  # noqa: E731
    wait_until(arrived, PATIENCE, "the delivered template")


def undeliverable(stack: Stack, customer: str) -> str:
    """Meta accepts the answer and reports later that the recipient cannot get it."""
    with stack.fault("delivery_collapse", ratio=1, cause="recipient", code=131026):
        trace_id = write(stack, customer)
        wait_until(lambda: status_of(stack, customer, "failed"), PATIENCE, "the failure")
    idle(stack)
    return trace_id


def refused(stack: Stack, customer: str) -> str:
    """The Graph API refuses the send for good: the account is locked."""
    with stack.fault("account_block", instance="support"):
        trace_id = write(stack, customer)
        wait_until(lambda: status_of(stack, customer, "failed"), PATIENCE, "the refusal")
        banned = "SELECT account_state FROM instances WHERE slug = 'support'"
        wait_until(lambda: stack.sql(banned) == [["banned"]], PATIENCE, "the ban")
    wait_until(lambda: stack.sql(banned) == [["active"]], PATIENCE, "the reinstatement")
    return trace_id


def in_doubt(stack: Stack, customer: str) -> str:
    """Meta accepts the send but its answer is lost: the status webhook settles it, nothing is sent again."""
    with stack.fault("connection_reset", after_accept=True, operation="send", instance="support"):
        trace_id = write(stack, customer)
        wait_until(lambda: stack.sent_to(customer), PATIENCE, "the accepted message")
        arrived = lambda: status_of(stack, customer, "delivered") or status_of(stack, customer, "read")  # noqa: E731
        wait_until(arrived, PATIENCE, "the status that settles it")
    return trace_id


def forged(stack: Stack, customer: str) -> str:
    """Somebody else's signature."""
    headers, trace_id = traced()
    assert stack.meta.post(meta.text(SUPPORT, customer, "x"), secret="not-the-secret", **headers).status_code == 401
    return trace_id


def malformed(stack: Stack, customer: str) -> str:
    """A right signature under a body whose types are wrong."""
    headers, trace_id = traced()
    payload = meta.text(SUPPORT, customer, "x")
    payload["entry"][0]["changes"][0]["value"]["messages"][0]["timestamp"] = {"a": 1}
    assert stack.meta.post(payload, **headers).status_code == 400
    return trace_id


def oversized(stack: Stack, _: str) -> str:
    """A body beyond the limit."""
    headers, trace_id = traced()
    assert stack.meta.post(b"x" * (3 * 1024 * 1024 + 1), **headers).status_code == 413
    return trace_id


def of_nobodys_number(stack: Stack, customer: str) -> str:
    """A webhook for a number that is not ours: acknowledged (Meta would send it for days), counted, not stored."""
    headers, trace_id = traced()
    other = SUPPORT | {"phone_number_id": "999999999999999"}
    assert stack.meta.post(meta.text(other, customer, "x"), **headers).status_code == 200
    return trace_id


def template_paused(stack: Stack, _: str) -> None:
    """Meta pauses a template and takes it back."""
    paused = "SELECT count(*) FROM templates WHERE name = 'promo_weekly' AND state = 'paused'"
    with stack.fault("template_pause", template="promo_weekly"):
        wait_until(lambda: stack.count(paused) == 4, PATIENCE, "the pause")
    wait_until(lambda: stack.count(paused) == 0, PATIENCE, "the end of the pause")


def without_quota(stack: Stack, customer: str) -> str:
    """The AI provider's account has run dry: a person takes over."""
    with stack.fault("quota"):
        trace_id = human_instead(stack, customer)
    return trace_id


def human_instead(stack: Stack, customer: str) -> str:
    """A customer writes and a person takes over because the model could not answer."""
    trace_id = write(stack, customer)
    reason = (
        "SELECT handover_reason FROM conversations c JOIN contacts k ON k.id = c.contact_id "
        f"WHERE k.wa_id = '{customer}'"
    )
    wait_until(lambda: stack.sql(reason) == [["ai_failed"]], PATIENCE, "the hand-over")
    idle(stack)
    return trace_id


def unknown_model(stack: Stack, customer: str) -> str:
    """The provider answers with a model that has no price."""
    with stack.fault("unknown_model"):
        return answered(stack, customer)


def poisoned(stack: Stack, _: str) -> str:
    """A message that nobody wrote: its job fails until it lies in the dead letters."""
    headers, trace_id = traced()
    payload = meta.text(SUPPORT, "1", "who am I?")
    value = payload["entry"][0]["changes"][0]["value"]
    del value["contacts"], value["messages"][0]["from"]
    before = len(dead_letters(stack))
    assert stack.meta.post(payload, **headers).status_code == 200
    wait_until(lambda: len(dead_letters(stack)) == before + 1, PATIENCE, "the dead letter")
    return trace_id


def dead_letters(stack: Stack) -> list[dict[str, object]]:
    """The dead letters of the webhook queue."""
    answer = stack.rest("GET", "/api/v1/dead-letters/webhooks")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.json()["items"]
    return found


def alerted(stack: Stack, customer: str) -> None:
    """Alertmanager's webhook brings an alert, twice."""
    alert = {
        "status": "firing",
        "labels": {"alertname": "SignalsMatrix", "severity": "critical", "customer": customer},
        "annotations": {"summary": "a test"},
        "startsAt": "2026-11-24T13:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://127.0.0.1:9090/graph",
        "fingerprint": f"f{customer}",
    }
    body = {"version": "4", "status": "firing", "receiver": "pytake", "alerts": [alert], "groupLabels": {}}
    for stored in (1, 0):
        response = stack.post_alert(body, ALERT_TOKEN)
        assert response.status_code == 200
        assert response.json()["stored"] == stored


def idle(stack: Stack) -> None:
    """Wait until the queues are empty, so that everything that follows from an event has happened."""

    def depth() -> bool:
        return stack.queue_length("webhooks") == 0 and stack.queue_length("outbound") == 0

    wait_until(depth, PATIENCE, "empty queues")
