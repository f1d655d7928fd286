"""Label values: the closed sets that metrics may carry, and the two kinds of open set that stay bounded.

A label is declared with one of:

* a :class:`~enum.StrEnum` here: only its members are allowed;
* :class:`Configured`: names an operator has configured (WhatsApp instances, models, templates); they are registered at
  start with :func:`pytake.telemetry.metrics.configure_label` and anything else is undeclared;
* :class:`Bounded`: values nobody can list beforehand (route templates, status codes), at most ``limit`` of them.

A value outside its set raises in tests and counts as ``other`` in production (``telemetry_label_overflow_total``).
"""

from dataclasses import dataclass
from enum import StrEnum

OTHER = "other"


@dataclass(frozen=True)
class Configured:
    """Names from the configuration, registered under ``name`` at start; ``limit`` is their cardinality budget."""

    name: str
    limit: int = 50


@dataclass(frozen=True)
class Bounded:
    """An open set that holds at most ``limit`` values in one process; ``pattern`` is the form a value must have."""

    limit: int
    pattern: str = r"[\w{}()/.:*+\-]{1,120}"


class Method(StrEnum):
    """HTTP request methods that are counted by name."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    HEAD = "HEAD"
    OPTIONS = "OPTIONS"
    WEBSOCKET = "WEBSOCKET"
    OTHER = "other"


class Direction(StrEnum):
    """Who wrote the message: the customer (inbound) or the business (outbound)."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class MessageStatus(StrEnum):
    """States of a WhatsApp message; ``accepted`` is the Graph API's 200, ``in_doubt`` a send with no answer."""

    RECEIVED = "received"
    QUEUED = "queued"
    ACCEPTED = "accepted"
    IN_DOUBT = "in_doubt"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


class Cause(StrEnum):
    """Whose fault a failure is: decides who is paged."""

    NONE = "none"
    OURS = "ours"
    META = "meta"
    RECIPIENT = "recipient"
    ACCOUNT = "account"


class DeliveryOutcome(StrEnum):
    """The one final outcome of an accepted message (cohort); ``expired``: not delivered within the delivery window."""

    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"


class ApiStatus(StrEnum):
    """How a call to a remote API ended."""

    SUCCESS = "success"
    CLIENT_ERROR = "client_error"
    AUTH_ERROR = "auth_error"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    CONNECTION_ERROR = "connection_error"
    CIRCUIT_OPEN = "circuit_open"
    INVALID_RESPONSE = "invalid_response"


class WhatsAppOperation(StrEnum):
    """Graph API calls that the backend makes."""

    SEND_TEXT = "send_text"
    SEND_TEMPLATE = "send_template"
    MARK_READ = "mark_read"
    PHONE_NUMBER = "phone_number"
    TEMPLATES = "templates"
    DEBUG_TOKEN = "debug_token"  # noqa: S105 (an operation's name)
    HEALTH = "health"


class WebhookField(StrEnum):
    """``changes[].field`` of Meta's webhook; ``messages`` is split into messages and statuses by what it carries."""

    MESSAGES = "messages"
    STATUSES = "statuses"
    ERRORS = "errors"
    ACCOUNT_ALERTS = "account_alerts"
    ACCOUNT_UPDATE = "account_update"
    ACCOUNT_REVIEW_UPDATE = "account_review_update"
    BUSINESS_CAPABILITY_UPDATE = "business_capability_update"
    TEMPLATE_STATUS = "message_template_status_update"
    TEMPLATE_QUALITY = "message_template_quality_update"
    PHONE_NUMBER_QUALITY = "phone_number_quality_update"
    PHONE_NUMBER_NAME = "phone_number_name_update"
    REQUEST = "request"
    OTHER = "other"


class WebhookOutcome(StrEnum):
    """What became of a webhook event (``accepted`` at the receiver, the rest at the receiver or in the worker)."""

    ACCEPTED = "accepted"
    PROCESSED = "processed"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    INVALID_SIGNATURE = "invalid_signature"
    INVALID_PAYLOAD = "invalid_payload"
    TOO_LARGE = "too_large"
    UNKNOWN_INSTANCE = "unknown_instance"
    DEAD_LETTER = "dead_letter"
    QUEUE_UNAVAILABLE = "queue_unavailable"


class QualityRating(StrEnum):
    """Meta's quality rating of a number."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    UNKNOWN = "unknown"


class TemplateState(StrEnum):
    """Review state of a message template."""

    APPROVED = "approved"
    PENDING = "pending"
    REJECTED = "rejected"
    PAUSED = "paused"
    DISABLED = "disabled"
    FLAGGED = "flagged"
    OTHER = "other"


class AccountState(StrEnum):
    """Whether a number may send."""

    ACTIVE = "active"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 (a state's name)
    RESTRICTED = "restricted"
    BANNED = "banned"


class PriceCategory(StrEnum):
    """Meta's pricing categories."""

    MARKETING = "marketing"
    UTILITY = "utility"
    AUTHENTICATION = "authentication"
    AUTHENTICATION_INTERNATIONAL = "authentication_international"
    SERVICE = "service"
    REFERRAL_CONVERSION = "referral_conversion"
    OTHER = "other"


class PriceType(StrEnum):
    """Meta's ``pricing.type``."""

    REGULAR = "regular"
    FREE_CUSTOMER_SERVICE = "free_customer_service"
    FREE_ENTRY_POINT = "free_entry_point"
    OTHER = "other"


