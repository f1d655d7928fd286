"""The jobs of the outbound queue. A job only says where to look: what there is to do stands in PostgreSQL."""

from uuid import UUID

from pytake.telemetry.tracing import inject


def conversation_job(conversation_id: UUID, traceparent: str | None = None) -> dict[str, str]:
    """Work on a conversation: answer what is unanswered, send what is queued."""
    carrier = {"traceparent": traceparent} if traceparent else dict(inject({}))
    trace = {key: value for key, value in carrier.items() if key == "traceparent"}
    return {"kind": "conversation", "conversation_id": str(conversation_id)} | trace
