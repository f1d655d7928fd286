"""The job of the outbound queue: answer a conversation when the model is due, then send what is queued, in order.

One job at a time works on a conversation (a lease in its row), so answers and sends keep their order however many
workers there are. A job that a dead worker left behind comes back with the same id and owns the lease at once.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, null, or_, select, update
from sqlalchemy.exc import IntegrityError

from pytake.backend.ai.answering import Answering
from pytake.backend.clock import now
from pytake.backend.database.models import Conversation, Message, Send
from pytake.backend.messages.sending import send_message
from pytake.backend.queue.failures import Postpone
from pytake.backend.queue.spans import job_span
from pytake.backend.queue.streams import Job
from pytake.backend.resources import Resources
from pytake.backend.whatsapp.pacing import Pacer
from pytake.telemetry.labels import JobOutcome
from pytake.telemetry.logging import get_logger, log_fields
from pytake.telemetry.tracing import extract

log = get_logger(__name__)
BUSY_DELAY = 0.5


class ConversationWork:
    """Works on conversations."""

    def __init__(self, resources: Resources, answering: Answering, pacer: Pacer) -> None:
        self.resources = resources
        self.answering = answering
        self.pacer = pacer

    async def run(self, job: Job) -> JobOutcome:
        """One job; raises :class:`Postpone` while another job has the conversation or a send has to wait."""
        conversation_id = UUID(job.fields["conversation_id"])
        owner = job.fields.get("first_id", job.id)
        attributes = {
            "messaging.system": "redis",
            "messaging.operation.name": "process",
            "messaging.destination.name": "pytake:outbound",
            "messaging.message.id": job.id,
            "pytake.conversation.id": str(conversation_id),
        }
        with (
            job_span("work on conversation", attributes=attributes, context=extract(job.fields)),
            log_fields(job_id=job.id, conversation_id=str(conversation_id)),
        ):
            started = await self._take(conversation_id, owner)
            if started is None:
                raise Postpone(BUSY_DELAY, "another job works on this conversation")
            try:
                await self._work(conversation_id)
            except Postpone as wait:
                await self._release(conversation_id, owner, due_at=now() + timedelta(seconds=wait.delay))
                raise
            except BaseException:
                last = (
                    job.attempt + 1 >= self.resources.settings.job_attempts
                )  # the dead letter is the trace of it then
                await self._release(conversation_id, owner, due_at=None if last else now())
                raise
            await self._release(conversation_id, owner, started=started)
        return JobOutcome.DONE

    async def _work(self, conversation_id: UUID) -> None:
        """Answer, then send; the model being away does not hold up what a person wrote."""
        wait: Postpone | None = None
        try:
            await self._answer(conversation_id)
        except Postpone as reason:
            wait = reason
        await self._send_queued(conversation_id)
        if wait is not None:
            raise wait

    async def _answer(self, conversation_id: UUID) -> None:
        try:
            await self.answering.answer(conversation_id)
        except IntegrityError as error:
            if "uq_messages_ai_answer" not in str(error.orig):
                raise
            log.warning(
                "answer_exists", conversation_id=str(conversation_id)
            )  # another worker was faster: theirs counts

    async def _send_queued(self, conversation_id: UUID) -> None:
        query = (
            select(Send.message_id)
            .join(Message, Message.id == Send.message_id)
            .where(Send.conversation_id == conversation_id, Send.state.in_(("queued", "sending")))
            .order_by(Message.seq)
        )
        async with self.resources.sessions() as session:
            waiting = (await session.scalars(query)).all()
        for message_id in waiting:
            await send_message(self.resources, self.pacer, message_id)

    async def _take(self, conversation_id: UUID, owner: str) -> datetime | None:
        """Take the lease; the database's time of it, or ``None`` while another job has it."""
        lease = timedelta(seconds=self.resources.settings.job_timeout + 10)
        statement = (
            update(Conversation)
            .where(
                Conversation.id == conversation_id,
                or_(
                    Conversation.lease_until.is_(None),
                    Conversation.lease_until < func.now(),
                    Conversation.lease_owner == owner,
                ),
            )
            .values(lease_owner=owner, lease_until=func.now() + lease)
            .returning(func.now())
        )
        async with self.resources.sessions() as session:
            taken: datetime | None = await session.scalar(statement)
            await session.commit()
        return taken

    async def _release(
        self, conversation_id: UUID, owner: str, *, due_at: datetime | None = None, started: datetime | None = None
    ) -> None:
        """Give the lease back. ``started``: all is done, but what became due since then stays due."""
        due: Any = due_at
        if started is not None:
            due = case((Conversation.due_at <= started, null()), else_=Conversation.due_at)
        statement = (
            update(Conversation)
            .where(Conversation.id == conversation_id, Conversation.lease_owner == owner)
            .values(lease_owner=None, lease_until=None, due_at=due)
        )
        async with self.resources.sessions() as session:
            await session.execute(statement)
            await session.commit()
