"""Storing alerts, showing them to agents, telling the on-call number."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, or_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pytake.backend.clock import now
from pytake.backend.database.models import Alert
from pytake.backend.ids import new_id
from pytake.backend.messages.service import NewMessage, send_to_address
from pytake.backend.problems import Problem
from pytake.backend.resources import Resources
from pytake.telemetry import catalog
from pytake.telemetry.labels import AlertState, Severity, SocketMessage
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
YEAR_ONE = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_PARAMETER = 900


async def store_notification(resources: Resources, alerts: list[dict[str, Any]]) -> int:
    """Store the alerts of one notification; repeated ones change nothing. Returns how many were new or changed."""
    changed: list[Alert] = []
    async with resources.sessions() as session:
        for alert in alerts:
            row = await _store(session, alert)
            if row is not None:
                changed.append(row)
        await session.commit()
    for alert in alerts:
        catalog.ALERTS_RECEIVED.inc(status=alert["status"], severity=_severity(alert["labels"]))
    for row in changed:
        await resources.publisher.publish(SocketMessage.ALERT, describe(row))
    if changed:
        await _tell_on_call(resources, changed)
    return len(changed)


def _severity(labels: dict[str, str]) -> Severity:
    value = labels.get("severity", "")
    return Severity(value) if value in {*Severity} else Severity.NONE


async def _store(session: AsyncSession, alert: dict[str, Any]) -> Alert | None:
    labels = alert["labels"]
    ends = alert["ends_at"] if alert["ends_at"] and alert["ends_at"] > YEAR_ONE else None  # Go's zero time: no end yet
    values = insert(Alert).values(
        id=new_id(),
        fingerprint=alert["fingerprint"],
        status=alert["status"],
        name=labels.get("alertname", "unnamed")[:200],
        severity=_severity(labels),
        labels=labels,
        annotations=alert["annotations"],
        starts_at=alert["starts_at"],
        ends_at=ends,
        generator_url=alert["generator_url"] or None,
    )
    new = values.excluded
    statement = values.on_conflict_do_update(
        index_elements=[Alert.fingerprint, Alert.starts_at],
        set_={
            "status": new.status,
            "annotations": new.annotations,
            "ends_at": new.ends_at,
            "updated_at": func.now(),
        },
        where=or_(Alert.status != new.status, Alert.annotations != new.annotations),
    ).returning(Alert)
    row: Alert | None = await session.scalar(statement)
    return row


def describe(alert: Alert) -> dict[str, Any]:
    """What the inbox shows."""
    return {
        "id": str(alert.id),
        "name": alert.name,
        "status": str(alert.status),
        "severity": alert.severity,
        "summary": alert.annotations.get("summary") or alert.annotations.get("description"),
        "runbook": alert.annotations.get("runbook_url"),
        "starts_at": alert.starts_at,
    }


def summary(alerts: list[Alert]) -> str:
    """One line for a phone: what fires and what is over."""
    parts = []
    for status in AlertState:
        names = sorted({alert.name for alert in alerts if alert.status == status})
        if names:
            parts.append(f"{status.value.upper()}: {', '.join(names)}")
    return " | ".join(parts)[:LONGEST_PARAMETER]


async def _tell_on_call(resources: Resources, alerts: list[Alert]) -> None:
    """Queue one template message a notification; without a number to send from it is noted, not an error."""
    settings = resources.settings
    if settings.oncall_number is None:
        return
    slug = settings.oncall_instance or next(iter(resources.registry.instances), None)
    if slug is None:
        log.warning("on_call_not_told", reason="no WhatsApp number is configured")
        return
    parameter = {"type": "text", "text": summary(alerts)}
    template = {
        "name": settings.oncall_template,
        "language": {"code": settings.oncall_template_language},
        "components": [{"type": "body", "parameters": [parameter]}],
    }
    try:
        await send_to_address(
            resources, slug, settings.oncall_number, NewMessage(template=template), None, author="system"
        )
    except Problem as problem:
        log.error("on_call_not_told", reason=problem.detail, at=now().isoformat())
