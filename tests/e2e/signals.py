"""The matrix of signals: what an event leaves behind in the database, in metrics, in traces and in logs.

This is the single source of truth of the end-to-end tests: a row here is a promise to whoever builds a dashboard, a
rule or a runbook on these signals. ``{customer}`` in a query stands for the customer's number.
"""

from dataclasses import dataclass

from tests.e2e import actions as do
from tests.e2e.actions import HISTORY, MESSAGES, Action


@dataclass(frozen=True)
class Rows:
    """A query that counts, and what it must give."""

    query: str
    count: int


@dataclass(frozen=True)
class Metric:
    """A sample that must grow (a gauge: stand) by or at ``amount``; ``least``: at least so much."""

    service: str
    name: str
    labels: dict[str, str]
    amount: float = 1
    least: bool = False
    gauge: bool = False


@dataclass(frozen=True)
class SpanOf:
    """A span of the event's trace."""

    service: str
    name: str


@dataclass(frozen=True)
class Log:
    """A log line with the event's trace id."""

    service: str
    event: str


@dataclass(frozen=True)
class Signal:
    """One row of the matrix."""

    event: str
    act: Action
    rows: tuple[Rows, ...] = ()
    metrics: tuple[Metric, ...] = ()
    spans: tuple[SpanOf, ...] = ()
    logs: tuple[Log, ...] = ()
    stores_nothing: bool = False
    prefix: str = "1555"
    """Beginning of the customer's number: decides the country and so the price."""


def messages(direction: str, status: str | None = None) -> str:
    """Query: the customer's messages of a direction (and state)."""
    more = f" AND m.status = '{status}'" if status else ""
    return f"{MESSAGES} AND m.direction = '{direction}'{more}"


def entered(status: str) -> str:
    """Query: how often messages of the customer entered a state."""
    return f"{HISTORY} AND e.status = '{status}'"


SUPPORT = {"whatsapp_instance": "support"}


def moved(status: str, direction: str = "outbound") -> Metric:
    """``whatsapp_messages_total`` grew by one message in a state."""
    labels = SUPPORT | {"direction": direction, "status": status}
    return Metric("worker", "whatsapp_messages_total", labels)


def webhook(field_name: str, outcome: str, service: str = "api", amount: float = 1) -> Metric:
    """``whatsapp_webhook_events_total`` grew."""
    labels = {"field": field_name, "outcome": outcome}
    return Metric(service, "whatsapp_webhook_events_total", labels, amount)


def received(status: int) -> Metric:
    """One request to the webhook was answered with ``status``."""
    labels = {"method": "POST", "endpoint": "/webhooks/whatsapp", "status": str(status)}
    return Metric("api", "http_requests_total", labels, least=status == 200)


FLOW_SPANS = (
    SpanOf("pytake-api", "POST /webhooks/whatsapp"),
    SpanOf("pytake-worker", "process messages"),
    SpanOf("pytake-worker", "work on conversation"),
)

