"""The Graph API parts that a WhatsApp backend calls, under ``/meta/<version>``."""

import hashlib
import hmac
import json
import time
from typing import Any

from fastapi import APIRouter, Depends, Request

from pytake.sandbox import faults as fl
from pytake.sandbox.context import Sandbox, SandboxDep
from pytake.sandbox.meta_errors import GraphError
from pytake.sandbox.payloads import Json, new_wamid
from pytake.sandbox.settings import Instance
from pytake.sandbox.world import Sent, parameter_count


def _out(box: SandboxDep, request: Request) -> None:
    """A server that is out answers everybody so, those without a token too (a probe from outside has none)."""
    error = None if _bearer(request) else box.call_fault(fl.ErrorRate, fl.Api.META, "probe", None)
    if error is not None:
        raise GraphError(error.code, status=error.status)


router = APIRouter(prefix="/meta/{version}", tags=["graph"], dependencies=[Depends(_out)])
TIERS = {"TIER_50": 50, "TIER_250": 250, "TIER_2K": 2_000, "TIER_10K": 10_000, "TIER_100K": 100_000}
TEXT_LIMIT = 4096
OPAQUE_LIMIT = 512
TOKEN_DAYS = 55
_RATE_CODES = {"number": 130429, "pair": 131056, "app": 80007}


def _bearer(request: Request) -> str:
    header = request.headers.get("authorization", "")
    if header.lower().startswith("bearer "):
        return header[7:].strip()
    return request.query_params.get("access_token", "")


def _check_token(box: Sandbox, request: Request, number: Instance) -> None:
    """The token must be the number's own, and an ``appsecret_proof`` (optional) must fit it."""
    token = _bearer(request)
    if not token:
        raise GraphError(104, "An access token is required to request this resource.", status=401)
    allowed = [item.token for item in box.world.instances.values() if item.waba_id == number.waba_id]
    if not number.token or not any(hmac.compare_digest(token, item) for item in allowed):
        raise GraphError(190, "Invalid OAuth access token - Cannot parse access token", subcode=460)
    if box.faults.first(fl.ExpiredToken, number.slug):
        raise GraphError(190, "Error validating access token: Session has expired.", subcode=463)
    proof = request.query_params.get("appsecret_proof")
    secret = number.secret or box.settings.app_secret.get_secret_value()
    if proof is not None and not hmac.compare_digest(
        proof, hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()
    ):
        raise GraphError(100, "Invalid appsecret_proof provided in the API argument")


async def _enter(box: Sandbox, request: Request, number: Instance, operation: str) -> None:
    """What every call goes through: delays, silence, token, errors by fault."""
    await box.before_call(fl.Api.META, operation, number.slug)
    _check_token(box, request, number)
    error = box.call_fault(fl.ErrorRate, fl.Api.META, operation, number.slug)
    if error is not None:
        raise GraphError(error.code, status=error.status)
    limited = box.call_fault(fl.RateLimit, fl.Api.META, operation, number.slug)
    if limited is not None and (operation == "send" or limited.scope == "app"):
        raise GraphError(_RATE_CODES[limited.scope])


def _by_phone(box: Sandbox, phone_number_id: str) -> Instance:
    number = box.world.by_phone_id.get(phone_number_id)
    if number is None:
        raise GraphError(100, f"Object with ID '{phone_number_id}' does not exist", status=400, subcode=33)
    return number


def _by_waba(box: Sandbox, waba_id: str, token: str) -> Instance:
    """The account's number whose token is used; faults by number then hit the right caller."""
    numbers = [item for item in box.world.instances.values() if item.waba_id == waba_id]
    if not numbers:
        raise GraphError(100, f"Object with ID '{waba_id}' does not exist", status=400, subcode=33)
    return next((item for item in numbers if item.token == token), numbers[0])


async def _json_body(request: Request) -> Json:
    try:
        body = json.loads(await request.body())
    except ValueError as exc:
        raise GraphError(100, "The request body is not JSON.") from exc
    if not isinstance(body, dict):
        raise GraphError(100, "The request body is not a JSON object.")
    return body


@router.get("/debug_token")
async def debug_token(box: SandboxDep, request: Request, input_token: str) -> Json:
    """When the token expires and whether it is valid."""
    await box.before_call(fl.Api.META, "debug_token", None)
    number = next((item for item in box.world.instances.values() if item.token == input_token), None)
    expired = number is not None and box.faults.first(fl.ExpiredToken, number.slug) is not None
    ends = int(box.world.started) + TOKEN_DAYS * 86400
    if number is not None and (soon := box.faults.first(fl.TokenExpiring, number.slug)) is not None:
        ends = int(time.time() + soon.days * 86400)
    data: Json = {
        "app_id": "1234567890",
        "type": "SYSTEM_USER",
        "application": "PyTake sandbox",
        "expires_at": int(time.time()) - 60 if expired else ends,
        "data_access_expires_at": int(box.world.started) + 90 * 86400,
        "is_valid": number is not None and not expired,
        "scopes": ["whatsapp_business_management", "whatsapp_business_messaging"],
    }
    if not data["is_valid"]:
        data["error"] = {"code": 190, "message": "The session is invalid or has expired.", "subcode": 463}
    return {"data": data}


