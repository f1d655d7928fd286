"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SEQUENCE messages_seq")
    op.create_table(
        "alerts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("severity", sa.String(length=20), nullable=False),
        sa.Column("labels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("annotations", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("generator_url", sa.String(length=2000), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("fingerprint", "starts_at", name=op.f("uq_alerts_fingerprint_starts_at")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
    )
    op.create_table(
        "costs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("spender", sa.String(length=10), nullable=False),
        sa.Column("instance", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("item", sa.String(length=80), nullable=False),
        sa.Column("usd", sa.Numeric(precision=14, scale=8), nullable=True),
        sa.Column("tokens", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_costs")),
    )
    op.create_index("ix_costs_spender_at", "costs", ["spender", "at"], unique=False)
    op.create_index(
        "uq_costs_whatsapp_message",
        "costs",
        ["message_id"],
        unique=True,
        postgresql_where=sa.text("spender = 'whatsapp'"),
    )
    op.create_table(
        "instances",
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("phone_number_id", sa.String(length=64), nullable=False),
        sa.Column("waba_id", sa.String(length=64), nullable=False),
        sa.Column("display_phone_number", sa.String(length=32), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("quality", sa.String(length=10), nullable=False),
        sa.Column("account_state", sa.String(length=20), nullable=False),
        sa.Column("messaging_limit", sa.Integer(), nullable=True),
        sa.Column("messaging_unlimited", sa.Boolean(), nullable=False),
        sa.Column("throughput", sa.String(length=32), nullable=True),
        sa.Column("token_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_webhook_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_instances")),
        sa.UniqueConstraint("phone_number_id", name=op.f("uq_instances_phone_number_id")),
    )
    op.create_index(op.f("ix_instances_waba_id"), "instances", ["waba_id"], unique=False)
    op.create_table(
        "platform_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("field", sa.String(length=64), nullable=False),
        sa.Column("waba_id", sa.String(length=64), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platform_events")),
        sa.UniqueConstraint("digest", name=op.f("uq_platform_events_digest")),
    )
    op.create_index(op.f("ix_platform_events_received_at"), "platform_events", ["received_at"], unique=False)
    op.create_table(
        "templates",
        sa.Column("waba_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("language", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("quality", sa.String(length=10), nullable=False),
        sa.Column("category", sa.String(length=40), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("waba_id", "name", "language", name=op.f("pk_templates")),
    )
    op.create_table(
        "contacts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("instance", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=150), nullable=True),
        sa.Column("wa_id", sa.String(length=32), nullable=True),
        sa.Column("former_wa_id", sa.String(length=32), nullable=True),
        sa.Column("name", sa.String(length=256), nullable=True),
        sa.Column("username", sa.String(length=256), nullable=True),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "user_id IS NOT NULL OR wa_id IS NOT NULL OR former_wa_id IS NOT NULL", name=op.f("ck_contacts_known")
        ),
        sa.ForeignKeyConstraint(["instance"], ["instances.slug"], name=op.f("fk_contacts_instance")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
    )
    op.create_index(op.f("ix_contacts_last_seen_at"), "contacts", ["last_seen_at"], unique=False)
    op.create_index(
        "uq_contacts_user_id",
        "contacts",
        ["instance", "user_id"],
        unique=True,
        postgresql_where=sa.text("user_id IS NOT NULL"),
    )
    op.create_index(
        "uq_contacts_wa_id",
        "contacts",
        ["instance", "wa_id"],
        unique=True,
        postgresql_where=sa.text("wa_id IS NOT NULL"),
    )
    op.create_table(
        "conversations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("instance", sa.String(length=64), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("responder", sa.String(length=10), nullable=False),
        sa.Column("handover_reason", sa.String(length=20), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_message_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("window_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_customer_message_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_response_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_seq", sa.BigInteger(), nullable=False),
        sa.Column("ai_failures", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.String(length=80), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("traceparent", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_conversations_contact_id")),
        sa.ForeignKeyConstraint(["instance"], ["instances.slug"], name=op.f("fk_conversations_instance")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
    )
    op.create_index(
        "ix_conversations_due",
        "conversations",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_conversations_last_message_at"), "conversations", ["last_message_at"], unique=False)
    op.create_index("ix_conversations_state", "conversations", ["state", "instance"], unique=False)
    op.create_index(
        "uq_conversations_one_open",
        "conversations",
        ["contact_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default=sa.text("nextval('messages_seq')"), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("instance", sa.String(length=64), nullable=False),
        sa.Column("direction", sa.String(length=10), nullable=False),
        sa.Column("author", sa.String(length=10), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("wamid", sa.String(length=256), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("error_cause", sa.String(length=12), nullable=True),
        sa.Column("in_reply_to", sa.Uuid(), nullable=True),
        sa.Column("idempotency_key", sa.String(length=200), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("traceparent", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_messages_conversation_id")),
        sa.ForeignKeyConstraint(["instance"], ["instances.slug"], name=op.f("fk_messages_instance")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("wamid", name=op.f("uq_messages_wamid")),
    )
    op.create_index("ix_messages_conversation", "messages", ["conversation_id", "seq"], unique=False)
    op.create_index(
        "ix_messages_unanswered",
        "messages",
        ["conversation_id", "seq"],
        unique=False,
        postgresql_where=sa.text("direction = 'inbound'"),
    )
    op.create_index(
        "uq_messages_ai_answer", "messages", ["in_reply_to"], unique=True, postgresql_where=sa.text("author = 'ai'")
    )
    op.create_index(
        "uq_messages_idempotency_key",
        "messages",
        ["idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_table(
        "deliveries",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("instance", sa.String(length=64), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=True),
        sa.Column("outcome_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cause", sa.String(length=12), nullable=True),
        sa.Column("pricing", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("costed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_deliveries_message_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_deliveries")),
    )
    op.create_index(
        "ix_deliveries_open", "deliveries", ["accepted_at"], unique=False, postgresql_where=sa.text("outcome IS NULL")
    )
    op.create_table(
        "message_events",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_message_events_message_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", "status", name=op.f("pk_message_events")),
    )
    op.create_table(
        "sends",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("instance", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("in_doubt_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=300), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued','sending','in_doubt','accepted','failed','unsettled')", name=op.f("ck_sends_state")
        ),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_sends_conversation_id")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_sends_message_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_sends")),
    )
    op.create_index(
        "ix_sends_in_doubt", "sends", ["in_doubt_since"], unique=False, postgresql_where=sa.text("state = 'in_doubt'")
    )
    op.create_index(
        "ix_sends_open",
        "sends",
        ["conversation_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'sending')"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_sends_open", table_name="sends", postgresql_where=sa.text("state IN ('queued', 'sending')"))
    op.drop_index("ix_sends_in_doubt", table_name="sends", postgresql_where=sa.text("state = 'in_doubt'"))
    op.drop_table("sends")
    op.drop_table("message_events")
    op.drop_index("ix_deliveries_open", table_name="deliveries", postgresql_where=sa.text("outcome IS NULL"))
    op.drop_table("deliveries")
    op.drop_index(
        "uq_messages_idempotency_key", table_name="messages", postgresql_where=sa.text("idempotency_key IS NOT NULL")
    )
    op.drop_index("uq_messages_ai_answer", table_name="messages", postgresql_where=sa.text("author = 'ai'"))
    op.drop_index("ix_messages_unanswered", table_name="messages", postgresql_where=sa.text("direction = 'inbound'"))
    op.drop_index("ix_messages_conversation", table_name="messages")
    op.drop_table("messages")
    op.drop_index(
        "uq_conversations_one_open", table_name="conversations", postgresql_where=sa.text("state <> 'closed'")
    )
    op.drop_index("ix_conversations_state", table_name="conversations")
    op.drop_index(op.f("ix_conversations_last_message_at"), table_name="conversations")
    op.drop_index("ix_conversations_due", table_name="conversations", postgresql_where=sa.text("due_at IS NOT NULL"))
    op.drop_table("conversations")
    op.drop_index("uq_contacts_wa_id", table_name="contacts", postgresql_where=sa.text("wa_id IS NOT NULL"))
    op.drop_index("uq_contacts_user_id", table_name="contacts", postgresql_where=sa.text("user_id IS NOT NULL"))
    op.drop_index(op.f("ix_contacts_last_seen_at"), table_name="contacts")
    op.drop_table("contacts")
    op.drop_table("templates")
    op.drop_index(op.f("ix_platform_events_received_at"), table_name="platform_events")
    op.drop_table("platform_events")
    op.drop_index(op.f("ix_instances_waba_id"), table_name="instances")
    op.drop_table("instances")
    op.drop_index("uq_costs_whatsapp_message", table_name="costs", postgresql_where=sa.text("spender = 'whatsapp'"))
    op.drop_index("ix_costs_spender_at", table_name="costs")
    op.drop_table("costs")
    op.drop_table("api_keys")
    op.drop_table("alerts")
    op.execute("DROP SEQUENCE messages_seq")
