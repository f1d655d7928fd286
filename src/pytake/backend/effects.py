"""What follows a commit: counting and telling others must not happen for a transaction that was rolled back."""

from collections.abc import Callable, Coroutine
from typing import Any

Tell = Callable[[], Coroutine[Any, Any, None]]


class Effects:
    """Collected while a transaction is open, run once it is committed."""

    def __init__(self) -> None:
        self._counts: list[Callable[[], None]] = []
        self._tells: list[Tell] = []

    def count(self, metric: Callable[[], None]) -> None:
        """Record a metric after the commit."""
        self._counts.append(metric)

    def tell(self, send: Tell) -> None:
        """Send something (inbox event, job) after the commit."""
        self._tells.append(send)

    async def run(self) -> None:
        """The transaction is committed."""
        counts, tells = self._counts, self._tells
        self._counts, self._tells = [], []
        for metric in counts:
            metric()
        for send in tells:
            await send()
