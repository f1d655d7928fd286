"""The circuit breaker in front of the model: after failures in a row, calls are refused for a while at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.messages import Event
from purgatory.domain.messages.events import ContextChanged
from purgatory.domain.model import OpenedState

from pytake.backend.ai.errors import AiError, AiUnavailable
from pytake.telemetry.catalog import CIRCUIT_OPEN
from pytake.telemetry.labels import ApiStatus, Dependency
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
NAME = "openai"


class Breaker:
    """Counts outages and time-outs; a rate limit or a rejected request does not open it."""

    def __init__(self, threshold: int, seconds: float) -> None:
        self.seconds = seconds
        self._factory = AsyncCircuitBreakerFactory(
            default_threshold=threshold, default_ttl=seconds, exclude=[(AiError, _is_no_outage)]
        )
        self._factory.add_listener(_note)
        CIRCUIT_OPEN.set(0, dependency=Dependency.OPENAI_API)

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Run one call; raises :class:`AiUnavailable` without calling while the circuit is open."""
        breaker = await self._factory.get_breaker(NAME)
        try:
            async with breaker:
                yield
        except OpenedState as error:
            raise AiUnavailable(ApiStatus.CIRCUIT_OPEN, str(error), retry_after=self.seconds) from error


def _is_no_outage(error: BaseException) -> bool:
    outages = (ApiStatus.SERVER_ERROR, ApiStatus.TIMEOUT, ApiStatus.CONNECTION_ERROR, ApiStatus.INVALID_RESPONSE)
    return isinstance(error, AiError) and error.status not in outages


def _note(name: str, kind: str, event: Event) -> None:
    if isinstance(event, ContextChanged):
        CIRCUIT_OPEN.set(1.0 if event.state == "opened" else 0.0, dependency=Dependency.OPENAI_API)
        log.warning("circuit_breaker", dependency=name, state=event.state)
