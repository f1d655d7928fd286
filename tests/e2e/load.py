"""Customers who each write one message, delivered as Meta does it: again and again until the backend says 200."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType

import httpx

from tests.e2e import meta
from tests.e2e.actions import new_customer
from tests.e2e.stack import NUMBERS, Stack


@dataclass
class Load:
    """Writes ``rate`` messages a second within the block, then waits until all are acknowledged.

    ``quota`` bounds how many in all; :meth:`allow` raises it, so that a slow machine does not pile up a backlog.
    """

    stack: Stack
    rate: float
    quota: int = 1_000_000
    sent: dict[str, str] = field(default_factory=dict)
    """Customer -> wamid of the one message."""
    acknowledged: set[str] = field(default_factory=set)
    refusals: int = 0

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(16)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        self._pool.shutdown(cancel_futures=kind is not None)

    def write(self) -> str:
        """One more customer writes."""
        customer = new_customer()
        self.sent[customer] = meta.wamid()
        self._pool.submit(self._deliver, customer)
        return customer

    def allow(self, more: int) -> None:
        """Let so many more customers write."""
        self.quota = len(self.sent) + more

    def _run(self) -> None:
        while not self._stop.wait(1 / self.rate):
            if len(self.sent) < self.quota:
                self.write()

    def _deliver(self, customer: str) -> None:
        number = NUMBERS[len(self.sent) % len(NUMBERS)]
        payload = meta.text(number, customer, "Hello, where is my order?", message_id=self.sent[customer])
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if self.stack.meta.post(payload).status_code == 200:
                    self.acknowledged.add(customer)
                    return
            except httpx.HTTPError:
                pass
            self.refusals += 1
            time.sleep(0.2)
