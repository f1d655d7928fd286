"""The streams of all tenants: labels to a small number and back, and which streams a selector names."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field

import re2

from pytake.embedded.loki.errors import PushError, Reason
from pytake.embedded.loki.labels import check_labels, complete, format_labels
from pytake.embedded.loki.rowsource import Labels, StreamMatcher
from pytake.embedded.loki.settings import Limits

ACTIVE_SECONDS = 1800.0
"""A stream is active this long after its last line (Loki's chunk_idle_period)."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream; ``sid`` is unique over all tenants and never used again."""

    sid: int
    tenant: str
    labels: Labels
    text: str


@dataclass(slots=True)
class _Tenant:
    by_text: dict[str, Stream] = field(default_factory=dict)
    by_request: dict[tuple[tuple[str, str], ...], Stream] = field(default_factory=dict)
    by_pair: dict[tuple[str, str], set[int]] = field(default_factory=dict)


class Streams:
    """Registry of streams; safe to read from query threads while pushes add to it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._tenants: dict[str, _Tenant] = {}
        self._by_sid: dict[int, Stream] = {}
        self._next = 1
        self._unsaved: list[Stream] = []
        self._used: dict[int, float] = {}
        self._clock = clock

    def __len__(self) -> int:
        return len(self._by_sid)

    def resolve(self, tenant: str, labels: dict[str, str], limits: Limits) -> Stream:
        """The stream of a push's labels, made when it is new. Raises :class:`PushError` when they break a limit."""
        home = self._tenants.get(tenant)
        key = tuple(labels.items())
        if home is not None and (known := home.by_request.get(key)) is not None:
            self._used[known.sid] = self._clock()
            return known
        full = complete(labels, limits)
        check_labels(full, limits)
        text = format_labels(full)
        with self._lock:
            home = self._tenants.setdefault(tenant, _Tenant())
            stream = home.by_text.get(text)
            if stream is None:
                if 0 < limits.max_global_streams_per_user <= self._active(home, limits.max_global_streams_per_user):
                    raise PushError(
                        Reason.STREAM_LIMIT,
                        f"maximum active stream limit exceeded when trying to create stream {text}, reduce the number "
                        "of active streams (reduce labels or reduce label values), or contact your Loki administrator "
                        f"to see if the limit can be increased, user: {tenant}",
                    )
                stream = self._add(Stream(self._next, tenant, full, text))
                self._unsaved.append(stream)
            self._used[stream.sid] = self._clock()
            if len(home.by_request) < 100_000:
                home.by_request[key] = stream
        return stream

    def _active(self, home: _Tenant, limit: int) -> int:
        """Streams that were written to lately, which is what the limit counts."""
        if len(home.by_text) < limit:
            return len(home.by_text)
        oldest = self._clock() - ACTIVE_SECONDS
        return sum(1 for stream in home.by_text.values() if self._used.get(stream.sid, -1e18) >= oldest)

    def idle(self, live: Set[int]) -> list[int]:
        """Streams that nothing in ``live`` holds and nobody wrote to lately: they may be forgotten."""
        oldest = self._clock() - ACTIVE_SECONDS
        with self._lock:
            unsaved = {stream.sid for stream in self._unsaved}
            return [
                sid
                for sid in self._by_sid
                if sid not in live and sid not in unsaved and self._used.get(sid, -1e18) < oldest
            ]

    def _add(self, stream: Stream) -> Stream:
        home = self._tenants.setdefault(stream.tenant, _Tenant())
        home.by_text[stream.text] = stream
        self._by_sid[stream.sid] = stream
        for pair in stream.labels.items():
            home.by_pair.setdefault(pair, set()).add(stream.sid)
        self._next = max(self._next, stream.sid + 1)
        return stream

    def restore(self, sid: int, tenant: str, labels: dict[str, str]) -> None:
        """Put back a stream that the manifest knows."""
        with self._lock:
            self._add(Stream(sid, tenant, labels, format_labels(labels)))

    def take_unsaved(self) -> list[Stream]:
        """Streams made since the last call; the manifest saves them with the segments that use them."""
        with self._lock:
            unsaved, self._unsaved = self._unsaved, []
            return unsaved

    def put_back_unsaved(self, streams: Iterable[Stream]) -> None:
        """Undo :meth:`take_unsaved` when saving failed."""
        with self._lock:
            self._unsaved[:0] = streams

    def forget(self, sids: Iterable[int]) -> None:
        """Drop streams that no segment and no row in memory uses any more."""
        with self._lock:
            for sid in sids:
                stream = self._by_sid.pop(sid, None)
                if stream is None:
                    continue
                self._used.pop(sid, None)
                home = self._tenants[stream.tenant]
                home.by_text.pop(stream.text, None)
                home.by_request = {key: value for key, value in home.by_request.items() if value.sid != sid}
                for pair in stream.labels.items():
                    home.by_pair[pair].discard(sid)
                    if not home.by_pair[pair]:
                        del home.by_pair[pair]

    def get(self, sid: int) -> Stream:
        """The stream with this id."""
        return self._by_sid[sid]

    def all_sids(self) -> list[int]:
        """Ids of all streams."""
        return list(self._by_sid)

    def count(self, tenant: str) -> int:
        """How many streams a tenant has."""
        home = self._tenants.get(tenant)
        return 0 if home is None else len(home.by_text)

    def tenants(self) -> list[str]:
        """Tenants that have ever pushed."""
        return list(self._tenants)

    def select(self, tenant: str, matchers: Sequence[StreamMatcher]) -> list[Stream]:
        """Streams of a tenant that satisfy all matchers; raises ``re2.error`` on a bad regular expression."""
        with self._lock:
            home = self._tenants.get(tenant)
            if home is None:
                return []
            exact = [home.by_pair.get((m.name, m.value), set()) for m in matchers if m.op == "=" and m.value]
            sids = set.intersection(*exact) if exact else (stream.sid for stream in home.by_text.values())
            found = [self._by_sid[sid] for sid in sids]
        rest = [m for m in matchers if not (m.op == "=" and m.value)]
        for matcher in rest:
            test = predicate(matcher)
            found = [stream for stream in found if test(stream.labels.get(matcher.name, ""))]
        return found


def predicate(matcher: StreamMatcher) -> Callable[[str], bool]:
    """A test of a label's value (empty where the label is absent)."""
    if matcher.op in ("=", "!="):
        return lambda value: (value == matcher.value) is (matcher.op == "=")
    pattern = re2.compile(f"^(?s:{matcher.value})$")
    return lambda value: (pattern.search(value) is not None) is (matcher.op == "=~")
