"""``/api/v1/dead-letters``: what could not be done, why, and having it done again."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from pytake.backend.auth.dependencies import Admin
from pytake.backend.clock import from_unix
from pytake.backend.problems import Problem, responses
from pytake.backend.resources import ResourcesDep
from pytake.telemetry.labels import Queue

router = APIRouter(prefix="/dead-letters", tags=["queues"])


class DeadLetter(BaseModel):
    """A job that was given up."""

    id: str
    queue: Queue
    reason: str
    attempts: int
    died_at: datetime | None
    job: dict[str, str] = Field(description="The job as it was queued.")


class DeadLetterList(BaseModel):
    """The newest dead letters of a queue."""

    items: list[DeadLetter]


@router.get("/{queue}", responses=responses(401, 403, 422, 503))
async def list_dead_letters(
    _: Admin, resources: ResourcesDep, queue: Queue, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> DeadLetterList:
    """List what was given up, newest first, with the reasons."""
    found = await resources.streams.dead(queue, count=limit)
    hidden = {"reason", "died_at", "attempt", "job_id", "first_id", "delayed"}
    return DeadLetterList(
        items=[
            DeadLetter(
                id=one.id,
                queue=queue,
                reason=one.fields.get("reason", ""),
                attempts=one.attempt + 1,
                died_at=from_unix(float(one.fields["died_at"])) if "died_at" in one.fields else None,
                job={key: value for key, value in one.fields.items() if key not in hidden},
            )
            for one in found
        ]
    )


@router.post("/{queue}/{dead_id}/revive", status_code=204, responses=responses(401, 403, 404, 422, 503))
async def revive_dead_letter(
    _: Admin,
    resources: ResourcesDep,
    queue: Queue,
    dead_id: Annotated[str, Path(pattern=r"^\d{1,19}-\d{1,19}$")],
) -> Response:
    """Put a dead letter back into its queue."""
    if not await resources.streams.revive(queue, dead_id):
        raise Problem(404, "no dead letter has this id")
    return Response(status_code=204)