class PacingLimit(StrEnum):
    """Which of our send limits a message waited for."""

    NUMBER = "number"
    PAIR = "pair"


class AiOperation(StrEnum):
    """``gen_ai.operation.name``."""

    CHAT = "chat"
    EMBEDDINGS = "embeddings"


class TokenType(StrEnum):
    """Token kinds; cached is a subset of input, reasoning of output."""

    INPUT = "input"
    CACHED = "cached"
    OUTPUT = "output"
    REASONING = "reasoning"


class RateLimitResource(StrEnum):
    """What OpenAI's ``x-ratelimit-*`` headers count."""

    REQUESTS = "requests"
    TOKENS = "tokens"


class Spender(StrEnum):
    """What a budget is for."""

    AI = "ai"
    WHATSAPP = "whatsapp"


class Outcome(StrEnum):
    """Success or error, where no more is known."""

    SUCCESS = "success"
    ERROR = "error"


class DatabaseOperation(StrEnum):
    """SQL statement kinds."""

    SELECT = "select"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    OTHER = "other"


class PoolState(StrEnum):
    """Connection pool slots; ``limit`` is the size including overflow."""

    IN_USE = "in_use"
    IDLE = "idle"
    LIMIT = "limit"


class CacheOperation(StrEnum):
    """Cache calls."""

    GET = "get"
    SET = "set"
    DELETE = "delete"


class CacheResult(StrEnum):
    """Result of a cache call; ``ok`` for writes."""

    HIT = "hit"
    MISS = "miss"
    OK = "ok"
    ERROR = "error"


class SocketMessage(StrEnum):
    """Messages on ``/ws``."""

    MESSAGE = "message"
    STATUS = "status"
    CONVERSATION = "conversation"
    ALERT = "alert"
    HELLO = "hello"
    PING = "ping"
    PONG = "pong"
    SUBSCRIBE = "subscribe"
    ERROR = "error"
    OTHER = "other"


class SocketClose(StrEnum):
    """Why a WebSocket ended."""

    CLIENT = "client"
    SHUTDOWN = "shutdown"
    UNAUTHORIZED = "unauthorized"
    SLOW_CONSUMER = "slow_consumer"
    PROTOCOL_ERROR = "protocol_error"
    ERROR = "error"


class ConversationState(StrEnum):
    """States of a conversation."""

    OPEN = "open"
    PENDING = "pending"
    CLOSED = "closed"


class Responder(StrEnum):
    """Who answered."""

    AI = "ai"
    HUMAN = "human"


class HandoverReason(StrEnum):
    """Why a conversation went to a human."""

    REQUESTED = "requested"
    AI_FAILED = "ai_failed"
    AI_DECIDED = "ai_decided"
    BUDGET = "budget"
    AGENT = "agent"
    SEND_IN_DOUBT = "send_in_doubt"


class Window(StrEnum):
    """Windows of the active-users gauge."""

    MINUTES_5 = "5m"
    HOURS_1 = "1h"
    HOURS_24 = "24h"
    DAYS_7 = "7d"


class Queue(StrEnum):
    """Redis streams."""

    WEBHOOKS = "webhooks"
    OUTBOUND = "outbound"
    ALERTS = "alerts"


class JobOutcome(StrEnum):
    """What became of a queue job."""

    DONE = "done"
    DUPLICATE = "duplicate"
    RETRIED = "retried"
    RECLAIMED = "reclaimed"
    DEAD_LETTER = "dead_letter"


class Dependency(StrEnum):
    """What health checks look at."""

    POSTGRESQL = "postgresql"
    REDIS = "redis"
    WHATSAPP_API = "whatsapp_api"
    OPENAI_API = "openai_api"
    MEMORY = "memory"
    DISK = "disk"
    QUEUE = "queue"


class AlertState(StrEnum):
    """States of an Alertmanager notification."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """Alert severities: page, ticket, note."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    NONE = "none"


class DropReason(StrEnum):
    """Why telemetry was dropped."""

    QUEUE_FULL = "queue_full"
    EXPORT_FAILED = "export_failed"
    TOO_LARGE = "too_large"
    SHUTDOWN = "shutdown"


class LogLevel(StrEnum):
    """Log levels."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class SandboxWebhook(StrEnum):
    """What became of one attempt of the sandbox to post a webhook."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    FORGED = "forged"
    LOST = "lost"


INSTANCES = Configured("whatsapp_instance", limit=100)
SANDBOX_FAULTS = Configured("sandbox_fault", limit=40)
MODELS = Configured("model", limit=30)
TEMPLATES = Configured("template", limit=200)
TABLES = Configured("table", limit=40)
ENDPOINTS = Bounded(limit=120)
STATUS_CODES = Bounded(limit=40, pattern=r"[1-5]\d\d")
META_CODES = Bounded(limit=60, pattern=r"\d{1,7}|none")
COMMANDS = Bounded(limit=60, pattern=r"[A-Z]{2,20}|PIPELINE")
METRICS = Bounded(limit=400, pattern=r"[a-z_:][a-z0-9_:]{1,100}")
EXCEPTIONS = Bounded(limit=60, pattern=r"[A-Za-z_][\w.]{1,80}")
VERSIONS = Bounded(limit=40, pattern=r"[\w.+\-]{1,64}")
