"""The form of Meta's webhook: what we read is checked, what we do not know is let through.

Unknown fields, message types and ``changes[].field`` are not errors (Meta adds some every month); wrong types in what
we read are, because acting on them would be guessing.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
Timestamp = Annotated[str, StringConstraints(pattern=r"^\d{1,11}$")]
Name = Annotated[str, StringConstraints(max_length=1024)]


class Lenient(BaseModel):
    """Ignores what it does not know; refuses to turn one type into another."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Metadata(Lenient):
    """Which of our numbers the event is for."""

    phone_number_id: Identifier
    display_phone_number: Name = ""


class Profile(Lenient):
    """What the customer calls himself."""

    name: Name | None = None
    username: Name | None = None


class WebhookContact(Lenient):
    """The customer: ``wa_id`` (phone number) may be missing, ``user_id`` (BSUID) too."""

    profile: Profile = Profile()
    wa_id: Name | None = None
    user_id: Name | None = None


class ErrorData(Lenient):
    """Details of an error."""

    details: str | None = None


class MetaError(Lenient):
    """An error of Meta: branch on ``code``, never on texts."""

    code: int = Field(ge=0, le=9_999_999)
    title: str | None = None
    message: str | None = None
    error_data: ErrorData | str | None = None

    @property
    def details(self) -> str:
        """The most telling text."""
        data = self.error_data.details if isinstance(self.error_data, ErrorData) else self.error_data
        return data or self.message or self.title or ""


class Text(Lenient):
    """Body of a text message."""

    body: str = Field(max_length=65_536)


class InboundMessage(Lenient):
    """A customer's message. ``from`` (phone number) or ``from_user_id`` (BSUID) says who wrote."""

    id: Identifier
    timestamp: Timestamp
    type: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    sender: Name | None = Field(None, alias="from")
    from_user_id: Name | None = None
    text: Text | None = None
    errors: list[MetaError] = []


class Pricing(Lenient):
    """What a message costs by Meta's account."""

    billable: bool | None = None
    pricing_model: str | None = None
    type: str | None = None
    category: str | None = None


class Status(Lenient):
    """A state that one of our messages entered."""

    id: Identifier
    status: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    timestamp: Timestamp
    recipient_id: Name | None = None
    recipient_user_id: Name | None = None
    biz_opaque_callback_data: Annotated[str, StringConstraints(max_length=1024)] | None = None
    pricing: Pricing | None = None
    errors: list[MetaError] = []


class MessagesValue(Lenient):
    """``changes[].value`` of the field ``messages``."""

    metadata: Metadata
    contacts: list[WebhookContact] = []
    messages: list[InboundMessage] = []
    statuses: list[Status] = []
    errors: list[MetaError] = []


class Change(Lenient):
    """One change; the value of fields other than ``messages`` is kept as it is."""

    field: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    value: dict[str, Any]


class Entry(Lenient):
    """Changes of one WhatsApp business account."""

    id: Identifier
    time: int | None = None
    changes: list[Change] = Field(max_length=1000)


class Webhook(Lenient):
    """The whole body."""

    object: Literal["whatsapp_business_account"]
    entry: list[Entry] = Field(min_length=1, max_length=1000)


_messages_value = TypeAdapter(MessagesValue)


def parse_webhook(body: bytes) -> list[tuple[Entry, Change, MessagesValue | None]]:
    """Read a body into its changes, those of ``messages`` with their value checked; raises ``ValidationError``."""
    webhook = Webhook.model_validate_json(body)
    found: list[tuple[Entry, Change, MessagesValue | None]] = []
    for entry in webhook.entry:
        for change in entry.changes:
            value = _messages_value.validate_python(change.value) if change.field == "messages" else None
            found.append((entry, change, value))
    return found


def explain(error: ValidationError) -> str:
    """Where the body is wrong, without quoting it (it may hold customers' words)."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'body'}: {first['msg']}"[:300]
