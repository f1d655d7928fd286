"""Answers a conversation: decides whether the model may, asks it, and queues what it said.

The answer is unique for the customer's message that it answers (a constraint), so that a job done twice answers once.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from pytake.backend.ai.client import AiClient, Answer
from pytake.backend.ai.errors import AiError, AiUnavailable
from pytake.backend.ai.history import asks_for_human, build, words_of
from pytake.backend.clock import now
from pytake.backend.conversations.lifecycle import hand_over
from pytake.backend.database.models import Conversation, Cost, Message
from pytake.backend.effects import Effects
from pytake.backend.messages.inbound import SILENT_TYPES
from pytake.backend.messages.outbound import queue_message
from pytake.backend.messages.sending import window_open
from pytake.backend.queue.failures import Postpone
from pytake.backend.resources import Resources
from pytake.backend.whatsapp.client import GraphError
from pytake.telemetry.labels import ConversationState, Direction, HandoverReason, Responder, Spender
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
HISTORY = 40
MAX_TEXT = 4096
SPENT_SECONDS = 10.0
PATIENCE = 5
"""Failed answers (each with its own retries) before a human takes over."""


@dataclass(frozen=True)
class Question:
    """What there is to answer: the newest customer message and the conversation up to it."""

    conversation: Conversation
    last: Message
    history: list[Message]


class Answering:
    """Answers conversations with the model."""

    def __init__(self, resources: Resources, client: AiClient) -> None:
        self.resources = resources
        self.client = client

    async def answer(self, conversation_id: UUID) -> None:
        """Answer what is unanswered, if the model is to; raises :class:`Postpone` while the model is away."""
        question = await self._question(conversation_id)
        if question is None:
            return
        reason = await self._reason_against(question)
        if reason is not None:
            await self._hand_over(question, reason)
            return
        reading = asyncio.create_task(self._mark_read(question.last))
        try:
            answer = await self._ask(question)
        finally:
            await reading
        if answer is not None:
            await self._keep(question, answer)

    async def _question(self, conversation_id: UUID) -> Question | None:
        async with self.resources.sessions() as session:
            conversation = await session.get(Conversation, conversation_id)
            if conversation is None or not _model_answers(conversation):
                return None
            query = select(Message).where(
                Message.conversation_id == conversation_id,
                Message.direction == Direction.INBOUND,
                Message.seq > conversation.answered_seq,
                Message.type.not_in(SILENT_TYPES),
            )
            last = await session.scalar(query.order_by(Message.seq.desc()).limit(1))
            if last is None:
                return None
            newest = (
                select(Message)
                .where(Message.conversation_id == conversation_id, Message.type.not_in(SILENT_TYPES))
                .order_by(Message.seq.desc())
                .limit(HISTORY)
            )
            history = list((await session.scalars(newest)).all())
        history.sort(key=lambda message: (message.sent_at, message.seq))
        return Question(conversation, last, history)

    async def _reason_against(self, question: Question) -> HandoverReason | None:
        settings = self.resources.settings
        if asks_for_human(words_of(question.last), settings.handover_words):
            return HandoverReason.REQUESTED
        if not window_open(question.conversation):
            return HandoverReason.AI_DECIDED
        budget = settings.ai_budget_usd_per_day
        if budget and await self._spent_today() >= budget:
            return HandoverReason.BUDGET
        return None

    async def _spent_today(self) -> float:
        """US dollars since midnight (UTC); remembered for a moment by all workers, so a burst may pass the budget."""
        midnight = now().replace(hour=0, minute=0, second=0, microsecond=0)
        key = f"ai-spent:{midnight:%Y-%m-%d}"
        remembered = await self.resources.cache.get(key)
        if isinstance(remembered, (int, float)):
            return float(remembered)
        query = select(func.coalesce(func.sum(Cost.usd), 0)).where(Cost.spender == Spender.AI, Cost.at >= midnight)
        async with self.resources.sessions() as session:
            spent: Decimal | None = await session.scalar(query)
        total = float(spent or 0)
        await self.resources.cache.set(key, total, seconds=SPENT_SECONDS)
        return total

    async def _mark_read(self, message: Message) -> None:
        """Show the customer that somebody reads; of no consequence when it fails."""
        instance = self.resources.registry.instances.get(message.instance)
        if instance is None or message.wamid is None:
            return
        try:
            await self.resources.graph.mark_read(instance, message.wamid)
        except (GraphError, OSError) as error:
            log.info("mark_read_failed", error=str(error)[:200])

    async def _ask(self, question: Question) -> Answer | None:
        settings = self.resources.settings
        turns = build(settings.ai_prompt, question.history, settings.openai_max_input_tokens)
        try:
            return await self.client.answer(turns)
        except AiUnavailable as error:
            failures = await self._count_failure(question.conversation.id)
            log.warning("ai_unavailable", failures=failures, status=error.status.value, error=str(error)[:200])
            if failures < PATIENCE:
                raise Postpone(min(60.0, 2.0 * 2**failures), f"the model is away: {error.status}") from error
        except AiError as error:
            log.error("ai_failed", status=error.status.value, error=str(error)[:200])
        await self._hand_over(question, HandoverReason.AI_FAILED)
        return None

    async def _count_failure(self, conversation_id: UUID) -> int:
        statement = (
            update(Conversation)
            .where(Conversation.id == conversation_id)
            .values(ai_failures=Conversation.ai_failures + 1)
            .returning(Conversation.ai_failures)
        )
        async with self.resources.sessions() as session:
            failures = await session.scalar(statement)
            await session.commit()
        return int(failures or 0)

    async def _locked(self, session: AsyncSession, question: Question) -> Conversation:
        query = select(Conversation).where(Conversation.id == question.conversation.id).with_for_update()
        return (await session.scalars(query)).one()

    async def _hand_over(self, question: Question, reason: HandoverReason) -> None:
        effects = Effects()
        async with self.resources.sessions() as session:
            conversation = await self._locked(session, question)
            hand_over(conversation, reason, effects, self.resources.publisher)
            conversation.answered_seq = max(conversation.answered_seq, question.last.seq)
            conversation.ai_failures = 0
            await session.commit()
        await effects.run()

    async def _keep(self, question: Question, answer: Answer) -> None:
        """Queue the answer, unless a person took over or somebody answered meanwhile. Its cost counts in any case."""
        effects = Effects()
        async with self.resources.sessions() as session:
            conversation = await self._locked(session, question)
            wanted = _model_answers(conversation) and conversation.answered_seq < question.last.seq
            message_id = None
            if wanted and answer.text is not None:
                message = await queue_message(
                    session,
                    self.resources,
                    conversation,
                    effects,
                    author="ai",
                    text=answer.text[:MAX_TEXT],
                    in_reply_to=question.last.id,
                )
                message_id = message.id
            if wanted:
                conversation.answered_seq = question.last.seq
                conversation.ai_failures = 0
            if wanted and answer.hand_over is not None:
                hand_over(conversation, answer.hand_over, effects, self.resources.publisher)
            session.add(_cost(question, answer, message_id, now()))
            await session.commit()
        log.info(
            "ai_answered",
            whatsapp_instance=question.conversation.instance,
            message_id=str(message_id) if message_id else None,
            model=answer.model,
            input_tokens=answer.usage.input,
            output_tokens=answer.usage.output,
            cost_usd=None if answer.usd is None else float(answer.usd),
            handed_over=None if answer.hand_over is None else answer.hand_over.value,
        )
        await effects.run()


def _model_answers(conversation: Conversation) -> bool:
    return conversation.responder == Responder.AI and conversation.state != ConversationState.CLOSED


def _cost(question: Question, answer: Answer, message_id: UUID | None, at: datetime) -> Cost:
    usage = answer.usage
    return Cost(
        spender=Spender.AI,
        instance=question.conversation.instance,
        message_id=message_id,
        item=answer.model[:80],
        usd=answer.usd,
        tokens={
            "input": usage.input,
            "cached": usage.cached,
            "output": usage.output,
            "reasoning": usage.reasoning,
        },
        at=at,
    )
