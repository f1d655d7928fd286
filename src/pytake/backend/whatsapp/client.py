"""Calls to the Graph API. ADR 001 tells why this is httpx and not a client library.

Every failure is sorted into one of three: *refused* (Meta answered with an error: not sent), *not reached* (nothing was
sent: no connection), *in doubt* (the request may have arrived). Only the first two may be tried again.
"""

import time
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pytake.backend.instances.registry import InstanceConfig
from pytake.backend.webhooks.payload import MetaError
from pytake.backend.whatsapp.codes import Meaning, meaning
from pytake.telemetry import catalog
from pytake.telemetry.labels import ApiStatus, Cause, WhatsAppOperation
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
Json = dict[str, Any]
T = TypeVar("T", bound=BaseModel)


class GraphError(Exception):
    """A call failed."""


class Refused(GraphError):  # noqa: N818 (what Meta did)
    """The Graph API answered with an error of its own: the call had no effect."""

    def __init__(self, code: int, details: str, http_status: int, retry_after: float | None) -> None:
        super().__init__(f"{code}: {details} (HTTP {http_status})")
        self.code = code
        self.details = details
        self.http_status = http_status
        self.retry_after = retry_after
        self.meaning: Meaning = meaning(code)

    @property
    def cause(self) -> Cause:
        """Whose fault it is."""
        return self.meaning.cause


class NotReached(GraphError):  # noqa: N818 (what happened)
    """No connection was made: the call had no effect."""


class InDoubt(GraphError):  # noqa: N818 (what is known)
    """The request may have arrived, and no usable answer came."""


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _SentMessage(_Lenient):
    id: str = Field(min_length=1, max_length=256)


class _SentContact(_Lenient):
    wa_id: str | None = None
    user_id: str | None = None


class SendAnswer(_Lenient):
    """The answer to a send that Meta accepted."""

    messages: list[_SentMessage] = Field(min_length=1)
    contacts: list[_SentContact] = []

    @property
    def wamid(self) -> str:
        """Meta's id of the message."""
        return self.messages[0].id


class PhoneNumber(_Lenient):
    """State of a number."""

    quality_rating: str | None = None
    messaging_limit_tier: str | None = None
    whatsapp_business_manager_messaging_limit: str | None = None
    throughput: Json | None = None
    status: str | None = None
    name_status: str | None = None


class TemplateRow(_Lenient):
    """One template of an account."""

    name: str
    language: str
    status: str
    category: str | None = None
    quality_score: Json | None = None
    rejected_reason: str | None = None


@dataclass(frozen=True)
class Recipient:
    """Whom to send to: the business-scoped user id when known, else the phone number."""

    user_id: str | None
    wa_id: str | None

    def fields(self) -> Json:
        """The request's fields."""
        return {"to": self.wa_id} if self.wa_id else {"recipient": self.user_id}


