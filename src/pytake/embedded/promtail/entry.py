"""One log entry on its way through Promtail, and the ticket by which its source learns that it has arrived."""

from collections.abc import Callable, Iterable
from typing import Any


class Ticket:
    """A receipt for a piece of a source: ``done`` is called once when everything in it was delivered or dropped.

    A source makes one with a count of one, adds its entries, hands them over and settles the one: nothing is done
    before all is handed over.
    """

    __slots__ = ("_done", "remaining")

    def __init__(self, done: Callable[[], None]) -> None:
        self.remaining = 1
        self._done = done

    def settle(self, count: int = 1) -> None:
        """``count`` entries of the piece need no further care."""
        self.remaining -= count
        if self.remaining == 0:
            self._done()


class Entry:
    """A line with its labels, time (Unix nanoseconds), extracted values and structured metadata.

    ``labels`` is shared between entries until :meth:`own_labels` makes a copy.
    """

    __slots__ = ("_extracted", "_owned", "labels", "line", "metadata", "tenant", "tickets", "ts")

    def __init__(self, labels: dict[str, str], ts: int, line: str, ticket: Ticket | None = None) -> None:
        self.labels = labels
        self.ts = ts
        self.line = line
        self.metadata: list[tuple[str, str]] | None = None
        self.tenant: str | None = None
        self.tickets: tuple[Ticket, ...] = () if ticket is None else (ticket,)
        self._extracted: dict[str, Any] | None = None
        self._owned = False

    @property
    def extracted(self) -> dict[str, Any]:
        """Values that stages found; starts as a copy of the labels, as in Promtail."""
        if self._extracted is None:
            self._extracted = dict(self.labels)
        return self._extracted

    def own_labels(self) -> dict[str, str]:
        """The labels as a dictionary that may be changed."""
        if not self._owned:
            self.labels = dict(self.labels)
            self._owned = True
        return self.labels

    def absorb(self, other: "Entry") -> None:
        """``other`` became part of this entry: its tickets are settled with this one's."""
        self.tickets += other.tickets

    def settle(self) -> None:
        """The entry was delivered or dropped."""
        for ticket in self.tickets:
            ticket.settle()


def settle_all(entries: Iterable[Entry]) -> None:
    """Settle every entry."""
    for entry in entries:
        entry.settle()


def text(value: Any) -> str | None:
    """An extracted value as a label shows it; ``None`` for what has no text form (missing, null, lists, objects)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    return str(value) if isinstance(value, int) else None
