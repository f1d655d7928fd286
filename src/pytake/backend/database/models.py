"""Tables. What must happen once is a database constraint here, never only an ``if`` in the code."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    MetaData,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pytake.backend.ids import new_id
from pytake.telemetry.labels import (
    AccountState,
    AlertState,
    Cause,
    ConversationState,
    DeliveryOutcome,
    Direction,
    MessageStatus,
    QualityRating,
    Responder,
    Spender,
    TemplateState,
)

Json = dict[str, Any]


class Base(DeclarativeBase):
    """Naming of constraints (so that migrations can name them) and the mapping of Python types."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own idiom)
        datetime: DateTime(timezone=True),
        Json: JSONB,
        Decimal: Numeric(14, 8),
        ConversationState: String(20),
        Direction: String(10),
        MessageStatus: String(20),
        Responder: String(10),
        DeliveryOutcome: String(12),
        Cause: String(12),
        QualityRating: String(10),
        AccountState: String(20),
        TemplateState: String(12),
        AlertState: String(10),
        Spender: String(10),
    }


class Instance(Base):
    """A WhatsApp number of ours. Credentials are not stored: they come from the instances file."""

    __tablename__ = "instances"

    slug: Mapped[str] = mapped_column(String(64), primary_key=True)
    phone_number_id: Mapped[str] = mapped_column(String(64), unique=True)
    waba_id: Mapped[str] = mapped_column(String(64), index=True)
    display_phone_number: Mapped[str] = mapped_column(String(32))
    enabled: Mapped[bool] = mapped_column(default=True)
    quality: Mapped[QualityRating] = mapped_column(default=QualityRating.UNKNOWN)
    account_state: Mapped[AccountState] = mapped_column(default=AccountState.ACTIVE)
    messaging_limit: Mapped[int | None]  # unique users in 24 h; NULL: not known
    messaging_unlimited: Mapped[bool] = mapped_column(default=False)
    throughput: Mapped[str | None] = mapped_column(String(32))
    token_expires_at: Mapped[datetime | None]
    last_webhook_at: Mapped[datetime | None]
    polled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class Contact(Base):
    """A customer of one number: known by business-scoped user id, by phone number, or both."""

    __tablename__ = "contacts"
    __table_args__ = (
        CheckConstraint("user_id IS NOT NULL OR wa_id IS NOT NULL OR former_wa_id IS NOT NULL", name="known"),
        Index("uq_contacts_user_id", "instance", "user_id", unique=True, postgresql_where=text("user_id IS NOT NULL")),
        Index("uq_contacts_wa_id", "instance", "wa_id", unique=True, postgresql_where=text("wa_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    instance: Mapped[str] = mapped_column(ForeignKey("instances.slug"))
    user_id: Mapped[str | None] = mapped_column(String(150))
    wa_id: Mapped[str | None] = mapped_column(String(32))
    former_wa_id: Mapped[str | None] = mapped_column(String(32))  # a number that now belongs to somebody else
    name: Mapped[str | None] = mapped_column(String(256))
    username: Mapped[str | None] = mapped_column(String(256))
    last_seen_at: Mapped[datetime | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Conversation(Base):
    """An exchange with a contact; at most one that is not closed. The lease lets one job at a time answer it."""

    __tablename__ = "conversations"
    __table_args__ = (
        Index("uq_conversations_one_open", "contact_id", unique=True, postgresql_where=text("state <> 'closed'")),
        Index("ix_conversations_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_conversations_state", "state", "instance"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    instance: Mapped[str] = mapped_column(ForeignKey("instances.slug"))
    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contacts.id"))
    state: Mapped[ConversationState] = mapped_column(default=ConversationState.OPEN)
    responder: Mapped[Responder] = mapped_column(default=Responder.AI)
    handover_reason: Mapped[str | None] = mapped_column(String(20))
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    last_message_at: Mapped[datetime | None] = mapped_column(index=True)
    window_expires_at: Mapped[datetime | None]  # free-form messages are allowed until then
    first_customer_message_at: Mapped[datetime | None]
    first_response_at: Mapped[datetime | None]
    answered_seq: Mapped[int] = mapped_column(BigInteger, default=0)  # inbound messages up to this seq are answered
    ai_failures: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime | None]  # work is waiting (an answer or a send); the sweeper looks for old ones
    lease_owner: Mapped[str | None] = mapped_column(String(80))
    lease_until: Mapped[datetime | None]
    traceparent: Mapped[str | None] = mapped_column(String(64))


class Message(Base):
    """One message. ``wamid`` is Meta's id; an AI answer is unique for the customer's message that it answers."""

    __tablename__ = "messages"
    __table_args__ = (
        Index("ix_messages_conversation", "conversation_id", "seq"),
        Index("ix_messages_unanswered", "conversation_id", "seq", postgresql_where=text("direction = 'inbound'")),
        Index("uq_messages_ai_answer", "in_reply_to", unique=True, postgresql_where=text("author = 'ai'")),
        Index(
            "uq_messages_idempotency_key",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    seq: Mapped[int] = mapped_column(BigInteger, server_default=text("nextval('messages_seq')"))
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"))
    instance: Mapped[str] = mapped_column(ForeignKey("instances.slug"))
    direction: Mapped[Direction]
    author: Mapped[str] = mapped_column(String(10))  # customer, ai, human, system
    type: Mapped[str] = mapped_column(String(32))
    text: Mapped[str | None] = mapped_column(Text)
    content: Mapped[Json | None]  # template name and parameters, media ids
    wamid: Mapped[str | None] = mapped_column(String(256), unique=True)
    status: Mapped[MessageStatus]
    error_code: Mapped[int | None]
    error_cause: Mapped[Cause | None]
    in_reply_to: Mapped[UUID | None]
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    sent_at: Mapped[datetime]  # by Meta's clock for inbound messages
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    traceparent: Mapped[str | None] = mapped_column(String(64))


class MessageEvent(Base):
    """State history: a message enters a state once, whatever number of webhooks say so."""

    __tablename__ = "message_events"

    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    status: Mapped[MessageStatus] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    error_code: Mapped[int | None]


class Send(Base):
    """The outbox: what is known about handing an outbound message to the Graph API (see ADR 002)."""

    __tablename__ = "sends"
    __table_args__ = (
        Index("ix_sends_open", "conversation_id", postgresql_where=text("state IN ('queued', 'sending')")),
        Index("ix_sends_in_doubt", "in_doubt_since", postgresql_where=text("state = 'in_doubt'")),
        CheckConstraint("state IN ('queued','sending','in_doubt','accepted','failed','unsettled')", name="state"),
    )

    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"))
    instance: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(12), default="queued")
    attempt: Mapped[int] = mapped_column(default=0)
    attempt_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    in_doubt_since: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(String(300))


class Delivery(Base):
    """Cohort of accepted messages: ``outcome`` is set once. Pricing is kept until delivery, when it is counted once."""

    __tablename__ = "deliveries"
    __table_args__ = (Index("ix_deliveries_open", "accepted_at", postgresql_where=text("outcome IS NULL")),)

    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    instance: Mapped[str] = mapped_column(String(64))
    accepted_at: Mapped[datetime]
    outcome: Mapped[DeliveryOutcome | None]
    outcome_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    cause: Mapped[Cause | None]
    pricing: Mapped[Json | None]
    costed: Mapped[bool] = mapped_column(default=False)


class Cost(Base):
    """Money: AI calls by model, delivered messages by category."""

    __tablename__ = "costs"
    __table_args__ = (
        Index("uq_costs_whatsapp_message", "message_id", unique=True, postgresql_where=text("spender = 'whatsapp'")),
        Index("ix_costs_spender_at", "spender", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    spender: Mapped[Spender]
    instance: Mapped[str] = mapped_column(String(64))
    message_id: Mapped[UUID | None]
    item: Mapped[str] = mapped_column(String(80))  # the model, or the pricing category
    usd: Mapped[Decimal | None]  # NULL: no price known
    tokens: Mapped[Json | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class PlatformEvent(Base):
    """Account, template, quality and other events of Meta, kept as they came; the digest makes them happen once."""

    __tablename__ = "platform_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    field: Mapped[str] = mapped_column(String(64))
    waba_id: Mapped[str] = mapped_column(String(64))
    value: Mapped[Json]
    at: Mapped[datetime | None]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class Template(Base):
    """A message template of a WhatsApp business account and its review state."""

    __tablename__ = "templates"

    waba_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(512), primary_key=True)
    language: Mapped[str] = mapped_column(String(20), primary_key=True)
    state: Mapped[TemplateState]
    quality: Mapped[QualityRating] = mapped_column(default=QualityRating.UNKNOWN)
    category: Mapped[str | None] = mapped_column(String(40))
    reason: Mapped[str | None] = mapped_column(String(200))
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class Alert(Base):
    """An alert of Alertmanager: one row for each time that it fires."""

    __tablename__ = "alerts"
    __table_args__ = (UniqueConstraint("fingerprint", "starts_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[AlertState]
    name: Mapped[str] = mapped_column(String(200))
    severity: Mapped[str] = mapped_column(String(20))
    labels: Mapped[Json]
    annotations: Mapped[Json]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    generator_url: Mapped[str | None] = mapped_column(String(2000))
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ApiKey(Base):
    """An API key: only its SHA-256 is kept (keys are 256 random bits, so a slow hash would add nothing)."""

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(10))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
