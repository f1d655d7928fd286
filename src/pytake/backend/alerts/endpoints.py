"""Alertmanager's webhook and the list of alerts."""

import hmac
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from sqlalchemy import select

from pytake.backend.alerts.service import store_notification
from pytake.backend.auth.dependencies import Reader
from pytake.backend.database.models import Alert
from pytake.backend.pagination import CursorQuery, LimitQuery, Page, page
from pytake.backend.problems import Problem, responses
from pytake.backend.resources import ResourcesDep
from pytake.telemetry.labels import AlertState

router = APIRouter(tags=["alerts"])
_token = HTTPBearer(auto_error=False, scheme_name="AlertWebhookToken", description="ALERT_WEBHOOK_TOKEN")
Texts = dict[
    Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")],
    Annotated[str, StringConstraints(max_length=16_384, pattern=r"^[^\x00]*$")],
]


def _only_text(value: object) -> object:
    """Refuse numbers, which pydantic would take for Unix time."""
    if not isinstance(value, str):
        raise ValueError("must be text (RFC 3339)")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_only_text)]


class AlertIn(BaseModel):
    """One alert as Alertmanager sends it."""

    model_config = ConfigDict(extra="ignore")

    status: AlertState
    labels: Texts
    annotations: Texts = {}
    starts_at: Moment = Field(alias="startsAt")
    ends_at: Moment | None = Field(None, alias="endsAt")
    generator_url: Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")] = Field(
        "", alias="generatorURL"
    )
    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9a-zA-Z]{1,64}$")]


class Notification(BaseModel):
    """Alertmanager's webhook body (version 4)."""

    model_config = ConfigDict(extra="ignore")

    version: str = "4"
    status: AlertState
    receiver: str = ""
    alerts: list[AlertIn] = Field(max_length=1000)


class Stored(BaseModel):
    """What became of a notification."""

    stored: int = Field(description="Alerts that are new or have changed.")
    unchanged: int = Field(description="Alerts that were known as they are.")


class AlertRead(BaseModel):
    """An alert: one for each time that it fires."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    status: AlertState
    severity: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime | None
    generator_url: str | None
    received_at: datetime


@router.post("/webhooks/alerts", responses=responses(400, 401, 413, 422, 503))
async def receive_alerts(
    resources: ResourcesDep,
    body: Notification,
    token: Annotated[HTTPAuthorizationCredentials | None, Security(_token)] = None,
) -> Stored:
    """Take a notification of Alertmanager: store it, show it to agents, tell the on-call number when one is set."""
    expected = resources.settings.alert_webhook_token.get_secret_value()
    if not expected:
        raise Problem(503, "ALERT_WEBHOOK_TOKEN is not set, so no notification can be trusted", kind="not-configured")
    given = token.credentials if token else ""
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
        raise Problem(401, "the bearer token is wrong", kind="unauthorized", headers={"www-authenticate": "Bearer"})
    changed = await store_notification(resources, [alert.model_dump() for alert in body.alerts])
    return Stored(stored=changed, unchanged=len(body.alerts) - changed)


@router.get("/alerts", responses=responses(401, 422, 503))
async def list_alerts(
    _: Reader,
    resources: ResourcesDep,
    status: Annotated[AlertState | None, Query(description="Only firing or only resolved ones.")] = None,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[AlertRead]:
    """List alerts, newest first."""
    query = select(Alert)
    if status is not None:
        query = query.where(Alert.status == status)
    async with resources.sessions() as session:
        return await page(session, query, Alert.id, AlertRead, limit, cursor)
