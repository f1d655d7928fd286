"""What every source offers to the agent and to ``/targets``."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class TargetView:
    """One row of ``/targets``."""

    kind: str
    job: str
    ready: bool
    labels: dict[str, str]
    discovered: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)


class Source(ABC):
    """A running source. :meth:`start` and :meth:`stop` are called from the event loop."""

    @abstractmethod
    async def start(self) -> None:
        """Begin; raises :class:`OSError` where a listener cannot be opened."""

    @abstractmethod
    async def stop(self) -> None:
        """End; what was read is handed over."""

    @abstractmethod
    def views(self) -> list[TargetView]:
        """Targets as ``/targets`` shows them."""

    def dropped(self) -> list[TargetView]:
        """Targets that relabelling or exclusion dropped."""
        return []


async def wait_while(busy: Callable[[], bool]) -> None:
    """Back-pressure: wait until the clients have room."""
    while busy():  # noqa: ASYNC110 (room comes from several clients; a look every 50 ms costs nothing)
        await asyncio.sleep(0.05)