@router.post("/{phone_number_id}/messages")
async def send_message(box: SandboxDep, request: Request, phone_number_id: str) -> Json:
    """Send a text or template, or mark a customer's message as read."""
    number = _by_phone(box, phone_number_id)
    body = await _json_body(request)
    if body.get("status") == "read":
        await _enter(box, request, number, "mark_read")
        return _mark_read(box, body)
    await _enter(box, request, number, "send")
    blocked = box.faults.first(fl.AccountBlock, number.slug)
    if blocked is not None:
        raise GraphError(blocked.code)
    sent = _accepted(box, number, body)
    box.world.accept(sent)
    box.lifecycle.begin(sent)
    box.silence(fl.Api.META, "send", number.slug, after_accept=True)
    return {
        "messaging_product": "whatsapp",
        "contacts": [{"input": str(body.get("to", sent.recipient)), "wa_id": sent.recipient}],
        "messages": [{"id": sent.wamid} | ({"message_status": "accepted"} if sent.template else {})],
    }


def _mark_read(box: Sandbox, body: Json) -> Json:
    message_id = body.get("message_id")
    if not isinstance(message_id, str) or not message_id.startswith("wamid."):
        raise GraphError(131009, "message_id must be the id of a received message.")
    box.world.read_marks.append(message_id)
    return {"success": True}


def _accepted(box: Sandbox, number: Instance, body: Json) -> Sent:
    """Check a send as Meta does and make its ledger row."""
    if body.get("messaging_product") != "whatsapp":
        raise GraphError(100, "(#100) The parameter messaging_product is required.")
    recipient = _recipient(body)
    opaque = body.get("biz_opaque_callback_data")
    if opaque is not None and (not isinstance(opaque, str) or len(opaque) > OPAQUE_LIMIT):
        raise GraphError(131009, f"biz_opaque_callback_data must be text of at most {OPAQUE_LIMIT} characters.")
    if box.settings.pair_limits:
        box.limits.check(number.slug, recipient)
    kind = str(body.get("type", "text"))
    if kind == "template":
        text, name, category = _template(box, number, body.get("template"), recipient)
    elif kind == "text":
        text, name, category = _text(body.get("text")), None, "service"
    else:
        raise GraphError(131051, f"The sandbox does not send messages of type {kind!r}; it knows text and template.")
    return Sent(
        wamid=new_wamid(recipient),
        instance=number.slug,
        recipient=recipient,
        type=kind,
        text=text,
        opaque=opaque,
        template=name,
        category=category,
        accepted_at=time.time(),
    )


def _recipient(body: Json) -> str:
    """The digits of ``to``, or the user id in ``recipient`` for customers who hide their number."""
    user_id = body.get("recipient")
    if isinstance(user_id, str) and user_id:
        return user_id
    digits = "".join(char for char in str(body.get("to", "")) if char.isdigit())
    if not 7 <= len(digits) <= 15:
        raise GraphError(131009, "The parameter to must be a phone number.")
    return digits


def _text(value: Any) -> str:
    body = value.get("body") if isinstance(value, dict) else None
    if not isinstance(body, str) or not body.strip():
        raise GraphError(131009, "text.body must not be empty.")
    if len(body) > TEXT_LIMIT:
        raise GraphError(131009, f"text.body is longer than {TEXT_LIMIT} characters.")
    return body


def _template(box: Sandbox, number: Instance, value: Any, recipient: str) -> tuple[str, str, str]:
    """Check a template send; returns its text, name and pricing category."""
    if not isinstance(value, dict) or not isinstance(value.get("language"), dict):
        raise GraphError(131009, "template.name and template.language.code are required.")
    name, language = str(value.get("name")), str(value["language"].get("code"))
    template = box.world.template(number.waba_id, name, language)
    if template is None:
        raise GraphError(132001, f"template name ({name}) does not exist in {language}")
    refused = {"PAUSED": 132015, "DISABLED": 132016, "REJECTED": 132001}.get(str(template["status"]))
    if refused is not None:
        raise GraphError(refused)
    components = [item for item in value.get("components") or [] if isinstance(item, dict)]
    parameters = [
        str(item.get("text", "")) if isinstance(item, dict) else ""
        for component in components
        if str(component.get("type", "")).lower() == "body"
        for item in component.get("parameters") or []
    ]
    expected = parameter_count(template)
    if expected is not None and expected != len(parameters):
        raise GraphError(132000, f"body: number of parameters ({len(parameters)}) is not {expected}")
    _check_messaging_limit(box, number, recipient)
    text = str(template["components"][0]["text"])
    for index, parameter in enumerate(parameters, start=1):
        text = text.replace(f"{{{{{index}}}}}", parameter)
    return text.replace("{{*}}", " ".join(parameters)), name, str(template["category"]).lower()