class GraphClient:
    """The calls that the backend makes, for several numbers over one connection pool."""

    def __init__(self, http: httpx.AsyncClient, base_url: str) -> None:
        self.http = http
        self.base_url = base_url

    async def send(self, instance: InstanceConfig, to: Recipient, content: Json, *, opaque: str) -> SendAnswer:
        """Send a message; ``content`` is ``type`` and that type's object. Raises a :class:`GraphError`."""
        template = content.get("type") == "template"
        operation = WhatsAppOperation.SEND_TEMPLATE if template else WhatsAppOperation.SEND_TEXT
        body = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            **to.fields(),
            **content,
            "biz_opaque_callback_data": opaque,
        }
        answer = await self._call(instance, operation, "POST", f"/{instance.phone_number_id}/messages", json=body)
        return _read(SendAnswer, answer)

    async def mark_read(self, instance: InstanceConfig, wamid: str) -> None:
        """Show the customer that his message was read."""
        body = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
        path = f"/{instance.phone_number_id}/messages"
        await self._call(instance, WhatsAppOperation.MARK_READ, "POST", path, json=body)

    async def phone_number(self, instance: InstanceConfig, operation: WhatsAppOperation) -> PhoneNumber:
        """Quality, limits and throughput of a number."""
        fields = "quality_rating,messaging_limit_tier,whatsapp_business_manager_messaging_limit,throughput,status"
        answer = await self._call(instance, operation, "GET", f"/{instance.phone_number_id}", params={"fields": fields})
        return _read(PhoneNumber, answer)

    async def templates(self, instance: InstanceConfig, *, limit: int = 1000) -> list[TemplateRow]:
        """The account's templates, at most ``limit``."""
        rows: list[TemplateRow] = []
        params = {"fields": "name,language,status,category,quality_score,rejected_reason", "limit": "100"}
        while len(rows) < limit:
            path = f"/{instance.waba_id}/message_templates"
            answer = await self._call(instance, WhatsAppOperation.TEMPLATES, "GET", path, params=params)
            rows += [_read(TemplateRow, row) for row in answer.get("data", [])]
            paging = answer.get("paging") or {}
            after = (paging.get("cursors") or {}).get("after")
            if not paging.get("next") or not after:
                break
            params["after"] = str(after)
        return rows[:limit]

    async def token_expiry(self, instance: InstanceConfig) -> float | None:
        """Unix time at which the access token expires; ``None``: never."""
        params = {"input_token": instance.token()}
        answer = await self._call(instance, WhatsAppOperation.DEBUG_TOKEN, "GET", "/debug_token", params=params)
        data = answer.get("data") or {}
        if data.get("is_valid") is False:
            raise Refused(190, "the access token is not valid", 200, None)
        expires = data.get("expires_at") or 0
        return float(expires) or None

    async def _call(
        self,
        instance: InstanceConfig,
        operation: WhatsAppOperation,
        method: str,
        path: str,
        *,
        json: Json | None = None,
        params: dict[str, str] | None = None,
    ) -> Json:
        started = time.perf_counter()
        status = ApiStatus.CONNECTION_ERROR
        try:
            headers = {"authorization": f"Bearer {instance.token()}"}
            response = await self.http.request(method, self.base_url + path, json=json, params=params, headers=headers)
            status, answer = _judge(response)
            if isinstance(answer, GraphError):
                raise answer
            return answer
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            status = ApiStatus.TIMEOUT if isinstance(error, httpx.TimeoutException) else ApiStatus.CONNECTION_ERROR
            raise NotReached(f"{type(error).__name__}: {error}") from error
        except httpx.TimeoutException as error:
            status = ApiStatus.TIMEOUT
            raise InDoubt(f"{type(error).__name__}: no answer in time") from error
        except httpx.HTTPError as error:
            raise InDoubt(f"{type(error).__name__}: {error}") from error
        finally:
            elapsed = time.perf_counter() - started
            slug = instance.slug
            catalog.WHATSAPP_API_REQUESTS.inc(operation=operation, status=status, whatsapp_instance=slug)
            catalog.WHATSAPP_API_DURATION.observe(elapsed, operation=operation, whatsapp_instance=slug)


def _judge(response: httpx.Response) -> tuple[ApiStatus, Json | GraphError]:  # noqa: PLR0911 (one a kind of answer)
    """Sort an HTTP answer: a Graph error is a refusal, anything else that is not 2xx with an object leaves a doubt."""
    try:
        body = response.json()
    except ValueError:
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        try:
            parsed = MetaError.model_validate(error)
        except ValidationError:
            return ApiStatus.INVALID_RESPONSE, InDoubt(f"HTTP {response.status_code} with an error of unknown form")
        refused = Refused(parsed.code, parsed.details, response.status_code, _retry_after(response))
        return refused.meaning.status, refused
    if response.is_success and isinstance(body, dict):
        return ApiStatus.SUCCESS, body
    if response.status_code in (401, 403):
        return ApiStatus.AUTH_ERROR, Refused(190, "refused without a reason", response.status_code, None)
    if response.status_code == 429:
        return ApiStatus.RATE_LIMITED, Refused(130429, "too many requests", 429, _retry_after(response))
    if 400 <= response.status_code < 500:
        return ApiStatus.CLIENT_ERROR, Refused(100, "refused without a reason", response.status_code, None)
    status = ApiStatus.SERVER_ERROR if response.status_code >= 500 else ApiStatus.INVALID_RESPONSE
    return status, InDoubt(f"HTTP {response.status_code} without a usable body")


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdigit() else None


def _read(model: type[T], answer: Json) -> T:
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        raise InDoubt(f"an answer of unknown form: {error.error_count()} faults") from error
