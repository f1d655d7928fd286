"""The conversation as the model sees it, within its token limit."""

from collections.abc import Sequence
from typing import Any

from pytake.backend.database.models import Message
from pytake.telemetry.labels import Direction, MessageStatus

Turn = dict[str, Any]


def estimate_tokens(text: str) -> int:
    """A careful estimate: three bytes a token, which no language in use exceeds by much, and the turn's frame."""
    return len(text.encode()) // 3 + 5


def words_of(message: Message) -> str:
    """The text of a message, or a note of what it was."""
    return message.text or f"[{message.type}]"


def build(prompt: str, messages: Sequence[Message], limit: int) -> list[Turn]:
    """System prompt and the newest messages that fit into ``limit`` tokens, oldest first; the last one always fits."""
    room = limit - estimate_tokens(prompt)
    turns: list[Turn] = []
    for message in reversed(messages):
        if message.direction == Direction.OUTBOUND and message.status == MessageStatus.FAILED:
            continue  # the customer has never seen it
        text = words_of(message)
        room -= estimate_tokens(text)
        if room < 0 and turns:
            break
        role = "user" if message.direction == Direction.INBOUND else "assistant"
        turns.append({"role": role, "content": text if room >= 0 else text[: max(200, limit * 2)]})
    return [{"role": "system", "content": prompt}, *reversed(turns)]


def asks_for_human(text: str, words: frozenset[str]) -> bool:
    """Whether the customer asks for a person in so many words: a short message that holds one of ``words``."""
    found = {word.strip(".,!?¡¿\"'()").lower() for word in text.split()}
    return len(found) <= 12 and bool(found & words)