def _check_messaging_limit(box: Sandbox, number: Instance, recipient: str) -> None:
    limit = TIERS[box.world.standing[number.slug].tier]
    if box.world.in_window(number.slug, recipient, known_only=False) or box.world.reached(number.waba_id, recipient):
        return
    if box.world.business_initiated(number.waba_id) >= limit:
        raise GraphError(131048, f"The messaging limit of {limit} customers in 24 hours is used up.")


@router.get("/{waba_id}/message_templates")
async def message_templates(box: SandboxDep, request: Request, waba_id: str, limit: int = 100, after: str = "") -> Json:
    """The account's templates with state and quality, in pages."""
    number = _by_waba(box, waba_id, _bearer(request))
    await _enter(box, request, number, "templates")
    rows = list(box.world.templates[waba_id].values())
    start = int(after) if after.isdigit() else 0
    page = rows[start : start + limit]
    paging: Json = {"cursors": {"before": str(start), "after": str(start + len(page))}}
    if start + len(page) < len(rows):
        paging["next"] = str(request.url.include_query_params(after=start + len(page), limit=limit))
    return {"data": page, "paging": paging}


@router.get("/{waba_id}/subscribed_apps")
async def subscribed_apps(box: SandboxDep, request: Request, waba_id: str) -> Json:
    """The apps that get the account's webhooks: one, ours."""
    number = _by_waba(box, waba_id, _bearer(request))
    await _enter(box, request, number, "subscribed_apps")
    app = {"category": "Business", "link": "https://www.facebook.com/games/?app_id=1234567890", "name": "PyTake"}
    return {"data": [{"whatsapp_business_api_data": app | {"id": "1234567890"}}]}


@router.post("/{waba_id}/subscribed_apps")
async def subscribe(box: SandboxDep, request: Request, waba_id: str) -> Json:
    """Subscribe the app: always granted."""
    number = _by_waba(box, waba_id, _bearer(request))
    await _enter(box, request, number, "subscribed_apps")
    return {"success": True}


@router.get("/{waba_id}/phone_numbers")
async def phone_numbers(box: SandboxDep, request: Request, waba_id: str) -> Json:
    """The account's numbers."""
    number = _by_waba(box, waba_id, _bearer(request))
    await _enter(box, request, number, "phone_number")
    rows = [_number(box, item) for item in box.world.instances.values() if item.waba_id == waba_id]
    return {"data": rows, "paging": {"cursors": {"before": "0", "after": str(len(rows))}}}


@router.get("/{object_id}")
async def phone_number(box: SandboxDep, request: Request, object_id: str, fields: str = "") -> Json:
    """A number's fields: quality, throughput, messaging limit, name and state."""
    if object_id not in box.world.by_phone_id and object_id in box.world.templates:
        number = _by_waba(box, object_id, _bearer(request))
        await _enter(box, request, number, "waba")
        return {"id": object_id, "name": "PyTake sandbox", "currency": "USD", "timezone_id": "1"}
    number = _by_phone(box, object_id)
    await _enter(box, request, number, "phone_number")
    row = _number(box, number)
    wanted = {field.split("{")[0].strip() for field in fields.split(",") if field.strip()} | {"id"}
    return {name: value for name, value in row.items() if name in wanted} if fields else row


def _number(box: Sandbox, number: Instance) -> Json:
    standing = box.world.standing[number.slug]
    blocked = box.faults.first(fl.AccountBlock, number.slug) is not None
    return {
        "id": number.phone_number_id,
        "display_phone_number": number.display_phone_number,
        "verified_name": f"PyTake {number.slug}",
        "code_verification_status": "VERIFIED",
        "quality_rating": standing.quality,
        "platform_type": "CLOUD_API",
        "throughput": {"level": "STANDARD"},
        "messaging_limit_tier": standing.tier,
        "whatsapp_business_manager_messaging_limit": standing.tier,
        "name_status": "APPROVED",
        "status": "BANNED" if blocked else "CONNECTED",
        "account_mode": "LIVE",
        "webhook_configuration": {"application": box.settings.target},
        "last_onboarded_time": "2026-01-12T09:30:00+0000",
        "health_status": {"can_send_message": "BLOCKED" if blocked else "AVAILABLE"},
    }
