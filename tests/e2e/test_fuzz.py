"""Bad input of every kind: a clear 4xx, counted, nothing stored, never a 5xx, never a new series from what was sent."""

import copy
import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.specs.openapi.checks import allow_header_conformance, ignored_auth, positive_data_acceptance

from pytake.backend.app import create_app
from pytake.backend.settings import Settings
from tests.e2e import meta
from tests.e2e.actions import PATIENCE, idle, new_customer
from tests.e2e.scrape import Page
from tests.e2e.stack import ALERT_TOKEN, KEYS, NUMBERS, SECRET, Stack
from tests.e2e.wire import HTTP
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack")]
PHASES = (Phase.explicit, Phase.generate, Phase.shrink)
QUICK = settings(
    max_examples=8, deadline=None, derandomize=True, phases=PHASES, suppress_health_check=list(HealthCheck)
)
THOROUGH = settings(QUICK, max_examples=60)
schema = schemathesis.openapi.from_dict(create_app(Settings(_env_file=None)).openapi())
EXCLUDED = [
    ignored_auth,  # has a test of its own below
    positive_data_acceptance,  # a schema cannot say which cursors a page gave, or which accounts have a template
    allow_header_conformance,  # the framework's Allow header names the methods of one route, not of all with that path
]
ACCEPTED = re.compile(r'^whatsapp_webhook_events_total\{[^}]*outcome="accepted"[^}]*\} (\S+)', re.MULTILINE)
HOSTILE = (
    'messages"} 1\n# HELP evil',
    "status\nevil 1",
    "{{}}",
    "\u202e\u0000\ud7ff",
    "x" * 60,
    "../../etc/passwd",
    "' OR 1=1 --",
    "${jndi:ldap://127.0.0.1/x}",
    "📞" * 20,
)


@pytest.fixture
def quiet(stack: Stack) -> Iterator[Stack]:
    """Nobody but the test posts webhooks."""
    with stack.fault("webhook_silence", lose=True):
        wait_until(lambda: settled(stack), 30, "the last webhook on its way")
        yield stack


def settled(stack: Stack) -> bool:
    """Whether nothing has been put into the queue for a moment."""
    before = accepted(stack)
    time.sleep(0.3)
    return accepted(stack) == before


def auth(path: str) -> dict[str, str]:
    """The credentials of an endpoint."""
    if path.endswith("/webhooks/alerts"):
        return {"authorization": f"Bearer {ALERT_TOKEN}"}
    return {"x-api-key": KEYS["admin"]}


@schema.parametrize()
@QUICK
def test_openapi_page_tells_the_truth(stack: Stack, case: Case) -> None:
    """Whatever the page allows or forbids: documented codes and forms, no 5xx."""
    call = case.as_transport_kwargs(base_url=stack.api_url, headers=auth(case.path))
    answer = requests.request(**call, timeout=30)
    case.validate_response(answer, excluded_checks=EXCLUDED)


@pytest.mark.parametrize("key", ["", "wrong", "x" * 5000])
def test_every_endpoint_asks_for_a_key(stack: Stack, key: str) -> None:
    document = HTTP.get(f"{stack.api_url}/openapi.json").json()
    open_ones = []
    for path, operations in document["paths"].items():
        for method in operations:
            url = stack.api_url + path.replace("{", "").replace("}", "")
            answer = HTTP.request(method, url, headers={"x-api-key": key} if key else {}, json={})
            if path.startswith("/api/") and answer.status_code not in (401, 422):
                open_ones.append((method, path, answer.status_code))
    assert not open_ones


# --- the webhook --------------------------------------------------------------------------------------------------
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(HOSTILE),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every node below ``value``."""
    found = [path] if path else []
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(inner, (*path, key))
    return found


def bases() -> list[dict[str, Any]]:
    """A documented body of every kind."""
    number, customer = NUMBERS[0], "15559999999"
    quality = {"display_phone_number": number["display_phone_number"], "event": "FLAGGED", "current_limit": "TIER_2K"}
    template = {
        "event": "PAUSED",
        "message_template_id": 1,
        "message_template_name": "promo_weekly",
        "message_template_language": "en",
        "reason": "NONE",
    }
    return [
        meta.text(number, customer, "hello"),
        meta.status(number, meta.wamid(), "delivered", customer, pricing=meta.PRICING),
        meta.status(number, meta.wamid(), "failed", customer, errors=[meta.FAILED]),
        meta.change(number, "phone_number_quality_update", quality),
        meta.change(number, "message_template_status_update", template),
        meta.change(number, "messages", meta.messages_value(number, errors=[meta.FAILED])),
    ]


@st.composite
def broken(draw: st.DrawFn) -> dict[str, Any]:
    """A documented body with one to three nodes replaced, removed or added."""
    payload: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(bases())))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(payload)))
        parent: Any = payload
        for key in path[:-1]:
            parent = parent[key]
        what = draw(st.sampled_from(("replace", "remove", "add")))
        if what == "replace":
            parent[path[-1]] = draw(json_values)
        elif what == "remove":
            del parent[path[-1]]
        elif isinstance(parent, dict):
            parent[draw(st.text(max_size=10))] = draw(json_values)
        if not places(payload):
            break
    return payload


def accepted(stack: Stack) -> float:
    """How many events the receiver has put into the queue (read without parsing the page, which is called often)."""
    page = HTTP.get(f"{stack.api_url}/metrics").text
    return sum(float(number) for number in ACCEPTED.findall(page))


def post(stack: Stack, body: bytes, *, secret: str = SECRET) -> int:
    """Post a body with the signature of ``secret``; a refusal must have the problem's form."""
    headers = {"content-type": "application/json", "x-hub-signature-256": meta.sign(secret, body)}
    answer = HTTP.post(stack.webhook_url, content=body, headers=headers)
    assert answer.status_code in (200, 400, 401, 413), answer.text
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
    return answer.status_code