MATRIX = (
    Signal(
        "a customer's text is answered and delivered",
        do.answered,
        rows=(
            Rows(messages("inbound", "received"), 1),
            Rows(f"{messages('outbound')} AND m.author = 'ai' AND m.wamid IS NOT NULL", 1),
            Rows(entered("queued"), 1),
            Rows(entered("accepted"), 1),
            Rows(entered("delivered"), 1),
        ),
        metrics=(
            received(200),
            webhook("messages", "accepted"),
            webhook("messages", "processed", "worker"),
            Metric("api", "whatsapp_webhooks_received_total", SUPPORT, least=True),
            moved("received", "inbound"),
            moved("queued"),
            moved("accepted"),
            moved("delivered"),
            Metric("worker", "whatsapp_delivery_total", SUPPORT | {"outcome": "delivered", "cause": "none"}),
            Metric("worker", "whatsapp_delivery_seconds_count", SUPPORT),
            Metric("worker", "whatsapp_api_requests_total", SUPPORT | {"operation": "send_text", "status": "success"}),
            Metric("worker", "whatsapp_api_requests_total", SUPPORT | {"operation": "mark_read", "status": "success"}),
            Metric("worker", "whatsapp_api_request_duration_seconds_count", SUPPORT | {"operation": "send_text"}),
            Metric("worker", "ai_requests_total", {"operation": "chat", "status": "success"}),
            Metric("worker", "ai_request_duration_seconds_count", {"operation": "chat"}),
            Metric("worker", "ai_tokens_total", {"type": "input"}, 5, least=True),
            Metric("worker", "ai_tokens_total", {"type": "output"}, 5, least=True),
            Metric("worker", "ai_cost_usd_total", {}, 1e-9, least=True),
            Metric("worker", "conversations_opened_total", SUPPORT),
            Metric("worker", "conversation_first_response_seconds_count", {"responder": "ai"}),
            Metric("worker", "queue_jobs_total", {"queue": "outbound", "outcome": "done"}, least=True),
            Metric("sandbox", "sandbox_messages_total", SUPPORT | {"direction": "outbound"}),
        ),
        spans=(
            *FLOW_SPANS,
            SpanOf("pytake-worker", "chat gpt-4o-mini"),
            SpanOf("pytake-worker", "send message"),
            SpanOf("pytake-worker", "process statuses"),
        ),
        logs=(
            Log("api", "http_request"),
            Log("worker", "message_received"),
            Log("worker", "message_sent"),
            Log("worker", "message_status"),
        ),
    ),
    Signal(
        "Meta delivers the same webhook twice",
        do.written_twice,
        rows=(Rows(messages("inbound"), 1), Rows(messages("outbound"), 1)),
        metrics=(
            webhook("messages", "accepted", amount=2),
            webhook("messages", "processed", "worker"),
            webhook("messages", "duplicate", "worker"),
            Metric("worker", "queue_jobs_total", {"queue": "webhooks", "outcome": "duplicate"}, least=True),
            moved("received", "inbound"),
            Metric("sandbox", "sandbox_messages_total", SUPPORT | {"direction": "outbound"}),
        ),
        spans=FLOW_SPANS,
    ),
    Signal(
        "a customer asks for a person",
        do.human_wanted,
        rows=(Rows(messages("inbound"), 1), Rows(messages("outbound"), 0)),
        metrics=(
            Metric("worker", "conversation_handovers_total", {"reason": "requested"}),
            Metric("worker", "ai_requests_total", {}, 0),
        ),
        spans=FLOW_SPANS,
        logs=(Log("worker", "conversation_handed_over"),),
    ),
    Signal(
        "an agent's template is delivered and billed",
        do.template_delivered,
        rows=(
            Rows(f"{messages('outbound')} AND m.author = 'human' AND m.type = 'template'", 1),
            Rows(entered("delivered"), 1),
        ),
        metrics=(
            Metric("worker", "whatsapp_cost_usd_total", SUPPORT | {"category": "utility"}, 1e-4, least=True),
            Metric(
                "worker", "whatsapp_api_requests_total", SUPPORT | {"operation": "send_template", "status": "success"}
            ),
            moved("delivered"),
        ),
        prefix="55119",
    ),
    Signal(
        "a billable message goes to a country that has no rate",
        do.template_delivered,
        rows=(Rows(f"{messages('outbound')} AND m.id IN (SELECT message_id FROM costs WHERE usd IS NULL)", 1),),
        metrics=(
            Metric("worker", "whatsapp_unpriced_messages_total", SUPPORT | {"category": "utility"}),
            Metric("worker", "whatsapp_cost_usd_total", {}, 0),
        ),
        prefix="999",
    ),
    Signal(
        "an accepted message cannot be delivered",
        do.undeliverable,
        rows=(Rows(f"{messages('outbound', 'failed')} AND m.error_code = 131026", 1), Rows(entered("failed"), 1)),
        metrics=(
            moved("failed"),
            Metric("worker", "whatsapp_message_failures_total", SUPPORT | {"code": "131026", "cause": "recipient"}),
            Metric("worker", "whatsapp_delivery_total", SUPPORT | {"outcome": "failed", "cause": "recipient"}),
        ),
        spans=(*FLOW_SPANS, SpanOf("pytake-worker", "process statuses")),
        logs=(Log("worker", "message_status"),),
    ),
    Signal(
        "the Graph API refuses a send for good",
        do.refused,
        rows=(Rows(f"{messages('outbound', 'failed')} AND m.error_code = 131031", 1), Rows(entered("accepted"), 0)),
        metrics=(
            Metric("worker", "whatsapp_message_failures_total", SUPPORT | {"code": "131031", "cause": "account"}),
            Metric(
                "worker", "whatsapp_api_requests_total", SUPPORT | {"operation": "send_text", "status": "client_error"}
            ),
            Metric("worker", "conversation_handovers_total", {"reason": "ai_failed"}),
            webhook("account_update", "processed", "worker", 2),
            Metric("worker", "whatsapp_delivery_total", SUPPORT, 0),
        ),
        spans=(*FLOW_SPANS, SpanOf("pytake-worker", "send message")),
        logs=(Log("worker", "send_refused"), Log("worker", "message_failed")),
    ),
    Signal(
        "the answer to a send is lost",
        do.in_doubt,
        rows=(
            Rows(messages("outbound"), 1),
            Rows(entered("accepted"), 1),
            Rows("SELECT count(*) FROM sends WHERE state IN ('queued', 'sending', 'in_doubt')", 0),
        ),
        metrics=(
            Metric(
                "worker",
                "whatsapp_api_requests_total",
                SUPPORT | {"operation": "send_text", "status": "connection_error"},
            ),
            moved("accepted"),
            moved("delivered"),
            Metric("sandbox", "sandbox_messages_total", SUPPORT | {"direction": "outbound"}),
            Metric("worker", "whatsapp_sends_in_doubt", SUPPORT, 0, gauge=True),
        ),
        spans=(*FLOW_SPANS, SpanOf("pytake-worker", "send message"), SpanOf("pytake-worker", "process statuses")),
        logs=(Log("worker", "send_settled_by_status"),),
    ),
    Signal(
        "a webhook has a wrong signature",
        do.forged,
        metrics=(received(401), webhook("request", "invalid_signature")),
        spans=(SpanOf("pytake-api", "POST /webhooks/whatsapp"),),
        logs=(Log("api", "http_request"),),
        stores_nothing=True,
    ),
    Signal(
        "a webhook has wrong types",
        do.malformed,
        metrics=(received(400), webhook("request", "invalid_payload")),
        logs=(Log("api", "http_request"),),
        stores_nothing=True,
    ),
    Signal(
        "a webhook is too large",
        do.oversized,
        metrics=(received(413), webhook("request", "too_large")),
        stores_nothing=True,
    ),
    Signal(
        "a webhook is for a number that is not ours",
        do.of_nobodys_number,
        metrics=(received(200), webhook("messages", "unknown_instance")),
        logs=(Log("api", "webhook_unknown_instance"),),
        stores_nothing=True,
    ),
    Signal(
        "a template is paused and unpaused",
        do.template_paused,
        rows=(Rows("SELECT count(*) FROM templates WHERE name = 'promo_weekly' AND state = 'approved'", 4),),
        metrics=(
            webhook("message_template_status_update", "processed", "worker", 8),
            webhook("message_template_quality_update", "processed", "worker", 8),
        ),
    ),
    Signal(
        "the AI account has no quota",
        do.without_quota,
        rows=(Rows(messages("inbound"), 1), Rows(messages("outbound"), 0)),
        metrics=(
            Metric("worker", "ai_requests_total", {"status": "quota_exhausted"}),
            Metric("worker", "conversation_handovers_total", {"reason": "ai_failed"}),
        ),
        spans=(*FLOW_SPANS, SpanOf("pytake-worker", "chat gpt-4o-mini")),
        logs=(Log("worker", "ai_failed"), Log("worker", "conversation_handed_over")),
    ),
    Signal(
        "the AI answers with a model that has no price",
        do.unknown_model,
        rows=(Rows(messages("outbound"), 1),),
        metrics=(
            Metric("worker", "ai_unpriced_requests_total", {}),
            Metric("worker", "ai_cost_usd_total", {}, 0),
            Metric("worker", "ai_requests_total", {"status": "success"}),
        ),
        spans=(*FLOW_SPANS, SpanOf("pytake-worker", "chat gpt-4o-mini")),
    ),
    Signal(
        "a webhook cannot be worked on",
        do.poisoned,
        metrics=(
            webhook("messages", "accepted"),
            Metric("worker", "queue_jobs_total", {"queue": "webhooks", "outcome": "dead_letter"}),
            Metric("worker", "queue_jobs_total", {"queue": "webhooks", "outcome": "retried"}, 4),
        ),
        spans=(SpanOf("pytake-worker", "process messages"),),
        logs=(),
        stores_nothing=True,
    ),
    Signal(
        "Alertmanager notifies twice of one alert",
        do.alerted,
        rows=(Rows("SELECT count(*) FROM alerts WHERE fingerprint = 'f{customer}'", 1),),
        metrics=(Metric("api", "alerts_received_total", {"status": "firing", "severity": "critical"}, 2),),
    ),
)
