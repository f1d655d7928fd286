"""Limits of both APIs: Meta's send limits a number and a pair, OpenAI's requests and tokens a minute."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pytake.sandbox.meta_errors import GraphError

NUMBER_PER_SECOND = 80.0
PAIR_INTERVAL = 6.0
PAIR_BURST = 45.0
KEEP = 20_000
LIMIT_REQUESTS = 10_000
LIMIT_TOKENS = 2_000_000


@dataclass
class Bucket:
    """A token bucket; ``rate`` tokens a second up to ``size``."""

    rate: float
    size: float
    tokens: float
    at: float

    def take(self, now: float) -> bool:
        """Take one token if there is one."""
        self.tokens = min(self.size, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


class Limits:
    """Buckets of all numbers and pairs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._numbers: dict[str, Bucket] = {}
        self._pairs: dict[tuple[str, str], Bucket] = {}

    def check(self, instance: str, recipient: str) -> None:
        """Count one send.

        Raises:
            GraphError: 130429 or 131056 when a limit is hit.
        """
        now = self._clock()
        number = self._numbers.get(instance)
        if number is None:
            number = self._numbers[instance] = Bucket(NUMBER_PER_SECOND, NUMBER_PER_SECOND, NUMBER_PER_SECOND, now)
        if not number.take(now):
            raise GraphError(130429)
        if len(self._pairs) > KEEP:
            self._forget(now)
        pair = self._pairs.get((instance, recipient))
        if pair is None:
            pair = self._pairs[instance, recipient] = Bucket(1 / PAIR_INTERVAL, PAIR_BURST, PAIR_BURST, now)
        if not pair.take(now):
            raise GraphError(131056)

    def _forget(self, now: float) -> None:
        """Drop pairs that are full again."""
        full = [key for key, item in self._pairs.items() if (now - item.at) * item.rate + item.tokens >= item.size]
        for key in full:
            del self._pairs[key]


class OpenAIBudget:
    """Requests and tokens of the running minute, for the ``x-ratelimit-*`` headers."""

    def __init__(self) -> None:
        self._minute = 0
        self._requests = 0
        self._tokens = 0

    def take(self, tokens: int) -> dict[str, str]:
        """Count one call and give the headers that tell what is left."""
        now = time.time()
        minute = int(now // 60)
        if minute != self._minute:
            self._minute, self._requests, self._tokens = minute, 0, 0
        self._requests += 1
        self._tokens += tokens
        reset = f"{60 - now % 60:.3f}s"
        return {
            "x-ratelimit-limit-requests": str(LIMIT_REQUESTS),
            "x-ratelimit-limit-tokens": str(LIMIT_TOKENS),
            "x-ratelimit-remaining-requests": str(max(0, LIMIT_REQUESTS - self._requests)),
            "x-ratelimit-remaining-tokens": str(max(0, LIMIT_TOKENS - self._tokens)),
            "x-ratelimit-reset-requests": reset,
            "x-ratelimit-reset-tokens": reset,
        }