def post_alone(stack: Stack, body: bytes, *, secret: str = SECRET) -> int:
    """The same while nobody else posts: a refusal has put nothing into the queue."""
    before = accepted(stack)
    status = post(stack, body, secret=secret)
    assert status == 200 or accepted(stack) == before
    return status


@given(payload=broken())
@THOROUGH
def test_broken_webhooks_are_refused_or_survived(quiet: Stack, payload: dict[str, Any]) -> None:
    post_alone(quiet, json.dumps(payload).encode())


@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@THOROUGH
def test_what_is_no_json_is_400(quiet: Stack, body: bytes) -> None:
    assert post_alone(quiet, body) == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"object":"whatsapp_business_account","entry":[]}',
        b'{"object":"page","entry":[{"id":"1","changes":[]}]}',
        b'{"object":"whatsapp_business_account","entry":[{"id":"1","changes":{}}]}',
        b'{"object":"whatsapp_business_account","entry":[{"id":1e400,"changes":[]}]}',
        b'{"object":NaN}',
        b'{"object":"\\ud800"}',
        b"\xff\xfe{}",
        b"1" * 2_000_000,
    ],
    ids=lambda body: body[:24].decode("latin-1") or "empty",
)
def test_bodies_that_parsers_fear(quiet: Stack, body: bytes) -> None:
    assert post_alone(quiet, body) == 400


@given(header=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=90))
@QUICK
def test_any_other_signature_is_401(stack: Stack, header: str) -> None:
    body = json.dumps(bases()[0]).encode()
    answer = HTTP.post(stack.webhook_url, content=body, headers={"x-hub-signature-256": header})
    assert answer.status_code == 401


def test_each_refusal_is_counted(quiet: Stack) -> None:
    def refused(page: Page) -> dict[str, float]:
        outcomes = ("invalid_payload", "invalid_signature", "too_large")
        return {name: page.sum("whatsapp_webhook_events_total", outcome=name) for name in outcomes}

    before = refused(quiet.metrics("api"))
    assert post_alone(quiet, b"{}") == 400
    assert post_alone(quiet, b"{}", secret="other") == 401
    assert post_alone(quiet, b" " * (3 * 1024 * 1024 + 1)) == 413
    after = refused(quiet.metrics("api"))
    assert {name: after[name] - before[name] for name in after} == dict.fromkeys(before, 1)


def test_hostile_words_become_no_labels(stack: Stack) -> None:
    """Everything in a webhook that could end in a label: fields, states, types, codes, categories, names."""
    number = NUMBERS[0]
    idle(stack)
    series = {service: len(stack.metrics(service).values) for service in ("api", "worker")}
    (known,) = wait_until(lambda: answered(stack), PATIENCE, "an answer")
    for word in HOSTILE:
        pricing = {"billable": True, "pricing_model": word, "type": word, "category": word}
        customer = new_customer()
        opaque = {"biz_opaque_callback_data": known["opaque"]}
        for payload in (
            meta.change(number, word, {"event": word}),
            meta.change(number, "message_template_status_update", {"event": word, "message_template_name": word}),
            meta.change(number, "account_update", {"event": word, "ban_info": {"waba_ban_state": word}}),
            meta.status(number, known["wamid"], word[:32], customer, pricing=pricing, **opaque),
            meta.status(number, known["wamid"], "read", customer, pricing=pricing, **opaque),
            with_type(meta.text(number, customer, word), word),
        ):
            post(stack, json.dumps(payload).encode())
        for path in ("", "api/v1/", "api/v1/instances/"):
            HTTP.get(f"{stack.api_url}/{path}{quote(word, safe='')}", headers={"x-api-key": KEYS["admin"]})
        HTTP.request("EVIL", stack.api_url)
    wait_until(lambda: stack.queue_length("webhooks") == 0, PATIENCE, "an empty queue")
    for service in ("api", "worker"):
        page = stack.metrics(service)
        values = page.label_values("field") | page.label_values("endpoint") | page.label_values("category")
        values |= page.label_values("status") | page.label_values("code") | page.label_values("method")
        assert not {value for value in values for word in HOSTILE if word[:10] in value}
        assert len(page.values) - series[service] < 150
    assert stack.metrics("worker").sum("telemetry_label_overflow_total") == 0


def with_type(payload: dict[str, Any], kind: str) -> dict[str, Any]:
    """The message's type replaced."""
    payload["entry"][0]["changes"][0]["value"]["messages"][0]["type"] = kind
    return payload


def answered(stack: Stack) -> list[dict[str, Any]]:
    """A fresh customer's answer."""
    customer = new_customer()
    stack.meta.post(meta.text(NUMBERS[0], customer, "hello"))
    return [wait_until(lambda: stack.sent_to(customer), PATIENCE, "the answer")[0]]


def test_after_all_this_everything_still_works(stack: Stack) -> None:
    """Last of this module: no process has died, the queue is empty, a customer is answered."""
    wait_until(lambda: stack.queue_length("webhooks") == 0, 40, "an empty queue")
    assert stack.api.running
    assert stack.workers[0].running
    assert answered(stack)
    crashes = [
        line for service in ("api", "worker") for line in stack.log_lines(service) if line["event"] == "request_failed"
    ]
    assert not crashes, crashes[:3]
